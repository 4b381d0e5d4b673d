"""Short ways to write commands, and random ones."""

from hypothesis import strategies as st
from msgspec.structs import replace

from muster.model.catalog import ConnectProxyConfig, HealthCheck, Node, NodeService
from muster.model.coordinates import Coordinate, NodeCoordinate
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.model.queries import PreparedQuery, QueryService
from muster.model.sessions import Session
from muster.wire.commands import (
    AutopilotRequest,
    ConfigEntryRequest,
    CoordinateBatch,
    DeregisterRequest,
    KVSRequest,
    OpaqueRequest,
    PreparedQueryRequest,
    RegisterRequest,
    SessionRequest,
    TombstoneRequest,
    TxnCheckOp,
    TxnKVOp,
    TxnNodeOp,
    TxnOp,
    TxnRequest,
    TxnServiceOp,
    TxnSessionOp,
)

SESSION_IDS = [f"00000000-0000-0000-0000-00000000000{number}" for number in range(4)]
KEYS = ["a", "a/", "a/b", "a/b/c", "a/bc", "b", ""]
NODES = ["n1", "N2"]


def kvs(op, key, value=b"v", **fields):
    return KVSRequest(op=op, entry=KVEntry(key=key, value=value, **fields))


def register(node, **fields):
    return RegisterRequest(node=node, address="10.0.0.1", datacenter="dc1", **fields)


def session(number, node="n1", **fields):
    return SessionRequest(op="create", session=Session(id=SESSION_IDS[number], node=node, **fields))


def destroy(number):
    return SessionRequest(op="destroy", session=Session(id=SESSION_IDS[number]))


def txn(*ops):
    return TxnRequest(ops=list(ops))


def kv_op(verb, key, value=b"v", **fields):
    return TxnOp(kv=TxnKVOp(verb=verb, entry=KVEntry(key=key, value=value, **fields)))


def node_op(verb, name, **fields):
    return TxnOp(node=TxnNodeOp(verb=verb, node=Node(node=name, address="10.0.0.9", **fields)))


def service_op(verb, node, service_id, **fields):
    return TxnOp(service=TxnServiceOp(verb=verb, node=node, service=NodeService(id=service_id, service=service_id, **fields)))


def check_op(verb, node, check_id, **fields):
    return TxnOp(check=TxnCheckOp(verb=verb, check=HealthCheck(node=node, check_id=check_id, name=check_id, **fields)))


def session_op(number):
    return TxnOp(session=TxnSessionOp(verb="delete", session=Session(id=SESSION_IDS[number])))


# ---- random ones; indexes that are expected (cas) are small, so that they are met now and then

keys = st.sampled_from(KEYS)
nodes = st.sampled_from(NODES)
values = st.sampled_from([None, b"", b"1", b"\xff\x00"])
expected = st.integers(0, 12)
holders = st.sampled_from(["", *SESSION_IDS[:2]])
statuses = st.sampled_from(["passing", "warning", "critical"])
kv_verbs = st.sampled_from(["set", "set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"])

