"""Snapshots on the server port, over real sockets: streamed both ways, refused in words, ended when nothing moves."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from rpc_parts import Server, connected, serving, settled, turns

from muster.model.errors import NoLeader, Rejected
from muster.transport import snapshot_client, snapshot_rpc
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.transport.rpc_pool import RpcPool
from muster.transport.snapshot_rpc import RestoreRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest
from muster.wire.snapshot_rpc import SnapshotRequest, SnapshotResponse, encode_head

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rpc" / "snapshot-rpc.json").read_text())
ARCHIVE = bytes(range(256)) * 4096  # 1 MiB


class Taken:
    """A restored archive, and how it was handed over."""

    def __init__(self, server: Server, error: Exception | None = None) -> None:
        self.content, self.request, self.error = b"", None, error
        server.answers["Snapshot.Restore"] = self.take

    def take(self, request: Any) -> Reply:
        self.request, self.content = request, request.archive.read()
        if self.error is not None:
            raise self.error
        return Reply(value=None)


def saving(server: Server, archive: Any, **meta: Any) -> None:
    server.answers["Snapshot.Save"] = lambda _request: Reply(value=archive, index=46, **meta)


async def whole(reply: Reply) -> bytes:
    return b"".join([piece async for piece in reply.value])


def cut() -> Iterator[bytes]:
    return iter([ARCHIVE[start : start + 65536] for start in range(0, len(ARCHIVE), 65536)])


async def later() -> AsyncIterator[bytes]:
    for piece in cut():
        await asyncio.sleep(0)
        yield piece


@pytest.mark.parametrize(
    "made", [pytest.param(cut, id="iterator"), pytest.param(later, id="asynchronous"), pytest.param(lambda: ARCHIVE, id="bytes")]
)
async def test_an_archive_is_saved(made: Any) -> None:
    async with serving() as server:
        saving(server, made(), last_contact=7, consistency_level="leader")
        reply = await RpcPool().snapshot_save(server.address, "dc1", "secret", allow_stale=True)
        assert (reply.index, reply.known_leader, reply.last_contact, reply.consistency_level) == (46, True, 7, "leader")
        assert await whole(reply) == ARCHIVE
        ((method, request, source),) = server.asked
        assert (method, request.datacenter, request.token, request.allow_stale) == ("Snapshot.Save", "dc1", "secret", True)
        assert source.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: ARCHIVE, id="bytes"),
        pytest.param(lambda: io.BytesIO(ARCHIVE), id="file"),
        pytest.param(cut, id="iterator"),
        pytest.param(later, id="asynchronous"),
    ],
)
async def test_an_archive_is_restored(made: Any) -> None:
    async with serving() as server:
        taken = Taken(server)
        reply = await RpcPool().snapshot_restore(server.address, "dc1", made(), "secret")
        assert (reply.value, taken.content) == (None, ARCHIVE)
        assert (taken.request.datacenter, taken.request.token) == ("dc1", "secret")
        assert taken.request.archive.closed, "the file it was kept in is gone"


async def test_a_restore_by_the_bytes_of_a_real_client_is_answered_as_a_real_server_does() -> None:
    async with serving() as server, connected(server, bytes.fromhex(VECTORS["restore"]["request_hex"])) as connection:
        taken = Taken(server)
        connection.writer.write(b"the archive")
        connection.writer.write_eof()
        assert await connection.closed() == bytes.fromhex(VECTORS["restore"]["response_header_hex"])
        assert (taken.content, taken.request.datacenter) == (b"the archive", "dc3")


async def test_a_save_by_the_bytes_of_a_real_client_is_answered_as_a_real_server_does() -> None:
    async with serving() as server, connected(server, bytes.fromhex(VECTORS["save"]["request_hex"])) as connection:
        saving(server, ARCHIVE)
        connection.writer.write_eof()
        assert await connection.closed() == bytes.fromhex(VECTORS["save"]["response_header_hex"]) + ARCHIVE


async def test_the_client_speaks_as_a_real_one() -> None:
    heard: list[bytes] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.write(bytes.fromhex(VECTORS["restore_truncated_archive"]["response_header_hex"]))
        writer.close()

    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    address = "{}:{}".format(*listening.sockets[0].getsockname())
    token = VECTORS["restore"]["request"]["Token"]
    for asked in (snapshot_client.restore(address, "dc3", b"half", token), snapshot_client.save(address, "dc3", token)):
        with pytest.raises(RemoteError) as caught:
            await asked
        assert caught.value.text == VECTORS["restore_truncated_archive"]["response_header"]["Error"]
    assert heard == [bytes.fromhex(VECTORS["restore"]["request_hex"]) + b"half", bytes.fromhex(VECTORS["save"]["request_hex"])]
    listening.close()
    await settled()


async def test_a_refusal_is_its_text() -> None:
    def nobody(_request: Any) -> Reply:
        raise NoLeader

    async with serving() as server:
        server.answers["Snapshot.Save"] = nobody
        with pytest.raises(RemoteError, match=r"^No cluster leader$"):
            await snapshot_client.save(server.address, "dc1")
        Taken(server, Rejected("failed to read snapshot file: nonsense"))
        with pytest.raises(RemoteError, match="failed to read snapshot file: nonsense"):
            await snapshot_client.restore(server.address, "dc1", ARCHIVE)


@pytest.mark.parametrize("size", [pytest.param(200_000, id="little more"), pytest.param(40_000_000, id="much more")])
async def test_an_archive_beyond_the_limit_is_refused_in_words(size: int) -> None:
    async with serving(largest_archive=100_000) as server:
        taken = Taken(server)
        with pytest.raises(RemoteError, match="larger than 100000 bytes"):
            await snapshot_client.restore(server.address, "dc1", bytes(size))
        assert taken.request is None


async def test_a_disk_that_does_not_take_the_archive_is_named() -> None:
    async with serving(folder="/nowhere") as server:
        with pytest.raises(RemoteError, match=r"cannot keep the archive: .*No such file"):
            await snapshot_client.restore(server.address, "dc1", ARCHIVE)


@pytest.mark.parametrize(("operation", "shown"), [(2, "'\\x02'"), (65, "'A'"), (300, "'Ĭ'"), (-1, "%!q(structs.SnapshotOp=-1)")])
async def test_an_unknown_operation_is_refused_in_the_words_of_a_real_server(operation: int, shown: str) -> None:
    async with serving() as server, connected(server, b"\x05" + encode_head(SnapshotRequest(op=operation))) as connection:
        answer = encode_head(SnapshotResponse(error=f"unrecognized snapshot op {shown}"))
        assert await connection.closed() == answer


async def test_snapshots_are_methods_of_the_pool() -> None:
    async with serving() as server:
        saving(server, cut())
        pool, taken = RpcPool(), Taken(server)
        reply = await pool.call(server.address, "Snapshot.Save", DatacenterRequest(datacenter="dc1", token="t", allow_stale=True))
        archive = await whole(reply)
        await pool.call(server.address, "Snapshot.Restore", RestoreRequest(archive=archive, datacenter="dc1", token="t"))
        assert taken.content == ARCHIVE
        assert [(method, request.datacenter, request.token) for method, request, _ in server.asked] == [
            ("Snapshot.Save", "dc1", "t"),
            ("Snapshot.Restore", "dc1", "t"),
        ]


async def test_an_archive_that_breaks_off_while_it_is_made_ends_short() -> None:
    def broken() -> Iterator[bytes]:
        yield b"begin"
        raise Rejected("the disk is gone")

    async with serving() as server:
        saving(server, broken())
        reply = await snapshot_client.save(server.address, "dc1")
        try:
            assert await whole(reply) == b"begin"
        except ConnectionLost:
            pass


class Endless:
    """Counts what was asked of it."""

    def __init__(self) -> None:
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.given += 1
            yield bytes(65536)


async def test_a_client_that_does_not_read_holds_little_and_is_ended() -> None:
    async with serving(stalled=0.2) as server:
        archive = Endless()
        saving(server, archive)
        reply = await snapshot_client.save(server.address, "dc1")
        await asyncio.sleep(0.1)  # real time: what can be sent is sent
        made = archive.given
        assert made * 65536 < 32 << 20, "what the sockets hold, and little more"
        await turns(lambda: server.listener.connections == 0, most=10_000_000)
        assert archive.given == made
        await reply.value.aclose()


async def test_a_reader_that_stops_early_ends_the_making() -> None:
    async with serving() as server:
        archive = Endless()
        saving(server, archive)
        reply = await snapshot_client.save(server.address, "dc1")
        async for _ in reply.value:
            break
        await reply.value.aclose()
        await turns(lambda: server.listener.connections == 0, most=10_000_000)
        assert archive.given * 65536 < 32 << 20


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x05", id="nothing"),
        pytest.param(b"\x05" + encode_head(SnapshotRequest())[:20], id="half a head"),
        pytest.param(b"\x05" + encode_head(SnapshotRequest(op=1)) + b"half an archive", id="half an archive"),
    ],
)
async def test_one_that_stops_in_the_middle_is_ended(said: bytes) -> None:
    async with serving(stalled=0.05) as server, connected(server, said) as connection:
        assert await connection.closed() == b""
        assert server.asked == []


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x05\xc1", id="no msgpack"),
        pytest.param(b"\x05\x01", id="a number"),
        pytest.param(b"\x05\x84\xa2Op\xa1x", id="a text for a number"),
        pytest.param(b"\x05\xdb\xff\xff\xff\xff" + bytes(100_000), id="a huge text"),
        pytest.param(b"\x05\xdf\xff\xff\xff\xff" + b"\xa1a\x01" * 30_000, id="a huge map"),
    ],
)
async def test_a_head_that_is_none_is_closed_without_an_answer(said: bytes) -> None:
    async with serving() as server, connected(server, said) as connection:
        connection.writer.write_eof()
        assert await connection.closed() == b""
        assert server.asked == []


async def test_who_is_gone_while_the_snapshot_is_taken_is_forgotten() -> None:
    async with serving() as server:
        saved = asyncio.ensure_future(snapshot_client.save(server.address, "dc1"))
        parked = await server.parked.get()
        saved.cancel()
        parked.set_result(Reply(value=cut(), index=1))
        await turns(lambda: server.listener.connections == 0, most=1_000_000)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with serving() as server:
        with pytest.raises(ConnectionLost, match="i/o timeout"):
            await snapshot_client.save(server.address, "dc1", answer_timeout=0.05)
        with pytest.raises(ConnectionLost, match="i/o timeout"):
            await snapshot_client.restore(server.address, "dc1", b"x", answer_timeout=0.05)


async def test_nobody_listens() -> None:
    async with serving() as server:
        address = server.address
    for asked in (snapshot_client.save(address, "dc1"), snapshot_client.restore(address, "dc1", b"")):
        with pytest.raises(CannotConnect, match="connection refused"):
            await asked


async def test_closing_ends_what_is_under_way() -> None:
    async with serving() as server:
        saving(server, Endless())
        reply = await snapshot_client.save(server.address, "dc1")
        await server.snapshots.close()
        with pytest.raises((ConnectionLost, StopAsyncIteration)):
            while True:
                await anext(reply.value)
        assert not server.snapshots._tasks


def test_the_answers_head_says_how_fresh_the_state_is() -> None:
    head = snapshot_rpc.response_of(Reply(value=None, index=3, known_leader=False, last_contact=9))
    assert head == SnapshotResponse(index=3, known_leader=False, last_contact=9)
