"""The server's end of one stream of calls: it answers one call after the other, in order.

An answer that comes later is a future; nothing here is a task. Who is gone is not answered: what waits for it is cancelled. The next call
of a stream is not begun before the answer of the last could be handed over, so that one who does not read stays small.

Source: reference of the RPC wire, sections 3 and 6.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from muster.model.clock import Clock
from muster.model.errors import DecodeError, MusterError, NoLeader, TooLarge
from muster.transport.metrics import Metrics, NoMetrics
from muster.transport.rpc_readers import READER_COST, Reader, Readers, Requests
from muster.transport.seldom import Seldom
from muster.wire.replies import Reply
from muster.wire.rpc import MAXIMUM_REQUEST, Request, encode_error, encode_response, refusal
from muster.wire.rpc_methods import METHODS, decode_argument, encode_reply

logger = logging.getLogger("muster.rpc")

CALLS_PER_TURN = 32  # of the loop, of one stream
REQUEST_COST = 256  # bytes that a request holds beside its body
LONG_BODY = 16 * 1024  # bytes; more is not copied behind its header
ENCODING = "rpc"
"""The key under which a reply that many asked for keeps its bytes."""

Serve = Callable[[str, Any, str], "Reply | asyncio.Future[Reply]"]
"""Method, argument, "ip:port" of the caller; the reply or its future, or a MusterError raised."""


class CallService:
    """What all streams share: who answers, what is counted, how much may be held."""

    def __init__(
        self,
        serve: Serve,
        clock: Clock,
        *,
        methods: frozenset[str] = METHODS,
        metrics: Metrics | None = None,
        largest_request: int = MAXIMUM_REQUEST,
    ) -> None:
        self.serve = serve
        self.methods = methods
        self.metrics: Metrics = metrics or NoMetrics()
        self.readers = Readers[Request](lambda: Requests(largest_request))
        self.warn = Seldom(logger, clock)
        self.leaving = False
        """No call is begun any more: the answer is that there is no leader here, and the caller asks another server."""
        self.answering: set[ServedCalls] = set()
        """The streams on which a call is under way that does not just wait for a change."""
        self.held = 0
        """Bytes of requests that are not whole or wait for their turn, over all connections."""


class ServedCalls:
    """One stream. Subclasses write to it, close it, and say whether it is `blocked`, calling `proceed` when it no longer is."""

    __slots__ = (
        "_argument", "_call", "_continues", "_ended", "_queue", "_queued", "_reader", "_request", "closed", "held", "service", "source",
    )  # fmt: skip

    def __init__(self, service: CallService, source: str) -> None:
        self.service, self.source = service, source
        self.closed = False
        self.held = 0  # bytes of requests that are not whole or wait for their turn
        self._reader: Reader[Request] | None = None  # of a request that is not whole
        self._queue: deque[Request] = deque()
        self._queued = 0  # bytes that it costs
        self._call: asyncio.Future[Reply] | None = None
        self._request: Request  # of that call
        self._argument: Any = None
        self._ended = self._continues = False

    # what subclasses say

    def blocked(self) -> bool:
        """Whether nothing can be written now. Then `proceed` follows."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Close the stream after what was written."""
        raise NotImplementedError

    def unburdened(self) -> None:
        """No whole request waits for its turn; more may come."""

    def weighed(self, change: int) -> None:
        """It holds so many bytes more, or less."""

    # what happens to the stream

    def take(self, data: bytes) -> None:
        """Bytes came. Those that mean nothing close the stream."""
        if self.closed:
            return
        try:
            requests, self._reader = self.service.readers.read(self._reader, data)
        except DecodeError as error:
            self._refused(str(error))
            return
        if requests:
            self._queue.extend(requests)
            self._queued += sum([len(request.body) + REQUEST_COST for request in requests])
            if self._call is None and not self._continues:
                self._advance()
        elif not self._queue:
            self.unburdened()
        self._account()

    @property
    def incomplete(self) -> bool:
        """Whether a request was begun, of which the rest should come soon."""
        return self._reader is not None and not self._queue

    def end(self) -> None:
        """The caller sends no more. What it waits for without a limit of its own is withdrawn; the rest is still answered."""
        self._ended = True
        if self._call is None:
            if not self._queue:
                self._close()
        elif getattr(self._argument, "min_query_index", 0) > 0:
            self.lost()
            self.finish()

    def lost(self) -> None:
        """The stream is gone."""
        self.closed = True
        self._queue.clear()
        self._reader, self._queued = None, 0
        self._account()
        call, self._call, self._argument = self._call, None, None
        self.service.answering.discard(self)
        if call is not None:
            call.cancel()

    def proceed(self) -> None:
        """It can be written again."""
        if self._call is None:
            self._advance()
        elif self._call.done():
            self._done(self._call)

    # inside

    def _advance(self) -> None:
        self._continues = False
        for _ in range(CALLS_PER_TURN):
            if self._call is not None or self.closed:
                break
            if not self._queue:
                if self._ended:
                    self._close()
                break
            if self.blocked():
                break
            self._answer(self._next())
        else:
            self._continues = True
            asyncio.get_running_loop().call_soon(self._advance)
        self._account()

    def _next(self) -> Request:
        request = self._queue.popleft()
        self._queued -= len(request.body) + REQUEST_COST
        if not self._queue:
            self.unburdened()
        return request

    def _answer(self, request: Request) -> None:
        service, method = self.service, request.method
        if method not in service.methods:
            self._refuse(request, refusal(method, service.methods) or method)
            return
        try:
            argument = decode_argument(method, request.body)
        except DecodeError as error:
            self._refuse(request, error.wire_text)
            return
        service.metrics.increment("rpc.request")
        if service.leaving:
            self._error(request, NoLeader())
            return
        try:
            outcome = service.serve(method, argument, self.source)
        except MusterError as error:
            self.write(encode_error(request.sequence, method, error.wire_text))
            return
        if isinstance(outcome, Reply):
            self._reply(request, argument, outcome)
        elif outcome.done():
            self._settle(request, argument, outcome)
        else:
            self._call, self._request, self._argument = outcome, request, argument
            if not getattr(argument, "min_query_index", 0):
                service.answering.add(self)
            outcome.add_done_callback(self._done)

    def _done(self, call: "asyncio.Future[Reply]") -> None:
        if call is not self._call or self.blocked():
            return
        argument, self._argument, self._call = self._argument, None, None
        self.service.answering.discard(self)
        self._settle(self._request, argument, call)
        self._advance()

    def _settle(self, request: Request, argument: Any, call: "asyncio.Future[Reply]") -> None:
        if call.cancelled():
            self._error(request, NoLeader())
            return
        error = call.exception()
        if error is None:
            self._reply(request, argument, call.result())
        elif isinstance(error, MusterError):
            self._error(request, error)
        else:
            self._refused(f"{request.method} failed")
            raise error

    def _reply(self, request: Request, argument: Any, reply: Reply) -> None:
        body = reply.encodings.get(ENCODING)
        if body is None:
            body = reply.encodings[ENCODING] = encode_reply(request.method, reply, argument)
        try:
            if len(body) < LONG_BODY:
                self.write(encode_response(request.sequence, request.method, body))
            else:
                self.write(encode_response(request.sequence, request.method, b""))
                self.write(body)
        except TooLarge as error:
            self._refused(error.wire_text)

    def _error(self, request: Request, error: MusterError) -> None:
        self.write(encode_error(request.sequence, request.method, error.wire_text))

    def _refuse(self, request: Request, text: str) -> None:
        """What cannot be understood is answered, and then the stream is closed, as with the peers."""
        self.write(encode_error(request.sequence, request.method, text))
        self._refused(text)

    def _refused(self, text: str) -> None:
        self.service.metrics.increment("rpc.request_error")
        self.service.warn.say("RPC error from %s: %s", self.source, text)
        self._close()

    def _close(self) -> None:
        if not self.closed:
            self.lost()
            self.finish()

    def _account(self) -> None:
        size = self._queued if self._reader is None else self._queued + self._reader.pending + READER_COST
        change = size - self.held
        if change:
            self.held = size
            self.service.held += change
            self.weighed(change)
