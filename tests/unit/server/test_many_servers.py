"""Whole servers together: they found a datacenter, grow, forward, lose members, hand over and move, as one."""

import asyncio
from typing import Any

import pytest
from many_servers import Cluster, One, together
from pool_parts import identity
from server_parts import DC

from muster.gossip.effects import MemberStatus, MemberUpdated
from muster.model.errors import MusterError, NoLeader
from muster.model.kv import KVEntry
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, KeyRequest, ServiceRequest


async def call(one: One, method: str, request: Any) -> Reply:
    outcome = one.server.call(method, request)
    return outcome if isinstance(outcome, Reply) else await outcome


async def put(one: One, key: str, value: bytes = b"1") -> None:
    await call(one, "KVS.Apply", KVSRequest(op="set", entry=KVEntry(key=key, value=value), **DC))


async def get(one: One, key: str, **options: Any) -> bytes | None:
    entry = (await call(one, "KVS.Get", KeyRequest(key=key, **options, **DC))).value
    return None if entry is None else bytes(entry.value)


async def founded(cluster: Cluster, *numbers: int) -> One:
    await cluster.start(*numbers, expect=len(numbers))
    return await cluster.led()


SEEDS = pytest.mark.parametrize("seed", [1, 2, 3])


@SEEDS
def test_three_servers_that_expect_each_other_found_a_datacenter(seed: int) -> None:
    async def body(cluster: Cluster) -> None:
        leader = await founded(cluster, 1, 2, 3)
        assert cluster.voters() == {1, 2, 3}
        await asyncio.sleep(3)
        for one in cluster.up():
            rows = (await call(one, "Health.ServiceNodes", ServiceRequest(service_name="consul", allow_stale=True, **DC))).value
            assert [row.node.node for row in rows] == ["n1", "n2", "n3"]
            assert (await call(one, "Status.Leader", DatacenterRequest())).value == leader.address
        health = (await call(cluster[1], "Operator.ServerHealth", DatacenterRequest(**DC))).value
        assert (health.healthy, health.failure_tolerance) == (True, 1)

    together(body, seed)


def test_every_server_takes_writes_and_reads_and_all_have_them() -> None:
    async def body(cluster: Cluster) -> None:
        leader = await founded(cluster, 1, 2, 3)
        for one in cluster.up():
            await put(one, f"by{one.number}")
        for one in cluster.up():
            for key in ("by1", "by2", "by3"):
                assert await get(one, key) == b"1"
                assert await get(one, key, require_consistent=True) == b"1"
        await asyncio.sleep(0.5)
        follower = cluster.followers()[0]
        reply = await call(follower, "KVS.Get", KeyRequest(key="by1", allow_stale=True, **DC))
        assert (reply.value.value, reply.known_leader) == (b"1", True)
        assert reply.last_contact <= 200_000_000
        indexes = {(await call(one, "KVS.Get", KeyRequest(key="by1", allow_stale=True, **DC))).index for one in cluster.up()}
        assert len(indexes) == 1
        assert leader.server.is_ready()

    together(body)


def test_servers_that_come_later_are_added_and_vote_within_half_a_minute() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        await put(cluster[1], "before")
        await cluster.start(4, 5)
        assert await cluster.until(lambda: cluster.takes_part() == {1, 2, 3, 4, 5}) < 1.0
        assert cluster.voters() == {1, 2, 3}
        await asyncio.sleep(9)
        assert cluster.voters() == {1, 2, 3}
        await cluster.until(lambda: cluster.voters() == {1, 2, 3, 4, 5}, 20)
        assert await get(cluster[5], "before", allow_stale=True) == b"1"

    together(body)


