"""How a server goes: it hands over, leaves the pools and Raft, and refuses what still comes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pool_parts import Answer, Network, address, identity, server
from server_parts import DC, NODE_ID, Parts, run, turns, waiting

from muster.gossip.effects import Member, MemberStatus
from muster.model.errors import NoLeader, Rejected
from muster.model.kv import KVEntry
from muster.raft.membership import Configuration
from muster.raft.membership import Member as Configured
from muster.server.endpoints.status import RaftStats
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply

WRITE = KVSRequest(op="set", entry=KVEntry(key="a", value=b"1"), **DC)
DRAIN = 5.0


class Departing:
    """This server, others, and what happens in which order."""

    def __init__(self, parts: Parts, network: Network) -> None:
        self.parts, self.network, self.consensus = parts, network, parts.consensus
        self.events: list[str] = []
        self.index = {address(2): 0, address(3): 0}
        self.unwilling: set[str] = set()
        self.hanging: set[str] = set()
        network.ask = self.answer
        self.consensus.transfer_leadership = self.transfer  # type: ignore[method-assign]
        self.begun: list[asyncio.Future[Any]] = []

    def answer(self, at: str, method: str, request: Any) -> Answer:
        if method == "Status.RaftStats":
            stats = RaftStats(last_contact="5ms", last_index=self.consensus.last_index - self.index[at], last_term=self.consensus.term)
            return Reply(value=stats)
        return Reply(value=f"by {at}")

    def transfer(self, target: str) -> asyncio.Future[None]:
        assert all(one.done() for one in self.begun), "what has begun is carried out first"
        self.events.append(f"hands over to {target[7]}")
        future: asyncio.Future[None] = self.parts.loop.create_future()
        if target in self.hanging:
            return future
        if target in self.unwilling:
            future.set_exception(Rejected("it did not take over in time"))
            return future
        self.parts.loop.call_later(0.1, self.handed, target, future)
        return future

    def handed(self, target: str, future: asyncio.Future[None]) -> None:
        self.consensus.leads = False
        self.consensus.leader_elsewhere = address(int(target[7]))
        self.parts.server.leadership(False)
        future.set_result(None)

    async def leave_pools(self) -> None:
        self.events.append("leaves the pools")
        await asyncio.sleep(1.0)

    async def leave(self) -> None:
        await self.parts.server.leave(self.leave_pools, DRAIN)


def leading(test: Callable[[Departing], Awaitable[None]], voters: tuple[int, ...] = (1, 2, 3), statuses: Any = None) -> None:
    network = Network()
    members: list[Member] = [server(n, (statuses or {}).get(n, MemberStatus.ALIVE)) for n in (1, 2, 3)]

    async def body(parts: Parts) -> None:
        parts.consensus.configuration = Configuration(tuple(Configured(identity(n), address(n)) for n in voters))
        departing = Departing(parts, network)
        for asked in network.pending:  # before anybody could answer
            asked.cancel()
        await asyncio.sleep(2.5)
        parts.consensus.configurations.clear()
        await test(departing)

    run(body, members=lambda: members, forwarding=network, coordinate_update_period=1e6, reconcile_interval=1e6, autopilot_interval=1e6)


def test_a_leader_hands_over_to_the_server_that_is_closest_behind() -> None:
    async def body(departing: Departing) -> None:
        departing.index[address(2)] = 40
        await asyncio.sleep(2.5)
        assert await departing.parts.server.hand_over()
        assert departing.events == ["hands over to 3"]
        assert not departing.consensus.is_leader()

    leading(body)


def test_calls_that_come_while_leadership_is_handed_over_go_to_the_new_leader() -> None:
    async def body(departing: Departing) -> None:
        server, loop = departing.parts.server, departing.parts.loop
        barrier = departing.consensus.barrier

        def later() -> asyncio.Future[object]:
            done: asyncio.Future[object] = loop.create_future()
            loop.call_later(0.05, lambda: done.set_result(barrier().result()))
            return done

        def slowly(data: bytes, command: object, future: asyncio.Future[object]) -> None:
            loop.call_later(0.03, apply, data, command, future)

        apply = departing.consensus._apply
        departing.consensus._apply = slowly  # type: ignore[method-assign]
        departing.consensus.barrier = later  # type: ignore[method-assign]
        begun = waiting(server.call("KVS.Apply", WRITE))
        departing.begun.append(begun)
        handing = loop.create_task(server.hand_over())
        await turns()
        held = waiting(server.call("KVS.Apply", WRITE))
        start = loop.now
        assert (await held).value in {"by 127.0.0.2:8300", "by 127.0.0.3:8300"}
        assert loop.now - start <= 0.2
        assert (await begun).value is None, "what had begun was answered here"
        assert await handing

    leading(body)


def test_a_server_that_does_not_take_over_is_followed_by_the_next() -> None:
    async def body(departing: Departing) -> None:
        departing.unwilling.add(identity(2))
        departing.index[address(3)] = 40
        await asyncio.sleep(2.5)
        assert await departing.parts.server.hand_over()
        assert departing.events == ["hands over to 2", "hands over to 3"]

    leading(body)


def test_a_leader_that_nobody_follows_leads_on_and_answers_what_was_held() -> None:
    async def body(departing: Departing) -> None:
        departing.unwilling.add(identity(2))
        departing.hanging.add(identity(3))
        server = departing.parts.server
        handing = departing.parts.loop.create_task(server.hand_over())
        await turns()
        held = waiting(server.call("KVS.Apply", WRITE))
        assert not await handing
        await held
        assert server.is_ready()

    leading(body)


@pytest.mark.parametrize(
    ("voters", "statuses"),
    [
        pytest.param((1,), {}, id="no other votes"),
        pytest.param((1, 2, 3), {2: MemberStatus.FAILED, 3: MemberStatus.LEAVING}, id="none is alive"),
    ],
)
def test_without_anyone_to_hand_over_to_nothing_is_interrupted(voters: tuple[int, ...], statuses: Any) -> None:
    async def body(departing: Departing) -> None:
        assert not await departing.parts.server.hand_over()
        assert departing.events == []
        assert departing.parts.server.is_ready()

    leading(body, voters, statuses)


def test_before_the_first_health_round_a_living_voter_will_do() -> None:
    async def body(departing: Departing) -> None:
        departing.parts.server.context.health.reset()
        assert await departing.parts.server.hand_over()

    leading(body)


def test_a_leader_leaves_as_a_follower_once_it_has_handed_over() -> None:
    async def body(departing: Departing) -> None:
        loop = departing.parts.loop
        start = loop.now
        leaving = loop.create_task(departing.leave())
        await asyncio.sleep(1.0 + DRAIN)
        departing.consensus.configuration = departing.consensus.configuration.without(NODE_ID)  # as the new leader does
        await leaving
        assert departing.events == ["hands over to 2", "leaves the pools"]
        assert departing.consensus.configurations == []
        assert loop.now - start == pytest.approx(1.1 + DRAIN, abs=0.2)

    leading(body)


def test_a_leader_that_cannot_hand_over_removes_itself_before_it_leaves_the_pools() -> None:
    async def body(departing: Departing) -> None:
        departing.unwilling |= {identity(2), identity(3)}
        remove = departing.consensus.remove_server

        def removed(who: str) -> asyncio.Future[None]:
            departing.events.append(f"removes {who[:8]}")
            return remove(who)

        departing.consensus.remove_server = removed  # type: ignore[method-assign]
        await departing.leave()
        assert departing.events == ["hands over to 2", "hands over to 3", f"removes {NODE_ID[:8]}", "leaves the pools"]
        assert departing.consensus.configuration.member(NODE_ID) is None

    leading(body)


def test_the_last_server_just_leaves() -> None:
    async def body(departing: Departing) -> None:
        await departing.leave()
        assert departing.events == ["leaves the pools"]
        assert departing.consensus.configuration.member(NODE_ID) is not None

    leading(body, voters=(1,))


def test_calls_are_refused_only_once_the_pool_knows() -> None:
    async def body(departing: Departing) -> None:
        server, loop = departing.parts.server, departing.parts.loop
        leaving = loop.create_task(departing.leave())
        await asyncio.sleep(0.5)
        assert departing.events[-1] == "leaves the pools"
        assert (await waiting(server.call("KVS.Apply", WRITE))).value == "by 127.0.0.2:8300"
        await asyncio.sleep(1.0)
        with pytest.raises(NoLeader):
            server.call("KVS.Apply", WRITE)
        leaving.cancel()
        await turns()

    leading(body)


@pytest.mark.parametrize(("gone_after", "waits"), [pytest.param(2.0, 2.0, id="removed"), pytest.param(60.0, 5.0, id="not removed")])
def test_a_follower_waits_up_to_five_seconds_to_be_removed(gone_after: float, waits: float, caplog: pytest.LogCaptureFixture) -> None:
    async def body(departing: Departing) -> None:
        departing.handed(identity(2), departing.parts.loop.create_future())
        loop = departing.parts.loop
        start = loop.now
        without = departing.consensus.configuration.without(NODE_ID)
        loop.call_later(1.0 + DRAIN + gone_after, setattr, departing.consensus, "configuration", without)
        await departing.leave()
        assert loop.now - start == pytest.approx(1.0 + DRAIN + waits, abs=0.1)
        assert ("failed to leave raft configuration gracefully" in caplog.text) is (waits < gone_after)
        assert departing.events == ["leaves the pools"]

    leading(body)


def test_a_server_that_has_left_does_not_serve_even_if_it_is_elected() -> None:
    async def body(departing: Departing) -> None:
        server = departing.parts.server
        server._refuse()
        server.leadership(True)
        await turns(20)
        with pytest.raises(NoLeader):
            server.call("KVS.Apply", WRITE)

    leading(body)
