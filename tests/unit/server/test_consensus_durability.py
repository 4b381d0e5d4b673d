"""Power cuts at random points of the real driver over the real storage, on a disk that forgets what was not synced."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from consensus_parts import LaterWorker, Remembering, consensus

from muster.model.errors import CorruptFile
from muster.storage.raft_storage import RaftStorage, open_on_disk
from muster.testing.disk import Content, FaultyDisk, PowerCut

CHAINS = 50
LIVES = 20  # of each chain; together 1,000 power cuts


class DiskThatLies(FaultyDisk):
    """Its sync says yes and does nothing: what a build without fdatasync would be."""

    def sync_content(self, content: Content) -> None:
        pass


class Lost(Exception):
    """Something acknowledged is missing, or not what it was."""


async def one_life(storage: RaftStorage, chance: random.Random, life: int, acknowledged: dict[int, str]) -> None:
    """Checks what is there, then writes until the power is cut."""
    worker, state = LaterWorker(), Remembering()
    server = consensus(storage, state, worker=worker)
    starting = asyncio.ensure_future(server.start())
    ended = asyncio.ensure_future(worker.cut.wait())
    await asyncio.wait([starting, ended], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        check(state.applied, acknowledged)
        assert server.is_leader()
    tasks = [] if not starting.done() else [asyncio.ensure_future(client(server, n, chance, life, acknowledged)) for n in range(4)]
    await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()
    for task in [*tasks, starting]:
        task.cancel()
    # Not awaited here: with the power gone nothing answers those who clean up. The end of the loop cancels them again.


async def client(server, number: int, chance: random.Random, life: int, acknowledged: dict[int, str]) -> None:
    for count in range(10_000):
        text = f"life {life} client {number} write {count} " + "." * chance.randrange(300)
        if chance.random() < 0.03:
            await server.snapshot_now()
        index = await server.commit(2, b"\x02" + text.encode(), None)
        acknowledged[index] = text


def check(applied: dict[int, str], acknowledged: dict[int, str]) -> None:
    for index, text in acknowledged.items():
        if applied.get(index) != text:
            raise Lost(f"index {index}: acknowledged {text[:40]!r}, found {applied.get(index)!r}")
    texts = list(applied.values())
    if sorted(applied) != list(applied) or len(set(texts)) != len(texts):
        raise Lost("out of order, or applied twice")


def chain(disk: FaultyDisk, seed: int) -> int:
    """Lives and power cuts of one disk, one after the other; returns how many writes were acknowledged."""
    chance = random.Random(seed)
    acknowledged: dict[int, str] = {}
    for life in range(LIVES):
        disk.cut_at = chance.randrange(1, 90)
        try:
            storage = open_on_disk(disk, "/data", chance, segment_bytes=4000)
            asyncio.run(one_life(storage, chance, life, acknowledged))
        except PowerCut:
            pass  # during the start
        disk = disk.crash(chance)
    return len(acknowledged)


def test_nothing_acknowledged_is_missing_after_a_thousand_power_cuts():
    written = sum(chain(FaultyDisk(), seed) for seed in range(CHAINS))
    assert written > 10 * CHAINS * LIVES  # otherwise it cut too early to prove anything


def test_the_same_without_sync_loses_what_it_acknowledged():
    lost = 0
    for seed in range(10):
        try:
            chain(DiskThatLies(), seed)
        except (Lost, CorruptFile):
            lost += 1
    assert lost == 10


@pytest.mark.parametrize("failure", ["sync", "full"])
def test_a_disk_that_fails_ends_all_acknowledgement_and_loses_nothing_before(failure):
    from muster.model.errors import StorageFailed

    disk, acknowledged = FaultyDisk(), {}

    async def scenario() -> None:
        state = Remembering()
        server = consensus(open_on_disk(disk, "/data", random.Random(1)), state, worker=LaterWorker())
        await server.start()
        for n in range(20):
            acknowledged[await server.commit(2, b"\x02%d" % n, None)] = str(n)
        before = dict(state.applied)
        if failure == "sync":
            disk.fail_sync = True
        else:
            disk.full_after = 30
        waiting = [server.commit(2, b"\x02lost", None) for _ in range(3)]
        for future in waiting:
            with pytest.raises(StorageFailed, match=r"0000000000000001\.wal.*nothing is acknowledged"):
                await future
        disk.fail_sync, disk.full_after = False, None  # a sync that succeeds later proves nothing
        with pytest.raises(StorageFailed):
            await server.commit(2, b"\x02later", None)
        with pytest.raises(StorageFailed):
            await server.barrier()
        assert server.failed is not None
        assert server.is_leader()  # reads go on
        assert state.applied == before
        await server.stop()

    asyncio.run(scenario())
    after = Remembering()

    async def again() -> None:
        server = consensus(open_on_disk(disk.crash(random.Random(2)), "/data", random.Random(1)), after, worker=LaterWorker())
        await server.start()
        await server.stop()

    asyncio.run(again())
    check(after.applied, acknowledged)
