"""The driver of consensus with one voter: results, batches, pieces, snapshots, restores."""

import asyncio
import logging
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from consensus_parts import LaterWorker, Remembering, consensus

from muster.model.errors import CommandFailed, DecodeError, NoLeader, StorageFailed
from muster.server import consensus as consensus_module
from muster.server.raft_snapshots import SnapshotPolicy
from muster.storage.files import RealFiles
from muster.storage.raft_storage import in_memory, open_on_disk
from muster.testing.disk import FaultyDisk


def scenario(coroutine):
    """Runs an async test on a fresh loop."""

    def test(*arguments, **named):
        asyncio.run(coroutine(*arguments, **named))

    test.__name__ = coroutine.__name__
    test.__signature__ = __import__("inspect").signature(coroutine)
    return test


def put(server, text, command=None):
    return server.commit(2, b"\x02" + text.encode(), command)


async def started(storage=None, state=None, **settings):
    server = consensus(storage, state, **settings)
    await server.start()
    return server


@scenario
async def test_a_sole_voter_leads_as_soon_as_it_has_started():
    led = []
    server = await started(on_leadership=led.append)
    assert (server.is_leader(), server.leader_address(), server.term) == (True, "127.0.0.1:8300", 2)
    # As with Consul: the configuration is entry 1, the leader's first own entry is 2.
    assert (server.last_index, server.commit_index, server.applied_index) == (2, 2, 2)
    assert led == [True]


@scenario
async def test_a_commit_gives_what_the_state_machine_returned_for_the_very_object_proposed():
    state = Remembering()
    server = await started(state=state)
    command = object()
    assert await put(server, "a", command) == 3
    assert state.applied == {3: "a"}
    assert state.commands == [command]


@scenario
async def test_a_command_that_fails_uses_its_index_and_raises_its_error():
    server = await started()
    with pytest.raises(CommandFailed, match="refused"):
        await put(server, "fail")
    assert await put(server, "next") == 4


@scenario
async def test_a_mistake_of_the_state_machine_is_logged_and_fails_that_command_only(caplog):
    server = await started()
    with caplog.at_level(logging.ERROR), pytest.raises(CommandFailed, match="a mistake in the state machine"):
        await put(server, "break")
    assert "applying entry 3" in caplog.text
    assert await put(server, "next") == 4


@scenario
async def test_all_commits_of_one_turn_are_one_write_and_those_that_arrive_meanwhile_the_next():
    disk = FaultyDisk()
    server = await started(open_on_disk(disk, "/data", random.Random(1)), worker=LaterWorker())
    await put(server, "first")
    before = disk.operations
    first = [put(server, f"a{n}") for n in range(100)]
    await asyncio.sleep(0)  # the first batch is on its way
    second = [put(server, f"b{n}") for n in range(100)]
    assert await asyncio.gather(*first, *second) == [*range(4, 204)]
    assert disk.operations - before == 2 * 2  # a write and a sync each


@scenario
async def test_a_flood_is_applied_in_parts_and_in_order():
    state = Remembering()
    server = await started(state=state)
    assert await asyncio.gather(*[put(server, str(n)) for n in range(5000)]) == [*range(3, 5003)]
    assert list(state.applied.values()) == [str(n) for n in range(5000)]


@scenario
async def test_watchers_are_told_once_for_each_batch():
    told = []
    server = await started(on_applied=told.append)
    await asyncio.gather(*[put(server, str(n)) for n in range(10)])
    assert told == [2, 12]


@scenario
async def test_a_barrier_and_a_verification_complete():
    server = await started()
    waiting = put(server, "a")
    await server.barrier()
    assert waiting.done()
    assert server.last_index == 4
    assert server.verify_leader().done()


@scenario
async def test_a_cancelled_commit_does_not_disturb_the_others():
    server = await started()
    futures = [put(server, str(n)) for n in range(3)]
    futures[1].cancel()
    assert [await futures[0], await futures[2]] == [3, 5]


@scenario
async def test_after_the_stop_nothing_is_taken():
    server = await started()
    waiting = put(server, "a")
    await server.stop()
    with pytest.raises(NoLeader):
        await waiting
    with pytest.raises(NoLeader):
        await put(server, "b")
    with pytest.raises(NoLeader):
        await server.verify_leader()
    assert not server.is_leader()


@scenario
async def test_a_server_that_may_not_found_a_datacenter_waits_without_a_leader():
    server = await started(bootstrap=False)
    assert (server.is_leader(), server.leader_address(), server.last_index) == (False, "", 0)
    with pytest.raises(NoLeader):
        await put(server, "a")
    with pytest.raises(NoLeader):
        await server.barrier()


@scenario
async def test_a_big_command_is_cut_applied_at_its_last_index_and_survives_a_restart():
    state, storage = Remembering(), in_memory()
    server = await started(storage, state)
    text = "x" * 1_228_800
    assert await put(server, text, "the object") == 5
    assert state.applied == {5: text}
    assert state.commands == ["the object"]
    again = Remembering()
    await started(storage, again)
    assert again.applied == {5: text}


@scenario
async def test_only_key_value_commands_are_cut():
    server = await started()
    await server.commit(8, b"\x08" + b"x" * 600_000, None)
    assert server.last_index == 3


