"""What every call obeys: method names, datacenters, a leader to wait for, and that a refused request is not logged."""

import asyncio
from typing import Any

import pytest
from pool_parts import identity, server
from server_parts import DC, Parts, run, turns, waiting

from muster.gossip.effects import MemberUpdated
from muster.model.catalog import HealthCheck, NodeService, ServiceConnect
from muster.model.coordinates import Coordinate
from muster.model.errors import MusterError, NoLeader, NoPathToDatacenter, Rejected
from muster.model.kv import KVEntry
from muster.model.operator import ConfigEntry
from muster.model.queries import PreparedQuery, QueryDnsOptions, QueryFailover, QueryService, QueryTemplate
from muster.model.sessions import Session
from muster.server.methods import UnknownMethod
from muster.wire.commands import (
    ConfigEntryRequest,
    CoordinateUpdateRequest,
    DeregisterRequest,
    KVSRequest,
    PreparedQueryRequest,
    RegisterRequest,
    SessionRequest,
)
from muster.wire.requests import (
    ConfigEntryQuery,
    DatacenterRequest,
    KeyRequest,
    NodeRequest,
    PreparedQueryExecuteRequest,
    RaftRemovePeerRequest,
    ServiceRequest,
)

UUID = "f004177f-2c28-83b7-4229-eacc25fe55d1"


def register(**fields: Any) -> RegisterRequest:
    return RegisterRequest(**{"node": "x", "address": "10.0.0.1", **DC, **fields})


def create(**fields: Any) -> SessionRequest:
    return SessionRequest(op="create", session=Session(**{"node": "n1", **fields}), **DC)


def query(op: str = "create", **fields: Any) -> PreparedQueryRequest:
    return PreparedQueryRequest(op=op, query=PreparedQuery(**{"name": "n", "service": QueryService(service="web"), **fields}), **DC)


def entry(kind: str, name: str = "", **fields: Any) -> ConfigEntryRequest:
    return ConfigEntryRequest(entry=ConfigEntry(kind=kind, name=name, fields=fields), **DC)


