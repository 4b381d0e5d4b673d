"""A disk that hangs instead of failing: another server leads, nobody waits for the disk, and after the thaw the old leader follows."""

import asyncio
from collections import deque

import pytest
from many_servers import Cluster, One, together
from server_parts import DC
from test_many_servers import call, get, put

from muster.model.errors import MusterError
from muster.server.stalled_disk import LIMIT
from muster.storage.disk_thread import Done, InlineWorker, Job
from muster.wire.requests import KeyRequest

FOUNDERS = (1, 2, 3)


class HangingWorker(InlineWorker):
    """Does every job at once, until it hangs: then none, until the thaw."""

    def __init__(self) -> None:
        self.hangs = False
        self._waiting: deque[tuple[Job, Done]] = deque()

    def submit(self, job: Job, done: Done) -> None:
        if self.hangs:
            self._waiting.append((job, done))
        else:
            super().submit(job, done)

    def thaw(self) -> None:
        self.hangs = False
        while self._waiting:
            super().submit(*self._waiting.popleft())


async def founded(cluster: Cluster) -> tuple[One, dict[int, HangingWorker]]:
    """The leader, and the disks by number."""
    workers = {number: HangingWorker() for number in FOUNDERS}
    for number, worker in workers.items():
        cluster.workers[number] = worker
    await cluster.start(*FOUNDERS, expect=3)
    leader = await cluster.led()
    await asyncio.sleep(5)
    return leader, workers


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_server_acknowledges_within_ten_seconds_and_after_the_thaw_the_old_leader_follows(seed: int) -> None:
    async def body(cluster: Cluster) -> None:
        old, workers = await founded(cluster)
        terms = old.consensus.term
        workers[old.number].hangs = True
        began = cluster.loop.now
        doubtful = asyncio.ensure_future(put(old, "doubtful"))
        queued = asyncio.ensure_future(put(old, "queued"))
        new = (await asyncio.wait_for(another(cluster, old), 10)).number
        await put(cluster[new], "through the new one")
        assert cluster.loop.now - began < LIMIT + 1
        for waiting in (doubtful, queued):
            try:
                await waiting
            except MusterError as error:
                assert "leadership lost" in error.wire_text
        assert cluster.loop.now - began < LIMIT + 8, "nobody waits for the disk"
        await put(old, "through the old one")
        assert await get(old, "through the new one", require_consistent=True) == b"1"
        await asyncio.sleep(600)
        assert not old.consensus.is_leader()
        assert cluster.leader().consensus.term == terms + 1, "who cannot save its vote disturbs nobody"

        workers[old.number].thaw()
        await cluster.until(lambda: old.consensus.applied_index == cluster.leader().consensus.applied_index, 5)
        for key in ("through the new one", "through the old one", "queued"):
            values = {await get(one, key, allow_stale=True) for one in cluster.up()}
            assert len(values) == 1, "all hold the same"
        assert old.storage.log.last_index == old.consensus.last_index

    together(body, seed)


async def another(cluster: Cluster, old: One) -> One:
    await cluster.until(lambda: any(one is not old for one in cluster.leaders()))
    return next(one for one in cluster.leaders() if one is not old)


def test_while_all_disks_hang_nobody_gives_up_leadership_for_nothing() -> None:
    async def body(cluster: Cluster) -> None:
        leader, workers = await founded(cluster)
        term = leader.consensus.term
        for worker in workers.values():
            worker.hangs = True
        waiting = asyncio.ensure_future(put(leader, "k"))
        await asyncio.sleep(20)
        assert leader.consensus.is_leader() and leader.consensus.term == term
        for worker in workers.values():
            worker.thaw()
        await asyncio.wait_for(waiting, 1)

    together(body)


def test_a_consistent_read_at_a_leader_whose_disk_hangs_is_answered() -> None:
    async def body(cluster: Cluster) -> None:
        old, workers = await founded(cluster)
        workers[old.number].hangs = True
        waiting = asyncio.ensure_future(put(old, "k"))
        for _ in range(60):
            answer = call(old, "KVS.Get", KeyRequest(key="other", require_consistent=True, **DC))
            assert (await asyncio.wait_for(answer, 5)).value is None
            await asyncio.sleep(0.1)
        await asyncio.wait([waiting])

    together(body)


def test_a_disk_that_is_slow_costs_no_leadership() -> None:
    async def body(cluster: Cluster) -> None:
        leader, workers = await founded(cluster)
        term = leader.consensus.term
        for number in range(5):
            workers[leader.number].hangs = True
            waiting = asyncio.ensure_future(put(leader, f"k{number}"))
            await asyncio.sleep(LIMIT - 0.5)
            workers[leader.number].thaw()
            await waiting
        assert leader.consensus.is_leader() and leader.consensus.term == term

    together(body)
