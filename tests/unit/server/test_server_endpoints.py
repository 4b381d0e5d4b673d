"""Answers of the endpoints: rows, filters, order, transactions, prepared queries, snapshots."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from server_parts import DC, Parts, run, waiting

from muster.model.catalog import HealthCheck, Node, NodeService
from muster.model.coordinates import Coordinate
from muster.model.errors import DecodeError, Rejected
from muster.model.kv import KVEntry
from muster.model.queries import PreparedQuery, QueryService
from muster.model.sessions import Session
from muster.raft.membership import Configuration, Member
from muster.server.endpoints.snapshot import metadata
from muster.storage.snapshots import SnapshotMeta
from muster.wire import archive
from muster.wire.commands import (
    CoordinateUpdateRequest,
    PreparedQueryRequest,
    SessionRequest,
    TxnCheckOp,
    TxnKVOp,
    TxnNodeOp,
    TxnOp,
    TxnRequest,
    TxnServiceOp,
)
from muster.wire.requests import (
    ChecksInStateRequest,
    DatacenterRequest,
    NodeRequest,
    PreparedQueryExecuteRequest,
    QuerySource,
    ServiceDumpRequest,
    ServiceRequest,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "snapshot"


async def populate(parts: Parts) -> None:
    """Three instances of `web`: q1 passing, q2 warning, q3 critical."""
    rows = (("q1", "v1", "passing"), ("q2", "V2", "warning"), ("q3", "v2", "critical"))
    for number, (node, tag, status) in enumerate(rows):
        await parts.register(
            node,
            node_meta={"rack": f"r{number}"},
            service=NodeService(id=f"w{number}", service="web", tags=[tag], port=80 + number, meta={"n": str(number)}),
            check=HealthCheck(check_id="c", name="c", service_id=f"w{number}", status=status),
        )


def nodes(rows: Any) -> list[str]:
    return [row.node.node for row in rows]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        pytest.param({}, ["q1", "q2", "q3"], id="all"),
        pytest.param({"tag_filter": True, "service_tags": ("v2",)}, ["q2", "q3"], id="a tag, in any case"),
        pytest.param({"tag_filter": True, "service_tag": "v1"}, ["q1"], id="the single tag of old clients"),
        pytest.param({"service_tags": ("v1",)}, ["q1", "q2", "q3"], id="tags are only a filter if the flag says so"),
        pytest.param({"node_meta_filters": (("rack", "r1"),)}, ["q2"], id="the node's meta"),
        pytest.param({"connect": True}, [], id="nothing speaks for it in the mesh"),
    ],
)
def test_the_instances_of_a_service(fields: dict[str, Any], found: list[str]) -> None:
    async def body(parts: Parts) -> None:
        await populate(parts)
        question = ServiceRequest(service_name="web", **fields, **DC)
        assert nodes((await parts.call("Catalog.ServiceNodes", question)).value) == found
        assert nodes((await parts.call("Health.ServiceNodes", question)).value) == found

    run(body)


def test_filters_choose_rows_and_leave_the_index() -> None:
    async def body(parts: Parts) -> None:
        await populate(parts)
        reply = await parts.call("Health.ServiceNodes", ServiceRequest(service_name="web", filter="Service.Port == 81", **DC))
        assert (nodes(reply.value), reply.index) == (["q2"], parts.index)
        reply = await parts.call("Catalog.ServiceNodes", ServiceRequest(service_name="web", filter="ServicePort == 81", **DC))
        assert nodes(reply.value) == ["q2"]
        reply = await parts.call("Catalog.ListNodes", DatacenterRequest(filter="Node == q3", **DC))
        assert [node.node for node in reply.value] == ["q3"]
        reply = await parts.call("Catalog.NodeServices", NodeRequest(node="q1", filter="Port == 1", **DC))
        assert (reply.value.node.node, reply.value.services) == ("q1", [])
        reply = await parts.call("Health.ChecksInState", ChecksInStateRequest(state="any", filter="Node == q1", **DC))
        assert [check.node for check in reply.value] == ["q1"]

    run(body)


def test_services_checks_and_dumps() -> None:
    async def body(parts: Parts) -> None:
        await populate(parts)
        assert (await parts.call("Catalog.ListServices", DatacenterRequest(**DC))).value.keys() == {"consul", "web"}
        assert (await parts.call("Catalog.ServiceList", DatacenterRequest(**DC))).value == ["consul", "web"]
        assert (await parts.call("Catalog.ListDatacenters", None)).value == ["dc1"]
        checks = (await parts.call("Health.ServiceChecks", ServiceRequest(service_name="web", **DC))).value
        assert [check.status for check in checks] == ["passing", "warning", "critical"]
        (info,) = (await parts.call("Internal.NodeInfo", NodeRequest(node="q1", **DC))).value
        assert ([one.id for one in info.services], [one.check_id for one in info.checks]) == (["w0"], ["c"])
        assert (await parts.call("Internal.NodeInfo", NodeRequest(node="absent", **DC))).value == []
        assert len((await parts.call("Internal.NodeDump", DatacenterRequest(**DC))).value) == 4
        assert len((await parts.call("Internal.ServiceDump", ServiceDumpRequest(**DC))).value) == 4
        absent = await parts.call("Catalog.NodeServices", NodeRequest(node="absent", **DC))
        assert (absent.value, absent.index) == (None, 1)

    run(body)


async def place(parts: Parts, **places: float) -> None:
    for node, at in places.items():
        request = CoordinateUpdateRequest(node=node, coord=Coordinate(vec=[at] * 8, height=0.001), **DC)
        await parts.call("Coordinate.Update", request)
    await asyncio.sleep(5.1)


@pytest.mark.parametrize(
    ("source", "order"),
    [
        pytest.param(QuerySource(node="q3", datacenter="dc1"), ["q3", "q1", "q2"], id="the nearest first, the unknown last"),
        pytest.param(QuerySource(node="q3", datacenter="dc2"), ["q1", "q2", "q3"], id="another datacenter's node orders nothing"),
        pytest.param(QuerySource(node="absent", datacenter="dc1"), ["q1", "q2", "q3"], id="nor does an unknown node"),
    ],
)
def test_near_orders_by_distance(source: QuerySource, order: list[str]) -> None:
    async def body(parts: Parts) -> None:
        await populate(parts)
        await place(parts, q1=1.0, q3=2.0)
        question = ServiceRequest(service_name="web", source=source, **DC)
        assert nodes((await parts.call("Health.ServiceNodes", question)).value) == order
        checks = ChecksInStateRequest(state="any", source=source, filter="Node != n1", **DC)
        assert [check.node for check in (await parts.call("Health.ChecksInState", checks)).value] == order

    run(body)


# ---- prepared queries


async def execute(parts: Parts, service: QueryService, **request: Any) -> Any:
    query = PreparedQueryRequest(op="create", query=PreparedQuery(name="q", service=service), **DC)
    made = (await parts.call("PreparedQuery.Apply", query)).value
    assert parts.state.store.queries.get(made)[1] is not None
    agent = QuerySource(node="q2", datacenter="dc1")
    question = PreparedQueryExecuteRequest(query_id_or_name="q", agent=agent, **request, **DC)
    return (await parts.call("PreparedQuery.Execute", question)).value


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        pytest.param({}, {"q1", "q2"}, id="what is critical is left out"),
        pytest.param({"only_passing": True}, {"q1"}, id="and what warns"),
        pytest.param({"ignore_check_ids": ["c"]}, {"q1", "q2", "q3"}, id="unless the check is ignored"),
        pytest.param({"tags": ["v2"]}, {"q2"}, id="a tag, in any case"),
        pytest.param({"tags": ["!V2"]}, {"q1"}, id="not a tag"),
        pytest.param({"node_meta": {"rack": "r0"}}, {"q1"}, id="the node's meta"),
        pytest.param({"service_meta": {"n": "1"}}, {"q2"}, id="the service's meta"),
        pytest.param({"connect": True}, set(), id="in the mesh"),
    ],
)
def test_a_query_chooses(fields: dict[str, Any], found: set[str]) -> None:
    async def body(parts: Parts) -> None:
        await populate(parts)
        answer = await execute(parts, QueryService(service="web", **fields))
        assert set(nodes(answer.nodes)) == found
        assert (answer.service, answer.datacenter, answer.failovers) == ("web", "dc1", 0)

    run(body)


@pytest.mark.parametrize(
    ("near", "request_", "first"),
    [
        pytest.param("q1", {}, "q1", id="as the query says"),
        pytest.param("q1", {"source": QuerySource(node="q2")}, "q2", id="the asker's word goes before"),
        pytest.param("_agent", {}, "q2", id="the agent that asks"),
        pytest.param("", {"source": QuerySource(node="_ip", ip="10.0.0.7")}, "q2", id="the node with the asker's address"),
    ],
)
def test_a_query_orders_by_distance(near: str, request_: dict[str, Any], first: str) -> None:
    async def body(parts: Parts) -> None:
        await populate(parts)
        from muster.wire.commands import RegisterRequest

        await parts.call("Catalog.Register", RegisterRequest(node="q2", address="10.0.0.7", **DC))
        await place(parts, q1=1.0, q2=1.0)
        answer = await execute(parts, QueryService(service="web", near=near), **request_)
        assert nodes(answer.nodes)[0] == first

    run(body)


def test_a_query_shuffles_and_cuts() -> None:
    async def body(parts: Parts) -> None:
        await populate(parts)
        await execute(parts, QueryService(service="web"))
        seen = set()
        for _ in range(40):
            question = PreparedQueryExecuteRequest(query_id_or_name="q", limit=1, **DC)
            (row,) = (await parts.call("PreparedQuery.Execute", question)).value.nodes
            seen.add(row.node.node)
        assert seen == {"q1", "q2"}

    run(body)


# ---- transactions


def test_what_is_wrong_on_sight_is_answered_without_a_log_entry() -> None:
    async def body(parts: Parts) -> None:
        before = parts.index
        ops = [
            TxnOp(kv=TxnKVOp(verb="set", entry=KVEntry(key=""))),
            TxnOp(node=TxnNodeOp(verb="set", node=Node(node=""))),
            TxnOp(node=TxnNodeOp(verb="set", node=Node(node="a", id="x"))),
            TxnOp(service=TxnServiceOp(verb="set", node="n1", service=NodeService(id="x"))),
            TxnOp(kv=TxnKVOp(verb="set", entry=KVEntry(key="fine"))),
        ]
        response = (await parts.call("Txn.Apply", TxnRequest(ops=ops, **DC))).value
        assert response.results is None
        assert [(error.op_index, error.what) for error in response.errors] == [
            (0, "Must provide key"),
            (1, "Must provide node"),
            (2, "Bad node ID: uuid string is wrong length"),
            (3, "Must provide service name with ID"),
        ]
        assert parts.index == before

    run(body)


def test_a_transaction_gets_the_defaults_of_a_registration() -> None:
    async def body(parts: Parts) -> None:
        ops = [
            TxnOp(node=TxnNodeOp(verb="set", node=Node(node="t", address="1.1.1.1"))),
            TxnOp(service=TxnServiceOp(verb="set", node="t", service=NodeService(service="web"))),
            TxnOp(check=TxnCheckOp(verb="set", check=HealthCheck(node="t", name="c"))),
            TxnOp(kv=TxnKVOp(verb="set", entry=KVEntry(key="k", value=b"1"))),
        ]
        response = (await parts.call("Txn.Apply", TxnRequest(ops=ops, **DC))).value
        assert response.errors is None
        catalog = parts.state.store.catalog
        assert catalog.find_service("t", "web") is not None
        assert catalog.find_check("t", "c") is not None

    run(body)


def test_a_locked_key_in_a_transaction_names_the_delay() -> None:
    async def body(parts: Parts) -> None:
        parts.server.context.lock_delays.start("k", 1_000_000_000)
        ops = [TxnOp(kv=TxnKVOp(verb="lock", entry=KVEntry(key="k", session="x")))]
        response = (await parts.call("Txn.Apply", TxnRequest(ops=ops, **DC))).value
        assert [error.what for error in response.errors] == ['failed to lock key "k" due to lock delay']

    run(body)


def test_a_reading_transaction_is_not_logged() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a", b"1")
        before = parts.index
        ops = [TxnOp(kv=TxnKVOp(verb="get", entry=KVEntry(key="a")))]
        response = (await parts.call("Txn.Read", TxnRequest(ops=ops, **DC))).value
        assert [result.kv.value for result in response.results] == [b"1"]
        assert parts.index == before

    run(body)


def test_session_ids_are_random_uuids() -> None:
    async def body(parts: Parts) -> None:
        request = SessionRequest(op="create", session=Session(node="n1"), **DC)
        made = {(await parts.call("Session.Apply", request)).value for _ in range(20)}
        assert len(made) == 20
        assert all([len(part) for part in one.split("-")] == [8, 4, 4, 4, 12] for one in made)

    run(body)


# ---- snapshots


def made_archive(state: bytes = b"state") -> bytes:
    meta = SnapshotMeta(
        term=2,
        index=7,
        milliseconds=1_600_000_000_123,
        configuration=Configuration((Member("id", "127.0.0.1:8300"),)),
        configuration_index=1,
        size=len(state),
    )
    return b"".join(archive.write(metadata(meta), [state]))


def test_a_restored_archive_is_installed() -> None:
    async def body(parts: Parts) -> None:
        outcome = waiting(parts.server.call("Snapshot.Restore", SimpleNamespace(archive=made_archive(b"abc"), datacenter="dc1")))
        assert (await outcome).value is None
        assert b"".join(parts.consensus.installed) == b"abc"

    run(body)


def test_a_bad_archive_never_reaches_the_log() -> None:
    async def body(parts: Parts) -> None:
        with pytest.raises(Rejected, match="gzip: invalid header"):
            await parts.call("Snapshot.Restore", SimpleNamespace(archive=b"this is no snapshot", datacenter="dc1"))
        assert parts.consensus.installed == []

    run(body)


def test_a_command_that_cannot_be_decoded_is_its_own_result() -> None:
    async def body(parts: Parts) -> None:
        assert isinstance(parts.state.apply(99, b"\x02\xc1", None), DecodeError)

    run(body)