WRONG = [
    ("Catalog.Register", register(address=""), "Must provide address if SkipNodeUpdate is not set"),
    ("Catalog.Register", register(node=""), "Must provide node"),
    ("Catalog.Register", register(id="not-a-uuid", address=""), "Bad node ID: uuid string is wrong length"),
    ("Catalog.Register", register(id="not-a-uuid"), "Bad node ID: uuid string is wrong length"),
    ("Catalog.Register", register(id="40e4a7482192-161a-0510-9bf59fe950bxx"), "Bad node ID: uuid is improperly formatted"),
    ("Catalog.Register", register(id="40e4a748-2192-161a-0510-9bf59fe950bg"), "Bad node ID: encoding/hex: invalid byte: U+0067 'g'"),
    ("Catalog.Register", register(service=NodeService(id="only-id")), "Must provide service name with ID"),
    ("Catalog.Register", register(service=NodeService(service="w", address="0.0.0.0")), "Invalid service address"),
    ("Catalog.Register", register(service=NodeService(service="w", address="[::]")), "Invalid service address"),
    (
        "Catalog.Register",
        register(service=NodeService(service="p", kind="connect-proxy")),
        "2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n"
        "\t* Port must be set for a Connect proxy\n\n",
    ),
    (
        "Catalog.Register",
        register(service=NodeService(service="p", kind="mesh-gateway", connect=ServiceConnect(sidecar_service={}))),
        "2 errors occurred:\n\t* Port must be non-zero for a mesh-gateway\n\t* A mesh-gateway cannot have a sidecar service defined\n\n",
    ),
    (
        "Catalog.Register",
        register(service=NodeService(service="p", connect=ServiceConnect(sidecar_service={"ID": "x", "Connect": {"SidecarService": {}}}))),
        "2 errors occurred:\n\t* A SidecarService cannot specify an ID as this is managed by the agent\n"
        "\t* A SidecarService cannot have a nested SidecarService\n\n",
    ),
    ("Catalog.Deregister", DeregisterRequest(**DC), "Must provide node"),
    ("Catalog.NodeServices", NodeRequest(**DC), "Must provide node"),
    ("Catalog.ServiceNodes", ServiceRequest(**DC), "Must provide service name"),
    ("Health.ServiceNodes", ServiceRequest(**DC), "Must provide service name"),
    ("KVS.Apply", KVSRequest(op="set", **DC), "Must provide key"),
    ("Session.Apply", create(ttl="5s"), "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]"),
    ("Session.Apply", create(ttl="25h"), "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]"),
    ("Session.Apply", create(ttl="-1s"), "Invalid Session TTL '-1000000000', must be between [10s=24h0m0s]"),
    ("Session.Apply", create(ttl="soon"), "Session TTL 'soon' invalid: time: invalid duration \"soon\""),
    ("Session.Apply", create(behavior="explode"), "Invalid Behavior setting 'explode'"),
    ("Session.Apply", create(node=""), "Must provide Node"),
    ("Session.Apply", SessionRequest(op="destroy", **DC), "Must provide ID"),
    ("PreparedQuery.Apply", query(name=""), "Invalid prepared query: Must be bound to a session"),
    ("PreparedQuery.Apply", query(service=QueryService()), "Invalid prepared query: Must provide a Service name to query"),
    ("PreparedQuery.Apply", query(id=UUID), "ID must be empty when creating a new prepared query"),
    (
        "PreparedQuery.Apply",
        query(service=QueryService(service="web", failover=QueryFailover(nearest_n=-1))),
        "Invalid prepared query: Bad NearestN '-1', must be >= 0",
    ),
    (
        "PreparedQuery.Apply",
        query(dns=QueryDnsOptions(ttl="long")),
        "Invalid prepared query: Bad DNS TTL 'long': time: invalid duration \"long\"",
    ),
    ("PreparedQuery.Apply", query(dns=QueryDnsOptions(ttl="-1s")), "Invalid prepared query: DNS TTL '-1000000000', must be >=0"),
    (
        "PreparedQuery.Apply",
        query(token="<hidden>"),
        "Invalid prepared query: Bad Token '<hidden>', it looks like a query definition with a redacted token was submitted",
    ),
    (
        "PreparedQuery.Apply",
        query(service=QueryService(service="web", node_meta={"a b": "c"})),
        "Invalid prepared query: Couldn't load metadata pair ('a b', 'c'): Key contains invalid characters",
    ),
    (
        "PreparedQuery.Apply",
        query(service=QueryService(service="web", node_meta={"": "c"})),
        "Invalid prepared query: Couldn't load metadata pair ('', 'c'): Key cannot be blank",
    ),
    ("PreparedQuery.Apply", query("update", id=UUID), f"Cannot modify non-existent prepared query: '{UUID}'"),
    ("PreparedQuery.Apply", query("delete", id=UUID), f"Cannot modify non-existent prepared query: '{UUID}'"),
    (
        "PreparedQuery.Apply",
        query("update", id="abc"),
        "Prepared Query lookup failed: failed prepared query lookup: index error: UUID must be 36 characters",
    ),
    ("PreparedQuery.Apply", query("explode"), "Unknown prepared query operation: explode"),
    ("PreparedQuery.Explain", PreparedQueryExecuteRequest(query_id_or_name="absent", **DC), "Query not found"),
    ("PreparedQuery.Execute", PreparedQueryExecuteRequest(query_id_or_name="absent", **DC), "Query not found"),
    ("Coordinate.Update", CoordinateUpdateRequest(node="x", coord=Coordinate(vec=[0.1]), **DC), "incompatible coordinate"),
    ("Coordinate.Update", CoordinateUpdateRequest(node="x", coord=Coordinate(vec=[float("nan")] * 8), **DC), "invalid coordinate"),
    ("Coordinate.Update", CoordinateUpdateRequest(node="x", **DC), "invalid coordinate"),
    ("ConfigEntry.Apply", entry("absent", "x"), "invalid config entry kind: absent"),
    ("ConfigEntry.Apply", entry("service-router"), "Name is required"),
    ("ConfigEntry.Apply", entry("service-splitter", "r"), "no splits configured"),
    (
        "ConfigEntry.Apply",
        entry("service-splitter", "r", Splits=[{"Weight": 50}]),
        "the sum of all split weights must be 100, not 50.000000",
    ),
    ("ConfigEntry.Apply", entry("service-resolver", "r", ConnectTimeout=-1_000_000_000), "Bad ConnectTimeout '-1s', must be >= 0"),
    ("ConfigEntry.Apply", entry("ingress-gateway", "r", Listeners=[{"Port": 0}]), "No service declared for listener with port 0"),
    ("ConfigEntry.Apply", entry("terminating-gateway", "r", Services=[{"Name": ""}]), "Service name cannot be blank."),
    ("ConfigEntry.Get", ConfigEntryQuery(kind="absent", name="x", **DC), "invalid config entry kind: absent"),
    ("ConfigEntry.List", ConfigEntryQuery(kind="absent", **DC), "invalid config entry kind: absent"),
    (
        "Operator.RaftRemovePeerByAddress",
        RaftRemovePeerRequest(address="127.0.0.1:1", **DC),
        'address "127.0.0.1:1" was not found in the Raft configuration',
    ),
    ("Operator.RaftRemovePeerByID", RaftRemovePeerRequest(id="absent", **DC), 'id "absent" was not found in the Raft configuration'),
    (
        "Operator.RaftRemovePeerByAddress",
        RaftRemovePeerRequest(address="127.0.0.1:8300", **DC),
        "Need at least one voter in configuration: {[]}",
    ),
]


