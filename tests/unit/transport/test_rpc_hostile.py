"""What strangers send to the server port: nothing grows, nothing falls over, and the others keep being served."""

import asyncio
import contextlib
import gc
import random
import tracemalloc
from collections import Counter

import pytest
from rpc_parts import Server, connected, get, leader, multiplexed, ping, serving, turns

from muster.model.kv import KVEntry
from muster.transport import rpc_server
from muster.transport.rpc_calls import ServedCalls
from muster.transport.rpc_readers import READER_COST
from muster.transport.rpc_session import SessionConnection
from muster.transport.snapshot_rpc import SnapshotConnection
from muster.wire import yamux
from muster.wire.replies import Reply
from muster.wire.rpc import encode_request
from muster.wire.yamux_frames import ACK, DATA, FIN, HEADER_SIZE, PING, RST, SYN, WINDOW_UPDATE, Header

OPENED = Header(WINDOW_UPDATE, SYN, 1, 0).encode()
GIANT = 0xFFFFFFFF


async def still_serves(server: Server) -> None:
    async with multiplexed(server) as streams:
        assert (await streams.response(streams.open(leader()))).error == ""


def data(payload: bytes, stream: int = 1, length: int | None = None, flags: int = 0) -> bytes:
    return Header(DATA, flags, stream, len(payload) if length is None else length).encode() + payload


def chance(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x00\xc1", id="no msgpack"),
        pytest.param(b"\x00\x01\x02\x03", id="numbers for headers"),
        pytest.param(b"\x00\x81\xadServiceMethod\x01\x80", id="a number for a name"),
        pytest.param(b"\x00\x82\xa3Seq\xff\xadServiceMethod\xa1x\x80", id="a negative sequence"),
        pytest.param(b"\x00\xdb\xff\xff\xff\xff" + bytes(1 << 25), id="a text of 4 GB"),
        pytest.param(b"\x00" + b"\x91" * 100_000, id="deep nesting"),
        pytest.param(b"\x04\x01" + bytes(11), id="another version of yamux"),
        pytest.param(b"\x04\x00\x09" + bytes(10), id="a frame of no type"),
        pytest.param(b"\x04" + OPENED + OPENED, id="a stream opened twice"),
        pytest.param(b"\x04" + Header(WINDOW_UPDATE, SYN, 2, 0).encode(), id="a stream of the wrong side"),
        pytest.param(b"\x04" + Header(WINDOW_UPDATE, SYN, 0, 0).encode(), id="stream 0"),
        pytest.param(b"\x04" + OPENED + data(b"x", length=GIANT), id="a frame of 4 GB"),
        pytest.param(b"\x04" + OPENED + data(b"x", length=262145), id="more than the window"),
        pytest.param(b"\x04" + OPENED + Header(WINDOW_UPDATE, 0, 1, GIANT).encode() * 2, id="credit without end"),
        pytest.param(b"\x04" + OPENED + data(b"", flags=FIN) + data(b"x"), id="data after the end"),
    ],
)
async def test_what_means_nothing_ends_the_connection(said: bytes) -> None:
    async with serving() as server, connected(server, said) as connection:
        await connection.closed()
        await turns(lambda: server.listener.connections == 0)
        assert (server.asked, server.service.held) == ([], 0)
        await still_serves(server)


@pytest.mark.parametrize(
    ("payload"),
    [
        pytest.param(b"\xc1", id="no msgpack"),
        pytest.param(b"\x06", id="gossip's byte"),
        pytest.param(b"\xdb\xff\xff\xff\xff" + bytes(200_000), id="a text of 4 GB"),
    ],
)
async def test_what_means_nothing_on_a_stream_ends_only_the_stream(payload: bytes) -> None:
    async with serving(largest_request=100_000) as server, multiplexed(server) as streams:
        bad = streams.open(payload)
        if payload == b"\x06":
            streams.session.send(bad, b"\x06")
        assert (await streams.response(streams.open(leader()))).error == ""
        await streams.until(lambda: any(getattr(event, "stream", 0) == bad and "Ended" in type(event).__name__ for event in streams.events))
        assert server.service.held == 0


