"""Calls for other datacenters, and prepared queries that find nothing here."""

from typing import Any

import pytest
from pool_parts import Network, address
from server_parts import DC, Parts, run, turns

from muster.model.catalog import NodeService
from muster.model.errors import DatacenterUnreachable, MusterError, NoPathToDatacenter
from muster.model.kv import KVEntry
from muster.model.queries import PreparedQuery, QueryFailover, QueryService
from muster.server.datacenters import DatacenterCoordinates
from muster.server.query_execution import QueryAnswer
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.wire.commands import KVSRequest, PreparedQueryRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, EventFireRequest, KeyRequest, PreparedQueryExecuteRequest

READ = KeyRequest(key="a", datacenter="west")
STALE = KeyRequest(key="a", datacenter="west", allow_stale=True)
WRITE = KVSRequest(op="set", entry=KVEntry(key="a", value=b"1"), datacenter="west")


class World:
    """What is known of other datacenters: their servers, in the order in which they are asked; `down` are those not seen."""

    def __init__(self) -> None:
        self.servers = {"west": [address(7), address(8)], "south": [address(9)], "far": [address(10)]}
        self.down: set[str] = set()
        self.offline: set[str] = set()
        self.failures: list[tuple[str, str]] = []

    def names(self) -> list[str]:
        return ["dc1", *self.servers]

    def coordinates(self) -> list[DatacenterCoordinates]:
        return []

    def seems_up(self, datacenter: str) -> bool:
        return datacenter not in self.down

    def server_of(self, datacenter: str) -> str:
        if datacenter not in self.servers:
            raise NoPathToDatacenter
        if datacenter in self.offline:
            raise DatacenterUnreachable
        return self.servers[datacenter][0]

    def failed(self, datacenter: str, address: str) -> None:
        self.failures.append((datacenter, address))
        servers = self.servers[datacenter]
        servers.append(servers.pop(servers.index(address)))


def within(body: Any) -> Any:
    """Runs a test with the network and the world."""

    def test(*arguments: Any) -> None:
        network, world = Network(), World()

        async def inside(parts: Parts) -> None:
            parts.server.know_datacenters(world)
            await body(parts, network, world, *arguments)

        run(inside, forwarding=network)

    return test


async def _outcome(parts: Parts, method: str, request: Any) -> Any:
    """The reply, or the error's text."""
    try:
        outcome = parts.server.call(method, request)
        return outcome if isinstance(outcome, Reply) else await outcome
    except MusterError as error:
        return error.wire_text


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        pytest.param("KVS.Get", READ, id="read"),
        pytest.param("KVS.Get", STALE, id="stale read"),
        pytest.param("KVS.Apply", WRITE, id="write"),
        pytest.param("Status.Leader", DatacenterRequest(datacenter="west"), id="what needs no leader"),
        pytest.param("Internal.EventFire", EventFireRequest(name="x", datacenter="west"), id="event"),
        pytest.param("Operator.ServerHealth", DatacenterRequest(datacenter="west"), id="what only a leader knows"),
    ],
)
def test_a_call_goes_to_a_server_of_its_datacenter_as_it_is(method: str, request_: Any) -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        reply = network.answers[address(7), method] = Reply(value="there")
        assert await _outcome(parts, method, request_) is reply
        assert network.calls == [(address(7), method, request_)]

    within(body)()


def test_a_server_without_a_leader_passes_it_on_too() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        parts.consensus.leads = False
        parts.server.leadership(False)
        network.answers[address(7), "KVS.Get"] = Reply(value="there")
        assert (await _outcome(parts, "KVS.Get", READ)).value == "there"

    within(body)()


def test_what_is_not_known_or_does_not_answer_is_refused_at_once() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        world.offline.add("south")
        for datacenter, text in (
            ("nowhere", "No path to datacenter"),
            ("", "No path to datacenter"),
            ("south", "Remote DC has no server currently reachable"),
        ):
            assert await _outcome(parts, "KVS.Get", KeyRequest(key="a", datacenter=datacenter)) == text
        assert network.calls == []

    within(body)()


def test_what_the_other_server_says_is_passed_on() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        network.answers[address(7), "KVS.Get"] = RemoteError("Permission denied")
        with pytest.raises(RemoteError) as refused:
            await parts.server.call("KVS.Get", READ)
        assert (refused.value.wire_text, refused.value.http_status) == ("rpc error making call: Permission denied", 403)
        assert world.failures == [], "it did answer"

    within(body)()


