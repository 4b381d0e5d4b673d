"""What the tests of RPC share: a server whose answers the test decides, and clients that speak the wire by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from muster.transport.listener import RpcListener
from muster.transport.rpc_calls import CallService
from muster.transport.rpc_server import RpcServer
from muster.transport.snapshot_rpc import SnapshotRpc
from muster.wire.replies import Reply
from muster.wire.requests import KeyRequest
from muster.wire.rpc import FirstByte, Response, ResponseReader, encode_request
from muster.wire.rpc_methods import encode_argument
from muster.wire.yamux import Session
from muster.wire.yamux_events import DataReceived, Event

EMPTY = b"\x80"


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class Metrics:
    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def increment(self, name: str, value: float = 1, /) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def sample(self, name: str, milliseconds: float, /) -> None: ...
    def gauge(self, name: str, value: float, /) -> None: ...


Answer = Callable[[Any], "Reply | asyncio.Future[Reply]"]


class Server:
    """Answers `Status.*` at once; a method in `answers` as that says; everything else with a future in `parked`."""

    def __init__(self, **options: Any) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, Any, str]] = []
        self.parked: asyncio.Queue[asyncio.Future[Reply]] = asyncio.Queue()
        self.metrics = Metrics()
        patience = {name: options.pop(name) for name in ("patience", "write_timeout") if name in options}
        limits = {name: options.pop(name) for name in ("largest_request",) if name in options}
        self.service = CallService(self.serve, Clock(), metrics=self.metrics, **limits)
        self.rpc = RpcServer(self.service, **patience)
        self.snapshots = SnapshotRpc(self.serve, Clock(), **options)
        self.listener = RpcListener(Clock(), metrics=self.metrics, connections_per_client=0)
        self.address = ""

    def serve(self, method: str, request: Any, source: str) -> "Reply | asyncio.Future[Reply]":
        self.asked.append((method, request, source))
        answer = self.answers.get(method)
        if answer is not None:
            return answer(request)
        if method == "Status.Ping":
            return Reply(value=None)
        if method == "Status.Leader":
            return Reply(value="10.0.0.1:8300")
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.parked.put_nowait(future)
        return future

    async def start(self) -> None:
        routes = {FirstByte.RPC: self.rpc.plain, FirstByte.YAMUX: self.rpc.multiplexed, FirstByte.SNAPSHOT: self.snapshots.connection}
        await self.listener.listen("127.0.0.1", 0, routes)
        self.address = f"127.0.0.1:{self.listener.ports[0]}"

    async def close(self) -> None:
        self.rpc.close()
        await self.snapshots.close()
        self.listener.close()
        await settled()


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    server = Server(**options)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


class Connection:
    """A connection by hand; `first` is what it begins with."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.responses = ResponseReader()
        self._waiting: list[Response] = []

    async def response(self) -> Response:
        while not self._waiting:
            data = await self.reader.read(65536)
            assert data, "closed while an answer was expected"
            self._waiting += self.responses.feed(data)
        return self._waiting.pop(0)

    async def closed(self) -> bytes:
        """What still came before the other side closed."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    def abort(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def connected(server: Server, first: bytes) -> AsyncIterator[Connection]:
    host, _, port = server.address.rpartition(":")
    connection = Connection(*await asyncio.open_connection(host, int(port)))
    connection.writer.write(first)
    try:
        yield connection
    finally:
        connection.abort()
        await settled()


class Streams:
    """The client's side of a multiplexed connection, by hand."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.session = Session(True, 0.0)
        self.readers: dict[int, ResponseReader] = {}
        self.responses: dict[int, list[Response]] = {}
        self.events: list[Event] = []
        self.consumes = True

    def open(self, *requests: bytes) -> int:
        stream = self.session.open_stream()
        self.readers[stream], self.responses[stream] = ResponseReader(), []
        for request in requests:
            self.session.send(stream, request)
        self.flush()
        return stream

    def flush(self) -> None:
        self.connection.writer.writelines(self.session.data_to_send())

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            data = await self.connection.reader.read(65536)
            assert data, "closed while more was expected"
            for event in self.session.receive_data(0.0, data):
                self.events.append(event)
                if isinstance(event, DataReceived):
                    if self.consumes:
                        self.session.consumed(event.stream, len(event.data))
                    self.responses[event.stream] += self.readers[event.stream].feed(event.data)
            self.flush()

    async def response(self, stream: int) -> Response:
        await self.until(lambda: self.responses[stream])
        return self.responses[stream].pop(0)


@asynccontextmanager
async def multiplexed(server: Server) -> AsyncIterator[Streams]:
    async with connected(server, b"\x04") as connection:
        yield Streams(connection)


def ping(sequence: int = 1) -> bytes:
    return encode_request("Status.Ping", sequence, EMPTY)


def leader(sequence: int = 1) -> bytes:
    return encode_request("Status.Leader", sequence, EMPTY)


def get(key: str, index: int = 0, sequence: int = 1) -> bytes:
    """A read, with an index a blocking one."""
    return encode_request("KVS.Get", sequence, encode_argument("KVS.Get", KeyRequest(datacenter="dc1", key=key, min_query_index=index)))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def turns(condition: Callable[[], object], most: int = 100_000) -> None:
    """Until it holds; the loop turns meanwhile."""
    for _ in range(most):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


async def settled() -> None:
    """What was closed is gone: the loop does that in its next turns."""
    for _ in range(3):
        await asyncio.sleep(0)