@pytest.mark.parametrize("seed", range(40))
async def test_random_bytes(seed: int) -> None:
    first = bytes((random.Random(seed).choice((0, 4, 5)),))
    async with serving(patience=0.01, stalled=0.01) as server, connected(server, first + chance(seed, 3000)) as connection:
        connection.writer.write_eof()
        await connection.closed()
        await turns(lambda: server.listener.connections == 0, most=1_000_000)
        assert server.service.held == 0
        await still_serves(server)


@pytest.mark.parametrize("seed", range(40))
async def test_a_true_conversation_with_some_bytes_changed(seed: int) -> None:
    random_ = random.Random(seed)
    said = bytearray(b"\x04")
    for stream in (1, 3, 5):
        said += Header(WINDOW_UPDATE, SYN, stream, 0).encode()
        said += data(get("a", random_.choice((0, 5)), sequence=stream) + ping(2), stream)
    said += Header(PING, SYN, 0, 7).encode()
    for _ in range(random_.randint(1, 8)):
        said[random_.randrange(1, len(said))] = random_.randrange(256)
    async with serving(patience=0.01) as server, connected(server, bytes(said)) as connection:
        connection.writer.write_eof()
        await connection.closed()
        await turns(lambda: server.listener.connections == 0, most=1_000_000)
        while not server.parked.empty():
            assert server.parked.get_nowait().cancelled()
        assert (server.service.held, server.rpc.open) == (0, set())
        await still_serves(server)


@pytest.mark.parametrize("first", [b"\x00", b"\x04"])
async def test_half_a_request_and_then_silence_is_ended(first: bytes) -> None:
    half = get("a" * 500)[:300]
    async with serving(patience=0.05) as server:
        said = first + (half if first == b"\x00" else OPENED + data(half))
        async with connected(server, said) as connection:
            if first == b"\x00":
                assert await connection.closed() == b""
            else:
                reset = Header(WINDOW_UPDATE, RST, 1, 0).encode()
                answered = await connection.reader.readexactly(24)
                assert answered.endswith(reset), "the stream alone"
            assert (server.asked, server.service.held) == ([], 0)


async def test_a_request_that_trickles_has_its_time_from_its_beginning() -> None:
    async with serving(patience=0.1) as server, connected(server, b"\x00") as connection:
        ended = asyncio.ensure_future(connection.closed())
        for byte in get("a" * 500):
            connection.writer.write(bytes((byte,)))
            done, _ = await asyncio.wait([ended], timeout=0.005)
            if done:
                break
        assert ended.done() and server.asked == []


async def test_a_request_of_a_giant_length_costs_what_was_sent() -> None:
    async with serving() as server, connected(server, b"\x00") as connection:
        giant = encode_request("KVS.Get", 1, b"\x81\xa3Key\xdb\x7f\xff\xff\xff")
        tracemalloc.start()
        try:
            connection.writer.write(giant)
            await turns(lambda: server.service.held == len(giant) + READER_COST)
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()
        try:
            while True:
                connection.writer.write(bytes(1 << 20))
                await connection.writer.drain()
        except ConnectionError:
            pass
        await turns(lambda: server.service.held == 0)


async def test_a_flood_of_streams_is_bounded_and_others_are_served() -> None:
    async with serving() as server, connected(server, b"\x04") as connection:
        answered: Counter[int] = Counter()
        for start in range(0, 17_000, 250):  # no more at once than the backlog
            connection.writer.write(b"".join(Header(WINDOW_UPDATE, SYN, 2 * one + 1, 0).encode() for one in range(start, start + 250)))
            answers = await connection.reader.readexactly(250 * HEADER_SIZE)
            answered.update(answers[3::HEADER_SIZE])
        assert answered == {ACK: yamux.MAXIMUM_STREAMS, RST: 17_000 - yamux.MAXIMUM_STREAMS}
        assert len(many_streams(server)) == yamux.MAXIMUM_STREAMS
        await still_serves(server)
        connection.abort()
        await turns(lambda: not server.rpc.open)


