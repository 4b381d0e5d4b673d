"""What can go wrong between a client and its agent. The texts are those that Consul's own client gives."""

from muster.model.errors import MusterError


class ClientError(MusterError):
    """Base of everything that this package raises."""


class InvalidSetting(ClientError):
    """The client cannot be made from its settings: an unknown scheme, an unreadable file."""


class AgentUnreachable(ClientError):
    """No answer came: nobody listens, the connection broke, or the agent does not speak the scheme.

    Whether a write was done is unknown if the connection broke after it was sent.
    """

    def __init__(self, method: str, url: str, cause: str) -> None:
        super().__init__(f'{method.capitalize()} "{url}": {cause}')
        self.cause = cause


class RequestFailed(ClientError):
    """The agent answered with a status that the call does not expect."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        super().__init__(f"Unexpected response code: {status} ({self.text})")

    @property
    def text(self) -> str:
        """The body of the answer as text: why the agent refused."""
        return self.body.decode("utf-8", "surrogateescape")

    @property
    def short(self) -> str:
        """Only the status, as Consul's client reports failed reads of keys."""
        return f"Unexpected response code: {self.status}"


class UnexpectedAnswer(ClientError):
    """The body of a good answer is not what the API promises."""


class InvalidKey(ClientError):
    """A key that cannot be written; refused before it is sent."""


class LockConflict(ClientError):
    """The key is used for something else than this kind of lock, or with another limit."""


class LockTimeout(ClientError):
    """The lock was not acquired within the time that the caller gave, or before it told to stop."""


class LockInUse(ClientError):
    """The lock cannot be cleaned up, because somebody holds or wants it."""


class LockNotHeld(ClientError):
    """The lock is not held (any more) by this client."""


class LockAlreadyHeld(ClientError):
    """This object holds the lock already."""
