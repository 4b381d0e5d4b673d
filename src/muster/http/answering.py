"""The half of a connection that answers: one request after another, at once, later, or as a stream."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from muster.http import dispatch
from muster.http.messages import Outcome, Pending, Pushed, Request, Response
from muster.http.writing import SHORT_BODY, head, packed, usual_answer

if TYPE_CHECKING:
    from muster.http.listener import Listener

QUEUED_REQUESTS = 64  # pipelined behind one that waits; then reading stops


class Answering(asyncio.Protocol):
    """Answers in the order of the requests. What is answered in one go leaves in one write.

    A request that waits holds no task: the connection keeps its future, and cancels it when the client goes away.
    """

    __slots__ = (
        "_current",
        "_failed",
        "_listener",
        "_output",
        "_queue",
        "_reading_paused",
        "_started",
        "_stream",
        "_transport",
        "_waiting",
        "_writable",
        "_write_paused",
        "remote",
    )

    def __init__(self, listener: "Listener", remote: str) -> None:
        self._listener = listener
        self.remote = remote
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Request | bytes] | None = None
        self._current: Request | None = None  # the one being answered
        self._waiting: Pending | None = None
        self._stream: Iterator[bytes] | asyncio.Task[None] | Pushed | None = None
        self._started = 0.0
        self._output: list[bytes] = []
        self._write_paused = False
        self._writable: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._failed = False  # nothing more is read from the client

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport can be written to
        self._listener.opened(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._failed = True
        self._queue = None
        self._withdraw()
        stream, self._stream = self._stream, None
        if isinstance(stream, asyncio.Task):
            stream.cancel()
        elif stream is not None:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
        self._listener.closed(self)

    def pause_writing(self) -> None:
        self._write_paused = True
        self._update_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._update_reading()
        stream = self._stream
        if isinstance(stream, Iterator):
            self._pump()
        elif stream is not None and not isinstance(stream, asyncio.Task):
            stream.writable()
        elif self._current is None:
            self._next()
            self._flush()

    # requests

    def _accept(self, item: Request | bytes) -> None:
        """Serves a request, or a last answer in bytes, when its turn comes."""
        if self._current is None and not self._write_paused and not self._queue and not isinstance(item, bytes):
            self._serve(item)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(item)
        if len(self._queue) >= QUEUED_REQUESTS:
            self._update_reading()
        if self._current is None:
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
        listener = self._listener
        self._current = request
        self._started = listener.now()
        self._respond(dispatch.answer(request, listener.context), request)

    def _write_usual(self, request: Request, response: Response, listener: "Listener") -> None:
        """The short way of `_write` and `_finish`: HTTP/1.1, the connection stays, no encoding to choose."""
        if response.sent_at is not listener.date:
            response.sent, response.sent_at = usual_answer(listener, response), listener.date
        output = self._output
        output.append(response.sent)
        if len(response.body) > SHORT_BODY:  # type: ignore[arg-type]  # the caller looked
            output.append(response.body)  # type: ignore[arg-type]  # as above
        if listener.metrics is not None:
            listener.metrics.sample(request.endpoint.labels[request.method], (listener.now() - self._started) * 1000.0)
        self._current = None

    # answers

    def _respond(self, outcome: Outcome, request: Request) -> None:
        if type(outcome) is Response:
            if type(outcome.body) is bytes and request.usual and self._listener.is_usual:
                self._write_usual(request, outcome, self._listener)
            else:
                self._write(outcome)
            return
        waiting = outcome if type(outcome) is Pending else Pending(outcome, _as_it_is)  # type: ignore[arg-type]
        self._waiting = waiting
        waiting.future.add_done_callback(self._settled)

    def _settled(self, _future: "asyncio.Future[Any]") -> None:
        waiting, request = self._waiting, self._current
        if waiting is None or request is None:
            return
        self._waiting = None
        outcome = dispatch.settle(waiting, request)
        if outcome is None:  # withdrawn on this side: the agent goes down
            self._current = None
            self._close()
            return
        self._respond(outcome, request)
        if self._queue and self._current is None:
            self._next()
        self._flush()

    def _write(self, response: Response) -> None:
        request = self._current
        assert request is not None
        if type(response.body) is bytes and request.method != "HEAD" and response.body and not response.encoded and request.accepts_gzip:
            response = packed(request, response)
        body = response.body
        if type(body) is not bytes:
            self._begin_stream(request, response)
            return
        self._output.append(head(self._listener, request, response, len(body)))
        if body and request.method != "HEAD":
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

    # streams

    def _begin_stream(self, request: Request, response: Response) -> None:
        body = response.body
        assert not isinstance(body, bytes)
        self._output.append(head(self._listener, request, response, None))
        self._flush()
        if request.method == "HEAD":
            self._finish(request)
        elif isinstance(body, AsyncIterator):
            self._stream = asyncio.get_running_loop().create_task(self._pump_async(body))
        elif isinstance(body, Iterator):
            self._stream = body
            asyncio.get_running_loop().call_soon(self._pump)
        else:
            self._stream = body
            body.begin(self)

    def _pump(self) -> None:
        """Sends one slice, then lets the loop turn."""
        stream, request = self._stream, self._current
        if not isinstance(stream, Iterator) or request is None or self._write_paused or self._transport is None:
            return
        try:
            part = next(stream, None)
        except Exception as error:  # noqa: BLE001 - the head is gone; all that is left is to break off
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
        except Exception as error:  # noqa: BLE001 - as in `_pump`
            dispatch.refusal(error, request)
            self.abort()
            return
        self._stream = None
        if self._transport is not None:
            self._end_stream(request)

    @property
    def is_full(self) -> bool:
        """See `Sink`."""
        return self._write_paused

    def push(self, part: bytes) -> None:
        """See `Sink`."""
        if self._current is not None:
            self._write_part(self._current, part)

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
            transport = self._transport
            if transport is not None and not transport.is_closing():
                if len(output) == 1:
                    transport.write(output[0])
                else:
                    transport.writelines(output)

    def _withdraw(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.future.cancel()

    def _close(self) -> None:
        self._failed = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Breaks the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def close_when_done(self) -> None:
        """Ends the connection after the answer under way; a parked question is withdrawn."""
        self._withdraw()
        stream = self._stream
        if stream is not None and not isinstance(stream, Iterator | asyncio.Task):
            self._end_pushed(stream)
        if self._stream is None:
            self._close()

    def _end_pushed(self, stream: Pushed) -> None:
        """What would never end of itself ends with the agent."""
        self._stream = None
        stream.close()
        if self._transport is not None and self._current is not None and not self._current.version_10:
            self._transport.write(b"0\r\n\r\n")
        self._current = None

    def timed_out(self) -> None:
        """The rest of a request did not come in time."""
        if self._current is None:
            self._close()
        else:
            self.abort()

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