@SEEDS
def test_the_death_of_the_leader_is_got_over_and_autopilot_clears_it_away(seed: int) -> None:
    async def body(cluster: Cluster) -> None:
        dead = await founded(cluster, 1, 2, 3)
        await put(dead, "k")
        await dead.crash()
        others = cluster.up()
        start = cluster.loop.now
        await asyncio.gather(*(put(one, f"after{one.number}") for one in others))
        assert cluster.loop.now - start < 5.0, "the call waits for the election"
        await asyncio.sleep(20)
        assert cluster.voters() == {one.number for one in others}
        assert (await call(others[0], "Health.NodeChecks", _node(dead))).value == []
        for one in others:
            assert await get(one, f"after{one.number}") == b"1"

    together(body, seed)


def _node(one: One) -> Any:
    from muster.wire.requests import NodeRequest

    return NodeRequest(node=f"n{one.number}", **DC)


@SEEDS
def test_a_leader_that_leaves_hands_over_and_no_call_fails_or_waits_long(seed: int) -> None:
    async def body(cluster: Cluster) -> None:
        leader = await founded(cluster, 1, 2, 3)
        await asyncio.sleep(5)
        longest, running = 0.0, True

        async def write(one: One) -> None:
            nonlocal longest
            count = 0
            while running:
                start = cluster.loop.now
                await put(one, f"{one.number}/{count}")
                longest = max(longest, cluster.loop.now - start)
                count += 1
                await asyncio.sleep(0.005)

        writers = [cluster.loop.create_task(write(one)) for one in cluster.up()]
        await asyncio.sleep(0.5)
        assert await leader.server.hand_over()
        await asyncio.sleep(1)
        running = False
        await asyncio.gather(*writers)
        assert longest <= 0.2
        assert cluster.leader() is not leader
        await leader.leave()
        assert cluster.voters() == {one.number for one in cluster.up()} == {1, 2, 3} - {leader.number}

    together(body, seed)


def test_a_follower_that_leaves_is_removed_before_it_stops() -> None:
    async def body(cluster: Cluster) -> None:
        leader = await founded(cluster, 1, 2, 3)
        going = cluster.followers()[0]
        start = cluster.loop.now
        await going.leave()
        assert cluster.loop.now - start < 6.0
        assert cluster.voters() == {1, 2, 3} - {going.number}
        assert cluster.leader() is leader
        assert leader.server.store.catalog.find_node(f"n{going.number}") is None

    together(body)


def test_servers_leave_one_after_another_until_one_is_left() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        for left in (2, 1):
            await cluster.leader().leave()
            await cluster.led()
            assert len(cluster.voters()) == left
            await put(cluster.up()[0], f"with{left}")

    together(body)


def test_without_a_quorum_a_server_answers_stale_reads_and_says_so() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        await put(cluster[1], "k")
        await asyncio.sleep(1)
        for one in cluster.up()[:2]:
            await one.crash()
        (last,) = cluster.up()
        await asyncio.sleep(5)
        reply = await call(last, "KVS.Get", KeyRequest(key="k", allow_stale=True, **DC))
        assert (reply.value.value, reply.known_leader) == (b"1", False)
        assert reply.last_contact > 1_000_000_000
        start = cluster.loop.now
        with pytest.raises(NoLeader):
            await get(last, "k")
        assert 7.0 <= cluster.loop.now - start <= 7.5

    together(body)


def test_a_server_comes_back_with_its_data_and_founds_nothing_anew() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        await put(cluster[1], "k")
        going = cluster.followers()[0]
        await going.stop()
        await put(cluster.leader(), "meanwhile")
        await going.start()
        assert going.server._bootstrapping.done
        await asyncio.sleep(2)
        assert await get(going, "meanwhile", allow_stale=True) == b"1"
        assert cluster.voters() == {1, 2, 3}

    together(body)


