"""The serving side of RPC, over real sockets: order, errors, withdrawal and backpressure."""

import asyncio
from typing import Any

import pytest
from rpc_parts import EMPTY, Streams, connected, get, leader, multiplexed, ping, serving, turns

from muster.model.errors import NoLeader, PermissionDenied
from muster.model.kv import KVEntry
from muster.wire.msgpack import unpack
from muster.wire.replies import Reply
from muster.wire.rpc import encode_request
from muster.wire.rpc_methods import decode_reply
from muster.wire.yamux_events import StreamEnded


def failing(error: Exception) -> Any:
    def answer(_request: Any) -> Reply:
        raise error

    return answer


async def test_calls_on_a_plain_connection_are_answered_in_order() -> None:
    async with serving() as server, connected(server, b"\x00") as connection:
        connection.writer.write(ping(7) + leader(1 << 40))
        first, second = await connection.response(), await connection.response()
        assert (first.sequence, first.method, first.error, first.body) == (7, "Status.Ping", "", EMPTY)
        assert (second.sequence, decode_reply("Status.Leader", second.body).value) == (1 << 40, "10.0.0.1:8300")
        own = "{}:{}".format(*connection.writer.get_extra_info("sockname"))
        assert [source for _, _, source in server.asked] == [own, own]
        assert server.metrics.counts == {"rpc.accept_conn": 1, "rpc.request": 2}


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_request_may_come_in_pieces(size: int) -> None:
    async with serving() as server, connected(server, b"\x00") as connection:
        data = leader(3) + ping(4)
        for start in range(0, len(data), size):
            connection.writer.write(data[start : start + size])
            await connection.writer.drain()
            await asyncio.sleep(0)
        assert [(await connection.response()).sequence for _ in range(2)] == [3, 4]
        assert server.service.held == 0


async def test_one_call_at_a_time_on_a_stream_and_streams_side_by_side() -> None:
    async with serving() as server, multiplexed(server) as streams:
        slow = streams.open(get("a", 5), ping(2))
        quick = streams.open(ping(3))
        assert (await streams.response(quick)).sequence == 3
        parked = await server.parked.get()
        assert streams.responses[slow] == []
        parked.set_result(Reply(value=KVEntry(key="a", value=b"1"), index=6))
        read, behind = await streams.response(slow), await streams.response(slow)
        assert decode_reply("KVS.Get", read.body).index == 6
        assert behind.sequence == 2


@pytest.mark.parametrize(
    ("error", "text"),
    [pytest.param(NoLeader(), "No cluster leader", id="no leader"), pytest.param(PermissionDenied(), "Permission denied", id="denied")],
)
@pytest.mark.parametrize("later", [False, True])
async def test_an_error_of_the_method_is_its_text_and_the_stream_goes_on(error: Exception, text: str, later: bool) -> None:
    async with serving() as server, multiplexed(server) as streams:
        if not later:
            server.answers["KVS.Get"] = failing(error)
        stream = streams.open(get("a"))
        if later:
            (await server.parked.get()).set_exception(error)
        response = await streams.response(stream)
        assert (response.error, response.body) == (text, EMPTY)
        streams.session.send(stream, ping(2))
        streams.flush()
        assert (await streams.response(stream)).sequence == 2


@pytest.mark.parametrize(
    ("method", "body", "text"),
    [
        pytest.param("Nothing.Here", EMPTY, "rpc: can't find service Nothing.Here", id="service"),
        pytest.param("Status.Nothing", EMPTY, "rpc: can't find method Status.Nothing", id="method"),
        pytest.param("nodot", EMPTY, "rpc: service/method request ill-formed: nodot", id="ill-formed"),
        pytest.param(
            "KVS.Get",
            b"\x81\xa3Key\xc4\x01a",
            "codec.decoder: readContainerLen: Unrecognized descriptor byte: hex: c4, dec: 196",
            id="undecodable",
        ),
    ],
)
async def test_what_cannot_be_understood_is_answered_and_then_the_stream_is_closed(method: str, body: bytes, text: str) -> None:
    async with serving() as server, multiplexed(server) as streams:
        other = streams.open(get("a", 5))
        stream = streams.open(encode_request(method, 9, body), ping(10))
        response = await streams.response(stream)
        assert (response.sequence, response.error, response.body) == (9, text, EMPTY)
        await streams.until(lambda: StreamEnded(stream) in streams.events)
        assert streams.responses[stream] == [], "what follows is not answered"
        (await server.parked.get()).set_result(Reply(value=None, index=6))
        assert (await streams.response(other)).error == ""
        assert server.metrics.counts["rpc.request_error"] == 1
    async with serving() as server, connected(server, b"\x00") as connection:
        connection.writer.write(encode_request(method, 9, body) + ping(10))
        assert (await connection.response()).error == text
        assert await connection.closed() == b""


