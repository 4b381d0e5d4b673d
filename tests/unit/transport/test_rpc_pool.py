"""Calls to servers, over real sockets: streams that are used again, and every way in which a call fails."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rpc_parts import EMPTY, Server, serving, settled, turns

from muster.model.errors import NoLeader, NotFound, Rejected
from muster.model.kv import KVEntry
from muster.transport import rpc_client
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.transport.rpc_pool import RpcPool
from muster.wire import yamux
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, KeyRequest
from muster.wire.rpc import RequestReader, encode_response
from muster.wire.yamux import Session
from muster.wire.yamux_events import DataReceived, StreamOpened

READ = KeyRequest(datacenter="dc1", key="a")
BLOCKING = KeyRequest(datacenter="dc1", key="a", min_query_index=5)
NOTHING = DatacenterRequest()


@asynccontextmanager
async def pooled(**options: Any) -> AsyncIterator[RpcPool]:
    pool = RpcPool(**options)
    try:
        yield pool
    finally:
        pool.close()
        await settled()


def of(value: bytes, index: int = 6) -> Reply:
    return Reply(value=KVEntry(key="a", value=value), index=index)


async def test_a_call_brings_its_reply() -> None:
    async with serving() as server, pooled() as pool:
        assert (await pool.call(server.address, "Status.Leader", NOTHING)).value == "10.0.0.1:8300"
        server.answers["KVS.Get"] = lambda request: Reply(
            value=KVEntry(key=request.key, value=b"v"), index=17, last_contact=5, known_leader=True
        )
        reply = await pool.call(server.address, "KVS.Get", READ)
        assert (reply.value, reply.index, reply.last_contact, reply.known_leader) == (KVEntry(key="a", value=b"v"), 17, 5, True)


async def test_calls_run_side_by_side_on_one_connection() -> None:
    async with serving() as server, pooled() as pool:
        calls = [pool.call(server.address, "KVS.Get", READ) for _ in range(3)]
        parked = [await server.parked.get() for _ in calls]
        for number in (2, 0, 1):
            parked[number].set_result(of(bytes((number,))))
        assert [(await call).value.value for call in calls] == [b"\0", b"\1", b"\2"]
        assert server.listener.connections == 1


async def test_a_thousand_calls_at_once_wait_for_streams() -> None:
    async with serving() as server, pooled() as pool:
        calls = [pool.call(server.address, "KVS.Get", BLOCKING) for _ in range(1000)]
        parked = [await server.parked.get() for _ in calls]
        for one in parked:
            one.set_result(of(b"x"))
        assert {(await call).index for call in calls} == {6}
        assert server.listener.connections == 1
        await turns(lambda: len(opened(server)) == 32)


def opened(server: Server) -> list[int]:
    """The streams that the one multiplexed connection has."""
    (connection,) = server.rpc.open
    return connection.session.streams  # type: ignore[union-attr]


async def test_a_stream_is_used_again() -> None:
    async with serving() as server, pooled() as pool:
        for _ in range(5):
            await pool.call(server.address, "Status.Ping", NOTHING)
        assert opened(server) == [1]


async def test_what_the_server_says_is_an_error_of_the_call_alone() -> None:
    def refuse(_request: Any) -> Reply:
        raise NoLeader

    async with serving() as server, pooled() as pool:
        server.answers["KVS.Get"] = refuse
        other = pool.call(server.address, "Status.Leader", NOTHING)
        with pytest.raises(RemoteError, match=r"^rpc error making call: No cluster leader$") as caught:
            await pool.call(server.address, "KVS.Get", READ)
        assert caught.value.text == "No cluster leader"
        assert (await other).value == "10.0.0.1:8300"
        assert (await pool.call(server.address, "Status.Leader", NOTHING)).value == "10.0.0.1:8300"
        assert server.listener.connections == 1


async def test_a_method_that_the_server_does_not_know() -> None:
    async with serving() as server, pooled() as pool:
        server.service.methods = frozenset(("Status.Ping",))
        with pytest.raises(RemoteError, match=r"rpc error making call: rpc: can't find method Status\.Leader"):
            await pool.call(server.address, "Status.Leader", NOTHING)
        assert (await pool.call(server.address, "Status.Ping", NOTHING)).value is None


async def test_a_method_that_does_not_exist_is_not_sent() -> None:
    async with pooled() as pool:
        with pytest.raises(Rejected, match="Nothing"):
            pool.call("127.0.0.1:1", "Nothing.Here", NOTHING)
        assert pool.addresses == []


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


async def test_nobody_listens() -> None:
    address = free_address()
    async with pooled() as pool:
        calls = [pool.call(address, "Status.Ping", NOTHING) for _ in range(2)]
        for call in calls:
            with pytest.raises(CannotConnect) as caught:
                await call
            expected = f"rpc error getting client: failed to get conn: dial tcp <nil>->{address}: connect: connection refused"
            assert caught.value.wire_text == expected
        assert pool.addresses == []
    async with pooled(source="127.0.0.1") as pool:
        with pytest.raises(CannotConnect, match=f"dial tcp 127.0.0.1:0->{address}: connect: connection refused"):
            await pool.call(address, "Status.Ping", NOTHING)


async def test_a_server_that_comes_later_is_found() -> None:
    address = free_address()
    async with pooled() as pool:
        with pytest.raises(CannotConnect):
            await pool.call(address, "Status.Ping", NOTHING)
        async with serving() as server:
            assert (await pool.call(server.address, "Status.Ping", NOTHING)).value is None


async def test_one_who_does_not_take_the_connection_costs_the_dial_timeout() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = "{}:{}".format(*deaf.getsockname())
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        async with pooled(dial_timeout=0.1) as pool:
            with pytest.raises(CannotConnect, match=f"dial tcp <nil>->{address}: i/o timeout"):
                await pool.call(address, "Status.Ping", NOTHING)
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("address", ["", "8300", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"])
async def test_an_address_that_is_none(address: str) -> None:
    async with pooled() as pool:
        with pytest.raises(CannotConnect, match="not of the form"):
            await pool.call(address, "Status.Ping", NOTHING)


async def test_a_lost_connection_fails_all_its_calls_at_once_and_the_next_call_makes_another() -> None:
    async with serving() as server, pooled() as pool:
        await pool.call(server.address, "Status.Ping", NOTHING)
        calls = [pool.call(server.address, "KVS.Get", BLOCKING) for _ in range(10)]
        parked = [await server.parked.get() for _ in calls]
        for connection in list(server.rpc.open):
            connection.abort("for the test")
        for call in calls:
            with pytest.raises(ConnectionLost, match=r"^rpc error making call: EOF$") as caught:
                await call
            assert caught.value.method == "KVS.Get"
        assert all(one.cancelled() for one in parked)
        assert (await pool.call(server.address, "Status.Ping", NOTHING)).value is None
        assert pool.addresses == [server.address]


async def test_a_call_that_nobody_waits_for_is_withdrawn_at_the_server() -> None:
    async with serving() as server, pooled() as pool:
        call = pool.call(server.address, "KVS.Get", BLOCKING)
        other = pool.call(server.address, "KVS.Get", BLOCKING)
        parked, beside = await server.parked.get(), await server.parked.get()
        call.cancel()
        await turns(parked.cancelled)
        beside.set_result(of(b"y"))
        assert (await other).value.value == b"y"
        await turns(lambda: opened(server) == [3])


async def test_a_late_answer_to_a_withdrawn_call_is_passed_over() -> None:
    async with serving() as server, pooled() as pool:
        call = pool.call(server.address, "KVS.Get", READ)
        parked = await server.parked.get()
        call.cancel()
        parked.set_result(of(bytes(2_000_000)))
        assert (await pool.call(server.address, "Status.Leader", NOTHING)).value == "10.0.0.1:8300"
        await turns(lambda: opened(server) == [3])


async def test_a_call_withdrawn_before_there_is_a_connection_is_not_sent() -> None:
    async with serving() as server, pooled() as pool:
        call = pool.call(server.address, "KVS.Get", READ)
        call.cancel()
        assert (await pool.call(server.address, "Status.Ping", NOTHING)).value is None
        assert [method for method, _, _ in server.asked] == ["Status.Ping"]


async def test_closing_one_address_or_all_fails_what_is_under_way() -> None:
    async with serving() as server, serving() as second, pooled() as pool:
        one = pool.call(server.address, "KVS.Get", BLOCKING)
        two = pool.call(second.address, "KVS.Get", BLOCKING)
        await server.parked.get()
        await second.parked.get()
        pool.close(server.address)
        with pytest.raises(ConnectionLost):
            await one
        assert not two.done()
        dialing = pool.call(server.address, "Status.Ping", NOTHING)
        pool.close()
        for call in (two, dialing):
            with pytest.raises(ConnectionLost):
                await call
        with pytest.raises(Rejected, match="closed"):
            pool.call(server.address, "Status.Ping", NOTHING)
        await turns(lambda: not server.rpc.open and not second.rpc.open)


async def test_a_connection_that_nobody_uses_is_closed_and_one_that_waits_is_not() -> None:
    async with serving() as server, pooled(idle_time=0.05) as pool:
        call = pool.call(server.address, "KVS.Get", BLOCKING)
        parked = await server.parked.get()
        await asyncio.sleep(0.12)  # real time: more than twice the idle time
        assert pool.addresses == [server.address]
        parked.set_result(of(b"x"))
        assert (await call).value.value == b"x"
        await turns(lambda: not server.rpc.open, most=10_000_000)
        assert pool.addresses == []
        assert (await pool.call(server.address, "Status.Ping", NOTHING)).value is None


async def test_more_idle_streams_than_are_kept_are_closed() -> None:
    async with serving() as server, pooled(idle_streams=2) as pool:
        calls = [pool.call(server.address, "KVS.Get", READ) for _ in range(5)]
        for _ in calls:
            (await server.parked.get()).set_result(of(b"x"))
        await asyncio.gather(*calls)
        await turns(lambda: len(opened(server)) == 2)


class OtherServer:
    """A server by hand, for what ours never does. `reaction` gets the session, the stream and the request."""

    def __init__(self, reaction: Any) -> None:
        self.reaction = reaction

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(1) == b"\x04"
        session, readers = Session(False, 0.0), {}
        while data := await reader.read(65536):
            for event in session.receive_data(0.0, data):
                if isinstance(event, StreamOpened):
                    readers[event.stream] = RequestReader()
                    session.accept(event.stream)
                elif isinstance(event, DataReceived):
                    for request in readers[event.stream].feed(event.data):
                        self.reaction(session, event.stream, request)
            writer.writelines(session.data_to_send())
            await writer.drain()
        writer.close()


@asynccontextmanager
async def other_server(reaction: Any) -> AsyncIterator[str]:
    server = await asyncio.start_server(OtherServer(reaction).handle, "127.0.0.1", 0)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        await settled()


def wrong_sequence(session: Session, stream: int, request: Any) -> None:
    session.send(stream, encode_response(request.sequence + 1, request.method, EMPTY))


def two_answers(session: Session, stream: int, request: Any) -> None:
    session.send(stream, encode_response(request.sequence, request.method, EMPTY) * 2)


def nonsense(session: Session, stream: int, request: Any) -> None:
    session.send(stream, b"\xc1\xc1\xc1")


def no_reply_of_the_method(session: Session, stream: int, request: Any) -> None:
    session.send(stream, encode_response(request.sequence, request.method, b"\x01"))


def end_stream(session: Session, stream: int, request: Any) -> None:
    session.close(stream)


def reset_stream(session: Session, stream: int, request: Any) -> None:
    session.reset(stream)


def open_stream_back(session: Session, stream: int, request: Any) -> None:
    session.send(session.open_stream(), b"hello")
    session.send(stream, encode_response(request.sequence, request.method, b"\xc0"))


@pytest.mark.parametrize(
    ("reaction", "text"),
    [
        pytest.param(wrong_sequence, "EOF", id="answer to another call"),
        pytest.param(nonsense, "EOF", id="nonsense"),
        pytest.param(no_reply_of_the_method, "expected a map", id="not what the method answers"),
        pytest.param(end_stream, "EOF", id="stream ended"),
        pytest.param(reset_stream, "connection reset", id="stream reset"),
    ],
)
async def test_an_answer_that_is_none_is_a_lost_call(reaction: Any, text: str) -> None:
    async with other_server(reaction) as address, pooled() as pool:
        with pytest.raises(ConnectionLost, match=text):
            await pool.call(address, "KVS.Get", READ)


async def test_an_answer_to_nothing_ends_the_connection() -> None:
    async with other_server(two_answers) as address, pooled() as pool:
        await pool.call(address, "Status.Ping", NOTHING)
        await turns(lambda: pool.addresses == [])


async def test_a_server_may_not_open_streams() -> None:
    async with other_server(open_stream_back) as address, pooled() as pool:
        assert (await pool.call(address, "KVS.Get", READ)).value is None


def go_away_once(session: Session, stream: int, request: Any) -> None:
    if stream == 1:
        session.go_away()
    session.send(stream, encode_response(request.sequence, request.method, b"\xc0"))


async def test_after_a_go_away_calls_take_a_new_connection() -> None:
    async with other_server(go_away_once) as address, pooled() as pool:
        assert (await pool.call(address, "KVS.Get", READ)).value is None
        assert pool.addresses == []
        assert (await pool.call(address, "KVS.Get", READ)).value is None


async def test_before_the_ids_of_streams_run_out_calls_take_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_client, "LAST_STREAM", 5)
    async with serving() as server, pooled() as pool:
        calls = [pool.call(server.address, "KVS.Get", READ) for _ in range(3)]
        parked = [await server.parked.get() for _ in calls]
        assert (await pool.call(server.address, "Status.Leader", NOTHING)).value == "10.0.0.1:8300"
        assert len(server.rpc.open) == 2
        for one in parked:
            one.set_result(of(b"x"))
        assert [(await call).value.value for call in calls] == [b"x"] * 3
        await turns(lambda: len(server.rpc.open) == 1)


def silence(session: Session, stream: int, request: Any) -> None:
    pass


async def test_a_server_that_answers_no_pings_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamux, "KEEPALIVE", 0.03)
    monkeypatch.setattr(yamux, "PING_TIMEOUT", 0.05)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(deaf, "127.0.0.1", 0)
    async with other_server(silence) as live, pooled() as pool:
        address = "{}:{}".format(*listening.sockets[0].getsockname())
        waiting = pool.call(live, "KVS.Get", BLOCKING)
        with pytest.raises(ConnectionLost):
            await pool.call(address, "KVS.Get", BLOCKING)
        assert not waiting.done(), "the one that answers pings is kept"
    listening.close()


async def test_a_server_that_does_not_read_is_given_up() -> None:
    hold = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        await hold.wait()
        writer.close()

    listening = await asyncio.start_server(deaf, "127.0.0.1", 0)
    async with pooled(write_timeout=0.1) as pool:
        address = "{}:{}".format(*listening.sockets[0].getsockname())
        large = KeyRequest(datacenter="dc1", key="k" * 250_000)
        calls = [pool.call(address, "KVS.Get", large) for _ in range(60)]
        for call in calls:
            with pytest.raises(ConnectionLost):
                await call
        hold.set()
        await settled()
    listening.close()
    await settled()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def use_everything_once() -> None:
    async with serving() as server, pooled() as pool:
        await asyncio.gather(*[pool.call(server.address, "Status.Ping", NOTHING) for _ in range(20)])
        pool.call(server.address, "KVS.Get", BLOCKING).add_done_callback(lambda one: one.exception())
        await server.parked.get()


async def test_nothing_is_left_open() -> None:
    await use_everything_once()
    before = open_descriptors()  # what the loop itself opens for good is open now
    for _ in range(3):
        await use_everything_once()
    await turns(lambda: open_descriptors() <= before)
    assert len(asyncio.all_tasks()) == 1


async def test_errors_are_not_about_a_missing_key() -> None:
    """NotFound travels as a text like any other error: its status belongs to the edge that made it."""

    def missing(_request: Any) -> Reply:
        raise NotFound("no such thing")

    async with serving() as server, pooled() as pool:
        server.answers["KVS.Get"] = missing
        with pytest.raises(RemoteError) as caught:
            await pool.call(server.address, "KVS.Get", READ)
        assert caught.value.http_status == 500
