"""Datacenters of both programs: what Muster answers about another one is what Consul answers about it.

Datacenters `a` and `d` run Consul, `b` and `c` Muster: `a` and `b` are asked the same about `c` and `d`, by their servers and client agents.
"""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import MUSTER, AgentProcess

pytestmark = [pytest.mark.peer, pytest.mark.slow]

PORTS = (8500, 8600, 8300, 8301, 8302)
READS = [
    "kv/none",
    "kv/a/b",
    "kv/a/b?consistent",
    "kv/a/b?stale",
    "kv/a/b?raw",
    "kv/a?recurse",
    "kv/?keys",
    "kv/a/?keys&separator=/",
    "query",
    "query/q/execute",
    "query/absent/execute",
    "query/q/explain",
    "session/list",
    "session/node/c1",
    "catalog/nodes",
    "catalog/services",
    "catalog/service/consul",
    "catalog/service/web",
    "catalog/node/c1",
    "catalog/node-services/c1",
    "catalog/nodes?filter=Node==c1",
    "catalog/nodes?filter=x",
    "catalog/nodes?near=_agent",
    "catalog/connect/web",
    "catalog/datacenters",
    "health/node/c1",
    "health/checks/consul",
    "health/service/web?passing",
    "health/service/consul?near=_agent&tag=x",
    "health/state/any",
    "health/connect/web",
    "status/leader",
    "status/peers",
    "coordinate/nodes",
    "coordinate/node/absent",
    "operator/raft/configuration",
    "operator/autopilot/configuration",
    "operator/autopilot/health",
    "config/service-defaults",
    "config/service-defaults/web",
    "config/service-defaults/none",
    "internal/ui/nodes",
    "internal/ui/services",
    "internal/ui/node/c1",
    "event/list",
    "catalog/service/tagged",
    "catalog/node/m1",
    "catalog/node-services/m2",
    "health/service/tagged",
    "query/tagged/execute",
    "kv/a/b?index=1",
    "health/service/consul?index=1&wait=10ms",
]
WRITES = [
    ("PUT", "session/create", '{"TTL":"1s"}'),
    ("PUT", "session/destroy/7c2d5f8e-0000-0000-0000-000000000000", None),
    ("PUT", "session/renew/7c2d5f8e-0000-0000-0000-000000000000", None),
    ("PUT", "txn", '[{"KV":{"Verb":"set","Key":"t","Value":"eA=="}},{"KV":{"Verb":"get","Key":"t"}}]'),
    ("PUT", "txn", '[{"KV":{"Verb":"get","Key":"a/b"}}]'),
    ("PUT", "txn", '[{"KV":{"Verb":"get","Key":"none"}}]'),
    ("PUT", "kv/plain", "x"),
    ("PUT", "kv/c?cas=99", "x"),
    ("PUT", "kv/c?acquire=nope", "x"),
    ("DELETE", "kv/none", None),
    ("PUT", "catalog/register", '{"Datacenter":"c","Node":"x"}'),
    ("PUT", "catalog/register", '{"Datacenter":"c","Node":"x","Address":"10.0.0.9"}'),
    ("PUT", "catalog/register", '{"Datacenter":"nowhere","Node":"x","Address":"10.0.0.9"}'),
    ("PUT", "catalog/deregister", '{"Datacenter":"c","Node":"x"}'),
    ("PUT", "config", '{"Kind":"service-defaults","Name":"web","Protocol":"http"}'),
    ("DELETE", "config/service-defaults/none", None),
    ("PUT", "event/fire/x?node=**", ""),
    ("PUT", "event/fire/deploy", "payload"),
    ("PUT", "operator/autopilot/configuration?cas=1", '{"MaxTrailingLogs":1}'),
    ("DELETE", "operator/raft/peer?id=none", None),
    ("DELETE", "operator/raft/peer?address=10.0.0.1:8300", None),
    ("PUT", "query/7c2d5f8e-0000-0000-0000-000000000000", '{"Name":"z","Service":{"Service":"web"}}'),
    ("POST", "query", '{"Name":"bad"}'),
    ("DELETE", "query/7c2d5f8e-0000-0000-0000-000000000000", None),
    ("PUT", "snapshot", "no archive"),
    ("PUT", "coordinate/update", '{"Node":"x","Coord":{"Vec":[1]}}'),
]
WAN4, WAN6 = {"address": "6.6.6.6", "port": 66}, {"address": "::6", "port": 66}
TAGGED: list[dict[str, Any]] = [
    {
        "Node": "m1",
        "Address": "10.0.0.1",
        "TaggedAddresses": {"wan": "1.1.1.1", "wan_ipv4": "2.2.2.2", "wan_ipv6": "::3"},
        "Service": {"Service": "tagged", "Address": "10.0.1.1", "Port": 1, "TaggedAddresses": {"wan": {"address": "5.5.5.5", "port": 55}}},
    },
    {
        "Node": "m2",
        "Address": "10.0.0.2",
        "TaggedAddresses": {"lan": "10.9.9.9", "lan_ipv4": "10.8.8.8"},
        "Service": {"Service": "tagged", "Port": 2},
    },
    {
        "Node": "m3",
        "Address": "10.0.0.3",
        "TaggedAddresses": {"wan_ipv4": "2.2.2.3"},
        "Service": {"Service": "tagged", "Address": "x.example", "Port": 3, "TaggedAddresses": {"wan_ipv4": WAN4, "wan_ipv6": WAN6}},
    },
]
FAILOVERS: list[dict[str, Any]] = [
    {"Name": name, "Service": {"Service": service, "Failover": failover}}
    for name, service, failover in (
        ("named", "web", {"Datacenters": ["none", "c"]}),
        ("nearest", "web", {"NearestN": 3}),
        ("both", "web", {"NearestN": 3, "Datacenters": ["c", "a", "b"]}),
        ("nothing", "absent", {"Datacenters": ["c"]}),
        ("only-here", "web", {}),
    )
]
IDENTITY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
COORDINATE = re.compile(rb'"Coord": *\{[^}]*\}')  # it moves between two questions
MOVING = re.compile(r'"(ModifyIndex|CreateIndex|Index|LastIndex|LastContact|StableSince|LockIndex)": *("[^"]*"|\d+)')


