"""Snapshots travel: what the real Consul saves, this state machine restores, and what it saves, the real Consul restores."""

import base64
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess

from muster.model.catalog import HealthCheck, NodeService
from muster.model.kv import KVEntry
from muster.model.operator import ConfigEntry
from muster.model.sessions import Session
from muster.state.store import Store
from muster.wire import archive
from muster.wire.archive import Metadata
from muster.wire.commands import ConfigEntryRequest, KVSRequest, RegisterRequest, SessionRequest

pytestmark = [pytest.mark.slow, pytest.mark.peer]

AGENTS = ("first", "second")
READS = [
    "/v1/kv/?recurse",
    "/v1/kv/dir/?recurse",
    "/v1/kv/gone/x",
    "/v1/kv/gone/?keys",
    "/v1/session/list",
    "/v1/query",
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/catalog/service/web",
    "/v1/catalog/service/absent",
    "/v1/health/service/web",
    "/v1/health/node/n1",
    "/v1/health/state/any",
    "/v1/coordinate/nodes",
    "/v1/config/service-defaults",
    "/v1/config/proxy-defaults",
    "/v1/connect/intentions",
    "/v1/operator/autopilot/configuration",
]


@pytest.fixture
def agents(consul, tmp_path):
    """Two real agents in development mode that know nothing of each other."""
    made = [AgentProcess(tmp_path / name, "-dev", program=consul, node=name) for name in AGENTS]
    with made[0], made[1]:
        yield made


def answers(agent):
    """What every read answers, but for what the agents say of themselves."""
    found = {}
    for path in READS:
        status, body, _ = agent.call("GET", path)
        value = json.loads(body) if status == 200 else body.decode()
        if isinstance(value, list):
            value = [row for row in value if not isinstance(row, dict) or row.get("Node") not in AGENTS]
        if path == "/v1/catalog/services":  # the order of tags is random on the peer
            value = {name: sorted(tags) for name, tags in value.items()}
        found[path] = value
    return found


def put(agent, path, body=""):
    status, answer, _ = agent.call("PUT", path, body if isinstance(body, str | bytes) else json.dumps(body))
    assert status == 200, (path, status, answer)
    return json.loads(answer) if answer else None


def fill(agent):
    """Something in every table that the real program fills without access control."""
    check = {"Node": "n1", "CheckID": "c1", "Name": "c", "Status": "passing"}
    service = {"ID": "w1", "Service": "web", "Port": 80, "Tags": ["a", "b"], "Meta": {"k": "v"}, "Weights": {"Passing": 3, "Warning": 1}}
    put(agent, "/v1/catalog/register", {"Node": "n1", "Address": "10.0.0.1", "NodeMeta": {"rack": "r"}, "Service": service, "Check": check})
    put(
        agent,
        "/v1/catalog/register",
        {"Node": "n1", "Address": "10.0.0.1", "Check": {**check, "CheckID": "c2", "ServiceID": "w1", "Status": "warning"}},
    )
    released = put(agent, "/v1/session/create", {"Node": "n1", "NodeChecks": ["c1"], "LockDelay": "1s"})["ID"]
    deleted = put(agent, "/v1/session/create", {"Node": "n1", "NodeChecks": [], "TTL": "600s", "Behavior": "delete"})["ID"]
    put(agent, f"/v1/kv/dir/lock?acquire={released}", "held")
    put(agent, f"/v1/kv/dir/lock2?acquire={deleted}", b"\xff\x00binary")
    put(agent, "/v1/kv/dir/flags?flags=18446744073709551615", "x" * 300)
    put(agent, "/v1/kv/dir/empty")
    put(agent, "/v1/kv/dir/%C3%A9%20%F0%9F%98%80", "text")
    put(agent, "/v1/kv/gone/x", "1")
    put(agent, "/v1/kv/gone/y/z", "1")
    for path in ("/v1/kv/gone/x", "/v1/kv/gone/y/?recurse"):
        assert agent.call("DELETE", path)[0] == 200
    agent.call("POST", "/v1/query", json.dumps({"Name": "q", "Service": {"Service": "web", "Tags": ["a"]}, "Session": released}))
    agent.call(
        "POST", "/v1/query", json.dumps({"Name": "t-", "Template": {"Type": "name_prefix_match"}, "Service": {"Service": "${name.full}"}})
    )
    put(agent, "/v1/config", {"Kind": "service-defaults", "Name": "web", "Protocol": "http"})
    put(agent, "/v1/config", {"Kind": "proxy-defaults", "Name": "global", "Config": {"n": 1.5, "s": "x"}})
    agent.call("POST", "/v1/connect/intentions", json.dumps({"SourceName": "a", "DestinationName": "b", "Action": "deny"}))
    put(agent, "/v1/operator/autopilot/configuration", {"CleanupDeadServers": False, "LastContactThreshold": "300ms"})
    put(agent, "/v1/coordinate/update", {"Node": "n1", "Coord": {"Vec": [0.1] * 8, "Error": 1.5, "Adjustment": 0, "Height": 0.01}})
    agent.until(lambda: agent.json("/v1/coordinate/node/n1"), what="the coordinate")


def saved_by(store, metadata):
    state = b"".join(store.snapshot())
    described = Metadata(
        id=metadata.id,
        index=metadata.index,
        term=metadata.term,
        peers=metadata.peers,
        configuration=metadata.configuration,
        configuration_index=metadata.configuration_index,
        size=len(state),
    )
    return b"".join(archive.write(described, [state], 1_700_000_000))


def restore(agent, saved):
    status, text, _ = agent.call("PUT", "/v1/snapshot", saved)
    assert status == 200, text