entries = st.builds(KVEntry, key=keys, value=values, flags=st.integers(0, 1), session=holders, modify_index=expected)
kv_commands = st.builds(KVSRequest, op=kv_verbs, entry=entries)
proxies = st.sampled_from(["", "", "", "web", "api"]).map(
    lambda name: {"kind": "connect-proxy", "proxy": ConnectProxyConfig(destination_service_name=name)} if name else {}
)
services = st.builds(
    lambda service_id, name, port, proxy: NodeService(id=service_id, service=name, port=port, **proxy),
    st.sampled_from(["w1", "w2"]), st.sampled_from(["web", "api"]), st.integers(0, 1), proxies,
)  # fmt: skip
checks = st.builds(
    lambda check_id, status, service_id: HealthCheck(check_id=check_id, name="c", status=status, service_id=service_id),
    st.sampled_from(["c1", "c2"]), statuses, st.sampled_from(["", "", "w1", "w2"]),
)  # fmt: skip
registrations = st.builds(
    lambda node, service, check: register(node, service=service, checks=[replace(one, node=node) for one in check]),
    nodes, st.none() | services, st.lists(checks, max_size=2),
)  # fmt: skip
deregistrations = st.builds(
    DeregisterRequest, node=nodes, service_id=st.sampled_from(["", "", "w1", "w2"]), check_id=st.sampled_from(["", "c1", "c2"])
)
sessions = st.builds(
    lambda number, node, behavior, check: session(number, node, behavior=behavior, node_checks=[check] if check else None, lock_delay=5),
    st.integers(0, 1), nodes, st.sampled_from(["", "release", "delete"]), st.sampled_from([None, "c1", "c2"]),
)  # fmt: skip
txn_ops = st.one_of(
    st.builds(lambda verb, entry: TxnOp(kv=TxnKVOp(verb=verb, entry=entry)), kv_verbs | st.just("get"), entries),
    st.builds(lambda verb, node, index: node_op(verb, node, modify_index=index), st.sampled_from(["set", "cas", "delete"]), nodes, expected),
    st.builds(
        lambda verb, node, service_id, index: service_op(verb, node, service_id, modify_index=index),
        st.sampled_from(["set", "cas", "delete", "delete-cas"]), nodes, st.sampled_from(["w1", "w2"]), expected,
    ),
    st.builds(
        lambda verb, node, check_id, status: check_op(verb, node, check_id, status=status),
        st.sampled_from(["set", "delete"]), nodes, st.sampled_from(["c1", "c2"]), statuses,
    ),
    st.builds(session_op, st.integers(0, 1)),
)  # fmt: skip
transactions = st.builds(lambda ops: txn(*ops), st.lists(txn_ops, min_size=1, max_size=6))
coordinates = st.builds(
    lambda node, height: CoordinateBatch(updates=[NodeCoordinate(node=node, coord=Coordinate(vec=[0.0] * 8, height=height))]),
    nodes, st.floats(0, 1),
)  # fmt: skip
queries = st.builds(
    lambda op, number, holder: PreparedQueryRequest(
        op=op, query=PreparedQuery(id=SESSION_IDS[number], name=f"q{number}", session=holder, service=QueryService(service="web"))
    ),
    st.sampled_from(["create", "update", "delete"]), st.integers(0, 1), holders,
)  # fmt: skip
config_entries = st.builds(
    lambda op, kind, index: ConfigEntryRequest(op=op, entry=ConfigEntry(kind=kind, name="x", fields={"Protocol": "http"}, modify_index=index)),
    st.sampled_from(["upsert", "upsert-cas", "delete"]), st.sampled_from(["service-defaults", "proxy-defaults"]), expected,
)  # fmt: skip
autopilots = st.builds(lambda cas, index: AutopilotRequest(cas=cas, config=AutopilotConfig(modify_index=index)), st.booleans(), expected)
tombstones = st.builds(lambda index: TombstoneRequest(reap_index=index), expected)
opaques = st.sampled_from([
    OpaqueRequest(type=17, value={"Tokens": [{"AccessorID": "a", "SecretID": "s", "Hash": "\udcff\udc80" * 16}]}),
    OpaqueRequest(type=18, value={"TokenIDs": ["a"]}),
    OpaqueRequest(type=27, value={"AuthMethods": [{"Name": "m1"}, {"Name": "m2"}]}),
    OpaqueRequest(type=12, value={"Op": "create", "Intention": {"ID": SESSION_IDS[0], "SourceName": "a"}}),
    OpaqueRequest(type=30, value={"Op": "upsert", "State": {"Datacenter": "dc2"}}),
    OpaqueRequest(type=13, value={"Op": "set-provider-state", "ProviderState": {"ID": "p", "PrivateKey": "k"}}),
])  # fmt: skip
commands = st.one_of(
    kv_commands, kv_commands, registrations, registrations, deregistrations, sessions, st.builds(destroy, st.integers(0, 1)), transactions,
    coordinates, queries, config_entries, autopilots, tombstones, opaques,
)  # fmt: skip
histories = st.lists(commands, max_size=25)
