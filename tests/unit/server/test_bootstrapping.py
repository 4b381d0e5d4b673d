"""`bootstrap_expect`: servers that found a datacenter together, and all that keeps one from it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from pool_parts import Answer, Network, address, client, identity, server
from server_parts import InstantConsensus, LoopClock, Parts, VirtualLoop, turns

from muster.gossip.effects import Member, MemberJoined, MemberStatus
from muster.model.errors import Rejected
from muster.raft.membership import NONVOTER, VOTER, Configuration
from muster.transport.rpc_errors import CannotConnect
from muster.wire.replies import Reply


class EmptyConsensus(InstantConsensus):
    """Has nothing yet."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.leads, self.contact = False, None
        self.configuration = Configuration()
        self.founded: list[Configuration] = []
        self.error: Any = None

    def is_empty(self) -> bool:
        return not self.configuration.members

    def bootstrap(self, configuration: Configuration) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self.loop.create_future()
        if self.error is not None:
            future.set_exception(self.error)
        else:
            self.founded.append(configuration)
            self.configuration = configuration
            future.set_result(None)
        return future


class Founding:
    """One server, number 1, that expects others; the pool is what the test makes of it."""

    def __init__(self, loop: VirtualLoop, expect: int, started: bool) -> None:
        self.network = Network()
        self.members: list[Member] = [server(1, expect=str(expect))]
        self.parts = Parts(loop, bootstrap_expect=expect, members=lambda: self.members, forwarding=self.network)
        self.parts.consensus = self.parts.server.consensus = EmptyConsensus(self.parts.state, loop)
        self.parts.server.context.consensus = self.parts.consensus
        self.consensus: EmptyConsensus = self.parts.consensus
        self.clock: LoopClock = self.parts.clock
        if started:
            self.parts.server.start()

    def answers(self, *numbers: int, value: Answer = None) -> None:
        for number in numbers:
            self.network.answers[address(number), "Status.Peers"] = value or Reply(value=[])

    async def joins(self, *members: Member) -> None:
        for member in members:
            self.members.append(member)
            self.parts.server.member_event(MemberJoined(member))
        await turns(20)

    @property
    def founded(self) -> dict[str, tuple[str, int]] | None:
        """Address and suffrage by id of the first configuration; None: none was written."""
        if not self.consensus.founded:
            return None
        (configuration,) = self.consensus.founded
        return {one.identity: (one.address, one.suffrage) for one in configuration.members}


def expecting(expect: int, test: Callable[[Founding], Awaitable[None]], started: bool = True) -> None:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        founding = Founding(loop, expect, started)
        loop.run_until_complete(asyncio.wait_for(test(founding), 1_000_000))  # type: ignore[arg-type]  # a coroutine
        founding.parts.server.stop()
        loop.run_until_complete(turns())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def ready(number: int, expect: str = "3", **more: Any) -> Member:
    return server(number, expect=expect, **more)


ALL = {identity(n): (address(n), VOTER) for n in (1, 2, 3)}


def test_the_last_one_that_is_expected_makes_all_write_the_same_configuration() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3)
        await founding.joins(ready(2))
        assert founding.founded is None
        assert founding.network.calls == []
        await founding.joins(client("c1"), ready(3))
        assert founding.founded == ALL
        assert founding.network.asked("Status.Peers") == [address(2), address(3)]

    expecting(3, body)


def test_a_single_server_that_expects_itself_founds_at_once() -> None:
    async def body(founding: Founding) -> None:
        founding.parts.server.start()
        await turns()
        assert founding.founded == {identity(1): (address(1), VOTER)}

    expecting(1, body, started=False)


def test_nothing_is_founded_before_consensus_knows_its_disk() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3)
        await founding.joins(ready(2), ready(3))
        assert founding.founded is None
        founding.parts.server.start()
        await turns(20)
        assert founding.founded == ALL

    expecting(3, body, started=False)


def test_whoever_expects_nobody_founds_nothing() -> None:
    async def body(founding: Founding) -> None:
        await founding.joins(ready(2), ready(3))
        assert founding.founded is None
        assert founding.network.calls == []

    expecting(0, body)


def test_a_server_that_must_not_vote_is_taken_in_but_does_not_count() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3, 4)
        await founding.joins(ready(2), ready(4, nonvoter="1"))
        assert founding.founded is None
        await founding.joins(ready(3))
        assert founding.founded == {**ALL, identity(4): (address(4), NONVOTER)}

    expecting(3, body)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        pytest.param(ready(3, expect="5"), "Member has a conflicting expect value", id="another number is expected"),
        pytest.param(ready(3, expect="", bootstrap="1"), "Member has bootstrap mode", id="one founds alone"),
    ],
)
def test_servers_of_two_minds_found_nothing(odd: Member, why: str, caplog: pytest.LogCaptureFixture) -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3, 4)
        await founding.joins(ready(2), odd, ready(4))
        assert founding.founded is None
        assert why in caplog.text
        founding.members.remove(odd)
        founding.answers(3)
        await founding.joins(ready(3))
        assert founding.founded is not None, "once they are of one mind they do"

    expecting(3, body)


