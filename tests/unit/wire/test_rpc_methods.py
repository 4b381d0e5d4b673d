"""Arguments and replies of every method: the recorded bytes decoded into records to the last byte, and encoded again equal."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from muster.model.catalog import CheckServiceNode, HealthCheck, Node, NodeInfo, NodeService, NodeServices, ServiceNode
from muster.model.coordinates import Coordinate, NodeCoordinate
from muster.model.errors import DecodeError
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.model.queries import PreparedQuery
from muster.model.sessions import Session
from muster.server.endpoints import table
from muster.wire.commands import ConfigEntryRequest, KVSRequest, TxnKVOp, TxnOp, TxnRequest
from muster.wire.msgpack import pack, unpack
from muster.wire.replies import Reply
from muster.wire.requests import ConfigEntryQuery, DatacenterRequest, KeyRequest
from muster.wire.rpc import RequestReader, ResponseReader
from muster.wire.rpc_methods import METHODS, decode_argument, decode_reply, encode_argument, encode_reply
from muster.wire.rpc_records import (
    DatacenterCoordinates,
    OperatorHealthReply,
    QueryAnswer,
    RaftConfiguration,
    RaftServer,
    RaftStats,
    ServerHealth,
    TxnError,
    TxnReadRequest,
    TxnResponse,
)
from muster.wire.times import Timestamp

RPC = Path(__file__).parents[2] / "vectors" / "rpc"


def load(name: str, key: str) -> dict[str, dict[str, Any]]:
    return json.loads((RPC / name).read_text())[key]


RECORDED = load("methods.json", "pairs")
PROBES = {name: pair for name, pair in load("python-probes.json", "pairs").items() if pair["method"] in METHODS}
EMPTY = load("empty-replies.json", "replies")
WRONG = load("wrong-types.json", "cases")


def params(rows: dict[str, dict[str, Any]]) -> list[Any]:
    return [pytest.param(row, id=name) for name, row in rows.items()]


def argument_of(pair: dict[str, Any]) -> bytes:
    return RequestReader().feed(bytes.fromhex(pair["request_hex"]))[0].body


def test_every_method_of_the_server_and_of_the_recordings_is_known():
    assert set(table()) - METHODS == {"Snapshot.Save", "Snapshot.Restore"}, "these two travel by streams of their own"
    assert {pair["method"] for pair in RECORDED.values()} <= METHODS


@pytest.mark.parametrize("pair", params(RECORDED))
def test_recorded_arguments_come_back_byte_for_byte(pair):
    body = argument_of(pair)
    assert encode_argument(pair["method"], decode_argument(pair["method"], body)) == body


@pytest.mark.parametrize("pair", params(RECORDED | PROBES))
def test_recorded_replies_come_back_byte_for_byte(pair):
    response = ResponseReader().feed(bytes.fromhex(pair["response_hex"]))[0]
    request = decode_argument(pair["method"], argument_of(pair))
    if not response.error:
        assert encode_reply(pair["method"], decode_reply(pair["method"], response.body), request) == response.body


@pytest.mark.parametrize("row", params(EMPTY))
def test_replies_of_nothing_come_back_byte_for_byte(row):
    request, body = decode_argument(row["method"], bytes.fromhex(row["argument_hex"])), bytes.fromhex(row["reply_hex"])
    assert encode_reply(row["method"], decode_reply(row["method"], body), request) == body


def test_arguments_with_few_fields_have_the_defaults_of_the_others():
    assert decode_argument("KVS.Get", pack({"Datacenter": "dc1", "Key": "a"})) == KeyRequest(datacenter="dc1", key="a")
    assert decode_argument("KVS.Get", b"\x80") == KeyRequest()


STRICTER = {"list of numbers as value", "number as truth"}
"""What the peers take and this program refuses: nobody writes it."""


@pytest.mark.parametrize("row", params({name: row for name, row in WRONG.items() if name not in STRICTER}))
def test_arguments_of_the_wrong_type_get_the_text_of_the_peers(row):
    def read() -> str:
        try:
            decode_argument(row["method"], bytes.fromhex(row["argument_hex"]))
        except DecodeError as error:
            return str(error)
        return ""

    assert read() == row["error"]


@pytest.mark.parametrize("name", sorted(STRICTER))
def test_what_the_peers_take_beyond_that_is_refused(name):
    with pytest.raises(DecodeError):
        decode_argument(WRONG[name]["method"], bytes.fromhex(WRONG[name]["argument_hex"]))


ASKED = KeyRequest(datacenter="dc1", key="py/a")
LENIENT = [
    # what of leniency.json, method, bytes, what they mean
    pytest.param("KVS.Get", pack({"Datacenter": "dc1", "Key": "py/a", "Zzz": {"x": [1]}}), ASKED, id="unknown_field"),
    pytest.param("KVS.Get", pack({"Datacenter": "dc1", "Key": "py/a", "Filter": None, "MinQueryIndex": None}), ASKED, id="nil"),
    pytest.param("KVS.Get", pack({"Datacenter": "dc1", "Key": "py/a", "QueryOptions": {"AllowStale": True}}), ASKED, id="nested_embedded"),
    pytest.param("KVS.Get", pack({"datacenter": "dc1", "key": "py/a"}), KeyRequest(), id="lowercase_keys"),
    pytest.param("KVS.Get", pack([False, "dc1", "", "py/a"]), ASKED, id="array_body"),
    pytest.param("KVS.Get", b"\x82\xaaDatacenter\xa3dc1\xa3Key\xd9\x04py/a", ASKED, id="str8_value"),
    pytest.param("KVS.Get", b"\x83\xaaDatacenter\xa3dc1\xa3Key\xa4py/a\xadMinQueryIndex\xd3" + bytes(8), ASKED, id="int_as_int64"),
    pytest.param("Status.Leader", b"\xc0", DatacenterRequest(), id="nil_body"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "body", "expected"), LENIENT)
def test_odd_encodings_mean_what_they_mean_to_the_peers(method, body, expected):
    assert decode_argument(method, body) == expected


LENIENCY = load("leniency.json", "cases")
REFUSED = [
    # what of leniency.json, bytes
    pytest.param("bin8_value", b"\x82\xaaDatacenter\xa3dc1\xa3Key\xc4\x04py/a", id="bin8_value"),
    pytest.param("string_for_uint", pack({"Datacenter": "dc1", "Key": "py/a", "MinQueryIndex": "5"}), id="string_for_uint"),
    pytest.param("float_duration", pack({"Datacenter": "dc1", "Key": "py/a", "MaxQueryTime": 2e9}), id="float_duration"),
]


@pytest.mark.parametrize(("case", "body"), REFUSED)
def test_odd_encodings_that_the_peers_refuse_get_their_text(case, body):
    with pytest.raises(DecodeError) as caught:
        decode_argument("KVS.Get", body)
    assert str(caught.value) == LENIENCY[case][0]["Error"]


NODE = Node(id="i", node="n1", address="10.0.0.1", datacenter="dc1", meta={"a": "b"}, create_index=3, modify_index=4)
SERVICE = NodeService(id="web1", service="web", port=80, tags=["x"], meta={}, create_index=5, modify_index=6)
CHECK = HealthCheck(node="n1", check_id="c", name="c", status="passing", create_index=7, modify_index=7)
ROW = CheckServiceNode(node=NODE, service=SERVICE, checks=[CHECK])
ENTRY = KVEntry(key="a", value=b"\x00\xff", flags=1 << 63, create_index=8, modify_index=9)
COORDINATE = NodeCoordinate(node="n1", coord=Coordinate(vec=[0.0] * 8, error=1.5, height=1e-5))
QUERY = PreparedQuery(id="q", name="q")
DEFAULTS = ConfigEntry(kind="service-defaults", name="web", fields={"Protocol": "http"}, create_index=1, modify_index=2)
PROXY = ConfigEntry(kind="proxy-defaults", name="global", fields={"Config": {"a": 1.5}}, create_index=1, modify_index=2)
HEALTH = ServerHealth(id="a", name="n1", address="1:2", last_contact="22.854586ms", stable_since=Timestamp(1_600_000_000_123_456_789, 0))

VALUES = [
    # method, value
    pytest.param("KVS.Get", ENTRY, id="an entry"),
    pytest.param("KVS.Get", None, id="no entry"),
    pytest.param("KVS.List", [ENTRY, ENTRY], id="entries"),
    pytest.param("KVS.ListKeys", ["a", "b\udcff"], id="keys"),
    pytest.param("KVS.Apply", True, id="a truth"),
    pytest.param("Catalog.Register", None, id="nothing"),
    pytest.param("Catalog.ListNodes", [NODE], id="nodes"),
    pytest.param("Catalog.ListServices", {"web": ["x"], "db": []}, id="services"),
    pytest.param("Catalog.ServiceList", ["web", "db"], id="names of services"),
    pytest.param("Catalog.ListDatacenters", ["dc1", "dc2"], id="datacenters"),
    pytest.param("Catalog.NodeServices", NodeServices(node=NODE, services=[SERVICE]), id="services of a node"),
    pytest.param("Catalog.NodeServices", None, id="services of no node"),
    pytest.param("Catalog.NodeServiceList", NodeServices(node=NODE, services=[SERVICE, SERVICE]), id="list of services"),
    pytest.param("Catalog.NodeServiceList", None, id="list of no node"),
    pytest.param("Health.NodeChecks", [CHECK], id="checks"),
    pytest.param("Health.ServiceNodes", [ROW], id="instances"),
    pytest.param("Session.Apply", "id", id="a text"),
    pytest.param("Session.Get", Session(id="s", node="n1"), id="a session"),
    pytest.param("Session.List", [Session(id="s", node="n1")], id="sessions"),
    pytest.param("Txn.Apply", TxnResponse(errors=[TxnError(op_index=1, what="no")]), id="errors of a transaction"),
    pytest.param("Txn.Read", TxnResponse(results=[]), id="results of a transaction"),
    pytest.param("Coordinate.Node", [COORDINATE], id="coordinates"),
    pytest.param("Coordinate.ListDatacenters", [DatacenterCoordinates(datacenter="dc1", coordinates=[COORDINATE])], id="coordinates of all"),
    pytest.param("PreparedQuery.Get", QUERY, id="a query"),
    pytest.param("PreparedQuery.Explain", QUERY, id="a resolved query"),
    pytest.param("PreparedQuery.List", [QUERY], id="queries"),
    pytest.param("PreparedQuery.Execute", QueryAnswer(service="web", nodes=[ROW], datacenter="dc1", failovers=2), id="a query's answer"),
    pytest.param("ConfigEntry.Get", DEFAULTS, id="a config entry"),
    pytest.param("ConfigEntry.Get", PROXY, id="proxy defaults"),
    pytest.param("ConfigEntry.Get", None, id="no config entry"),
    pytest.param("ConfigEntry.List", [DEFAULTS, PROXY], id="config entries"),
    pytest.param("ConfigEntry.ListAll", [DEFAULTS, PROXY], id="all config entries"),
    pytest.param("Operator.RaftGetConfiguration", RaftConfiguration(servers=[RaftServer(id="a")], index=4), id="a configuration"),
    pytest.param("Operator.AutopilotGetConfiguration", AutopilotConfig(min_quorum=3), id="autopilot"),
    pytest.param("Operator.ServerHealth", OperatorHealthReply(healthy=True, servers=[HEALTH]), id="health of servers"),
    pytest.param("Operator.ServerHealth", OperatorHealthReply(), id="health before the first round"),
    pytest.param("Status.Leader", "10.0.0.1:8300", id="a leader"),
    pytest.param("Status.Peers", [], id="no peers"),
    pytest.param("Status.RaftStats", RaftStats(last_contact="never", last_index=1, last_term=2), id="statistics"),
    pytest.param("Internal.EventFire", None, id="freshness alone"),
    pytest.param("Internal.ServiceDump", [ROW], id="dump of services"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "value"), VALUES)
def test_values_of_the_endpoints_go_there_and_back(method, value):
    assert decode_reply(method, encode_reply(method, Reply(value=value))).value == value


def test_rows_lose_what_the_wire_does_not_carry():
    joined = decode_reply(
        "Catalog.ServiceNodes", encode_reply("Catalog.ServiceNodes", Reply(value=[ServiceNode(node=NODE, service=SERVICE)]))
    )
    (row,) = joined.value
    assert row.node == replace(NODE, create_index=0, modify_index=0)
    assert (row.service.service, row.service.create_index) == ("web", 5)
    info = NodeInfo(node=NODE, services=[SERVICE], checks=[CHECK])
    dumped = decode_reply("Internal.NodeDump", encode_reply("Internal.NodeDump", Reply(value=[info])))
    assert dumped.value == [replace(info, node=replace(NODE, create_index=0, modify_index=0, datacenter=""))]


def test_an_instance_without_weights_weighs_one_in_a_joined_row():
    body = encode_reply("Catalog.ServiceNodes", Reply(value=[ServiceNode(node=NODE, service=replace(SERVICE, weights=None))]))
    assert unpack(body)["ServiceNodes"][0]["ServiceWeights"] == {"Passing": 1, "Warning": 1}


def test_freshness_travels_with_reads():
    reply = Reply(value=[], index=7, known_leader=False, last_contact=123_456_789_000, consistency_level="stale")
    for method in ("KVS.List", "Health.NodeChecks", "Catalog.ListNodes", "ConfigEntry.List", "ConfigEntry.ListAll"):
        assert decode_reply(method, encode_reply(method, reply)) == reply


def test_the_renewal_of_a_session_tells_no_leader_as_the_peers_do():
    body = encode_reply("Session.Renew", Reply(value=None, index=9, known_leader=True))
    assert unpack(body) == {"ConsistencyLevel": "", "Index": 0, "KnownLeader": False, "LastContact": 0, "Sessions": None}


def test_a_time_of_stability_may_be_seconds():
    (server,) = unpack(
        encode_reply("Operator.ServerHealth", Reply(value=OperatorHealthReply(servers=[replace(HEALTH, stable_since=1.5)])))
    )["Servers"]
    assert server["StableSince"].encode("utf-8", "surrogateescape") == Timestamp(1_500_000_000).encode()


def test_contact_that_never_was_is_negative():
    for text in ("", "never"):
        (server,) = unpack(
            encode_reply("Operator.ServerHealth", Reply(value=OperatorHealthReply(servers=[replace(HEALTH, last_contact=text)])))
        )["Servers"]
        assert server["LastContact"] == -1


def test_a_list_of_config_entries_names_the_kind_that_was_asked_for():
    asked = ConfigEntryQuery(kind="service-defaults")
    parts = unpack(encode_reply("ConfigEntry.List", Reply(value=[DEFAULTS]), asked))
    assert parts.startswith("\x01\udcb0service-defaults")


def test_a_reading_transaction_may_come_as_a_writing_one():
    operations = [TxnOp(kv=TxnKVOp(verb="get", entry=KVEntry(key="a")))]
    body = encode_argument("Txn.Read", TxnRequest(datacenter="dc1", ops=operations, token="t"))
    assert decode_argument("Txn.Read", body) == TxnReadRequest(datacenter="dc1", ops=operations, token="t")


keys = st.text(st.characters(codec="utf-8", exclude_categories=()), max_size=20)
values = st.none() | st.binary(max_size=300)
numbers = st.integers(0, (1 << 64) - 1)
kv_entries = st.builds(KVEntry, key=keys, value=values, flags=numbers, lock_index=numbers, session=keys, modify_index=numbers)


@settings(max_examples=200)
@given(st.builds(KVSRequest, datacenter=keys, entry=kv_entries, op=keys, token=keys))
def test_writes_of_keys_go_there_and_back(request):
    assert decode_argument("KVS.Apply", encode_argument("KVS.Apply", request)) == request


@settings(max_examples=50)
@given(st.lists(kv_entries.map(lambda entry: TxnOp(kv=TxnKVOp(verb="set", entry=entry))), max_size=5))
def test_transactions_go_there_and_back(operations):
    request = TxnRequest(datacenter="dc1", ops=operations)
    assert decode_argument("Txn.Apply", encode_argument("Txn.Apply", request)) == request


@given(
    st.dictionaries(
        keys.filter(lambda key: key not in ("Kind", "Name", "CreateIndex", "ModifyIndex")), st.integers(0, 9) | keys, max_size=3
    )
)
def test_config_entries_go_there_and_back(fields):
    for kind in ("service-defaults", "proxy-defaults"):
        request = ConfigEntryRequest(entry=ConfigEntry(kind=kind, name="n", fields=fields), datacenter="dc1", token="t")
        assert decode_argument("ConfigEntry.Apply", encode_argument("ConfigEntry.Apply", request)) == request
        deletion = replace(request, op="")
        assert decode_argument("ConfigEntry.Delete", encode_argument("ConfigEntry.Delete", request)) == deletion


def config(entry: Any) -> bytes:
    return pack(pack("service-defaults") + pack({"Entry": entry, "Op": "upsert"}))


BAD_ENTRIES = [
    pytest.param({"CreateIndex": "x"}, id="an index that is a text"),
    pytest.param({"ModifyIndex": [1]}, id="an index that is a list"),
    pytest.param({5: 1}, id="a field whose name is a number"),
    pytest.param({None: 1}, id="a field without a name"),
    pytest.param(5, id="a number"),
    pytest.param(b"\x80\x80", id="bytes of two maps"),
    pytest.param(b"\xdd\x7f\xff\xff\xff" * 900, id="bytes that are all promise"),
]


@pytest.mark.parametrize("entry", BAD_ENTRIES)
def test_what_is_no_config_entry_is_refused(entry):
    with pytest.raises(DecodeError):
        decode_argument("ConfigEntry.Apply", config(entry))


NO_BODIES = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\x80\x80", id="two values"),
    pytest.param(b"\xc1", id="no value"),
    pytest.param(b"\x81\xa1a", id="half a map"),
    pytest.param(b"\xdd\x7f\xff\xff\xff" * 1000, id="lists that are all promise"),
    pytest.param(b"\x91" * 401 + b"\xc0", id="deeper than can be written"),
    pytest.param(pack(b"\x91" * 401 + b"\xc0"), id="bytes that hold what is deeper"),
    pytest.param(b"\xa6\x01\xdd\x7f\xff\xff\xff", id="bytes with a list that is all promise"),
]


@pytest.mark.parametrize("body", NO_BODIES)
@pytest.mark.parametrize("method", ["KVS.Apply", "KVS.List", "ConfigEntry.Apply", "ConfigEntry.List", "Txn.Apply", "Operator.ServerHealth"])
def test_what_is_no_body_is_refused(method, body):
    with pytest.raises(DecodeError):
        decode_argument(method, body)
    with pytest.raises(DecodeError):
        decode_reply(method, body)


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(METHODS)),
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 9) | st.binary(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["Nodes", "Node", "Entries", "Servers", "Index", "Kind", "Name", "Checks", "DirEnt", "Key"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ),
)
def test_any_value_is_read_or_refused(method, value):
    for decode in (decode_argument, decode_reply):
        try:
            decode(method, pack(value))
        except DecodeError:
            pass