def test_a_snapshot_of_the_real_program_comes_back_to_it_through_our_store_unchanged(agents):
    first, second = agents
    fill(first)
    status, saved, _ = first.call("GET", "/v1/snapshot")
    assert status == 200
    found = archive.read(saved)
    store = Store()
    store.restore(found.chunks())
    assert store.warnings == []
    expected = answers(first)
    assert all(expected[path] for path in READS if "gone" not in path and "absent" not in path)
    restore(second, saved_by(store, found.metadata))
    assert answers(second) == expected


def test_a_restored_lock_still_hangs_on_its_session(agents):
    first, second = agents
    fill(first)
    found = archive.read(first.call("GET", "/v1/snapshot")[1])
    store = Store()
    store.restore(found.chunks())
    restore(second, saved_by(store, found.metadata))
    (lock,) = second.json("/v1/kv/dir/lock2")
    put(second, f"/v1/session/destroy/{lock['Session']}")
    assert second.call("GET", "/v1/kv/dir/lock2")[0] == 404


def test_our_reads_and_indexes_are_those_of_the_real_program(agents):
    first, _ = agents
    fill(first)
    store = Store()
    store.restore(archive.read(first.call("GET", "/v1/snapshot")[1]).chunks())

    def index_of(path):
        return int(first.call("GET", path)[2]["x-consul-index"])

    assert {
        "/v1/kv/?recurse": store.kv.list("")[0],
        "/v1/kv/dir/?recurse": store.kv.list("dir/")[0],
        "/v1/kv/dir/lock": store.kv.get("dir/lock")[0],
        "/v1/kv/gone/x": store.kv.get("gone/x")[0],
        "/v1/kv/gone/?keys": store.kv.keys("gone/", "")[0],
        "/v1/kv/gone/y?keys": store.kv.keys("gone/y", "")[0],
        "/v1/kv/never?recurse": store.kv.list("never")[0],
        "/v1/session/list": store.sessions.list()[0],
        "/v1/session/node/n1": store.sessions.of_node("n1")[0],
        "/v1/catalog/nodes": store.catalog.nodes(())[0],
        "/v1/catalog/services": store.catalog.services(())[0],
        "/v1/catalog/service/web": store.catalog.service_nodes("web", ())[0],
        "/v1/catalog/service/absent": store.catalog.service_nodes("absent", ())[0],
        "/v1/health/service/web": store.catalog.check_service_nodes("web", ())[0],
        "/v1/health/service/absent": store.catalog.check_service_nodes("absent", ())[0],
        "/v1/health/node/n1": store.catalog.node_checks("n1")[0],
        "/v1/coordinate/nodes": store.coordinates.list()[0],
        "/v1/query": store.queries.list()[0],
        "/v1/config/service-defaults": store.config_entries.list("service-defaults")[0],
    } == {path: index_of(path) for path in [
        "/v1/kv/?recurse", "/v1/kv/dir/?recurse", "/v1/kv/dir/lock", "/v1/kv/gone/x", "/v1/kv/gone/?keys", "/v1/kv/gone/y?keys",
        "/v1/kv/never?recurse", "/v1/session/list", "/v1/session/node/n1", "/v1/catalog/nodes", "/v1/catalog/services",
        "/v1/catalog/service/web", "/v1/catalog/service/absent", "/v1/health/service/web", "/v1/health/service/absent",
        "/v1/health/node/n1", "/v1/coordinate/nodes", "/v1/query", "/v1/config/service-defaults",
    ]}  # fmt: skip
    assert [found.key for found in store.kv.list("")[1]] == json.loads(first.call("GET", "/v1/kv/?keys")[1])


def test_a_store_that_never_met_the_real_program_is_restored_by_it(agents):
    first, _ = agents
    store = Store()
    session_id = "11111111-2222-3333-4444-555555555555"
    commands = [
        RegisterRequest(
            node="m1",
            address="10.9.0.1",
            datacenter="dc1",
            service=NodeService(id="api", service="api", port=9, tags=["x"]),
            checks=[HealthCheck(node="m1", check_id="ok", name="ok", status="passing")],
        ),
        SessionRequest(op="create", session=Session(id=session_id, node="m1", node_checks=["ok"], name="mine")),
        KVSRequest(op="lock", entry=KVEntry(key="m/lock", value=b"locked", session=session_id)),
        *[KVSRequest(op="set", entry=KVEntry(key=f"m/many/{number:05}", value=b"%d" % number)) for number in range(3000)],
        KVSRequest(op="delete", entry=KVEntry(key="m/many/00000")),
        ConfigEntryRequest(entry=ConfigEntry(kind="service-defaults", name="api", fields={"Protocol": "tcp"})),
    ]
    for index, command in enumerate(commands, 70_000):
        result = store.apply(index, command).result
        assert not isinstance(result, Exception), result
    last = store.indexes.highest()
    restore(first, saved_by(store, Metadata(id=f"2-{last}-0", index=last, term=2)))
    assert first.json("/v1/kv/m/?recurse") == [
        {
            "LockIndex": entry.lock_index,
            "Key": entry.key,
            "Flags": 0,
            "Value": base64.b64encode(entry.value).decode(),
            **({"Session": entry.session} if entry.session else {}),
            "CreateIndex": entry.create_index,
            "ModifyIndex": entry.modify_index,
        }
        for entry in store.kv.list("m/")[1]
    ]
    assert first.call("GET", "/v1/kv/m/many/?keys")[2]["x-consul-index"] == str(store.kv.list("m/many/")[0])
    assert [row["ID"] for row in first.json("/v1/session/node/m1")] == [session_id]
    assert [row["Service"]["Port"] for row in first.json("/v1/health/service/api?passing")] == [9]
    assert first.json("/v1/config/service-defaults/api")["Protocol"] == "tcp"
