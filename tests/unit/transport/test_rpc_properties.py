"""Whatever bytes come in whatever pieces: a serving connection holds what it says it holds, raises nothing, and leaves nothing behind."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rpc_parts import Server, get, leader, ping

from muster.model.errors import NoLeader
from muster.model.kv import KVEntry
from muster.transport.rpc_server import ANSWERS_PER_TURN
from muster.wire.replies import Reply
from muster.wire.rpc import encode_request
from muster.wire.yamux_frames import DATA, FIN, PING, RST, SYN, WINDOW_UPDATE, Header


class Transport(asyncio.Transport):
    """Takes what is written; `full` at will."""

    def __init__(self, protocol: Any) -> None:
        super().__init__({"peername": ("10.0.0.9", 999)})
        self.protocol = protocol
        self.written = 0
        self.closed = self.full = self.pauses_next = False

    def write(self, data: Any) -> None:
        self.written += len(data)
        if self.pauses_next and not self.full:
            self.full = True
            self.protocol.pause_writing()

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def drain(self) -> None:
        self.pauses_next = False
        if self.full:
            self.full = False
            self.protocol.resume_writing()

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


REQUESTS = st.sampled_from(
    [
        ping(),
        leader(2),
        get("a"),
        get("a", 5),
        get("k" * 400, 5),
        encode_request("No.Such", 1, b"\x80"),
        encode_request("KVS.Get", 1, b"\xc1"),
    ]
)
STREAMS = st.sampled_from([1, 1, 3, 5, 2, 0])


@st.composite
def frames(draw: Any) -> bytes:
    stream, payload = draw(STREAMS), draw(REQUESTS | st.binary(max_size=40))
    cut = draw(st.integers(0, len(payload)))
    return draw(
        st.sampled_from(
            [
                Header(WINDOW_UPDATE, SYN, stream, 0).encode(),
                Header(DATA, SYN, stream, len(payload)).encode() + payload,
                Header(DATA, 0, stream, len(payload)).encode() + payload,
                Header(DATA, 0, stream, cut).encode() + payload[:cut],
                Header(DATA, FIN, stream, len(payload)).encode() + payload,
                Header(WINDOW_UPDATE, FIN, stream, 0).encode(),
                Header(WINDOW_UPDATE, RST, stream, 0).encode(),
                Header(WINDOW_UPDATE, 0, stream, 70000).encode(),
                Header(PING, SYN, 0, 3).encode(),
            ]
        )
    )


NOISE = st.binary(max_size=30)
ACTIONS = st.lists(st.sampled_from(["feed", "feed", "feed", "finish", "fail", "full", "drain", "turn", "eof"]), max_size=25)


async def conversation(connection: Any, server: Server, said: bytes, actions: list[str], size: int) -> None:
    transport = Transport(connection)
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
    parked: list[asyncio.Future[Reply]] = []
    connection.connection_made(transport)
    position = 0
    for action in [*actions, "drain", "turn"]:
        match action:
            case "feed" if not transport.closed:
                connection.data_received(said[position : position + size])
                position += size
            case "finish" | "fail":
                while not server.parked.empty():
                    parked.append(server.parked.get_nowait())
                for one in parked:
                    if not one.done() and action == "finish":
                        one.set_result(Reply(value=KVEntry(key="a", value=bytes(300_000)), index=9))
                    elif not one.done():
                        one.set_exception(NoLeader())
            case "full":
                transport.pauses_next = True
            case "drain":
                transport.drain()
            case "turn":
                for _ in range(3):
                    await asyncio.sleep(0)
            case "eof" if hasattr(connection, "source") and not transport.closed:
                connection.eof_received()
        assert server.service.held >= 0
    connection.connection_lost(None)
    await asyncio.sleep(0)
    while not server.parked.empty():
        parked.append(server.parked.get_nowait())
    assert all(one.done() for one in parked), "what was asked for somebody who is gone is withdrawn"
    assert (server.service.held, server.rpc.open, faults) == (0, set(), [])
    await asyncio.sleep(0)


@settings(max_examples=150, deadline=None)
@given(said=st.lists(frames() | NOISE, max_size=12), actions=ACTIONS, size=st.sampled_from([1, 13, 200, 100_000]))
def test_a_multiplexed_connection(said: list[bytes], actions: list[str], size: int) -> None:
    async def run() -> None:
        server = Server()
        await conversation(server.rpc.multiplexed(), server, b"".join(said), actions, size)

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(said=st.lists(REQUESTS | NOISE, max_size=12), actions=ACTIONS, size=st.sampled_from([1, 13, 200, 100_000]))
def test_a_plain_connection(said: list[bytes], actions: list[str], size: int) -> None:
    async def run() -> None:
        server = Server()
        await conversation(server.rpc.plain(), server, b"".join(said), actions, size)

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, ANSWERS_PER_TURN, ANSWERS_PER_TURN + 1, 1000])
def test_all_calls_of_one_read_are_answered_in_the_end(count: int) -> None:
    async def run() -> None:
        server = Server()
        connection = server.rpc.multiplexed()
        transport = Transport(connection)
        connection.connection_made(transport)
        said = b"".join(Header(DATA, SYN, 2 * one + 1, len(ping())).encode() + ping() for one in range(min(count, 250)))
        extra = b"".join(Header(DATA, 0, 1, len(ping())).encode() + ping() for _ in range(count - min(count, 250)))
        connection.data_received(said + extra)
        assert len(server.asked) <= ANSWERS_PER_TURN
        for _ in range(40):
            await asyncio.sleep(0)
        assert len(server.asked) == count
        assert server.service.held == 0
        connection.connection_lost(None)

    asyncio.run(run())