def config(dc: str, join: str = "", wan: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"datacenter": dc, "performance": {"raft_multiplier": 1}, "retry_interval": "1s", "retry_interval_wan": "1s"}
    made["disable_remote_exec"] = False
    made |= {"gossip_wan": {"probe_interval": "1s", "probe_timeout": "500ms", "suspicion_mult": 2, "gossip_interval": "100ms"}}
    return made | ({"retry_join": [join]} if join else {}) | ({"retry_join_wan": [wan]} if wan else {})


def agent(running: ExitStack, folder: Path, name: str, program: Path, address: str, settings: dict[str, Any]) -> AgentProcess:
    """One that is up. Names are the datacenter and 1 for a server, 2 for a client."""
    role = ("-server", "-bootstrap-expect=1") if name.endswith("1") else ()
    data = f"-data-dir={folder / f'data-{name}'}"
    where: dict[str, Any] = {"node": name, "bind": address, "client": address, "ports": PORTS}
    made = AgentProcess(folder / name, *role, data, program=program, config=settings, **where)
    running.callback(made.stop)  # also of one that does not come up
    made.start()
    return made


NET = "127.0.22."
START_LIMIT = 120.0  # seconds: six programs start at once


@pytest.fixture(scope="module")
def world(consul, tmp_path_factory):
    """The agents by name: servers a1, b1, c1 and d1, client agents a2 and b2."""
    folder = tmp_path_factory.mktemp("world")
    programs = {"a": consul, "b": MUSTER, "c": MUSTER, "d": consul}
    with ExitStack() as running:
        agents = {}
        for number, name in enumerate(("a1", "b1", "c1", "d1", "a2", "b2"), 1):
            dc, is_server = name[0], name[1] == "1"
            settings = config(dc, join="" if is_server else f"{NET}{number - 4}", wan=f"{NET}1" if is_server and dc != "a" else "")
            settings["translate_wan_addrs"] = not is_server
            agents[name] = agent(running, folder, name, programs[dc], f"{NET}{number}", settings)
        for one in agents.values():
            one.until_leader(START_LIMIT)
        for one in agents.values():
            one.until(lambda one=one: len(one.json("/v1/catalog/datacenters")) == 4, START_LIMIT, what="four datacenters")
        for name in ("c1", "d1"):
            furnish(agents[name])
        for name in ("a1", "b1"):
            for query in FAILOVERS:
                agents[name].call("POST", "/v1/query", json.dumps(query))
        yield agents


