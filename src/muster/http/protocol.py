"""One HTTP connection: the half that reads. The other is `answering`.

Requests are handled one after another in their order, as by the peers, so a pipelined read sees the write before it. While one
waits, reading goes on, because only reading shows that the client has gone.
"""

from typing import TYPE_CHECKING

import httptools

from muster.http import dispatch
from muster.http.answering import Answering
from muster.http.known_heads import END
from muster.http.limits import DISCARDED_BODY, HEAD_LIMIT
from muster.http.messages import Headers, Request

if TYPE_CHECKING:
    from muster.http.listener import Listener

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_METHODS = {name.encode(): name for name in ("GET", "PUT", "DELETE", "POST", "HEAD", "OPTIONS")}
_BODY = frozenset((b"content-length", b"transfer-encoding"))


def fatal(status: bytes, reason: bytes = b"") -> bytes:
    """The last answer of a connection whose input cannot be followed further."""
    return b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%b" % (status, reason or status)


BAD_REQUEST = fatal(b"400 Bad Request")
NO_HOST = fatal(b"400 Bad Request: missing required Host header")
BAD_VERSION = fatal(b"400 Bad Request: unsupported protocol version")
HEAD_TOO_LARGE = fatal(b"431 Request Header Fields Too Large")
BAD_CODING = fatal(b"501 Not Implemented", b"Unsupported transfer encoding")
EXPECTATION_FAILED = b"HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(Answering):
    """Parses requests. Every `on_` method is called by the parser while `_parse` feeds it.

    A request whose head is known goes past the parser, which then stays where it is: between two requests.
    """

    __slots__ = (
        "_between",
        "_body",
        "_body_limit",
        "_body_size",
        "_head_size",
        "_headers",
        "_held",
        "_input",
        "_last",
        "_parser",
        "_partial",
        "_received",
        "_request",
        "_url",
    )

    def __init__(self, listener: "Listener", remote: str) -> None:
        super().__init__(listener, remote)
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = {}
        self._between = True  # the parser has seen whole requests only, and another may follow
        self._held = b""  # a known head whose body is still to come
        self._input = b""  # as far as the request under way is the first in it: an input that begins with a request
        self._last = False  # the client said that no request follows
        self._partial = False  # the newest input does not end with a request
        self._received = 0  # bytes of the newest input
        self._head_size = 0  # bytes of earlier inputs that hold the head under way
        self._request: Request | None = None  # its head has arrived, its body has not
        self._body: list[bytes] = []
        self._body_size = 0
        self._body_limit = 0

    def data_received(self, data: bytes) -> None:
        if self._failed:
            return
        if self._between:
            if self._held:
                data, self._held = self._held + data, b""
            end = data.find(END) + 4
            known = self._listener.heads.find(data[:end])
            if known is not None:
                if len(data) == end + known.body_size:
                    self._take(known.request_with(data[end:], self.remote))
                    return
                if len(data) == end:
                    self._hold(data)
                    return
        self._parse(data)
        if self._output:
            self._flush()

    def _take(self, request: Request) -> None:
        """A whole request that needed no parser."""
        if self._listener.expected:
            self._listener.arrived(self)
        if self._current is None and not self._write_paused and not self._queue:
            self._serve(request)
        else:
            self._accept(request)
        if self._output:
            self._flush()

    def _hold(self, head: bytes) -> None:
        """A known head that came alone: what follows decides how it goes on."""
        self._held = head
        self._listener.expect(self, self._listener.settings.body_time, renew=True)

    def _parse(self, data: bytes) -> None:
        if self._between:
            self._input = data
        self._partial = True
        self._received = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parser, self._between = httptools.HttpRequestParser(self), True
            self._flush()
            rest = data[upgrade.args[0] :]
            if rest:
                self.data_received(rest)
            return
        except httptools.HttpParserInvalidURLError as error:
            if self._between and self._partial and (escaped := _with_escaped_url(data)) is not None:
                self._parser = httptools.HttpRequestParser(self)
                self._partial, self._url = False, b""
                self._parse(escaped)
                return
            self._not_understood(error)
        except httptools.HttpParserError as error:
            self._not_understood(error)
        is_partial = bool(self._partial or self._url)
        self._between = not is_partial and not self._last
        if is_partial:
            self._await_rest()

    def _await_rest(self) -> None:
        """A request has begun and is not complete: it must go on in time, and its head must stay small."""
        if self._failed:
            return
        listener = self._listener
        if self._request is not None:
            if self._body_size:
                self._input = b""
            listener.expect(self, listener.settings.body_time, renew=True)
            return
        self._input = b""
        self._head_size += self._received
        if self._head_size > HEAD_LIMIT:
            self._fail(HEAD_TOO_LARGE)
        else:
            listener.expect(self, listener.settings.head_time, renew=False)

    # what the parser tells

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        url, headers = self._url, self._headers
        self._url, self._headers = b"", {}
        received, self._head_size = self._head_size + self._received, 0
        if self._failed:
            return
        target = self._listener.router.resolve(url)
        parser = self._parser
        name = parser.get_method()
        method = _METHODS.get(name) or name.decode("ascii")
        request = Request(method, target.path, target.raw_query, headers, self.remote, target.rest, target.endpoint)
        if not parser.should_keep_alive() or b"connection" in headers:
            refusal = self._examine(request)
            if refusal:
                self._fail(refusal)
                return
        plain = request.keep_alive and not request.version_10 and not request.accepts_gzip
        request.usual = plain and target.endpoint is not None and method in target.endpoint.labels
        if target.is_odd or target.error:
            if target.error:
                self._fail(BAD_REQUEST)
                return
            request.usual = False
            request.early = dispatch.odd_path(request, self._listener.context)
        if b"host" not in headers and not request.version_10:
            self._fail(NO_HOST)
        elif received > HEAD_LIMIT and _head_size(url, headers) > HEAD_LIMIT:
            self._fail(HEAD_TOO_LARGE)
        else:
            self._request = request
            if not _BODY.isdisjoint(headers):
                self._expect_body(request, headers)

    def _examine(self, request: Request) -> bytes:
        """Notes what is unusual about the connection; the last answer if it cannot go on."""
        request.keep_alive = self._parser.should_keep_alive()
        self._last = not request.keep_alive
        version = self._parser.get_http_version()
        request.version_10 = version == "1.0"
        if version in ("1.1", "1.0"):
            return b""
        return BAD_REQUEST if version == "0.9" else BAD_VERSION

    def on_body(self, data: bytes) -> None:
        if self._failed:
            return
        self._body_size += len(data)
        if self._body_size <= self._body_limit:
            self._body.append(data)
        elif self._body_size > self._body_limit + DISCARDED_BODY and self._request is not None:
            request, self._request = self._request, None
            self._refuse_size(request, self._body_size)

    def on_message_complete(self) -> None:
        self._partial = False
        request = self._request
        if request is None or self._failed:
            return
        self._request = None
        if self._listener.expected:
            self._listener.arrived(self)
        if self._input:
            self._learn(request)
        if self._body_size:
            if self._body_size > self._body_limit:
                request.oversize = self._body_size
            else:
                request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body, self._body_size = [], 0
        if self._current is None and not self._write_paused and not self._queue:
            self._serve(request)
        else:
            self._accept(request)

    def _learn(self, request: Request) -> None:
        """Remembers the head, if the input held it alone or with nothing but its body."""
        data, self._input = self._input, b""
        end = data.find(END) + 4
        if len(data) in (end, end + self._body_size) and self._body_size <= self._body_limit:
            self._listener.heads.learn(data[:end], request, self._body_size)

    # bodies

    def _expect_body(self, request: Request, headers: Headers) -> None:
        endpoint = request.endpoint
        limit = endpoint.limits.get(request.method) if endpoint is not None else None
        self._body_limit = limit.size(self._listener.settings) if limit is not None else 0
        if request.method == "HEAD" and headers.get(b"content-length") != b"0":
            self._fail(BAD_REQUEST)
            return
        expectation = headers.get(b"expect")
        if expectation is None:
            return
        announced = int(headers.get(b"content-length", b"0"))
        if expectation.lower() != b"100-continue":
            self._fail(EXPECTATION_FAILED)
        elif announced > self._body_limit:  # spare the client the sending
            self._request = None
            self._refuse_size(request, announced)
        elif (announced or b"transfer-encoding" in headers) and self._current is None and not request.version_10:
            self._output.append(CONTINUE)

    def _refuse_size(self, request: Request, size: int) -> None:
        """Answers without the body, and reads no more of the connection."""
        request.oversize, request.keep_alive, request.usual = size, False, False
        self._accept(request)
        self._failed = True

    # errors

    def _fail(self, last: bytes) -> None:
        """Answers what came before, then `last`, then closes: what follows in the input means nothing."""
        if not self._failed:
            self._failed = True
            self._request = None
            self._accept(last)

    def _not_understood(self, error: httptools.HttpParserError) -> None:
        if self._failed:
            return
        message = str(error)
        if "invalid `Transfer-Encoding`" in message:
            self._fail(BAD_CODING)
        elif "after `Connection: close`" not in message:
            self._fail(BAD_REQUEST)


def _with_escaped_url(data: bytes) -> bytes | None:
    """The input with `%` escapes for the bytes of its request line that are no ASCII; None if there are none.

    Command-line clients send UTF-8 as it is, and the peers take it; the parser does not.
    """
    line, end, rest = data.partition(b"\r\n")
    if not end or line.isascii():
        return None
    return b"".join(b"%%%02X" % byte if byte >= 0x80 else bytes((byte,)) for byte in line) + end + rest


def _head_size(url: bytes, headers: Headers) -> int:
    return len(url) + sum(map(len, headers)) + sum(map(len, headers.values()))