UNFIT = [
    # request, text: what only the state machine sees, so that it has an index of its own
    (entry("service-defaults"), "serviceName is required"),
    (
        entry("service-router", "r"),
        'discovery chain "r" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
    ),
]


@pytest.mark.parametrize(("request_", "text"), UNFIT, ids=[text[:20] for _, text in UNFIT])
def test_a_config_entry_that_does_not_fit_fails_when_it_is_applied(request_: Any, text: str) -> None:
    async def body(parts: Parts) -> None:
        before = parts.index
        with pytest.raises(MusterError) as caught:
            await parts.call("ConfigEntry.Apply", request_)
        assert caught.value.wire_text == text
        assert parts.index == before + 1

    run(body)


@pytest.mark.parametrize(("method", "request_", "text"), [pytest.param(*row, id=f"{row[0]}: {row[2][:60]}") for row in WRONG])
def test_a_wrong_request_is_refused_with_the_peers_words_and_not_logged(method: str, request_: Any, text: str) -> None:
    async def body(parts: Parts) -> None:
        before = parts.index
        with pytest.raises(MusterError) as caught:
            await parts.call(method, request_)
        assert caught.value.wire_text == text
        assert parts.index == before

    run(body)


FAILS_WHEN_APPLIED = [
    ("Session.Apply", create(node="absent"), "Missing node registration"),
    ("Session.Apply", create(node_checks=["absent"]), "Missing check 'absent' registration"),
    ("PreparedQuery.Apply", query(session=UUID), f'invalid session "{UUID}"'),
    ("PreparedQuery.Apply", query(session="short"), "invalid session: index error: UUID must be 36 characters"),
    ("PreparedQuery.Apply", query(template=QueryTemplate(type="absent")), "failed compiling template: Bad Template.Type 'absent'"),
    ("Catalog.Register", register(check=HealthCheck(name="c", node="y")), 'check node "y" does not match node "x"'),
]


@pytest.mark.parametrize(("method", "request_", "text"), [pytest.param(*row, id=row[2]) for row in FAILS_WHEN_APPLIED])
def test_a_command_that_fails_tells_why_and_uses_its_index(method: str, request_: Any, text: str) -> None:
    async def body(parts: Parts) -> None:
        before = parts.index
        with pytest.raises(MusterError) as caught:
            await parts.call(method, request_)
        assert caught.value.wire_text == text
        assert parts.index == before + 1

    run(body)


@pytest.mark.parametrize("name", ["X.Y", "KVS", "", "KVS.Explode"])
def test_an_unknown_method_is_named(name: str) -> None:
    async def body(parts: Parts) -> None:
        with pytest.raises(UnknownMethod, match=f"rpc: can't find method {name}"):
            parts.server.call(name, KeyRequest(**DC))

    run(body)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        pytest.param("KVS.Get", KeyRequest(key="a", datacenter="nowhere"), id="a read"),
        pytest.param("KVS.Get", KeyRequest(key="a"), id="none is not the local one"),
        pytest.param("Catalog.Register", RegisterRequest(datacenter="nowhere"), id="before anything else is looked at"),
        pytest.param("Operator.ServerHealth", DatacenterRequest(datacenter="nowhere"), id="a plain read"),
        pytest.param("Status.Leader", DatacenterRequest(datacenter="nowhere"), id="status, if one is named"),
    ],
)
def test_another_datacenter_cannot_be_reached(method: str, request_: Any) -> None:
    async def body(parts: Parts) -> None:
        with pytest.raises(NoPathToDatacenter, match="No path to datacenter"):
            parts.server.call(method, request_)

    run(body)