def test_all_servers_stop_and_start_in_any_order_and_no_one_is_forgotten() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        await put(cluster[1], "k")
        await asyncio.sleep(1)
        for one in cluster.up():
            await one.stop()
        cluster.members.clear()
        for number in (3, 1):
            await cluster[number].start()
        await cluster.led()
        await asyncio.sleep(30)
        assert cluster.voters() == {1, 2, 3}
        assert {node.node for node in cluster.leader().server.store.catalog.nodes()[1]} == {"n1", "n2", "n3"}
        await cluster[2].start()
        await asyncio.sleep(60)
        assert cluster.voters() == {1, 2, 3}
        assert await get(cluster[2], "k", allow_stale=True) == b"1"

    together(body)


def test_servers_whose_addresses_all_changed_find_each_other_by_id() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        await put(cluster[1], "k")
        for one in cluster.up():
            await one.stop()
        for number, one in cluster.servers.items():
            one.at = f"127.0.1.{number}"
        for one in cluster.servers.values():
            await one.start()
        await cluster.led()
        await cluster.until(lambda: cluster.addresses() == {f"127.0.1.{n}:8300" for n in (1, 2, 3)})
        assert cluster.voters() == {1, 2, 3}, "nobody lost its vote meanwhile"
        for one in cluster.up():
            await put(one, f"after{one.number}")

    together(body)


def test_a_living_server_that_moves_keeps_its_vote() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        moving = cluster.followers()[0]
        moving.at = "127.0.1.9"
        cluster.tell(MemberUpdated(moving.member(MemberStatus.ALIVE)))
        await cluster.until(lambda: "127.0.1.9:8300" in cluster.addresses())
        assert cluster.voters() == {1, 2, 3}

    together(body)


def test_a_host_that_was_set_up_anew_replaces_what_it_was() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        old = cluster.followers()[0]
        await old.crash()
        await cluster.start(7, at=old.at)
        await cluster.until(lambda: cluster.voters() == {1, 2, 3, 7} - {old.number}, 40)
        assert len(cluster.addresses()) == 3

    together(body)


def test_a_blocking_query_through_a_follower_wakes_on_a_write() -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        await put(cluster[1], "k")
        follower = cluster.followers()[0]
        for value, options in ((b"2", {}), (b"3", {"allow_stale": True})):
            await asyncio.sleep(0.5)
            index = (await call(follower, "KVS.Get", KeyRequest(key="k", allow_stale=True, **DC))).index
            waiting = follower.server.call("KVS.Get", KeyRequest(key="k", min_query_index=index, **options, **DC))
            assert not isinstance(waiting, Reply)
            await asyncio.sleep(5)
            assert not waiting.done()
            await put(cluster.leader(), "k", value)
            start = cluster.loop.now
            assert (await waiting).value.value == value
            assert cluster.loop.now - start < 0.2

    together(body)


@pytest.mark.slow
@SEEDS
def test_writes_that_are_acknowledged_survive_changes_of_leader(seed: int) -> None:
    async def body(cluster: Cluster) -> None:
        await founded(cluster, 1, 2, 3)
        await asyncio.sleep(3)
        acknowledged: set[str] = set()
        running = True

        async def write(number: int) -> None:
            count = 0
            while running:
                key = f"{number}/{count}"
                count += 1
                one = cluster[number]
                if one.up:
                    try:
                        await put(one, key)
                    except MusterError:
                        pass
                    else:
                        acknowledged.add(key)
                await asyncio.sleep(0.02)

        writers = [cluster.loop.create_task(write(number)) for number in (1, 2, 3)]
        for step in range(6):
            await asyncio.sleep(4)
            leader = await cluster.led()
            if step % 2:
                await leader.server.hand_over()
            else:
                await leader.stop()
                await asyncio.sleep(2)
                await leader.start()
        running = False
        await asyncio.gather(*writers)
        await cluster.led()
        await asyncio.sleep(2)
        assert len(acknowledged) > 300
        for one in cluster.up():
            for key in acknowledged:
                assert await get(one, key, allow_stale=True) == b"1"
        assert cluster.voters() == {1, 2, 3}

    together(body, seed)


def test_the_ids_of_the_tests_are_told_apart() -> None:
    assert len({identity(n) for n in range(1, 12)}) == 11