def test_a_server_that_expects_nothing_is_counted() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3)
        await founding.joins(ready(2), ready(3, expect=""))
        assert founding.founded == ALL

    expecting(3, body)


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(ready(3, status=MemberStatus.FAILED), id="a failed one"),
        pytest.param(ready(3, status=MemberStatus.LEFT), id="one that left"),
        pytest.param(ready(3, dc="dc2"), id="one of another datacenter"),
    ],
)
def test_only_living_servers_of_the_datacenter_count(member: Member) -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3)
        await founding.joins(ready(2), member)
        assert founding.founded is None

    expecting(3, body)


def test_a_server_that_takes_part_in_something_ends_it_for_good() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, value=Reply(value=[address(2)]))
        founding.answers(3)
        await founding.joins(ready(2), ready(3))
        assert founding.founded is None
        founding.answers(2, 3, 4)
        await founding.joins(ready(4))
        assert founding.founded is None
        assert founding.parts.server._bootstrapping.done

    expecting(3, body)


@pytest.mark.parametrize("value", [[], None])
def test_an_empty_answer_and_none_are_alike(value: list[str] | None) -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3, value=Reply(value=value))
        await founding.joins(ready(2), ready(3))
        assert founding.founded == ALL

    expecting(3, body)


def test_a_server_that_does_not_answer_is_asked_again_after_1_2_4_8_16_and_32_seconds() -> None:
    async def body(founding: Founding) -> None:
        times: list[float] = []

        def ask(at: str, _method: str, _request: Any) -> Answer:
            if at == address(2):
                return Reply(value=[])
            times.append(founding.clock.monotonic())
            return CannotConnect("dial tcp: refused") if len(times) < 7 else Reply(value=[])

        founding.network.ask = ask
        await founding.joins(ready(2), ready(3))
        await asyncio.sleep(62.5)
        assert founding.founded is None, "it may be part of something"
        await asyncio.sleep(1)
        assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([1, 2, 4, 8, 16, 32])
        assert founding.founded == ALL, "who is there is looked at anew"

    expecting(3, body)


def test_a_server_that_is_silent_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2)
        await founding.joins(ready(2), ready(3))
        await asyncio.sleep(5)
        founding.answers(3)
        assert founding.founded is None
        await asyncio.sleep(7)
        assert founding.founded == ALL
        assert "server=n3 retry=1s error=no answer" in caplog.text

    expecting(3, body)


def test_a_server_that_fails_meanwhile_is_waited_for() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2)
        founding.answers(3, value=CannotConnect("dial tcp: refused"))
        await founding.joins(ready(2), ready(3))
        founding.members[-1] = ready(3, status=MemberStatus.FAILED)
        founding.parts.server.context.servers.changed(founding.members[-1])
        await asyncio.sleep(200)
        assert founding.founded is None
        founding.answers(3)
        founding.members.pop()
        await founding.joins(ready(3))
        assert founding.founded == ALL

    expecting(3, body)


def test_a_server_with_data_never_founds_anything() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3)
        founding.consensus.configuration = Configuration().with_voter(identity(1), address(1))
        await founding.joins(ready(2), ready(3))
        assert founding.founded is None
        assert founding.network.calls == []

    expecting(3, body)


def test_a_server_that_a_leader_finds_first_founds_nothing() -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2)
        await founding.joins(ready(2), ready(3))
        founding.consensus.configuration = Configuration().with_voter(identity(9), address(9))
        for future in founding.network.pending:
            future.set_result(Reply(value=[]))
        await turns(20)
        assert founding.founded is None

    expecting(3, body)


def test_a_refusal_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def body(founding: Founding) -> None:
        founding.answers(2, 3)
        founding.consensus.error = Rejected("bootstrap only works on new clusters")
        await founding.joins(ready(2), ready(3))
        assert "Failed to bootstrap cluster: error=bootstrap only works on new clusters" in caplog.text

    expecting(3, body)


def test_servers_that_see_each_other_in_any_order_write_the_same() -> None:
    orders = [[ready(2), ready(3)], [ready(3), ready(2)]]
    found = []
    for order in orders:

        async def body(founding: Founding, order: list[Member] = order) -> None:
            founding.answers(2, 3)
            await founding.joins(*order)
            found.append(founding.founded)

        expecting(3, body)
    assert found[0] == found[1] == ALL
