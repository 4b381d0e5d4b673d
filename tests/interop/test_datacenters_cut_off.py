"""A datacenter that is cut off: what the others say of it, after which time, and that it comes back by itself. Consul's servers beside Muster's."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import MUSTER, AgentProcess
from namespaces import Network, needs_namespaces

pytestmark = [pytest.mark.peer, pytest.mark.slow]

PORTS = (8500, -1, 8300, 8301, 8302)
START_LIMIT = 120.0  # seconds: all programs start at once
QUICK = {"probe_interval": "1s", "probe_timeout": "500ms", "suspicion_mult": 2, "gossip_interval": "100ms"}
LOST_AFTER = 60.0  # seconds: a connection is asked for a sign of life after 30 and given up 10 later; the rest is for a busy machine
UNREACHABLE_AFTER = 25.0  # seconds: a connection is tried for 10
LOST = "rpc error making call: EOF"
UNREACHABLE = "rpc error getting client: failed to get conn: dial tcp {}:0->{}:8300: i/o timeout"


def started(running: ExitStack, folder: Path, name: str, program: Path, host: Any, wan: str) -> AgentProcess:
    settings = {
        "datacenter": name,
        "performance": {"raft_multiplier": 1},
        "gossip_wan": QUICK,
        "retry_join_wan": [wan],
        "retry_interval_wan": "1s",
    }
    role = ("-server", "-bootstrap-expect=1", f"-data-dir={folder / name / 'data'}")
    where: dict[str, Any] = {"node": f"{name}1", "bind": host.address, "client": host.address, "ports": PORTS, "inside": host.inside}
    agent = AgentProcess(folder / name, *role, program=program, config=settings, **where)
    running.callback(agent.stop)  # also of one that does not come up
    agent.start()
    return agent


def timed(agent: AgentProcess, path: str) -> tuple[float, int, str]:
    """Seconds until the answer, its status and text."""
    start = time.monotonic()
    status, body, _ = agent.call("GET", path, timeout=120)
    return time.monotonic() - start, status, body.decode()


def test_a_datacenter_that_is_cut_off_is_missed_and_found_again_as_by_consul(consul, tmp_path):
    needs_namespaces()
    with ExitStack() as running:
        network = running.enter_context(Network())
        hosts = [network.host() for _ in "abc"]
        programs = {"a": consul, "b": MUSTER, "c": MUSTER}
        agents = [
            started(running, tmp_path, name, program, host, hosts[0].address)
            for (name, program), host in zip(programs.items(), hosts, strict=True)
        ]
        for agent in agents:
            agent.until_leader(START_LIMIT)
            agent.until(lambda agent=agent: len(agent.json("/v1/catalog/datacenters")) == 3, START_LIMIT, what="three datacenters")
        real, ours, there = agents
        there.call("PUT", "/v1/agent/service/register", '{"Name":"web","Port":1}')
        query = json.dumps({"Name": "web", "Service": {"Service": "web", "Failover": {"Datacenters": ["c"]}}})
        for agent in (real, ours):
            agent.call("POST", "/v1/query", query)
            agent.until(lambda agent=agent: agent.json("/v1/query/web/execute")["Nodes"], what="an instance elsewhere")
        _, _, headers = there.call("GET", "/v1/kv/test-is-ready")
        parked = f"/v1/kv/test-is-ready?dc=c&index={headers['x-consul-index']}&wait=300s"
        with ThreadPoolExecutor() as pool:
            waiting = [pool.submit(timed, agent, parked) for agent in (ours, real)]
            for other in hosts[:2]:
                hosts[2].deafen(other)
                other.deafen(hosts[2])
            # The connection looks well to both programs until nothing comes back on it for forty seconds.
            asked = [pool.submit(timed, agent, "/v1/kv/test-is-ready?dc=c") for agent in (ours, real)]
            for question in (asked, waiting):
                check_alike(*(one.result() for one in question), LOST, LOST_AFTER)
            # From then on no connection can be made.
            asked = [pool.submit(timed, agent, "/v1/catalog/nodes?dc=c") for agent in (ours, real)]
            check_alike(*(one.result() for one in asked), UNREACHABLE.format(hosts[1].address, hosts[2].address), UNREACHABLE_AFTER)
        for agent in (real, ours):
            assert "c" in agent.json("/v1/catalog/datacenters"), "one that is away is known nevertheless"
        for host in hosts:
            host.mend()
        for agent in (real, ours):
            agent.until(lambda agent=agent: agent.call("GET", "/v1/kv/test-is-ready?dc=c")[0] == 200, limit=120, what="the way back")
            agent.until(lambda agent=agent: agent.json("/v1/query/web/execute")["Nodes"], limit=120, what="an instance elsewhere")


def check_alike(ours: tuple[float, int, str], real: tuple[float, int, str], text: str, limit: float) -> None:
    """Consul's connections end with one of several texts, as it happens; the times of both are the same but for when they began to connect."""
    assert (ours[1], ours[2]) == (500, text)
    assert (real[1], real[2].startswith(" ".join(text.split()[:3]))) == (500, True)
    assert max(ours[0], real[0]) < limit