def furnish(server: AgentProcess) -> None:
    """What the others ask for."""
    server.call("PUT", "/v1/kv/a/b", "1")
    server.call("PUT", "/v1/config", '{"Kind":"service-defaults","Name":"web","Protocol":"http"}')
    server.call("PUT", "/v1/agent/service/register", '{"Name":"web","Port":80}')
    server.call("POST", "/v1/query", '{"Name":"q","Service":{"Service":"web"}}')
    server.call("POST", "/v1/query", '{"Name":"tagged","Service":{"Service":"tagged"}}')
    for node in TAGGED:
        server.call("PUT", "/v1/catalog/register", json.dumps(node))
    server.until(lambda: server.json("/v1/health/service/web?passing"), what="the service")
    server.until(lambda: server.json("/v1/operator/autopilot/health")["Healthy"], what="health")


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: ordered(item) for name, item in sorted(value.items())}
    return sorted(map(ordered, value), key=json.dumps) if isinstance(value, list) else value


def answered(agent: AgentProcess, method: str, path: str, body: str | None = None) -> tuple[int, Any, list[str]]:
    status, content, headers = agent.call(method, f"/v1/{path}", body)
    content = COORDINATE.sub(b"", content)
    text = IDENTITY.sub("id", MOVING.sub(r'"\1":0', content.decode()))
    shown: Any = ordered(json.loads(text)) if text[:1] in ("[", "{") else text.strip()
    return status, shown, sorted(name for name in headers if name.startswith("x-c"))


def of(path: str, dc: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}dc={dc}"


EVERYTHING = [*[("GET", path, None) for path in READS], *WRITES]


@pytest.mark.parametrize("asked", [pytest.param(("b1", "a1"), id="servers"), pytest.param(("b2", "a2"), id="clients")])
@pytest.mark.parametrize("there", ["c", "d"])
@pytest.mark.parametrize(("method", "path", "body"), EVERYTHING)
def test_another_datacenter_is_answered_for_as_by_consul(world, asked, there, method, path, body):
    path, body = (text.replace("c1", f"{there}1").replace('"c"', f'"{there}"') if text else text for text in (path, body))
    ours, real = (answered(world[name], method, of(path, there), body) for name in asked)
    assert ours == real


@pytest.mark.parametrize("asked", [pytest.param(("b1", "a1"), id="servers"), pytest.param(("b2", "a2"), id="clients")])
@pytest.mark.parametrize(
    ("method", "path", "body"), [case for case in EVERYTHING if case[1] != "snapshot"]
)  # there Consul answers by chance
def test_an_unknown_datacenter_is_refused_as_by_consul(world, asked, method, path, body):
    ours, real = (answered(world[name], method, of(path, "nowhere"), body) for name in asked)
    assert ours == real


