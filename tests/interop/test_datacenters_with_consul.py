"""Three datacenters of both programs: what Muster answers about another one is what Consul answers about it.

Datacenter `a` runs Consul, `b` Muster, `c` either: `a` and `b` are asked the same about `c`, by their servers and by their client agents.
"""

import json
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

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
IDENTITY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOVING = re.compile(r'"(ModifyIndex|CreateIndex|Index|LastIndex|LastContact|StableSince|LockIndex)": *("[^"]*"|\d+)')


def config(dc: str, join: str = "", wan: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"datacenter": dc, "performance": {"raft_multiplier": 1}, "retry_interval": "1s", "retry_interval_wan": "1s"}
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


@pytest.fixture(scope="module", params=["muster", "consul"])
def world(request, consul, tmp_path_factory):
    """The agents by name; servers a1, b1 and c1, client agents a2 and b2. Datacenter c runs `request.param`."""
    folder = tmp_path_factory.mktemp("world")
    net = "127.0.22." if request.param == "muster" else "127.0.23."
    programs = {"a": consul, "b": MUSTER, "c": MUSTER if request.param == "muster" else consul}
    with ExitStack() as running:
        agents = {}
        for number, name in enumerate(("a1", "b1", "c1", "a2", "b2"), 1):
            dc, is_server = name[0], name[1] == "1"
            settings = config(dc, join="" if is_server else f"{net}{number - 3}", wan=f"{net}1" if name in ("b1", "c1") else "")
            agents[name] = agent(running, folder, name, programs[dc], f"{net}{number}", settings)
        for one in agents.values():
            one.until_leader()
        for one in agents.values():
            one.until(lambda one=one: len(one.json("/v1/catalog/datacenters")) == 3, what="three datacenters")
        server = agents["c1"]
        server.call("PUT", "/v1/kv/a/b", "1")
        server.call("PUT", "/v1/config", '{"Kind":"service-defaults","Name":"web","Protocol":"http"}')
        server.call("PUT", "/v1/agent/service/register", '{"Name":"web","Port":80}')
        server.call("POST", "/v1/query", '{"Name":"q","Service":{"Service":"web"}}')
        server.until(lambda: server.json("/v1/health/service/web?passing"), what="the service")
        server.until(lambda: server.json("/v1/operator/autopilot/health")["Healthy"], what="health")
        yield agents


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: ordered(item) for name, item in sorted(value.items())}
    return sorted(map(ordered, value), key=json.dumps) if isinstance(value, list) else value


def answered(agent: AgentProcess, method: str, path: str, body: str | None = None) -> tuple[int, Any, list[str]]:
    status, content, headers = agent.call(method, f"/v1/{path}", body)
    text = IDENTITY.sub("id", MOVING.sub(r'"\1":0', content.decode()))
    shown: Any = ordered(json.loads(text)) if text[:1] in ("[", "{") else text.strip()
    return status, shown, sorted(name for name in headers if name.startswith("x-c"))


def of(path: str, dc: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}dc={dc}"


EVERYTHING = [*[("GET", path, None) for path in READS], *WRITES]


@pytest.mark.parametrize("asked", [pytest.param(("b1", "a1"), id="servers"), pytest.param(("b2", "a2"), id="clients")])
@pytest.mark.parametrize(("method", "path", "body"), EVERYTHING)
def test_another_datacenter_is_answered_for_as_by_consul(world, asked, method, path, body):
    ours, real = (answered(world[name], method, of(path, "c"), body) for name in asked)
    assert ours == real


@pytest.mark.parametrize("asked", [pytest.param(("b1", "a1"), id="servers"), pytest.param(("b2", "a2"), id="clients")])
@pytest.mark.parametrize(
    ("method", "path", "body"), [case for case in EVERYTHING if case[1] != "snapshot"]
)  # there Consul answers by chance
def test_an_unknown_datacenter_is_refused_as_by_consul(world, asked, method, path, body):
    ours, real = (answered(world[name], method, of(path, "nowhere"), body) for name in asked)
    assert ours == real