async def test_a_burst_of_streams_beyond_the_backlog_is_reset() -> None:
    async with serving() as server, connected(server, b"\x04") as connection:
        connection.writer.write(b"".join(Header(WINDOW_UPDATE, SYN, 2 * one + 1, 0).encode() for one in range(2000)))
        answers = await connection.reader.readexactly(2000 * HEADER_SIZE)
        assert RST in answers[3::HEADER_SIZE]
        await still_serves(server)


def many_streams(server: Server) -> list[int]:
    return max((one.session.streams for one in server.rpc.open), key=len)  # type: ignore[union-attr]


async def test_unfinished_requests_on_many_streams_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_server, "CONNECTION_HOLDS", 2 << 20)
    async with serving() as server, connected(server, b"\x04") as connection:
        part = encode_request("KVS.Get", 1, b"\x81\xa3Key\xdb\x00\x7f\xff\xff") + bytes(200_000)
        sent = 0
        try:
            for number in range(1, 200, 2):
                connection.writer.write(Header(WINDOW_UPDATE, SYN, number, 0).encode() + data(part, number))
                await connection.writer.drain()
                sent += len(part)
        except ConnectionError:
            pass
        await turns(lambda: server.listener.connections == 0)
        assert server.service.held == 0 and sent < 20_000_000
        await still_serves(server)


async def test_requests_behind_a_parked_call_have_a_bound_on_a_plain_connection() -> None:
    async with serving() as server, connected(server, b"\x00" + get("a", 5)) as connection:
        parked = await server.parked.get()
        flood = ping() * 2000
        writing = asyncio.ensure_future(flooding(connection.writer, flood))
        await turns(lambda: server.service.held > rpc_server.PLAIN_QUEUE)
        held = server.service.held
        for _ in range(2000):
            await asyncio.sleep(0)
        assert server.service.held == held < 2 << 20, "it is not read any further"
        parked.set_result(Reply(value=None, index=6))
        assert (await connection.response()).method == "KVS.Get"
        await connection.response()
        writing.cancel()


async def flooding(writer: asyncio.StreamWriter, what: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(what)
            await writer.drain()


def large(server: Server, size: int) -> None:
    server.answers["KVS.Get"] = lambda _request: Reply(value=KVEntry(key="a", value=bytes(size)), index=1)


async def test_a_plain_client_that_asks_and_does_not_read_is_ended() -> None:
    async with serving(write_timeout=0.1) as server, connected(server, b"\x00") as connection:
        large(server, 100_000)
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection.writer.write(get("a") * 2000)
        await turns(lambda: server.asked)
        await turns(lambda: server.listener.connections == 0, most=10_000_000)
        assert len(server.asked) < 500, "what fits into the sockets, and no more"


async def test_a_multiplexed_client_that_asks_and_does_not_read_is_ended() -> None:
    async with serving(write_timeout=0.1) as server, multiplexed(server) as streams:
        large(server, 100_000)
        streams.connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            streams.open(get("a"), get("a"))
        await turns(lambda: server.asked)
        await turns(lambda: server.listener.connections == 0, most=10_000_000)
        assert len(server.asked) < 200


async def test_streams_without_credit_share_a_bound_and_are_reset_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_server, "UNREAD", 1 << 20)
    async with serving(patience=0.1) as server, multiplexed(server) as streams:
        large(server, 500_000)
        streams.consumes = False
        asking = [streams.open(get("a")) for _ in range(12)]
        await streams.until(lambda: len(server.asked) >= 5)
        assert len(server.asked) < 8, "the rest waits"
        await streams.until(lambda: len(server.asked) == 12)
        await streams.until(lambda: sum("Reset" in type(event).__name__ for event in streams.events) == len(asking))
        assert (await streams.response(streams.open(leader()))).error == ""


