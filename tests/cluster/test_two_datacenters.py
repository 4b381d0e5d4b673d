"""Three datacenters of Muster's: `one` with a server and a client agent, `two` with three servers of which one is killed, `three` with one."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import MUSTER, AgentProcess

pytestmark = pytest.mark.slow

PORTS = (8500, -1, 8300, 8301, 8302)
START_LIMIT = 120.0  # seconds: all programs start at once
ADDRESSES = {
    "one-1": "127.0.24.1", "one-client": "127.0.24.2", "two-1": "127.0.24.3", "two-2": "127.0.24.4", "two-3": "127.0.24.5",
    "three-1": "127.0.24.6",
}  # fmt: skip
QUICK = {"probe_interval": "500ms", "probe_timeout": "200ms", "suspicion_mult": 2, "gossip_interval": "100ms"}


def settings(name: str) -> dict[str, Any]:
    datacenter = name.partition("-")[0]
    return {
        "datacenter": datacenter,
        "performance": {"raft_multiplier": 1},
        "retry_join": [address for other, address in ADDRESSES.items() if other.startswith(datacenter)],
        "retry_interval": "1s",
        "retry_interval_wan": "1s",
        "gossip_wan": QUICK,
        "muster_external_checks": True,
        "autopilot": {"cleanup_dead_servers": False},
    } | ({} if name.endswith("client") else {"retry_join_wan": [ADDRESSES["one-1"]]})


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datacenters")
    with ExitStack() as running:
        made = {}
        for name, address in ADDRESSES.items():
            expect = 3 if name.startswith("two") else 1
            role = () if name.endswith("client") else ("-server", f"-bootstrap-expect={expect}")
            where: dict[str, Any] = {"node": name, "bind": address, "client": address, "ports": PORTS}
            made[name] = AgentProcess(folder / name, *role, f"-data-dir={folder / f'data-{name}'}", config=settings(name), **where)
            running.callback(made[name].stop)  # also of one that does not come up
            made[name].start()
        for agent in made.values():
            agent.until_leader(START_LIMIT)
        for agent in made.values():
            agent.until(lambda agent=agent: len(agent.json("/v1/catalog/datacenters")) == 3, START_LIMIT, what="three datacenters")
            agent.until(lambda agent=agent: len(agent.json("/v1/status/peers?dc=two")) == 3, START_LIMIT, what="three servers there")
        yield made


def asked(agent: AgentProcess, method: str, path: str, body: Any = None) -> Any:
    """The answer to a request that must be carried out."""
    status, content, _ = agent.call(method, path, json.dumps(body) if body is not None else None)
    assert status == 200, (path, content)
    return json.loads(content) if content.strip() else None


GROUPS = [
    pytest.param("PUT", "kv/group", "x", id="kv-write"),
    pytest.param("GET", "kv/group", None, id="kv"),
    pytest.param("GET", "kv/group?consistent", None, id="kv-consistent"),
    pytest.param("GET", "kv/group?stale", None, id="kv-stale"),
    pytest.param("GET", "catalog/nodes", None, id="catalog"),
    pytest.param("GET", "catalog/services?cached", None, id="catalog-cached"),
    pytest.param("GET", "health/service/consul?passing", None, id="health"),
    pytest.param("GET", "health/service/consul?cached", None, id="health-cached"),
    pytest.param("GET", "session/list", None, id="session"),
    pytest.param("PUT", "session/create", {"Node": "{there}-1"}, id="session-create"),
    pytest.param("PUT", "txn", [{"KV": {"Verb": "set", "Key": "t", "Value": "eA=="}}], id="txn"),
    pytest.param("PUT", "event/fire/hello", "x", id="event"),
    pytest.param("POST", "query", {"Service": {"Service": "consul"}, "Name": "group-{asker}"}, id="query-create"),
    pytest.param("GET", "query/group-{asker}/execute", None, id="query"),
    pytest.param("PUT", "config", {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}, id="config-write"),
    pytest.param("GET", "config/service-defaults/web", None, id="config"),
    pytest.param("GET", "coordinate/nodes", None, id="coordinate"),
    pytest.param("GET", "operator/raft/configuration", None, id="operator"),
    pytest.param("GET", "operator/autopilot/configuration", None, id="autopilot"),
    pytest.param("GET", "status/leader", None, id="status"),
    pytest.param("GET", "internal/ui/services", None, id="internal"),
]


@pytest.mark.parametrize(("method", "path", "body"), GROUPS)
def test_every_group_is_asked_in_every_direction(agents, method, path, body):
    for asker, there in (("one-client", "two"), ("two-2", "one"), ("one-1", "three"), ("three-1", "two")):
        target = f"/v1/{path}{'&' if '?' in path else '?'}dc={{there}}"
        target, text = (one.replace("{there}", there).replace("{asker}", asker) for one in (target, json.dumps(body)))
        asked(agents[asker], method, target, json.loads(text))


def register(agents: dict[str, AgentProcess], name: str, service: str) -> None:
    asked(
        agents[name],
        "PUT",
        "/v1/agent/service/register",
        {"Name": service, "Check": {"CheckID": service, "TTL": "10m", "Status": "passing"}},
    )


def found(agents: dict[str, AgentProcess], query: str) -> tuple[str, int]:
    """The datacenter that answers the query for datacenter `one`, and how many others were asked."""
    answer = asked(agents["one-client"], "GET", f"/v1/query/{query}/execute?passing")
    assert answer["Nodes"]
    return answer["Datacenter"], answer["Failovers"]


def test_a_query_goes_to_the_next_healthy_datacenter_and_back(agents):
    for name in ("one-client", "two-2", "three-1"):
        register(agents, name, "shop")
    query = {"Name": "shop", "Service": {"Service": "shop", "OnlyPassing": True, "Failover": {"Datacenters": ["three", "two"]}}}
    asked(agents["one-1"], "POST", "/v1/query", query)

    def turn(name: str, way: str, expected: tuple[str, int]) -> None:
        asked(agents[name], "PUT", f"/v1/agent/check/{way}/shop")
        agents["one-client"].until(lambda: found(agents, "shop") == expected, what=f"{name} {way}: {expected}")

    turn("one-client", "pass", ("one", 0))
    turn("one-client", "fail", ("three", 1))
    turn("three-1", "fail", ("two", 2))
    turn("three-1", "pass", ("three", 1))
    turn("one-client", "pass", ("one", 0))


def forget(agents: dict[str, AgentProcess], node: str, service: str, *more: str) -> tuple[int, str]:
    """The exit status of `muster services forget`, asked of another agent than the service's, and what it said."""
    asked = agents["one-1"]
    words = [MUSTER, "services", "forget", f"-http-addr={asked.client}:{asked.http}", f"-node={node}", f"-id={service}", *more]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_service_is_forgotten_by_its_owner(agents):
    owner, server = agents["one-client"], agents["one-1"]
    register(agents, "one-client", "gone")
    server.until(lambda: server.json("/v1/catalog/service/gone"), what="the service")
    assert forget(agents, "one-client", "none")[0] == 1
    status, said = forget(agents, "one-client", "gone", "-owner-port=1")
    assert status == 1
    assert "Run there: muster services deregister -id=gone" in said
    status, said = forget(agents, "one-client", "gone")
    assert (status, said) == (0, "Deregistered gone at its owner, the agent one-client at 127.0.24.2:8500\n")
    assert "gone" not in owner.json("/v1/agent/services")
    server.until(lambda: not server.json("/v1/catalog/service/gone"), what="no service")


