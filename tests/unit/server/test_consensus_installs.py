"""Snapshots that a leader sends, on a real disk and over real connections."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cluster_parts import HOST, PATIENT, Cluster
from test_consensus import scenario

from muster.model.errors import DecodeError
from muster.raft.messages import InstallSnapshot
from muster.storage.files import RealFiles
from muster.storage.raft_storage import open_on_disk
from muster.wire.raft_encoder import encode_request


def on_disk(path, name):
    return open_on_disk(RealFiles(), str(path / name), random.Random(name), segment_bytes=10_000)


def head(cluster: Cluster, leader, index: int, size: int, term: int | None = None) -> InstallSnapshot:
    term = leader.consensus.term if term is None else term
    return InstallSnapshot(term, leader.address, index, term, cluster.configuration().encode(), 1, size)


async def fresh_server(cluster: Cluster, path):
    """A server that nobody has added, and the directory of its snapshots."""
    peer = await cluster.add("d")
    await cluster.stop("d")
    peer.storage = on_disk(path, "d")
    await cluster.start("d")
    return peer, path / "d" / "raft" / "muster" / "snapshots"


async def connect(peer):
    reader, writer = await asyncio.open_connection(HOST, int(peer.address.rpartition(":")[2]))
    writer.write(b"\x01")
    return reader, writer


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@scenario
async def test_under_load_a_fresh_server_catches_up_with_one_install_although_the_log_is_cut_behind_it(tmp_path):
    """Incident 2 of docs/testing.md: one install after another, without end."""
    async with Cluster("a", "b", "c", timing=PATIENT) as cluster:
        leader = await cluster.leader()
        await asyncio.gather(*[leader.put(f"{n} {'x' * 2000}") for n in range(1000)])
        await leader.consensus.snapshot_now()
        fresh, directory = await fresh_server(cluster, tmp_path)
        installed = []
        restore = fresh.state.restore
        fresh.state.restore = lambda stream: installed.append(1) or restore(stream)
        added = leader.consensus.add_nonvoter("d", fresh.address)
        written = 0
        while not added.done() or fresh.consensus.applied_index < leader.consensus.applied_index - 100 or written < 2000:
            await asyncio.gather(*[leader.put(f"{n}") for n in range(200)])
            await leader.consensus.snapshot_now()  # which cuts the log down to five entries, were the fresh one not there
            written += 200
        await cluster.level()
        assert installed == [1]
        assert "new" not in names(directory)


@scenario
async def test_a_sender_that_vanishes_leaves_nothing_behind_and_the_next_one_succeeds(tmp_path):
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        peer, directory = await fresh_server(cluster, tmp_path)
        _, writer = await connect(peer)
        writer.write(encode_request(head(cluster, leader, 50, 1000)) + bytes(500))
        await cluster.until(lambda: "new" in names(directory))
        writer.transport.abort()
        await cluster.until(lambda: not names(directory))
        assert peer.consensus.is_empty() is False  # it has taken the sender's term
        assert peer.consensus.last_index == 0
        await leader.put("a")
        await leader.consensus.snapshot_now()
        await leader.consensus.add_nonvoter("d", peer.address)
        await cluster.level()
        assert list(peer.state.applied.values()) == ["a"]


@scenario
async def test_of_two_senders_the_later_one_wins_and_the_earlier_ones_bytes_are_gone(tmp_path):
    content = b'[{"7": "kept"}, {}]'
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        peer, directory = await fresh_server(cluster, tmp_path)
        first_reader, first = await connect(peer)
        first.write(encode_request(head(cluster, leader, 50, 1000)) + bytes(500))
        await cluster.until(lambda: "new" in names(directory))
        second_reader, second = await connect(peer)
        second.write(encode_request(head(cluster, leader, 60, len(content))) + content)
        assert await second_reader.readexactly(1) == b"\xa0"
        assert await first_reader.read() == b""
        assert list(peer.state.applied.values()) == ["kept"]
        assert peer.consensus.last_index == 60
        assert len(names(directory)) == 1
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("content", "index", "success"),
    [
        pytest.param(b"no state at all", 60, False, id="content that is no state"),
        pytest.param(b'[{"1": "old"}, {}]', 1, True, id="older than what is committed here"),
    ],
)
@scenario
async def test_what_is_not_installed_is_read_answered_and_forgotten(tmp_path, content, index, success):
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        await leader.put("a")
        peer, directory = await fresh_server(cluster, tmp_path)
        await leader.consensus.add_nonvoter("d", peer.address)
        await cluster.level()
        peer.state.restore = _refuse
        reader, writer = await connect(peer)
        writer.write(encode_request(head(cluster, leader, index, len(content))) + content)
        answer = await reader.readuntil(b"Term")
        assert (b"Success\xc3" in answer) is success
        assert names(directory) == []
        assert list(peer.state.applied.values()) == ["a"]
        await leader.put("b")
        await cluster.level()
        writer.close()


def _refuse(stream):
    raise DecodeError(f"no state: {stream.read(10)!r}")


@scenario
async def test_a_server_starts_again_on_the_snapshot_that_it_was_sent(tmp_path):
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        await asyncio.gather(*[leader.put(f"{n}") for n in range(100)])
        await leader.consensus.snapshot_now()
        peer, _ = await fresh_server(cluster, tmp_path)
        await leader.consensus.add_nonvoter("d", peer.address)
        await cluster.level()
        await cluster.stop("d")
        peer.storage = on_disk(tmp_path, "d")
        await cluster.start("d")
        await leader.put("after")
        await cluster.level()
        assert peer.consensus.newest_snapshot.index >= 100
        assert peer.consensus.configuration == leader.consensus.configuration