async def test_a_reset_stream_gives_its_share_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_server, "UNREAD", 1 << 20)
    async with serving() as server, multiplexed(server) as streams:
        large(server, 500_000)
        streams.consumes = False
        asking = [streams.open(get("a")) for _ in range(20)]
        await streams.until(lambda: len(server.asked) >= 5)
        before = len(server.asked)
        for stream in asking[:before]:
            streams.session.reset(stream)
        streams.flush()
        await turns(lambda: len(server.asked) > before)


@pytest.mark.parametrize("behind", [pytest.param(RST, id="reset"), pytest.param(FIN, id="end")])
async def test_a_call_and_the_end_of_its_stream_in_one_read(behind: int) -> None:
    async with serving() as server, connected(server, b"\x04") as connection:
        said = b"".join(OPENED[:4] + number.to_bytes(4) + bytes(4) + data(ping() + get("a", 5), number) for number in (1, 3))
        connection.writer.write(said + b"".join(Header(WINDOW_UPDATE, behind, number, 0).encode() for number in (1, 3)))
        await turns(lambda: len(server.rpc.open) == 1 and not many_streams(server) and server.service.held == 0 and server.asked)
        while not server.parked.empty():
            assert server.parked.get_nowait().cancelled()
        connection.writer.write(OPENED[:4] + (5).to_bytes(4) + bytes(4) + data(leader(), 5))
        await connection.reader.readuntil(b"10.0.0.1:8300")


async def test_a_plain_flood_that_is_not_read_has_a_bound() -> None:
    async with serving(write_timeout=30.0) as server, connected(server, b"\x00") as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        flood = asyncio.ensure_future(flooding(connection.writer, leader() * 1000))
        await turns(lambda: server.service.held > rpc_server.PLAIN_QUEUE, most=1_000_000)
        await turns(lambda: not connection.writer.transport.get_write_buffer_size() < 1, most=1_000_000)
        most = 0
        for _ in range(500):
            most = max(most, server.service.held)
            await asyncio.sleep(0)
        assert most < 4 << 20
        flood.cancel()


@pytest.mark.slow
async def test_who_asks_for_pings_and_does_not_read_is_ended() -> None:
    async with serving(write_timeout=0.2) as server, connected(server, b"\x04") as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        flood = asyncio.ensure_future(flooding(connection.writer, Header(PING, SYN, 0, 1).encode() * 5000))
        await turns(lambda: server.rpc.open)
        await turns(lambda: server.listener.connections == 0, most=10_000_000)
        flood.cancel()
        await still_serves(server)


async def test_a_client_that_answers_no_pings_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamux, "KEEPALIVE", 0.02)
    monkeypatch.setattr(yamux, "PING_TIMEOUT", 0.05)
    async with serving() as server, connected(server, b"\x04" + OPENED + data(get("a", 5))) as connection:
        parked = await server.parked.get()
        await connection.closed()
        assert parked.cancelled()


async def test_connections_that_come_and_go_leave_nothing() -> None:
    async with serving() as server:

        async def visit(seed: int) -> None:
            first = random.Random(seed).choice(
                (b"", b"\x00", b"\x04", b"\x05", b"\x00" + get("a", 5), b"\x04" + OPENED + data(get("a", 5)))
            )
            async with connected(server, first) as connection:
                await connection.writer.drain()

        for start in range(0, 200, 50):
            await asyncio.gather(*[visit(start + one) for one in range(50)])
        await turns(lambda: server.listener.connections == 0 and not server.rpc.open)
        while not server.parked.empty():
            assert server.parked.get_nowait().cancelled()
        gc.collect()
        assert [one for one in gc.get_objects() if isinstance(one, ServedCalls | SessionConnection | SnapshotConnection)] == []