def test_pre_votes_are_asked_of_those_who_show_that_they_know_them() -> None:
    members = [server(1, muster_prevote="1"), server(2), server(3, muster_prevote="1")]

    async def body(parts: Parts) -> None:
        parts.server.member_event(MemberUpdated(members[1]))
        assert not hasattr(parts.consensus, "pre_voters"), "consensus has not started yet"
        parts.server.start()
        assert parts.consensus.pre_voters == [identity(1), identity(3)]
        members[1] = server(2, muster_prevote="1")
        parts.server.member_event(MemberUpdated(members[1]))
        assert parts.consensus.pre_voters == [identity(n) for n in (1, 2, 3)]

    run(body, members=lambda: members)


def test_status_needs_no_datacenter() -> None:
    async def body(parts: Parts) -> None:
        assert (await parts.call("Status.Leader", DatacenterRequest())).value == "127.0.0.1:8300"
        assert (await parts.call("Status.Peers", DatacenterRequest())).value == ["127.0.0.1:8300"]
        assert (await parts.call("Status.Ping", None)).value is None

    run(body)


def without_leader(parts: Parts) -> None:
    parts.consensus.leads = False
    parts.server.leadership(False)


def test_without_a_leader_a_call_waits_seven_seconds() -> None:
    async def body(parts: Parts) -> None:
        without_leader(parts)
        start = parts.clock.monotonic()
        read = waiting(parts.server.call("KVS.Get", KeyRequest(key="a", **DC)))
        write = waiting(parts.server.call("KVS.Apply", KVSRequest(op="set", entry=KVEntry(key="a"), **DC)))
        for outcome in (read, write):
            with pytest.raises(NoLeader, match="No cluster leader"):
                await outcome
        assert parts.clock.monotonic() - start == pytest.approx(7.0, abs=0.1)

    run(body)


def test_a_call_that_waits_is_served_by_the_new_leader() -> None:
    async def body(parts: Parts) -> None:
        without_leader(parts)
        write = waiting(parts.server.call("KVS.Apply", KVSRequest(op="set", entry=KVEntry(key="a", value=b"1"), **DC)))
        parts.consensus.leads = True
        parts.server.leadership(True)
        await write
        assert (await parts.call("KVS.Get", KeyRequest(key="a", **DC))).value.value == b"1"

    run(body)


def test_a_refusal_after_waiting_for_a_leader_reaches_the_caller() -> None:
    async def body(parts: Parts) -> None:
        without_leader(parts)
        write = waiting(parts.server.call("KVS.Apply", KVSRequest(op="set", **DC)))
        parts.server.leadership(True)
        with pytest.raises(Rejected, match="Must provide key"):
            await write

    run(body)


def test_a_stale_read_is_answered_without_a_leader_and_says_so() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a", b"1")
        question = KeyRequest(key="a", allow_stale=True, **DC)
        assert parts.server.call("KVS.Get", question).known_leader
        without_leader(parts)
        reply = parts.server.call("KVS.Get", question)
        assert (reply.value.value, reply.known_leader) == (b"1", False)

    run(body)


def test_a_client_that_is_gone_while_there_is_no_leader_is_forgotten() -> None:
    async def body(parts: Parts) -> None:
        without_leader(parts)
        waiter = waiting(parts.server.call("KVS.Get", KeyRequest(key="a", **DC)))
        waiter.cancel()
        await turns()
        assert len(parts.server._forwarder) == 0

    run(body)


def test_a_consistent_read_asks_the_quorum_first() -> None:
    async def body(parts: Parts) -> None:
        asked: list[asyncio.Future[None]] = []

        def verify() -> asyncio.Future[None]:
            asked.append(parts.loop.create_future())
            return asked[-1]

        parts.consensus.verify_leader = verify  # type: ignore[method-assign]
        question = KeyRequest(key="a", require_consistent=True, **DC)
        answered, refused, left = (waiting(parts.server.call("KVS.Get", question)) for _ in range(3))
        asked[0].set_result(None)
        asked[1].set_exception(NoLeader())
        assert (await answered).value is None
        with pytest.raises(NoLeader):
            await refused
        left.cancel()
        assert asked[2].cancelled()

    run(body)


def test_a_consistent_blocking_read_that_is_left_is_withdrawn() -> None:
    async def body(parts: Parts) -> None:
        confirmed: asyncio.Future[None] = parts.loop.create_future()
        parts.consensus.verify_leader = lambda: confirmed  # type: ignore[method-assign]
        question = KeyRequest(key="a", min_query_index=1000, require_consistent=True, **DC)
        waiter = waiting(parts.server.call("KVS.Get", question))
        confirmed.set_result(None)
        await turns()
        assert parts.server.blocking.parked == 1
        waiter.cancel()
        await turns()
        assert parts.server.blocking.parked == 0

    run(body)