async def test_a_reply_that_many_asked_for_is_encoded_once() -> None:
    async with serving() as server, multiplexed(server) as streams:
        shared = Reply(value=KVEntry(key="a", value=b"1"), index=6)
        server.answers["KVS.Get"] = lambda _request: shared
        found = [(await streams.response(streams.open(get("a", sequence=number)))).body for number in range(3)]
        assert found == [shared.encodings["rpc"]] * 3
        assert unpack(found[0])["Index"] == 6


async def ended(streams: Streams, stream: int) -> None:
    streams.session.close(stream)
    streams.flush()


async def reset(streams: Streams, stream: int) -> None:
    streams.session.reset(stream)
    streams.flush()


async def dropped(streams: Streams, _stream: int) -> None:
    streams.connection.abort()


async def half_closed(streams: Streams, _stream: int) -> None:
    streams.connection.writer.write_eof()


@pytest.mark.parametrize("leave", [ended, reset, dropped, half_closed])
async def test_a_blocking_query_whose_client_is_gone_is_withdrawn(leave: Any) -> None:
    async with serving() as server, multiplexed(server) as streams:
        stream = streams.open(get("a", 5))
        parked = await server.parked.get()
        await leave(streams, stream)
        await turns(parked.cancelled)
        if leave in (ended, reset):
            assert (await streams.response(streams.open(ping()))).error == "", "the others go on"
        else:
            await turns(lambda: not server.rpc.open)


@pytest.mark.parametrize("half", [False, True])
async def test_a_blocking_query_on_a_plain_connection_is_withdrawn(half: bool) -> None:
    async with serving() as server, connected(server, b"\x00") as connection:
        connection.writer.write(get("a", 5))
        parked = await server.parked.get()
        if half:
            connection.writer.write_eof()
        else:
            connection.abort()
        await turns(parked.cancelled)
        await turns(lambda: not server.rpc.open)


async def test_who_only_ends_its_half_is_still_answered() -> None:
    async with serving() as server, connected(server, b"\x00") as connection:
        connection.writer.write(ping(1) + get("a", sequence=2) + ping(3))
        connection.writer.write_eof()
        parked = await server.parked.get()
        parked.set_result(Reply(value=None, index=1))
        assert [(await connection.response()).sequence for _ in range(3)] == [1, 2, 3]
        assert await connection.closed() == b""
        await turns(lambda: not server.rpc.open)


async def test_a_stream_that_is_ended_is_answered_and_closed() -> None:
    async with serving() as server, multiplexed(server) as streams:
        stream = streams.open(get("a"), ping(2))
        streams.session.close(stream)
        streams.flush()
        (await server.parked.get()).set_result(Reply(value=None, index=1))
        assert [(await streams.response(stream)).sequence for _ in range(2)] == [1, 2]
        await streams.until(lambda: StreamEnded(stream) in streams.events)
        assert streams.session.streams == []


async def test_what_the_server_withdraws_has_no_leader() -> None:
    async with serving() as server, multiplexed(server) as streams:
        stream = streams.open(get("a", 5))
        (await server.parked.get()).cancel()
        assert (await streams.response(stream)).error == "No cluster leader"


async def test_many_pipelined_calls_let_others_in_between() -> None:
    async with serving() as server, multiplexed(server) as streams:
        stream = streams.open(*[ping(number) for number in range(1000)])
        other = streams.open(leader())
        await streams.response(other)
        assert len(streams.responses[stream]) < 1000
        await streams.until(lambda: len(streams.responses[stream]) == 1000)
        assert [one.sequence for one in streams.responses[stream]] == list(range(1000))


async def test_a_large_answer_passes_in_windows() -> None:
    async with serving() as server, multiplexed(server) as streams:
        value = bytes(3_000_000)
        server.answers["KVS.Get"] = lambda _request: Reply(value=KVEntry(key="a", value=value), index=1)
        response = await streams.response(streams.open(get("a")))
        assert decode_reply("KVS.Get", response.body).value.value == value


async def test_one_stream_without_credit_holds_up_only_itself() -> None:
    async with serving() as server, multiplexed(server) as streams:
        value = bytes(1_000_000)
        server.answers["KVS.Get"] = lambda _request: Reply(value=KVEntry(key="a", value=value), index=1)
        streams.consumes = False
        stream = streams.open(get("a", sequence=1), get("a", sequence=2))
        await streams.until(lambda: sum(len(event.data) for event in streams.events if hasattr(event, "data")) == 262144)
        assert (await streams.response(streams.open(ping()))).error == ""
        assert len(server.asked) == 2, "its next call is not begun"
        streams.consumes = True
        streams.session.consumed(stream, 262144)
        streams.flush()
        assert [(await streams.response(stream)).sequence for _ in range(2)] == [1, 2]


async def test_closing_the_server_withdraws_and_ends_all() -> None:
    async with serving() as server, multiplexed(server) as streams, connected(server, b"\x00") as plain:
        streams.open(get("a", 5))
        plain.writer.write(get("b", 5))
        parked = [await server.parked.get() for _ in range(2)]
        server.rpc.close()
        assert await plain.closed() == b""
        assert await streams.connection.closed() is not None
        assert all(one.cancelled() for one in parked)
        assert not server.rpc.open
