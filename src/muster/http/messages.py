"""A request as handlers see it, and what they answer.

Texts are decoded with `surrogateescape`, so that a key of any bytes survives the way in and out. These are records of msgspec because it
makes them in half the time of a class with slots, and every request makes two.
"""

from asyncio import Future
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from msgspec import Struct

from muster.http.querystring import EMPTY_QUERY, Query, parse_query

JSON = b"Content-Type: application/json\r\n"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"

Headers = dict[bytes, bytes]


class Request(Struct, gc=False):
    """One request. `path` is unescaped; `rest` is what follows the prefix of the route, empty for a route without one.

    `headers` maps lower-case names to the first value. `body` is empty until the whole request has arrived. `oversize` is the size in
    bytes of a body that is over the limit of its route, and that was thrown away.
    """

    method: str
    path: str
    raw_query: bytes
    headers: Headers
    remote: str = ""
    rest: str = ""
    endpoint: Any = None
    body: bytes = b""
    usual: bool = False
    """HTTP/1.1, the connection stays, no encoding asked for: takes the short way out."""
    early: "Response | None" = None
    """The answer that is already known from the path."""
    keep_alive: bool = True
    version_10: bool = False
    oversize: int = 0
    parsed: Query | None = None
    question: Any = None
    """What the handler made of line and headers alone, for when the same come again: these and the settings decide it, nothing else."""

    @property
    def query(self) -> Query:
        """The parameters; `querystring.BadEscape` if they do not parse."""
        if self.parsed is None:
            self.parsed = parse_query(self.raw_query) if self.raw_query else EMPTY_QUERY
        return self.parsed

    def header(self, name: bytes) -> str:
        """The first value of a header by its lower-case name, or an empty text."""
        value = self.headers.get(name)
        return value.decode("utf-8", "surrogateescape") if value else ""

    @property
    def accepts_gzip(self) -> bool:
        value = self.headers.get(b"accept-encoding")
        return value is not None and b"gzip" in value and b"gzip;q=0" not in value.replace(b" ", b"")


class Sink(Protocol):
    """The connection, as what pushes into it sees it."""

    @property
    def is_full(self) -> bool:
        """The client does not read as fast as it is sent to: `Pushed.writable` tells when it has."""

    def push(self, part: bytes) -> None:
        """Sends a part of the body."""

    def abort(self) -> None:
        """Breaks off."""


class Pushed(Protocol):
    """A body that never ends of itself and is sent as things happen."""

    def begin(self, sink: Sink) -> None:
        """The head is sent."""

    def writable(self) -> None:
        """The client has read."""

    def close(self) -> None:
        """The client is gone, or the agent goes down."""


class Response(Struct, gc=False):
    """An answer: `headers` are whole lines, each with its end of line; `body` is bytes, a stream made as it is sent, or one that is pushed.

    A synchronous stream must do at most a few milliseconds of work per item. `encoded` says that the body's encoding (gzip) was already
    settled. A response may be sent many times if its body is bytes; `sent` then holds its head, and a short body, as long as the date of
    the head is `sent_at`.
    """

    status: int
    headers: bytes = b""
    body: bytes | Iterator[bytes] | AsyncIterator[bytes] | Pushed = b""
    encoded: bool = False
    sent: bytes = b""
    sent_at: bytes = b""


class Pending(Struct, gc=False):
    """An answer that comes later: `answer(result, *arguments)` makes it, or `refuse(error)` where something went wrong.

    If the client goes away first, `future` is cancelled; whoever made it then forgets the question.
    """

    future: "Future[Any]"
    answer: Callable[..., "Outcome"]
    arguments: tuple[Any, ...] = ()
    refuse: Callable[[Exception], Response] | None = None


Outcome = Response | Pending | Future[Response]
