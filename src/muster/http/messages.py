"""A request as handlers see it, and what they answer.

Texts are decoded with `surrogateescape`, so that a key of any bytes survives the way in and out.
"""

from asyncio import Future
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from muster.http.querystring import EMPTY_QUERY, Query, parse_query

if TYPE_CHECKING:
    from muster.http.routing import Endpoint

JSON = b"Content-Type: application/json\r\n"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"


class Request:
    """One request. `path` is unescaped; `rest` is what follows the prefix of the route, empty for a route without one.

    `headers` maps lower-case names to the first value. `body` is empty until the whole request has arrived.
    """

    __slots__ = ("_query", "body", "endpoint", "headers", "keep_alive", "method", "oversize", "path", "raw_query", "remote", "rest", "version_10")

    def __init__(
        self, method: str, path: str, raw_query: bytes, headers: dict[bytes, bytes], remote: str, rest: str = "", body: bytes = b""
    ) -> None:
        self.method = method
        self.path = path
        self.rest = rest
        self.raw_query = raw_query
        self.headers = headers
        self.remote = remote
        self.body = body
        self.endpoint: Endpoint | None = None
        self.keep_alive = True
        self.version_10 = False
        self.oversize = 0
        self._query: Query | None = None

    @property
    def query(self) -> Query:
        """The parameters; `querystring.BadEscape` if they do not parse."""
        if self._query is None:
            self._query = parse_query(self.raw_query) if self.raw_query else EMPTY_QUERY
        return self._query

    def header(self, name: bytes) -> str:
        """The first value of a header by its lower-case name, or an empty text."""
        value = self.headers.get(name)
        return value.decode("utf-8", "surrogateescape") if value else ""

    @property
    def accepts_gzip(self) -> bool:
        value = self.headers.get(b"accept-encoding")
        return value is not None and b"gzip" in value and b"gzip;q=0" not in value.replace(b" ", b"")


class Response:
    """An answer: `headers` are whole lines, each with its end of line; `body` is bytes, parts, or a stream made as it is sent.

    A synchronous iterator must do at most a few milliseconds of work per item. `encoded` says that the body's encoding
    (gzip) was already settled.
    """

    __slots__ = ("body", "encoded", "headers", "status")

    def __init__(
        self, status: int, headers: bytes = b"", body: bytes | Iterator[bytes] | AsyncIterator[bytes] = b"", encoded: bool = False
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.encoded = encoded


class Pending:
    """An answer that comes later: `answer(result, *arguments)` makes it, or `refuse(error)` where something went wrong.

    If the client goes away first, `future` is cancelled; whoever made it then forgets the question.
    """

    __slots__ = ("answer", "arguments", "future", "refuse")

    def __init__(
        self,
        future: "Future[Any]",
        answer: Callable[..., "Response | Pending"],
        arguments: tuple[Any, ...],
        refuse: Callable[[Exception], Response] | None = None,
    ) -> None:
        self.future = future
        self.answer = answer
        self.arguments = arguments
        self.refuse = refuse


Outcome = Response | Pending | Future[Response]