@pytest.mark.parametrize("asked", [pytest.param(("b1", "a1"), id="servers"), pytest.param(("b2", "a2"), id="clients")])
@pytest.mark.parametrize("query", [one["Name"] for one in FAILOVERS])
def test_a_query_without_instances_here_finds_those_elsewhere_as_with_consul(world, asked, query):
    ours, real = (answered(world[name], "GET", f"query/{query}/execute?limit=1") for name in asked)
    if query == "only-here":
        assert (ours[1].pop("Datacenter"), real[1].pop("Datacenter")) == ("b", "a")
    if query in ("nearest", "both"):  # which of the datacenters on one machine is the nearest is chance
        for _, answer, _ in (ours, real):
            assert answer.pop("Datacenter") in ("c", "d")
            assert answer.pop("Failovers") in (1, 2, 3)
            assert [one["Service"]["Service"] for one in answer.pop("Nodes")] == ["web"]
    assert ours == real


NAMES = [
    "web.service",
    "tagged.service",
    "none.service",
    "c1.node",
    "m1.node",
    "m2.node",
    "none.node",
    "q.query",
    "none.query",
    "x.web.service",
]


@pytest.mark.parametrize("asked", [pytest.param(("b1", "a1"), id="servers"), pytest.param(("b2", "a2"), id="clients")])
@pytest.mark.parametrize("dc", ["c", "d", "nowhere"])
@pytest.mark.parametrize("name", NAMES)
def test_dns_names_of_another_datacenter_are_answered_as_by_consul(world, asked, name, dc):
    for kind in ("A", "AAAA", "SRV", "ANY", "TXT"):
        ours, real = (resolved(world[agent], f"{name.replace('c1', f'{dc[0]}1')}.{dc}.consul.", kind) for agent in asked)
        assert ours == real, kind


