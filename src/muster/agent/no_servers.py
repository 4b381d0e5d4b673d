"""What stands in for the way to the servers on an agent that knows none."""

from typing import Any, NoReturn

from muster.model.errors import MusterError


class NoKnownServers(MusterError):
    """No server of the datacenter is known to this agent; nothing was asked. Joining a pool with servers mends it."""

    def __init__(self) -> None:
        super().__init__("No known Consul servers")


class NoServers:
    """Every call is refused: a client agent cannot ask servers of the pool yet."""

    def call(self, method: str, request: Any) -> NoReturn:
        """Raises NoKnownServers."""
        raise NoKnownServers

    def statistics(self) -> dict[str, dict[str, str]]:
        """Its part of `/v1/agent/self`."""
        return {"consul": {"acl": "disabled", "known_servers": "0", "server": "false"}}