@scenario
async def test_a_snapshot_shortens_the_log_and_a_start_needs_only_it_and_the_rest():
    storage, state = in_memory(), Remembering()
    server = await started(storage, state)
    await asyncio.gather(*[put(server, str(n)) for n in range(50)])
    meta = await server.snapshot_now()
    assert (meta.index, meta.term, meta.configuration_index) == (52, 2, 1)
    assert meta.configuration.members[0].address == "127.0.0.1:8300"
    assert storage.log.first_index == 48
    assert server.open_snapshot(meta).read() == b"".join(state.snapshot({}))
    assert await server.snapshot_now() is meta  # nothing new
    await put(server, "after")
    again = Remembering()
    storage.newest = meta
    restarted = await started(storage, again)
    assert again.applied == state.applied
    assert restarted.configuration == server.configuration


@scenario
async def test_pieces_that_wait_for_the_rest_survive_a_snapshot(monkeypatch):
    monkeypatch.setattr(consensus_module.chunking, "CHUNK_BYTES", 10)
    storage, state = in_memory(), Remembering()
    server = await started(storage, state)
    pieces = consensus_module.chunking.split(b"\x02" + b"y" * 25, None, random.Random(1))
    for piece in pieces[:2]:
        server._propose(piece, asyncio.get_running_loop().create_future())
    await put(server, "between")
    await server.snapshot_now()
    server._propose(pieces[2], last := asyncio.get_running_loop().create_future())
    assert await last == 6
    again = Remembering()
    await started(storage, again)
    assert again.applied == {5: "between", 6: "y" * 25}


@pytest.mark.parametrize(
    ("entries", "log_bytes", "last_size", "due"),
    [
        pytest.param(16_383, 1000, 0, False, id="too few entries"),
        pytest.param(16_384, 1000, 0, True, id="enough entries"),
        pytest.param(5, (64 << 20) + 1, 0, True, id="a long log"),
        pytest.param(5, (64 << 20) + 1, 40 << 20, False, id="a long log but a big state"),
        pytest.param(0, 1 << 40, 0, False, id="nothing new"),
    ],
)
def test_when_a_snapshot_is_due(entries, log_bytes, last_size, due):
    assert SnapshotPolicy().due(entries, log_bytes, last_size) is due


@scenario
async def test_snapshots_are_taken_by_themselves():
    storage = in_memory()
    server = await started(storage, policy=SnapshotPolicy(interval=0.001, threshold=20, trailing=0))
    await asyncio.gather(*[put(server, str(n)) for n in range(20)])
    while server.newest_snapshot is None:  # noqa: ASYNC110 - there is no event for it: nobody but the operator asks
        await asyncio.sleep(0)  # real time: a millisecond or two until the check
    assert server.newest_snapshot.index == 22
    await server.stop()


@scenario
async def test_a_snapshot_that_the_disk_refuses_is_told_and_commits_go_on():
    disk = FaultyDisk()
    server = await started(open_on_disk(disk, "/data", random.Random(1)), worker=LaterWorker())
    await put(server, "a" * 300)
    disk.full_after = 100
    with pytest.raises(StorageFailed, match="snapshot at index 3"):
        await server.snapshot_now()
    disk.full_after = None
    assert await put(server, "b") == 4
    assert server.newest_snapshot is None


@pytest.mark.parametrize("archive_index", [1, 900])
@scenario
async def test_an_operators_snapshot_replaces_the_state_past_every_index(archive_index):
    storage, state, told = in_memory(), Remembering(), []
    server = await started(storage, state, on_applied=told.append)
    await put(server, "old")
    other = Remembering()
    other.applied = {7: "restored"}
    waiting = put(server, "before the restore")
    index = await server.install(list(other.snapshot({})), archive_index)
    assert await waiting == 4
    assert index == max(4, archive_index) + 1
    assert state.applied == {7: "restored"}
    assert told[-2:] == [index, index + 1]
    assert await put(server, "new") == index + 2
    again = Remembering()
    restarted = await started(storage, again)
    assert again.applied == state.applied == {7: "restored", index + 2: "new"}
    assert restarted.configuration == server.configuration


@scenario
async def test_a_bad_operators_snapshot_changes_nothing():
    class Refusing(Remembering):
        def restore(self, stream):
            raise DecodeError("record 3 is cut short")

    disk = FaultyDisk()
    state = Refusing()
    server = await started(open_on_disk(disk, "/data", random.Random(1)), state, worker=LaterWorker())
    await put(server, "kept")
    with pytest.raises(DecodeError, match="cut short"):
        await server.install([b"nonsense"], 900)
    assert await put(server, "next") == 4
    assert state.applied == {3: "kept", 4: "next"}
    assert disk.list("/data/raft/muster/snapshots") == []


@scenario
async def test_threads_of_a_real_disk_do_the_same(tmp_path):
    def storage():
        return open_on_disk(RealFiles(), str(tmp_path), random.Random(1), segment_bytes=5000)

    state = Remembering()
    server = await started(storage(), state)
    for round_ in range(10):
        await asyncio.gather(*[put(server, f"{round_} {n}") for n in range(30)])
    await server.snapshot_now()
    await asyncio.gather(*[put(server, f"late {n}") for n in range(30)])
    await server.stop()
    again = Remembering()
    server = await started(storage(), again)
    assert again.applied == state.applied
    assert await server.install(list(state.snapshot({})), 5000) == 5001
    await server.stop()
    third = Remembering()
    server = await started(storage(), third)
    assert third.applied == state.applied
    assert server.applied_index == server.last_index == 5003
    await server.stop()
