"""Autopilot: how the servers do, who becomes a voter, and which dead ones are removed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pool_parts import Answer, Network, address, client, identity, peer, server
from server_parts import DC, NODE_ID, Parts, run, turns
from test_member_reconcile import Pool

from muster.gossip.effects import MemberFailed, MemberJoined, MemberLeft, MemberReaped, MemberStatus, MemberUpdated
from muster.model.operator import AutopilotConfig
from muster.raft.membership import NONVOTER, VOTER, Configuration, Member
from muster.server.autopilot import Removals, removal_refusal, removals, unknown
from muster.server.endpoints.status import RaftStats
from muster.server.health import OperatorHealthReply, Round, ServerHealth, contact, is_healthy
from muster.transport.rpc_errors import CannotConnect
from muster.wire.commands import AutopilotRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest

ALIVE, FAILED, LEFT = MemberStatus.ALIVE, MemberStatus.FAILED, MemberStatus.LEFT
CONFIG = AutopilotConfig()


def configuration(*voters: int, listeners: tuple[int, ...] = ()) -> Configuration:
    return Configuration(
        (
            *(Member(identity(n), address(n), VOTER) for n in voters),
            *(Member(identity(n), address(n), NONVOTER) for n in listeners),
        )
    )


# ---- the rules


def stats(contact: str = "10ms", index: int = 1000, term: int = 3) -> RaftStats:
    return RaftStats(last_contact=contact, last_index=index, last_term=term)


@pytest.mark.parametrize(
    ("status", "answer", "healthy"),
    [
        pytest.param(ALIVE, stats(), True, id="close behind the leader"),
        pytest.param(ALIVE, stats(contact="0"), True, id="the leader itself"),
        pytest.param(ALIVE, stats(contact="200ms"), True, id="at the threshold of contact"),
        pytest.param(ALIVE, stats(contact="200.1ms"), False, id="beyond it"),
        pytest.param(ALIVE, stats(contact="-1ns"), False, id="a negative contact"),
        pytest.param(ALIVE, stats(contact="never"), False, id="it never heard a leader"),
        pytest.param(ALIVE, stats(contact="soon"), False, id="what is no duration"),
        pytest.param(ALIVE, stats(term=2), False, id="in an older term"),
        pytest.param(ALIVE, stats(index=750), True, id="250 entries behind"),
        pytest.param(ALIVE, stats(index=749), False, id="251 entries behind"),
        pytest.param(FAILED, stats(), False, id="failed in the pool"),
        pytest.param(MemberStatus.LEAVING, stats(), False, id="leaving"),
    ],
)
def test_a_server_is_healthy_if_alive_in_touch_and_close_behind(status: MemberStatus, answer: RaftStats, healthy: bool) -> None:
    found = Round(configuration(1, 2), address(1), 3, 1000, {}, {})
    assert is_healthy(peer(2, status), answer, found, CONFIG) is healthy


@pytest.mark.parametrize(("text", "nanoseconds"), [("0", 0), ("12.3ms", 12_300_000), ("1m0s", 60_000_000_000), ("never", None), ("", None)])
def test_a_last_contact_is_read_as_the_peers_write_it(text: str, nanoseconds: int | None) -> None:
    assert contact(text) == nanoseconds


@pytest.mark.parametrize(
    ("voters", "dead", "minimum", "allowed"),
    [
        pytest.param(3, 1, 0, True, id="1 of 3"),
        pytest.param(3, 2, 0, False, id="2 of 3"),
        pytest.param(4, 1, 0, True, id="1 of 4"),
        pytest.param(4, 2, 0, False, id="2 of 4"),
        pytest.param(5, 2, 0, True, id="2 of 5"),
        pytest.param(5, 3, 0, False, id="3 of 5"),
        pytest.param(2, 1, 0, False, id="1 of 2"),
        pytest.param(1, 0, 0, True, id="nobody"),
        pytest.param(5, 2, 3, True, id="down to the minimum"),
        pytest.param(5, 1, 5, False, id="below the minimum"),
        pytest.param(3, 1, 3, False, id="3 that must be 3"),
    ],
)
def test_only_a_minority_goes_and_never_below_the_minimum(voters: int, dead: int, minimum: int, allowed: bool) -> None:
    assert (removal_refusal(voters, dead, minimum) == "") is allowed


def goes(found: Removals) -> tuple[list[str], list[str]]:
    return [one.name for one in found.failed], [one.identity for one in found.stale]


@pytest.mark.parametrize(
    ("members", "peers", "minimum", "failed", "stale"),
    [
        pytest.param(configuration(1, 2, 3), [peer(1), peer(2), peer(3, FAILED)], 0, ["n3"], [], id="a failed voter"),
        pytest.param(configuration(1, 2, 3), [peer(1), peer(2)], 0, [], [3], id="one that the pool does not know"),
        pytest.param(configuration(1, 2, 3), [peer(1), peer(2, FAILED), peer(3, FAILED)], 0, [], [], id="a majority stays"),
        pytest.param(configuration(1, 2, 3), [peer(1), peer(2), peer(3, FAILED)], 3, [], [], id="the minimum stays"),
        pytest.param(configuration(1, 2, 3), [peer(1), peer(2, FAILED)], 0, [], [], id="failed and unknown count together"),
        pytest.param(configuration(1, listeners=(2, 3)), [peer(1), peer(2, FAILED)], 9, ["n2"], [3], id="who has no vote always goes"),
        pytest.param(configuration(1, 2), [peer(1), peer(2), peer(3, FAILED)], 0, [], [], id="a failed one that takes no part counts"),
        pytest.param(configuration(1, 2, 3), [peer(1), peer(2), peer(3), peer(4, FAILED)], 0, ["n4"], [], id="and goes if it may"),
        pytest.param(configuration(1, 2, 3), [peer(1), peer(2), peer(3, LEFT)], 0, [], [], id="who left is not dead"),
    ],
)
def test_who_is_dead_and_may_go(members: Configuration, peers: list[Any], minimum: int, failed: list[str], stale: list[int]) -> None:
    found = removals(members, peers, unknown(members, peers, NODE_ID), minimum)
    assert goes(found) == (failed, [identity(n) for n in stale])


@given(
    voters=st.integers(1, 9),
    listeners=st.integers(0, 4),
    failed=st.sets(st.integers(2, 13)),
    lost=st.sets(st.integers(2, 13)),
    minimum=st.integers(0, 9),
)
def test_who_is_left_is_always_a_majority_of_who_voted(voters: int, listeners: int, failed: set[int], lost: set[int], minimum: int) -> None:
    before = configuration(*range(1, voters + 1), listeners=tuple(range(voters + 1, voters + listeners + 1)))
    peers = [peer(n, FAILED if n in failed else ALIVE) for n in range(1, voters + listeners + 1) if n not in lost]
    found = removals(before, peers, unknown(before, peers, NODE_ID), minimum)
    gone = {one.identity for one in found.failed} | {one.identity for one in found.stale}
    left = [one for one in before.voters() if one not in gone]
    assert len(left) > voters // 2
    assert len(left) >= min(minimum, voters)
    assert NODE_ID in left
    assert gone <= {identity(n) for n in failed | lost}


def test_this_server_is_never_unknown_to_itself() -> None:
    assert unknown(configuration(1, 2), [], NODE_ID) == [Member(identity(2), address(2))]


# ---- the rounds


class Cluster:
    """This server leads others, which answer as they are told."""

    def __init__(self, parts: Parts, pool: Pool, network: Network) -> None:
        self.parts, self.pool, self.network = parts, pool, network
        self.contact, self.behind = "20ms", 0
        self.silent: set[str] = set()
        self.forced: list[str] = []
        network.ask = self.answer

    def answer(self, at: str, method: str, _: Any) -> Answer:
        if at in self.silent:
            return None
        consensus = self.parts.consensus
        assert method == "Status.RaftStats"
        return Reply(value=RaftStats(last_contact=self.contact, last_index=consensus.last_index - self.behind, last_term=consensus.term))

    def force_leave(self, name: str) -> None:
        self.forced.append(name)
        member = self.pool.members[name]
        self.pool.becomes(MemberLeft, replace(member, status=LEFT))

    @property
    def health(self) -> OperatorHealthReply:
        return self.parts.server.context.health.reply

    def of(self, number: int) -> ServerHealth:
        found = self.parts.server.context.health.of(identity(number))
        assert found is not None
        return found

    def voters(self) -> set[str]:
        return {self.name(one) for one in self.parts.consensus.configuration.voters()}

    def servers(self) -> set[str]:
        return {self.name(one.identity) for one in self.parts.consensus.configuration.members}

    def name(self, identity_: str) -> str:
        return next(f"n{n}" for n in range(1, 10) if identity(n) == identity_)

    async def settings(self, **changes: Any) -> None:
        await self.parts.call("Operator.AutopilotSetConfiguration", AutopilotRequest(config=AutopilotConfig(**changes), **DC))


def led(test: Callable[[Cluster], Awaitable[None]], *others: Any, voters: tuple[int, ...] = (1,), **settings: Any) -> None:
    """Runs the test while this server leads `voters`, with these other members in the pool."""
    network, pool = Network(), Pool(*others)
    clusters: list[Cluster] = []

    async def body(parts: Parts) -> None:
        pool.parts = parts
        parts.consensus.configuration = configuration(*voters)
        cluster = Cluster(parts, pool, network)
        clusters.append(cluster)
        parts.server.leadership(False)
        parts.server.leadership(True)
        await turns(20)
        await test(cluster)

    run(
        body,
        members=lambda: list(pool.members.values()),
        forwarding=network,
        force_leave=lambda name: clusters[0].force_leave(name),
        reconcile_interval=1e6,
        **settings,
    )


def test_before_the_first_round_nothing_is_known_and_then_every_server_is() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.parts.server.leadership(False)
        assert cluster.health == OperatorHealthReply()
        cluster.parts.server.leadership(True)
        await asyncio.sleep(3)
        reply = (await cluster.parts.call("Operator.ServerHealth", DatacenterRequest(**DC))).value
        assert (reply.healthy, reply.failure_tolerance) == (True, 1)
        rows = [(one.name, one.address, one.leader, one.last_contact, one.serf_status, one.version, one.voter) for one in reply.servers]
        assert rows == [
            ("n1", address(1), True, "0s", "alive", "1.8.7", True),
            ("n2", address(2), False, "20ms", "alive", "1.8.7", True),
            ("n3", address(3), False, "20ms", "alive", "1.8.7", True),
        ]

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_each_server_of_raft_is_asked_every_two_seconds_and_nobody_else() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.network.calls.clear()
        await asyncio.sleep(20.5)
        asked = cluster.network.asked("Status.RaftStats")
        assert {asked.count(at) for at in asked} <= {10, 11}
        assert set(asked) == {address(2), address(3)}

    led(body, server(2), server(3), client("c1"), voters=(1, 2, 3))


def test_a_server_that_does_not_answer_within_a_second_is_unhealthy_and_not_asked_twice() -> None:
    async def body(cluster: Cluster) -> None:
        await asyncio.sleep(5)
        cluster.silent.add(address(3))
        cluster.network.calls.clear()
        await asyncio.sleep(11)
        assert (cluster.of(2).healthy, cluster.of(3).healthy, cluster.of(3).last_contact) == (True, False, "")
        assert (cluster.health.healthy, cluster.health.failure_tolerance) == (False, 0)
        assert cluster.network.asked("Status.RaftStats").count(address(3)) == 1
        cluster.silent.clear()
        cluster.network.pending[-1].set_exception(CannotConnect("dial tcp: i/o timeout"))
        await asyncio.sleep(5)
        assert cluster.of(3).healthy

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_a_server_unknown_to_the_pool_has_no_status() -> None:
    async def body(cluster: Cluster) -> None:
        await asyncio.sleep(3)
        found = cluster.of(3)
        assert (found.name, found.serf_status, found.version, found.healthy) == ("", "none", "", False)

    led(body, server(2), voters=(1, 2, 3))


def test_the_time_of_the_last_change_of_health_is_kept() -> None:
    async def body(cluster: Cluster) -> None:
        await asyncio.sleep(3)
        since = cluster.of(2).stable_since
        assert cluster.parts.clock.wall() - since < 4
        await asyncio.sleep(60)
        assert cluster.of(2).stable_since == since
        cluster.contact = "300ms"
        await asyncio.sleep(4)
        assert cluster.of(2).stable_since > since
        assert not cluster.of(2).healthy

    led(body, server(2), voters=(1, 2))


# ---- promotion


def test_a_newcomer_votes_after_ten_healthy_seconds_and_not_before() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberJoined, server(2))
        await turns(20)
        assert (cluster.servers(), cluster.voters()) == ({"n1", "n2"}, {"n1"})
        await asyncio.sleep(9.5)
        assert cluster.voters() == {"n1"}
        await asyncio.sleep(13)
        assert cluster.voters() == {"n1", "n2"}

    led(body)


def test_an_interruption_of_health_begins_the_time_anew() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberJoined, server(2))
        await asyncio.sleep(9)
        cluster.behind = 300
        await asyncio.sleep(2.5)
        cluster.behind = 0
        await asyncio.sleep(9)
        assert cluster.voters() == {"n1"}
        await asyncio.sleep(13)
        assert cluster.voters() == {"n1", "n2"}

    led(body)


def test_a_longer_stabilization_time_is_kept() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.settings(server_stabilization_time=60_000_000_000)
        cluster.pool.becomes(MemberJoined, server(2))
        await asyncio.sleep(59)
        assert cluster.voters() == {"n1"}
        await asyncio.sleep(14)
        assert cluster.voters() == {"n1", "n2"}

    led(body)


def test_a_jump_of_the_wall_clock_promotes_nobody() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberJoined, server(2))
        await asyncio.sleep(5)
        clock = cluster.parts.clock
        now = clock.wall
        clock.wall = lambda: now() + 3600.0  # type: ignore[method-assign]
        await asyncio.sleep(6)
        assert cluster.of(2).healthy
        assert cluster.voters() == {"n1"}
        clock.wall = lambda: now() - 3600.0  # type: ignore[method-assign]
        await asyncio.sleep(10)
        assert cluster.voters() == {"n1", "n2"}, "nor does it hold anybody back"

    led(body)


def test_a_server_that_must_not_vote_never_does() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberJoined, server(2, nonvoter="1"))
        await asyncio.sleep(100)
        assert (cluster.servers(), cluster.voters()) == ({"n1", "n2"}, {"n1"})

    led(body)


def test_a_leader_that_stops_leading_promotes_nobody() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberJoined, server(2))
        await asyncio.sleep(8)
        cluster.parts.consensus.leads = False
        cluster.parts.server.leadership(False)
        cluster.network.calls.clear()
        await asyncio.sleep(100)
        assert cluster.voters() == {"n1"}
        assert cluster.network.calls == []

    led(body)


# ---- dead servers


def test_a_dead_server_is_forced_to_leave_and_so_removed() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberFailed, server(3, FAILED))
        await asyncio.sleep(11)
        assert cluster.forced == ["n3"]
        assert cluster.voters() == {"n1", "n2"}

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_dead_servers_that_are_too_many_stay_until_another_one_votes() -> None:
    async def body(cluster: Cluster) -> None:
        for n in (2, 3):
            cluster.pool.becomes(MemberFailed, server(n, FAILED))
        await asyncio.sleep(100)
        assert cluster.forced == []
        for n in (4, 5):
            cluster.pool.becomes(MemberJoined, server(n))
        await asyncio.sleep(25)
        assert sorted(cluster.forced) == ["n2", "n3"]
        assert cluster.voters() == {"n1", "n4", "n5"}

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_the_minimum_of_voters_is_kept() -> None:
    """Incident 7 of docs/testing.md: Autopilot shrank the quorum."""

    async def body(cluster: Cluster) -> None:
        await cluster.settings(min_quorum=3)
        cluster.pool.becomes(MemberFailed, server(3, FAILED))
        await asyncio.sleep(100)
        assert cluster.voters() == {"n1", "n2", "n3"}

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_nobody_is_removed_where_that_is_switched_off() -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.settings(cleanup_dead_servers=False)
        cluster.pool.becomes(MemberFailed, server(3, FAILED))
        await asyncio.sleep(100)
        assert cluster.forced == []

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_a_server_that_the_pool_never_knew_is_removed_after_a_minute() -> None:
    async def body(cluster: Cluster) -> None:
        await asyncio.sleep(50)
        assert cluster.voters() == {"n1", "n2", "n3"}, "after a power cut it may still be starting"
        await asyncio.sleep(40)
        assert cluster.voters() == {"n1", "n2"}
        assert cluster.forced == []

    led(body, server(2), voters=(1, 2, 3))


def test_a_server_that_moved_is_not_taken_for_dead() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberUpdated, server(3, at="127.0.0.8"))
        await asyncio.sleep(100)
        assert cluster.voters() == {"n1", "n2", "n3"}

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_a_newcomer_makes_room_at_once_where_a_dead_one_was_in_the_way() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberFailed, server(3, FAILED))
        start = cluster.parts.clock.monotonic()
        cluster.pool.becomes(MemberJoined, server(4))
        await turns(30)
        assert cluster.forced == ["n3"]
        assert cluster.parts.clock.monotonic() == start

    led(body, server(2), server(3), voters=(1, 2, 3))


def test_a_dead_server_that_the_pool_forgot_is_removed_from_raft() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.pool.becomes(MemberReaped, server(3, FAILED))
        await turns(20)
        assert cluster.voters() == {"n1", "n2"}

    led(body, server(2), server(3), voters=(1, 2, 3))