@pytest.mark.parametrize(
    ("error", "method", "request_", "again"),
    [
        pytest.param(CannotConnect("refused"), "KVS.Apply", WRITE, True, id="what was not sent is tried elsewhere"),
        pytest.param(ConnectionLost("KVS.Get"), "KVS.Get", READ, True, id="a read too"),
        pytest.param(ConnectionLost("KVS.Apply"), "KVS.Apply", WRITE, False, id="not a write that may be done"),
    ],
)
def test_a_server_that_cannot_be_asked_is_passed_over(error: MusterError, method: str, request_: Any, again: bool) -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        network.answers[address(7), method] = error
        network.answers[address(8), method] = Reply(value=True)
        outcome = await _outcome(parts, method, request_)
        assert outcome == error.wire_text if not again else outcome.value is True
        assert world.failures == [("west", address(7))]

    within(body)()


def test_each_server_is_tried_once() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        network.answers[address(7), "KVS.Get"] = network.answers[address(8), "KVS.Get"] = CannotConnect("refused")
        assert (await _outcome(parts, "KVS.Get", READ)).endswith("refused")
        assert [call[0] for call in network.calls] == [address(7), address(8)]

    within(body)()


def test_a_caller_that_is_gone_withdraws_the_call_there() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        waiting = parts.server.call("KVS.Get", READ)
        assert not isinstance(waiting, Reply)
        waiting.cancel()
        await turns()
        assert network.pending[0].cancelled()

    within(body)()


def _answer(datacenter: str, *nodes: str) -> Reply:
    return Reply(value=QueryAnswer(service="web", nodes=list(nodes), dns=PreparedQuery().dns, datacenter=datacenter))  # type: ignore[arg-type]


async def _execute(parts: Parts, failover: QueryFailover, **options: Any) -> QueryAnswer:
    query = PreparedQuery(name="q", service=QueryService(service="web", failover=failover))
    await parts.call("PreparedQuery.Apply", PreparedQueryRequest(op="create", query=query, **DC))
    reply = await _outcome(parts, "PreparedQuery.Execute", PreparedQueryExecuteRequest(query_id_or_name="q", **DC, **options))
    assert isinstance(reply.value, QueryAnswer)
    return reply.value


@pytest.mark.parametrize(
    ("nearest", "named", "down", "order"),
    [
        pytest.param(0, [], (), [], id="none"),
        pytest.param(1, [], (), ["west"], id="the nearest"),
        pytest.param(9, [], (), ["west", "south", "far"], id="all, in their order"),
        pytest.param(0, ["far", "west"], (), ["far", "west"], id="those named, in the order of the list"),
        pytest.param(1, ["far", "west", "dc1", "none"], (), ["west", "far"], id="the nearest, then the list; each once, the unknown not"),
        pytest.param(3, [], ("west", "south"), ["far", "west", "south"], id="those not seen come last"),
    ],
)
def test_a_query_asks_other_datacenters_in_order(nearest: int, named: list[str], down: tuple[str, ...], order: list[str]) -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        world.down |= set(down)
        network.ask = lambda _, __, request: _answer(request.datacenter)
        found = await _execute(parts, QueryFailover(nearest_n=nearest, datacenters=named))
        assert [call[2].datacenter for call in network.calls] == order
        assert found.failovers == len(order)
        assert found.nodes == []

    within(body)()


def test_the_first_that_has_instances_ends_it() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        network.ask = lambda _, __, request: _answer(request.datacenter, *(["n9"] if request.datacenter == "south" else []))
        found = await _execute(parts, QueryFailover(nearest_n=3), limit=4, connect=True, allow_stale=True)
        assert (found.nodes, found.datacenter, found.failovers) == (["n9"], "south", 2)
        method, request = network.calls[0][1:]
        assert method == "PreparedQuery.ExecuteRemote"
        assert (request.limit, request.connect, request.allow_stale, request.query.name) == (4, True, True, "q")

    within(body)()


def test_one_that_cannot_be_asked_is_passed_over() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        world.offline.add("west")
        network.answers[address(9), "PreparedQuery.ExecuteRemote"] = RemoteError("No cluster leader")
        network.answers[address(10), "PreparedQuery.ExecuteRemote"] = _answer("far", "n10")
        found = await _execute(parts, QueryFailover(nearest_n=3))
        assert (found.nodes, found.datacenter, found.failovers) == (["n10"], "far", 3)

    within(body)()


def test_instances_here_are_enough() -> None:
    async def body(parts: Parts, network: Network, world: World) -> None:
        await parts.register("n1", service=NodeService(id="web", service="web"))
        found = await _execute(parts, QueryFailover(nearest_n=3))
        assert (len(found.nodes), found.datacenter, found.failovers) == (1, "dc1", 0)
        assert network.calls == []

    within(body)()