def test_a_service_that_no_agent_owns_is_removed_from_the_catalog(agents):
    asked(agents["one-1"], "PUT", "/v1/catalog/register", {"Node": "ext", "Address": "10.0.0.1", "Service": {"ID": "db", "Service": "db"}})
    assert forget(agents, "ext", "db") == (0, "Removed db of node ext from the catalog: no living agent owns it\n")
    assert agents["one-1"].json("/v1/catalog/service/db") == []
    asked(agents["one-1"], "PUT", "/v1/catalog/deregister", {"Node": "ext"})


def test_nodes_without_an_agent_are_checked_by_the_servers(agents):
    server = agents["one-1"]
    for name, port in (("up", server.http), ("down", 1)):
        how = {"TCP": f"{server.client}:{port}", "Interval": "1s", "Timeout": "1s"}
        checks = [{"CheckID": f"tcp-{name}", "Name": name, "ServiceID": name, "Status": "warning", "Definition": how}]
        node = {"Node": f"ext-{name}", "Address": server.client, "NodeMeta": {"external-node": "true"}, "Service": {"Service": name}}
        asked(server, "PUT", "/v1/catalog/register", node | {"Checks": checks})
    for name, status in (("up", "passing"), ("down", "critical")):
        server.until(lambda name=name, status=status: server.json(f"/v1/health/checks/{name}")[0]["Status"] == status, 60, what=name)
        asked(server, "PUT", "/v1/catalog/deregister", {"Node": f"ext-{name}"})


def doctor(agent: AgentProcess) -> tuple[int, list[str]]:
    """The exit status of `muster doctor`, and what it found."""
    words = [MUSTER, "doctor", "-json", f"-http-addr={agent.client}:{agent.http}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.returncode, [one["what"] for one in json.loads(done.stdout)]


def test_the_doctor_finds_nothing_wrong(agents):
    for name in ("one-1", "two-2"):
        agents[name].until(lambda name=name: doctor(agents[name]) == (0, []), what="no finding")


def test_a_datacenter_that_loses_a_server_goes_on_answering(agents):
    leader = asked(agents["one-1"], "GET", "/v1/status/leader?dc=two").partition(":")[0]
    victim = next(name for name, address in ADDRESSES.items() if address == leader)
    agents[victim].kill()
    for number in range(20):
        assert asked(agents["one-client"], "PUT", f"/v1/kv/after-{number}?dc=two", number) is True, "a call waits for the new leader there"
        assert asked(agents["three-1"], "GET", f"/v1/kv/after-{number}?dc=two")[0]["Key"] == f"after-{number}"
    survivor = next(agents[name] for name in ("two-1", "two-2", "two-3") if name != victim)
    failed = f"Servers have failed: {victim}."
    survivor.until(lambda: failed in doctor(survivor)[1], START_LIMIT, what="a finding")
