"""The server port: who takes a connection over, and who is turned away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from rpc_parts import Clock, Metrics, settled, turns

from muster.transport.listener import Route, RpcListener

SPOKEN = 0x04
OPENED: list[asyncio.StreamWriter] = []
"""What the test that runs has opened."""


class Echo(asyncio.Protocol):
    """Takes a connection over and sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def feed(self, data: bytes) -> None:
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@asynccontextmanager
async def listening(routes: dict[int, Route] | None = None, **options: Any) -> AsyncIterator[RpcListener]:
    listener = RpcListener(Clock(), **options)
    await listener.listen("127.0.0.1", 0, routes if routes is not None else {SPOKEN: Echo})
    try:
        yield listener
    finally:
        listener.close()
        while OPENED:
            OPENED.pop().transport.abort()
        await settled()


async def connect(listener: RpcListener, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0], local_addr=(source, 0))
    OPENED.append(writer)
    return reader, writer


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came before the other side closed."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"\x04hello"], id="byte and more at once"),
        pytest.param([b"\x04", b"hello"], id="the byte alone"),
        pytest.param([b"\x04h", b"ello"], id="cut within what follows"),
    ],
)
async def test_the_first_byte_chooses_and_the_rest_reaches_the_protocol(pieces: list[bytes]) -> None:
    async with listening() as listener:
        reader, writer = await connect(listener)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        assert await reader.readexactly(5) == b"hello"
        writer.close()


async def test_a_connection_of_raft_is_counted_as_handed_over() -> None:
    metrics = Metrics()
    async with listening({0x01: Echo}, metrics=metrics) as listener:
        reader, writer = await connect(listener)
        writer.write(b"\x01x")
        assert await reader.readexactly(1) == b"x"
        assert metrics.counts == {"rpc.accept_conn": 1, "rpc.raft_handoff": 1}


@pytest.mark.parametrize("first", [pytest.param(byte, id=f"{byte:02x}") for byte in (0x02, 0x03, 0x06, 0x07, 0x08, 0x09, 0x16, 0xFF)])
async def test_an_unknown_byte_is_closed_without_an_answer(first: int) -> None:
    async with listening() as listener:
        reader, writer = await connect(listener)
        writer.write(bytes((first,)) + b"and more")
        assert await closed(reader) == b""
        writer.close()


async def test_one_that_says_nothing_is_closed_after_the_handshakes_time() -> None:
    async with listening(handshake_timeout=0.05) as listener:
        reader, writer = await connect(listener)
        assert await closed(reader) == b""
        assert listener.connections == 0
        writer.close()


async def test_one_that_has_said_its_byte_may_be_silent() -> None:
    async with listening(handshake_timeout=0.05) as listener:
        reader, writer = await connect(listener)
        writer.write(b"\x04")
        silent, other = await connect(listener)
        assert await closed(silent) == b"", "the time is over, for one that came later"
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()
        other.close()


async def test_an_address_may_hold_only_so_many_connections() -> None:
    metrics = Metrics()
    async with listening(connections_per_client=3, metrics=metrics) as listener:
        held = [await connect(listener) for _ in range(3)]
        for _, writer in held:
            writer.write(b"\x04x")
        for reader, _ in held:
            assert await reader.readexactly(1) == b"x"
        extra, _ = await connect(listener)
        assert await closed(extra) == b""
        other, writer = await connect(listener, "127.0.0.2")
        writer.write(b"\x04y")
        assert await other.readexactly(1) == b"y", "another address is not concerned"
        assert metrics.counts == {"rpc.accept_conn": 4}
        held[0][1].close()
        await turns(lambda: listener.connections <= 3)
        again, writer = await connect(listener)
        writer.write(b"\x04z")
        assert await again.readexactly(1) == b"z", "one that ended makes room"


async def test_no_limit_means_none() -> None:
    async with listening(connections_per_client=0) as listener:
        pairs = [await connect(listener) for _ in range(150)]
        for reader, writer in pairs:
            writer.write(b"\x04x")
            assert await reader.readexactly(1) == b"x"
            writer.close()


async def test_closing_ends_every_connection_and_gives_the_port_back() -> None:
    async with listening() as listener:
        silent, _ = await connect(listener)
        spoken, writer = await connect(listener)
        writer.write(b"\x04x")
        await spoken.readexactly(1)
        port = listener.ports[0]
        listener.close()
        assert await closed(silent) == await closed(spoken) == b""
        with socket.create_server(("127.0.0.1", port)):
            pass


async def test_one_that_is_gone_before_its_first_byte_leaves_nothing() -> None:
    async with listening() as listener:
        for _ in range(20):
            _, writer = await connect(listener)
            writer.close()
            await writer.wait_closed()
        await turns(lambda: listener.connections == 0)


async def test_a_taken_port_is_an_os_error() -> None:
    async with listening() as listener:
        with pytest.raises(OSError):
            await RpcListener(Clock()).listen("127.0.0.1", listener.ports[0], {})
