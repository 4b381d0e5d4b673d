"""A Muster client agent and a real one beside the same server: what they answer is the same, whichever program the server is."""

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

PORTS = (8500, -1, 8300, 8301, 8302)
READS = [
    "kv/none",
    "kv/a/b",
    "kv/a/b?consistent",
    "kv/a/b?stale",
    "kv/a?recurse",
    "kv/?keys",
    "kv/a/?keys&separator=/",
    "query",
    "query/q/execute",
    "query/absent/execute",
    "query/q/explain",
    "session/list",
    "session/node/n2",
    "catalog/nodes",
    "catalog/services",
    "catalog/service/consul",
    "catalog/node/n2",
    "catalog/node-services/n2",
    "catalog/nodes?filter=Node==n1",
    "catalog/nodes?filter=x",
    "catalog/nodes?near=_agent",
    "catalog/nodes?dc=x",
    "catalog/datacenters",
    "catalog/connect/web",
    "health/node/n1",
    "health/checks/consul",
    "health/service/consul?passing",
    "health/service/consul?near=_agent&tag=x",
    "health/state/any",
    "health/state/critical",
    "health/connect/web",
    "status/leader",
    "status/peers",
    "coordinate/datacenters",
    "operator/raft/configuration",
    "operator/autopilot/configuration",
    "operator/autopilot/health",
    "config/service-defaults",
    "config/service-defaults/web",
    "config/service-defaults/none",
    "internal/ui/nodes",
    "internal/ui/services",
    "internal/ui/node/n1",
    "event/list",
]
WRITES = [
    ("PUT", "session/create", '{"TTL":"1s"}'),
    ("PUT", "txn", '[{"KV":{"Verb":"set","Key":"t","Value":"eA=="}},{"KV":{"Verb":"get","Key":"t"}}]'),
    ("PUT", "txn", '[{"KV":{"Verb":"get","Key":"none"}}]'),
    ("PUT", "kv/plain", "x"),
    ("PUT", "kv/c?cas=99", "x"),
    ("PUT", "kv/c?acquire=nope", "x"),
    ("DELETE", "kv/none", None),
    ("PUT", "catalog/register", '{"Node":"x"}'),
    ("PUT", "catalog/deregister", "{}"),
    ("PUT", "event/fire/x?node=**", ""),
    ("PUT", "operator/autopilot/configuration?cas=1", '{"MaxTrailingLogs":1}'),
    ("DELETE", "operator/raft/peer?id=none", None),
    ("PUT", "coordinate/update", '{"Node":"x","Coord":{"Vec":[1]}}'),
]
MOVING = re.compile(r'"(ModifyIndex|CreateIndex|Index|LastIndex|LastContact|StableSince|LockIndex)": *("[^"]*"|\d+)')


@pytest.fixture(scope="module", params=["muster", "consul"])
def clients(request, consul, tmp_path_factory):
    """The two client agents, Muster's first; the server runs `request.param`."""
    folder = tmp_path_factory.mktemp("alike")
    net = "127.0.5." if request.param == "muster" else "127.0.6."
    quick = {"performance": {"raft_multiplier": 1}, "retry_join": [net + "1"], "retry_interval": "1s"}
    with ExitStack() as running:
        made = []
        for number, program in enumerate([MUSTER if request.param == "muster" else consul, MUSTER, consul], 1):
            role = ("-server", "-bootstrap-expect=1") if number == 1 else ()
            where: dict[str, Any] = {"node": f"n{number}", "bind": f"{net}{number}", "client": f"{net}{number}", "ports": PORTS}
            data = f"-data-dir={folder / f'data-{number}'}"
            agent = AgentProcess(folder / f"n{number}", *role, data, program=program, config=quick, **where)
            running.callback(agent.stop)  # also of one that does not come up
            agent.start()
            agent.until_leader()
            made.append(agent)
        server = made[0]
        server.call("PUT", "/v1/kv/a/b", "1")
        server.call("PUT", "/v1/config", '{"Kind":"service-defaults","Name":"web","Protocol":"http"}')
        server.call("POST", "/v1/query", '{"Name":"q","Service":{"Service":"consul"}}')
        server.until(lambda: len(server.json("/v1/catalog/nodes?filter=Meta+is+not+empty")) == 3, what="three nodes with their meta")
        yield made[1:]


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: ordered(item) for name, item in sorted(value.items())}
    return sorted(map(ordered, value), key=json.dumps) if isinstance(value, list) else value


def answered(agent: AgentProcess, method: str, path: str, body: str | None) -> tuple[int, Any, list[str]]:
    status, content, headers = agent.call(method, f"/v1/{path}", body)
    text = MOVING.sub(r'"\1":0', content.decode())
    shown: Any = ordered(json.loads(text)) if text[:1] in ("[", "{") else text.strip()
    return status, shown, sorted(name for name in headers if name.startswith("x-consul"))


@pytest.mark.parametrize(("method", "path", "body"), [*[("GET", path, None) for path in READS], *WRITES])
def test_both_kinds_of_client_answer_alike(clients, method, path, body):
    ours, real = clients
    assert answered(ours, method, path, body) == answered(real, method, path, body)
