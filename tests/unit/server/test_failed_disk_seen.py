"""A server whose disk failed is seen to be of no use: it gives up leadership, holds up nobody's lease, and is shown as unhealthy."""

import asyncio
import logging

import pytest
from many_servers import Cluster, One, together
from pool_parts import identity
from server_parts import DC
from test_many_servers import call, get, put

from muster.model.errors import MusterError
from muster.server.endpoints.status import raft_stats
from muster.server.stalled_disk import LIMIT
from muster.storage.disk_thread import Done, InlineWorker, Job
from muster.wire.requests import DatacenterRequest

FOUNDERS = (1, 2, 3)


class FailingWorker(InlineWorker):
    """A disk that does every job at once, or fails, or hangs."""

    fails = hangs = False

    def submit(self, job: Job, done: Done) -> None:
        if self.fails:
            done(None, OSError(28, "No space left on device", "/data/raft/muster/log/1.wal"))
        elif not self.hangs:
            super().submit(job, done)


async def founded(cluster: Cluster) -> tuple[One, dict[int, FailingWorker]]:
    """The leader, and the disks by number."""
    workers = {number: FailingWorker() for number in FOUNDERS}
    cluster.workers.update(workers)
    await cluster.start(*FOUNDERS, expect=3)
    leader = await cluster.led()
    await asyncio.sleep(5)
    return leader, workers


def healthy(cluster: Cluster) -> dict[int, bool]:
    reply = cluster.leader().server.context.health.reply
    return {number: one.healthy for one in reply.servers or () for number in FOUNDERS if one.id == identity(number)}


@pytest.mark.parametrize("way", ["fails", "hangs"])
def test_a_follower_whose_disk_does_not_work_is_unhealthy_within_seconds_and_the_others_go_on(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(cluster: Cluster) -> None:
        leader, workers = await founded(cluster)
        bad = cluster.followers()[0]
        assert healthy(cluster) == {1: True, 2: True, 3: True}
        assert bad.server.statistics()["muster"] == {"disk": "ok"}
        setattr(workers[bad.number], way, True)
        await put(leader, "k")
        taken = await cluster.until(lambda: not healthy(cluster)[bad.number], LIMIT + 10)
        assert taken < (6 if way == "fails" else LIMIT + 6)
        assert cluster.leader() is leader
        assert leader.server.context.health.reply.failure_tolerance == 0
        assert not leader.server.context.health.reply.healthy
        shown = bad.server.statistics()["muster"]["disk"]
        assert ("/data/raft/muster/log/1.wal" if way == "fails" else "not answered for 3 s") in shown
        await put(leader, "k2")
        await asyncio.sleep(90)
        assert cluster.voters() == set(FOUNDERS), "gossip sees it alive: it is for the operator to remove or mend it"
        assert leader.consensus.is_leader() and leader.consensus.term == bad.consensus.term

    with caplog.at_level(logging.INFO):
        together(body)
    told = [record.getMessage() for record in caplog.records if "unhealthy" in record.getMessage()]
    assert len(told) == 1
    assert "last_contact=never" in told[0]


def test_a_leader_whose_disk_fails_gives_up_at_once_and_the_next_one_does_not_wait_for_an_election() -> None:
    async def body(cluster: Cluster) -> None:
        old, workers = await founded(cluster)
        workers[old.number].fails = True
        began = cluster.loop.now
        with pytest.raises(MusterError):
            await put(old, "lost or not")
        assert not old.consensus.is_leader()
        await cluster.until(lambda: any(one is not old for one in cluster.leaders()))
        assert cluster.loop.now - began < 0.2, "the time-out for an election is a second and more"
        await put(old, "through the old one")
        assert await get(cluster.leader(), "through the old one") == b"1"
        await cluster.until(lambda: not healthy(cluster)[old.number], 10)

    together(body)


def test_a_leader_without_a_quorum_of_working_disks_does_not_keep_its_lease() -> None:
    async def body(cluster: Cluster) -> None:
        leader, workers = await founded(cluster)
        for follower in cluster.followers():
            workers[follower.number].fails = True
        waiting = asyncio.ensure_future(put(leader, "k"))
        taken = await cluster.until(lambda: not leader.consensus.is_leader(), 5)
        assert taken < 1.5
        with pytest.raises(MusterError, match="leadership lost"):
            await waiting
        await asyncio.sleep(60)
        assert cluster.leaders() == []

    together(body)


def test_a_stale_read_says_how_long_the_disk_has_been_broken() -> None:
    async def body(cluster: Cluster) -> None:
        leader, workers = await founded(cluster)
        bad = cluster.followers()[0]
        workers[bad.number].fails = True
        await put(leader, "k")
        await asyncio.sleep(100)
        reply = await call(bad, "Status.RaftStats", DatacenterRequest(**DC))
        assert reply.value.last_contact == "never"
        age = bad.consensus.last_contact()
        assert age is not None and 99 < age < 102
        assert raft_stats(leader.server.context, None).last_contact == "0"

    together(body)


def test_a_server_alone_whose_disk_failed_answers_reads_and_is_unhealthy() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.workers[1] = worker = FailingWorker()
        await cluster.start(1, expect=1)
        leader = await cluster.led()
        await put(leader, "k")
        await asyncio.sleep(5)
        worker.fails = True
        with pytest.raises(MusterError, match="nothing is acknowledged"):
            await put(leader, "k2")
        assert await get(leader, "k") == b"1"
        await asyncio.sleep(5)
        assert healthy(cluster) == {1: False}

    together(body)
