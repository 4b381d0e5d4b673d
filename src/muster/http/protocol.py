"""One HTTP connection.

Requests are handled one after another in their order, as by the peers, so a pipelined read sees the write before it. What was
answered while one piece of input was worked through leaves in one write. A request that waits holds no task: the connection
keeps its future, and cancels it when the client goes away. While one waits, reading goes on, because only reading shows that
the client has gone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import httptools

from muster.http import dispatch
from muster.http.writing import head, packed
from muster.http.limits import DISCARDED_BODY, HEAD_LIMIT, QUEUED_REQUESTS
from muster.http.messages import Outcome, Pending, Request, Response
from muster.http.querystring import BadEscape, clean_path, unescape

if TYPE_CHECKING:
    from muster.http.listener import Listener

_NO_HEADERS: dict[bytes, bytes] = {}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def fatal(status: bytes, reason: bytes = b"") -> bytes:
    """The last answer of a connection whose input cannot be followed further."""
    return b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%b" % (status, reason or status)


BAD_REQUEST = fatal(b"400 Bad Request")
NO_HOST = fatal(b"400 Bad Request: missing required Host header")
BAD_VERSION = fatal(b"400 Bad Request: unsupported protocol version")
HEAD_TOO_LARGE = fatal(b"431 Request Header Fields Too Large")
BAD_CODING = fatal(b"501 Not Implemented", b"Unsupported transfer encoding")
EXPECTATION_FAILED = b"HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(asyncio.Protocol):
    """Parses requests and writes answers. Times are of the listener's clock."""

    __slots__ = (
        "_body",
        "_body_limit",
        "_body_size",
        "_current",
        "_failed",
        "_head_size",
        "_headers",
        "_in_head",
        "_listener",
        "_output",
        "_parser",
        "_queue",
        "_reading_paused",
        "_request",
        "_started",
        "_stream",
        "_transport",
        "_url",
        "_waiting",
        "_writable",
        "_write_paused",
        "remote",
    )

    def __init__(self, listener: "Listener", remote: str) -> None:
        self._listener = listener
        self.remote = remote
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._headers = _NO_HEADERS
        self._head_size = 0
        self._in_head = False
        self._request: Request | None = None
        self._body: list[bytes] = []
        self._body_size = 0
        self._body_limit = 0
        self._queue: deque[Request | bytes] | None = None
        self._current: Request | None = None  # the one being answered
        self._waiting: Pending | asyncio.Future[Response] | None = None
        self._stream: Iterator[bytes] | asyncio.Task[None] | None = None
        self._started = 0.0
        self._output: list[bytes] = []
        self._write_paused = False
        self._writable: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._failed = False

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport can be written to
        self._listener.opened(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._failed = True
        self._queue = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            (waiting.future if isinstance(waiting, Pending) else waiting).cancel()
        stream, self._stream = self._stream, None
        if isinstance(stream, asyncio.Task):
            stream.cancel()
        elif stream is not None:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
        self._listener.closed(self)

    def eof_received(self) -> bool:
        """Half closed: what was asked is still answered, if it can be at once; a parked question ends with its client."""
        return False

    def pause_writing(self) -> None:
        self._write_paused = True
        self._update_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._update_reading()
        if self._stream is not None and not isinstance(self._stream, asyncio.Task):
            self._pump()
        elif self._current is None:
            self._next()
            self._flush()

    def data_received(self, data: bytes) -> None:
        if self._failed:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = httptools.HttpRequestParser(self)
            self._flush()
            rest = data[upgrade.args[0] :]
            if rest:
                self.data_received(rest)
            return
        except httptools.HttpParserError as error:
            self._not_understood(error, data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._fail(HEAD_TOO_LARGE)
            else:
                self._listener.expect(self, self._listener.settings.head_time, renew=False)
        elif self._request is not None:
            self._listener.expect(self, self._listener.settings.body_time, renew=True)
        if self._output:
            self._flush()

    def timed_out(self) -> None:
        """The rest of a request did not come in time."""
        if self._transport is not None:
            self._transport.close() if self._current is None else self._transport.abort()

    # what the parser tells

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_size = 0
        self._url = b""
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._failed:
            return
        headers = self._headers
        request = self._resolve(self._parser.get_method().decode("ascii"), self._url, headers)
        if request is None:
            return
        if not self._parser.should_keep_alive() or b"connection" in headers:
            request.keep_alive = self._parser.should_keep_alive()
            version = self._parser.get_http_version()
            if version not in ("1.1", "1.0"):
                return self._fail(BAD_REQUEST if version == "0.9" else BAD_VERSION)
            request.version_10 = version == "1.0"
        if b"host" not in headers and not request.version_10:
            return self._fail(NO_HOST)
        if len(self._url) + sum(map(len, headers)) > HEAD_LIMIT or sum(map(len, headers.values())) > HEAD_LIMIT:
            return self._fail(HEAD_TOO_LARGE)
        self._request = request
        if b"content-length" in headers or b"transfer-encoding" in headers:
            self._expect_body(request, headers)

    def on_body(self, data: bytes) -> None:
        if self._failed:
            return
        self._body_size += len(data)
        if self._body_size <= self._body_limit:
            self._body.append(data)
        elif self._body_size > self._body_limit + DISCARDED_BODY and self._request is not None:
            request, self._request = self._request, None
            request.oversize, request.keep_alive = self._body_size, False
            self._enqueue(request)
            self._failed = True

    def on_message_complete(self) -> None:
        request = self._request
        if request is None or self._failed:
            return
        self._request = None
        if self._listener.expected:
            self._listener.arrived(self)
        if self._body_size:
            if self._body_size > self._body_limit:
                request.oversize = self._body_size
            else:
                request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body, self._body_size = [], 0
        if self._current is None and not self._write_paused:
            self._serve(request)
        else:
            self._enqueue(request)

    # requests

    def _resolve(self, method: str, url: bytes, headers: dict[bytes, bytes]) -> Request | None:
        """The request with its endpoint; None if the connection failed of it."""
        if b"?" in url:
            url, _, raw_query = url.partition(b"?")
            raw_query = raw_query.partition(b"#")[0]
        else:
            raw_query = b""
        if not url.startswith(b"/"):
            url = url if url == b"*" else _path_of_absolute(url)
        try:
            path = unescape(url) if b"%" in url else url.decode("utf-8", "surrogateescape")
        except BadEscape:
            self._fail(BAD_REQUEST)
            return None
        request = Request(method, path, raw_query, headers, self.remote)
        request.endpoint, request.rest = self._listener.router.find(path)
        return request

    def _expect_body(self, request: Request, headers: dict[bytes, bytes]) -> None:
        endpoint = request.endpoint
        limit = endpoint.limits.get(request.method) if endpoint is not None else None
        self._body_limit = limit.size(self._listener.settings) if limit is not None else 0
        expectation = headers.get(b"expect")
        if expectation is None:
            return
        if expectation.lower() != b"100-continue":
            return self._fail(EXPECTATION_FAILED)
        announced = int(headers.get(b"content-length", b"0"))
        if announced > self._body_limit:  # spare the client the sending
            request.oversize, request.keep_alive = announced, False
            self._request = None
            self._enqueue(request)
            if self._current is None:
                self._next()
            self._failed = True
        elif announced or b"transfer-encoding" in headers:
            if self._current is None and not request.version_10:
                self._output.append(CONTINUE)

    def _enqueue(self, item: Request | bytes) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append(item)
        if len(self._queue) >= QUEUED_REQUESTS:
            self._update_reading()
        if self._current is None and not self._write_paused:
            self._next()

    def _next(self) -> None:
        """Serves what has queued, until one waits or the client does not read."""
        while self._queue and self._current is None and not self._write_paused and self._transport is not None:
            item = self._queue.popleft()
            if isinstance(item, bytes):
                self._output.append(item)
                self._flush()
                self._close()
                return
            self._serve(item)
        if self._reading_paused:
            self._update_reading()

    def _serve(self, request: Request) -> None:
        self._current = request
        listener = self._listener
        self._started = listener.now()
        path = request.path
        if request.endpoint is None or "//" in path or "/." in path or not path.isprintable():
            odd = _odd_path(request, listener)
            if odd is not None:
                return self._respond(odd)
        self._respond(dispatch.answer(request, listener.context))

    # answers

    def _respond(self, outcome: Outcome) -> None:
        if type(outcome) is Response:
            self._write(outcome)
            return
        self._waiting = outcome  # type: ignore[assignment]  # a Response was handled above
        future = outcome.future if isinstance(outcome, Pending) else outcome
        future.add_done_callback(self._settled)  # type: ignore[union-attr]

    def _settled(self, _future: "asyncio.Future[object]") -> None:
        waiting, request = self._waiting, self._current
        if waiting is None or request is None:
            return
        self._waiting = None
        pending = waiting if isinstance(waiting, Pending) else Pending(waiting, _as_it_is, ())
        outcome = dispatch.settle(pending, request)
        if outcome is None:  # withdrawn on this side: the agent goes down
            self._current = None
            self._close()
            return
        self._respond(outcome)
        if self._current is None:
            self._next()
        self._flush()

    def _write(self, response: Response) -> None:
        request = self._current
        assert request is not None
        body = response.body
        if type(body) is not bytes:
            self._begin_stream(request, response)
            return
        if request.method == "HEAD":
            self._output.append(head(self._listener, request, response, len(body)))
        else:
            if body and not response.encoded and request.accepts_gzip:
                response = packed(request, response)
                body = response.body
                if type(body) is not bytes:
                    return self._begin_stream(request, response)
            self._output.append(head(self._listener, request, response, len(body)))
            if body:
                self._output.append(body)
        self._finish(request)

    def _finish(self, request: Request) -> None:
        listener = self._listener
        if listener.metrics is not None and request.endpoint is not None:
            label = request.endpoint.labels.get(request.method)
            if label is not None:
                listener.metrics.sample(label, (listener.now() - self._started) * 1000.0)
        self._current = None
        if not request.keep_alive or listener.draining:
            self._flush()
            self._close()

    def _begin_stream(self, request: Request, response: Response) -> None:
        body = response.body
        self._output.append(head(self._listener, request, response, None))
        self._flush()
        if request.method == "HEAD":
            return self._finish(request)
        if isinstance(body, AsyncIterator):
            self._stream = asyncio.get_running_loop().create_task(self._pump_async(body))
        else:
            self._stream = iter(body)
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Sends one slice, then lets the loop turn."""
        stream, request = self._stream, self._current
        if stream is None or request is None or self._write_paused or self._transport is None:
            return
        try:
            part = next(stream, None)  # type: ignore[arg-type]  # a task is never pumped
        except Exception as error:  # the head is gone; all that is left is to break off
            dispatch.refusal(error, request)
            self._transport.abort()
            return
        if part is None:
            self._stream = None
            self._end_stream(request)
            return
        self._write_part(request, part)
        if not self._write_paused:
            asyncio.get_running_loop().call_soon(self._pump)

    async def _pump_async(self, parts: AsyncIterator[bytes]) -> None:
        request = self._current
        assert request is not None
        try:
            async for part in parts:
                self._write_part(request, part)
                while self._write_paused and self._transport is not None:
                    self._writable = asyncio.get_running_loop().create_future()
                    await self._writable
        except Exception as error:  # as in `_pump`
            dispatch.refusal(error, request)
            if self._transport is not None:
                self._transport.abort()
            return
        self._stream = None
        if self._transport is not None:
            self._end_stream(request)

    def _write_part(self, request: Request, part: bytes) -> None:
        if part and self._transport is not None:
            self._transport.writelines((part,) if request.version_10 else (b"%x\r\n" % len(part), part, b"\r\n"))

    def _end_stream(self, request: Request) -> None:
        if request.version_10:
            request.keep_alive = False
        elif self._transport is not None:
            self._transport.write(b"0\r\n\r\n")
        self._finish(request)
        self._next()
        self._flush()

    # the connection

    def _flush(self) -> None:
        output = self._output
        if output:
            self._output = []
            if self._transport is not None and not self._transport.is_closing():
                self._transport.writelines(output)

    def _close(self) -> None:
        self._failed = True
        if self._transport is not None:
            self._transport.close()

    def close_when_done(self) -> None:
        """Ends the connection after the answer under way; a parked question is withdrawn."""
        if self._waiting is not None:
            (self._waiting.future if isinstance(self._waiting, Pending) else self._waiting).cancel()
        elif self._current is None:
            self._close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, last: bytes) -> None:
        """Answers what came before, then `last`, then closes: what follows in the input means nothing."""
        if not self._failed:
            self._failed = True
            self._in_head = False
            self._request = None
            self._enqueue(last)

    def _not_understood(self, error: httptools.HttpParserError, data: bytes) -> None:
        if self._failed:
            return
        message = str(error)
        if "invalid `Transfer-Encoding`" in message:
            self._fail(BAD_CODING)
        elif "after `Connection: close`" not in message:
            self._fail(BAD_REQUEST)

    def _update_reading(self) -> None:
        full = self._write_paused or (self._queue is not None and len(self._queue) >= QUEUED_REQUESTS)
        if full != self._reading_paused and self._transport is not None and not self._transport.is_closing():
            self._reading_paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()


def _as_it_is(response: Response) -> Response:
    return response


def _path_of_absolute(url: bytes) -> bytes:
    """The path of `http://host/path`."""
    _, found, rest = url.partition(b"://")
    slash = rest.find(b"/") if found else -1
    return rest[slash:] if slash >= 0 else b"/"


def _odd_path(request: Request, listener: "Listener") -> Response | None:
    """The answer to a path that is not clean, not printable, or lacks its last slash; None for a good one."""
    path = request.path
    if path == "*":
        return None
    if not path.isprintable() and not listener.settings.unprintable_paths:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if not shown.isprintable():
            return Response(400)
    cleaned = clean_path(path)
    if cleaned != path:
        return dispatch.moved(request, cleaned)
    if request.endpoint is None and listener.router.lacks_slash(path):
        return dispatch.moved(request, path + "/")
    return None