def resolved(agent: AgentProcess, name: str, kind: str) -> tuple[int, list[str], list[str], list[int]]:
    """Code, answers, additional records, types of the authority section."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=4096)
    answer = dns.query.udp(query, agent.client, port=agent.dns, timeout=20)
    records = [sorted(line for one in section for line in str(one).splitlines()) for section in (answer.answer, answer.additional)]
    return answer.rcode(), *records, [one.rdtype for one in answer.authority]


DIRECTIONS = [pytest.param("b1", "a1", id="muster asks consul"), pytest.param("a1", "b1", id="consul asks muster")]
DIRECTIONS += [pytest.param("b2", "a1", id="muster's client"), pytest.param("a2", "b1", id="consul's client")]


@pytest.mark.parametrize(("asker", "there"), DIRECTIONS)
def test_a_write_there_is_there_and_wakes_who_waits_here(world, asker, there):
    asker, there = world[asker], world[there]
    dc = there.node[0]
    key = f"wake-{asker.node}"
    there.call("PUT", f"/v1/kv/{key}", "1")
    _, _, headers = there.call("GET", f"/v1/kv/{key}")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(asker.call, "GET", f"/v1/kv/{key}?raw&dc={dc}&index={headers['x-consul-index']}&wait=60s", timeout=60)
        assert asker.call("PUT", f"/v1/kv/{key}?dc={dc}", "2")[0] == 200
        assert waiting.result()[1] == b"2"
    assert there.call("GET", f"/v1/kv/{key}?raw")[1] == b"2"


@pytest.mark.parametrize(("asker", "there"), DIRECTIONS)
def test_a_lock_there_is_held_from_here(world, asker, there):
    asker, there = world[asker], world[there]
    dc, key = there.node[0], f"lock-{asker.node}"
    session = json.loads(asker.call("PUT", f"/v1/session/create?dc={dc}", json.dumps({"Node": there.node, "TTL": "60s"}))[1])["ID"]
    assert json.loads(asker.call("PUT", f"/v1/kv/{key}?dc={dc}&acquire={session}", "x")[1]) is True
    assert there.json(f"/v1/kv/{key}")[0]["Session"] == session
    assert asker.call("PUT", f"/v1/session/renew/{session}?dc={dc}")[0] == 200
    assert json.loads(asker.call("PUT", f"/v1/session/destroy/{session}?dc={dc}")[1]) is True
    assert "Session" not in there.json(f"/v1/kv/{key}")[0]


@pytest.mark.parametrize(("asker", "there"), DIRECTIONS)
def test_an_event_arrives_there(world, asker, there):
    asker, there = world[asker], world[there]
    name = f"deploy-{asker.node}"
    fired = json.loads(asker.call("PUT", f"/v1/event/fire/{name}?dc={there.node[0]}&node={there.node}", "payload")[1])
    heard = there.until(lambda: there.json(f"/v1/event/list?name={name}"), what="the event")
    assert [(one["ID"], one["Payload"]) for one in heard] == [(fired["ID"], "cGF5bG9hZA==")]


@pytest.mark.parametrize(("asker", "there"), DIRECTIONS)
def test_what_is_registered_there_is_found_here(world, asker, there):
    asker, there = world[asker], world[there]
    dc, name = there.node[0], f"svc-{asker.node}"
    body = {"Datacenter": dc, "Node": f"ext-{asker.node}", "Address": "10.1.1.1", "Service": {"Service": name, "Port": 9}}
    assert asker.call("PUT", "/v1/catalog/register", json.dumps(body))[0] == 200
    assert [one["ServiceAddress"] or one["Address"] for one in there.json(f"/v1/catalog/service/{name}")] == ["10.1.1.1"]
    assert resolved(asker, f"{name}.service.{dc}.consul.", "A")[1] == [f"{name}.service.{dc}.consul. 0 IN A 10.1.1.1"]
    assert asker.call("PUT", "/v1/catalog/deregister", json.dumps({"Datacenter": dc, "Node": body["Node"]}))[0] == 200
    assert there.json(f"/v1/catalog/service/{name}") == []


@pytest.mark.parametrize(("asker", "there"), DIRECTIONS)
def test_a_snapshot_of_there_is_saved_and_restored_from_here(world, asker, there):
    asker, there = world[asker], world[there]
    dc, key = there.node[0], f"kept-{asker.node}"
    there.call("PUT", f"/v1/kv/{key}", "before")
    status, archive, headers = asker.call("GET", f"/v1/snapshot?dc={dc}")
    assert (status, headers["x-consul-knownleader"]) == (200, "true")
    there.call("PUT", f"/v1/kv/{key}", "after")
    assert asker.call("PUT", f"/v1/snapshot?dc={dc}", archive)[0] == 200
    there.until(lambda: there.call("GET", f"/v1/kv/{key}?raw")[1] == b"before", what="the state of the archive")


def test_a_command_is_run_on_the_hosts_of_any_datacenter_by_either_program(world, consul):
    """By both command lines: in the asked agent's datacenter, where agents of one kind are, and in another one."""

    def told(program: Path, asked: AgentProcess, dc: str) -> tuple[int, list[str]]:
        words = [
            program,
            "exec",
            f"-http-addr={asked.client}:{asked.http}",
            f"-datacenter={dc}",
            "-wait=10s",
            "echo out; exit 3",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        return done.returncode, sorted(done.stdout.splitlines())

    asked = [(program, world[agent], dc) for program in (MUSTER, consul) for agent in ("a1", "b2") for dc in "abd"]
    with ThreadPoolExecutor(len(asked)) as pool:
        results = list(pool.map(lambda one: told(*one), asked))
    for (_, _, dc), (status, lines) in zip(asked, results, strict=True):
        hosts = [name for name in world if name[0] == dc]
        expected = [f"{len(hosts)} / {len(hosts)} node(s) completed / acknowledged"]
        for host in hosts:
            expected += [f"    {host}: out", f"    {host}:", f"==> {host}: finished with exit code 3"]
        assert (status, lines) == (2, sorted(expected))
