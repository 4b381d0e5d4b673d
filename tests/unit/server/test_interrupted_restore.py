"""Leadership is lost while an operator's snapshot is restored: in the end all servers hold it, or none does."""

import asyncio
import json
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cluster_parts import Cluster, Peer
from test_consensus import scenario

from muster.server.commit_batch import LeadershipLost
from muster.storage.files import RealFiles
from muster.storage.raft_storage import open_on_disk

RESTORED = [json.dumps([{"5": "restored"}, {}]).encode()]


class Cut:
    """A server whose messages go nowhere, while it hears the others."""

    def __init__(self, peer: Peer) -> None:
        self.transport = peer.transport
        self._kept = peer.transport.send, peer.transport.send_snapshot
        peer.transport.send = peer.transport.send_snapshot = lambda _: None  # type: ignore[method-assign]

    def heal(self) -> None:
        self.transport.send, self.transport.send_snapshot = self._kept  # type: ignore[method-assign]


def on_disk(folder: Path, name: str):
    return open_on_disk(RealFiles(), str(folder / name), random.Random(name), segment_bytes=10_000)


async def another(cluster: Cluster, old: Peer) -> Peer:
    await cluster.until(lambda: any(peer is not old for peer in cluster.leaders()))
    return next(peer for peer in cluster.leaders() if peer is not old)


async def interrupted(old: Peer, index: int) -> Cut:
    """The snapshot is restored by a leader whom nobody hears any more; the operator is told that it is in doubt."""
    cut = Cut(old)
    with pytest.raises(LeadershipLost, match="leadership lost while committing log"):
        await old.consensus.install(RESTORED, index)
    assert old.state.applied == {5: "restored"}
    return cut


@pytest.mark.parametrize("restarted", [False, True], ids=["goes on", "is restarted"])
@pytest.mark.parametrize("index", [0, 1000], ids=["the next index", "an index far ahead"])
@scenario
async def test_where_another_server_leads_before_anyone_has_the_snapshot_it_is_forgotten(tmp_path, index, restarted):
    cluster = Cluster("a", "b", "c")
    for name, peer in cluster.peers.items():
        peer.storage = on_disk(tmp_path, name)
    async with cluster:
        old = await cluster.leader()
        await asyncio.gather(*[old.put(f"before {n}") for n in range(20)])
        await cluster.level()
        cut = await interrupted(old, index)
        new = await another(cluster, old)
        await asyncio.gather(*[new.put(f"meanwhile {n}") for n in range(20)])
        if restarted:
            await cluster.stop(old.name)
            old.storage = on_disk(tmp_path, old.name)
            await cluster.start(old.name)
        else:
            cut.heal()
        await asyncio.gather(*[(await cluster.leader()).put(f"after {n}") for n in range(5)])
        await cluster.level()
        texts = {tuple(peer.state.applied.values()) for peer in cluster.live()}
        assert texts == {tuple(f"{when} {n}" for when, count in (("before", 20), ("meanwhile", 20), ("after", 5)) for n in range(count))}
        await cluster.stop(old.name)  # what its disk holds is the same
        old.storage = on_disk(tmp_path, old.name)
        await cluster.start(old.name)
        await (await cluster.leader()).put("last")
        await cluster.level()
        assert list(old.state.applied.values())[-2:] == ["after 4", "last"]


@pytest.mark.parametrize("attempt", range(3))
@scenario
async def test_where_it_is_elected_again_all_hold_the_snapshot(attempt):
    async with Cluster("a", "b", "c") as cluster:
        old = await cluster.leader()
        await asyncio.gather(*[old.put(f"before {n}") for n in range(20)])
        await cluster.level()
        cut = await interrupted(old, 0)
        cut.heal()
        await (await cluster.leader()).put("after")
        await cluster.level()
        held = {tuple(peer.state.applied.values()) for peer in cluster.live()}
        assert len(held) == 1, "all or none"
        assert held.pop() in (("restored", "after"), (*(f"before {n}" for n in range(20)), "after"))


@scenario
async def test_leadership_that_is_lost_while_the_state_is_replaced_is_told():
    async with Cluster("a", "b", "c") as cluster:
        old = await cluster.leader()
        await old.put("before")
        cut, snapshots = Cut(old), old.consensus._snapshots
        install = snapshots.install

        async def slow(content, index):
            found = await install(content, index)
            await cluster.until(lambda: not old.consensus.is_leader())
            return found

        snapshots.install = slow
        with pytest.raises(LeadershipLost):
            await asyncio.wait_for(old.consensus.install(RESTORED, 0), 30)
        cut.heal()
