"""What can go wrong, named; every edge maps these to its own status in one place.

`wire_text` is the text that Consul's clients match on. `http_status` is the status of the HTTP edge.
"""


class MusterError(Exception):
    """Base of all errors that a caller can be told about."""

    http_status = 500

    @property
    def wire_text(self) -> str:
        """The text as it travels to clients."""
        return str(self)


class NoLeader(MusterError):
    """The datacenter has no leader now; nothing was written. Retry later."""

    def __init__(self) -> None:
        super().__init__("No cluster leader")


class NoPathToDatacenter(MusterError):
    """No server of the named datacenter is known."""

    def __init__(self) -> None:
        super().__init__("No path to datacenter")


class DatacenterUnreachable(MusterError):
    """The servers of the named datacenter are known, and none of them has answered for a while."""

    def __init__(self) -> None:
        super().__init__("Remote DC has no server currently reachable")


class PermissionDenied(MusterError):
    """The token may not do this."""

    http_status = 403

    def __init__(self, text: str = "Permission denied") -> None:
        super().__init__(text)


class AclDisabled(MusterError):
    """The request needs access control, which is off."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__("ACL support disabled")


class BadRequest(MusterError):
    """The caller's input is wrong; the text says what and what would be right."""

    http_status = 400


class NotFound(MusterError):
    """What the request names does not exist."""

    http_status = 404


class TooLarge(MusterError):
    """The request is bigger than a limit of this agent."""

    http_status = 413


class Rejected(MusterError):
    """The servers refuse the request as it stands (an invalid field, an unmet condition): Consul's plain 500."""


class CommandFailed(MusterError):
    """A committed command could not be applied; its index is used up and nothing changed."""


class DecodeError(MusterError):
    """Bytes that are not what their format says. The only exception that a decoder raises on any input."""

    http_status = 400


class StorageFailed(MusterError):
    """The disk refused a write or a sync: nothing more is acknowledged until the operator has mended it."""


class CorruptFile(MusterError):
    """A file of the data directory is damaged. The text names file, offset and remedy."""


class ConfigurationError(MusterError):
    """A setting is wrong: names the source, the key, the value and what would be right."""
