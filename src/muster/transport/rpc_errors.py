"""What can go wrong between this agent and a server that it calls, in the words of the peers."""

from muster.model.errors import MusterError

MAKING_CALL = "rpc error making call: "
"""Stands before what a server said, once for each hop that the call took."""
GETTING_CLIENT = "rpc error getting client: failed to get conn: "


class RpcError(MusterError):
    """A call that was forwarded to a server failed."""


class RemoteError(RpcError):
    """The server that was asked refused the call; `text` is what it said."""

    def __init__(self, text: str, prefix: str = MAKING_CALL) -> None:
        """`prefix`: what this hop adds; snapshots travel without."""
        super().__init__(prefix + text)
        self.text = text
        self.http_status = _status(text)


def _status(text: str) -> int:
    """What the HTTP edge answers with: of an error from afar there is only the text."""
    return next((status for part, status in _STATUSES if part in text), RpcError.http_status)


_STATUSES = (("Permission denied", 403), ("ACL not found", 403), ("RPC rate limit exceeded", 429))
"""The texts that the peers look for in what another server said."""


class CannotConnect(RpcError):
    """There is no connection to the server and none can be made: the call was not sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(GETTING_CLIENT + reason)


class ConnectionLost(RpcError):
    """The connection ended before the answer came: a write may or may not have been done."""

    def __init__(self, method: str, reason: str = "EOF") -> None:
        super().__init__(MAKING_CALL + reason)
        self.method = method
