"""What a client agent says that knows no server."""

from muster.model.errors import MusterError


class NoKnownServers(MusterError):
    """No server of the datacenter is known to this agent; nothing was asked. Joining a pool with servers mends it."""

    def __init__(self) -> None:
        super().__init__("No known Consul servers")
