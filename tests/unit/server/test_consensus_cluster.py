"""Several servers over real connections: they elect, replicate, lose a leader, come back, catch up and change."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cluster_parts import Cluster
from test_consensus import scenario

from muster.model.errors import MusterError, NoLeader, Rejected
from muster.raft.membership import NONVOTER, VOTER
from muster.raft.timing import Timing
from muster.server.commit_batch import LeadershipLost


@pytest.mark.parametrize("pre_vote", [True, False], ids=["with pre-votes", "without"])
@scenario
async def test_three_servers_elect_one_and_apply_the_same(pre_vote):
    async with Cluster("a", "b", "c", pre_vote=pre_vote) as cluster:
        leader = await cluster.leader()
        await asyncio.gather(*[leader.put(str(n)) for n in range(1000)])
        await cluster.level()
        assert list(leader.state.applied.values()) == [str(n) for n in range(1000)]
        assert cluster.leaders() == [leader]
        for peer in cluster.live():
            assert peer.consensus.leader_address() == leader.address
            assert peer.consensus.last_contact() < 1.0


@scenario
async def test_the_loss_of_the_leader_costs_nothing_that_was_acknowledged_and_it_comes_back_as_a_follower():
    async with Cluster("a", "b", "c") as cluster:
        first = await cluster.leader()
        await asyncio.gather(*[first.put(f"a{n}") for n in range(100)])
        await cluster.stop(first.name)
        second = await cluster.leader()
        assert second is not first
        await asyncio.gather(*[second.put(f"b{n}") for n in range(100)])
        await cluster.start(first.name)
        await cluster.level()
        assert list(first.state.applied.values()) == [f"a{n}" for n in range(100)] + [f"b{n}" for n in range(100)]


@scenario
async def test_five_servers_survive_the_loss_of_two():
    async with Cluster("a", "b", "c", "d", "e") as cluster:
        for number in range(2):
            leader = await cluster.leader()
            await leader.put(str(number))
            await cluster.stop(leader.name)
        leader = await cluster.leader()
        await leader.put("2")
        for name in cluster.peers.keys() - cluster.running:
            await cluster.start(name)
        await cluster.level()
        assert list(leader.state.applied.values()) == ["0", "1", "2"]


@scenario
async def test_without_a_quorum_the_leader_gives_up_and_what_was_proposed_is_in_doubt():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        for name in cluster.peers.keys() - {leader.name}:
            await cluster.stop(name)
        doubtful = leader.put("a")
        with pytest.raises(LeadershipLost, match="leadership lost while committing log"):
            await doubtful
        assert not leader.consensus.lease_valid()
        with pytest.raises(NoLeader):
            await leader.put("b")


@scenario
async def test_a_fresh_server_is_sent_a_snapshot_listens_and_is_promoted():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        await asyncio.gather(*[leader.put(f"{n} {'x' * 1000}") for n in range(500)])
        await leader.consensus.snapshot_now()
        fresh = await cluster.add("d")
        assert fresh.consensus.is_empty()
        await leader.consensus.add_nonvoter("d", fresh.address)
        await cluster.level()
        assert len(fresh.state.applied) == 500
        assert fresh.consensus.newest_snapshot.index > 500
        assert fresh.consensus.configuration.member("d").suffrage == NONVOTER
        await leader.consensus.add_voter("d", fresh.address)
        await cluster.until(lambda: fresh.consensus.configuration.member("d").suffrage == VOTER)
        assert [event for event in fresh.events if event[0] == "configuration"]


@scenario
async def test_a_change_of_membership_that_changes_nothing_writes_nothing():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        before = leader.consensus.last_index
        await leader.consensus.add_voter("b", cluster.peers["b"].address)
        await leader.consensus.remove_server("unknown")
        assert leader.consensus.last_index == before


@scenario
async def test_several_changes_at_once_follow_each_other():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        fresh = [await cluster.add("d"), await cluster.add("e")]
        await asyncio.gather(*[leader.consensus.add_nonvoter(peer.name, peer.address) for peer in fresh])
        await cluster.level()
        assert {member.identity for member in fresh[0].consensus.configuration.members} == {"a", "b", "c", "d", "e"}


@scenario
async def test_a_removed_server_learns_of_it_and_does_not_disturb_the_others():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        gone = next(peer for peer in cluster.live() if peer is not leader)
        await leader.consensus.remove_server(gone.name)
        await cluster.until(lambda: gone.consensus.configuration.member(gone.name) is None)
        term = leader.consensus.term
        await leader.put("after")
        await asyncio.sleep(3 * leader.timing.election_timeout)  # real time: a removed server that stood would raise the term by now
        assert (leader.consensus.term, cluster.leaders()) == (term, [leader])


@scenario
async def test_a_leader_that_removes_itself_steps_down_once_that_is_committed():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        await leader.consensus.remove_server(leader.name)
        await cluster.until(lambda: not leader.consensus.is_leader())
        second = await cluster.leader()
        assert second is not leader
        await second.put("after")
        assert second.consensus.configuration.member(leader.name) is None


@scenario
async def test_leadership_is_handed_over_and_no_write_fails():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        target = next(peer for peer in cluster.live() if peer is not leader)
        writes = [leader.put(str(n)) for n in range(500)]
        await asyncio.sleep(0)  # they are proposed
        await leader.consensus.transfer_leadership(target.name)
        assert await asyncio.gather(*writes)
        assert await cluster.leader() is target
        await target.put("after")
        await cluster.level()


@scenario
async def test_a_transfer_to_who_does_not_answer_ends_and_commits_go_on():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        target = next(peer for peer in cluster.live() if peer is not leader)
        await cluster.stop(target.name)
        transfer = leader.consensus.transfer_leadership(target.name)
        await asyncio.sleep(0)
        held = leader.put("held")
        with pytest.raises(Rejected, match="timeout"):
            await transfer
        await held
        assert leader.consensus.is_leader()


@scenario
async def test_an_operators_snapshot_reaches_every_server():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        await leader.put("lost")
        await leader.consensus.install([b'[{"7": "kept"}, {}]'], 7)
        await leader.put("after")
        await cluster.level()
        assert {tuple(peer.state.applied.values()) for peer in cluster.live()} == {("kept", "after")}


@scenario
async def test_leadership_is_verified_by_a_quorum_and_a_lease_lasts_only_as_long_as_there_is_one():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        await asyncio.gather(*[leader.consensus.verify_leader() for _ in range(100)])
        for name in cluster.peers.keys() - {leader.name}:
            await cluster.stop(name)
        with pytest.raises(NoLeader):
            await leader.consensus.verify_leader()
        assert not leader.consensus.lease_valid()


@scenario
async def test_a_server_with_data_founds_nothing():
    async with Cluster("a", "b", "c") as cluster:
        leader = await cluster.leader()
        assert not leader.consensus.is_empty()
        with pytest.raises(Rejected, match="new clusters"):
            await leader.consensus.bootstrap(cluster.configuration())


@scenario
async def test_followers_whose_connection_to_the_leader_breaks_do_not_wait_for_the_heartbeat_timeout():
    patient = Timing(heartbeat_timeout=10.0, election_timeout=10.0, lease_timeout=1.0, commit_timeout=0.02)
    async with Cluster("a", "b", "c", timing=patient) as cluster:
        leader = await cluster.leader()
        await cluster.level()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await cluster.stop(leader.name)
        await cluster.leader()
        print(f"{loop.time() - began:.2f} s")
        assert loop.time() - began < patient.heartbeat_timeout, "the promise to it ends with its lease"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@scenario
async def test_while_servers_die_and_return_under_load_nothing_acknowledged_is_lost_or_applied_twice(seed):
    chance, names = random.Random(seed), ["a", "b", "c", "d", "e"]
    async with Cluster(*names) as cluster:
        acknowledged: list[str] = []
        load = [asyncio.create_task(_write(cluster, f"{worker}", acknowledged)) for worker in range(8)]
        for _ in range(12):
            match chance.randrange(4):
                case 0 if len(cluster.running) > 3:
                    await cluster.stop(chance.choice(sorted(cluster.running)))
                case 1 if len(cluster.running) < 5:
                    await cluster.start(chance.choice([name for name in names if name not in cluster.running]))
                case 2:
                    await (await cluster.leader()).consensus.snapshot_now()
                case _ if cluster.leaders():
                    await asyncio.gather(cluster.leaders()[0].consensus.transfer_leadership(), return_exceptions=True)
            before = len(acknowledged)
            await cluster.until(lambda before=before: len(acknowledged) > before + 20)
        for task in load:
            task.cancel()
        for name in set(names) - cluster.running:
            await cluster.start(name)
        await (await cluster.leader()).put("last")
        await cluster.level()
        applied = list(cluster.live()[0].state.applied.values())
        assert set(acknowledged) <= set(applied)
        assert len(applied) == len(set(applied))


async def _write(cluster: Cluster, worker: str, acknowledged: list[str]) -> None:
    """One client: a new value each time, to whoever leads; what fails is in doubt and not repeated."""
    number = 0
    while True:
        number += 1
        leaders = cluster.leaders()
        try:
            async with asyncio.timeout(2.0):
                await (await cluster.leader() if not leaders else leaders[0]).put(f"{worker}-{number}")
        except (MusterError, TimeoutError):
            await asyncio.sleep(0.01)
        else:
            acknowledged.append(f"{worker}-{number}")
            cluster.changed()
