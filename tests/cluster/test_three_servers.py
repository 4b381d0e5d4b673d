"""Three whole servers that found a datacenter together, with a client agent beside them: one is killed, one is told to stop."""

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess

pytestmark = pytest.mark.slow

ADDRESSES = ("127.0.4.1", "127.0.4.2", "127.0.4.3")
CLIENT = "127.0.4.9"
PORTS = (8500, -1, 8300, 8301, 8302)
LIMIT = 30.0  # seconds for an election, a rejoin, a registration


def until(condition, what: str):
    """The first true value of the condition, which asks running processes: there is nothing to wait on but time."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        try:
            found = condition()
        except (OSError, ValueError):
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {LIMIT:g} s: {what}")


def ask(agent: AgentProcess, method: str, path: str, body: str | None = None):
    status, answer, _ = agent.call(method, path, body, timeout=15)
    if status != 200:
        raise ValueError(answer)
    return json.loads(answer)


def voters(agent: AgentProcess) -> set[str]:
    return {one["Node"] for one in ask(agent, "GET", "/v1/operator/raft/configuration")["Servers"] if one["Voter"]}


def leader(agent: AgentProcess) -> str:
    return ask(agent, "GET", "/v1/status/leader")


@pytest.fixture(scope="module")
def datacenter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    quick = {"performance": {"raft_multiplier": 1}, "retry_join": list(ADDRESSES), "retry_interval": "1s", "autopilot": {"min_quorum": 3}}
    with ExitStack() as running:
        agents = {}
        for number, address in enumerate([*ADDRESSES, CLIENT], 1):
            server = ("-server", "-bootstrap-expect=3") if address != CLIENT else ()
            data = folder / f"data-{number}"
            where = {"node": f"n{number}", "bind": address, "client": address, "ports": PORTS}
            agent = AgentProcess(folder / f"n{number}", *server, f"-data-dir={data}", config=quick, log_level="info", **where)
            running.callback(agent.stop)
            agent.start()
            agents[address] = agent
        yield agents


def test_three_servers_that_know_each_other_form_one_datacenter(datacenter):
    client = datacenter[CLIENT]
    until(lambda: leader(client), "a leader")
    assert voters(client) == {"n1", "n2", "n3"}
    for number, agent in enumerate(datacenter.values(), 1):
        assert ask(agent, "PUT", f"/v1/kv/by/{number}", "x") is True
    for agent in datacenter.values():
        assert ask(agent, "GET", "/v1/kv/by/?keys") == ["by/1", "by/2", "by/3", "by/4"]
    until(lambda: len(ask(client, "GET", "/v1/catalog/nodes")) == 4, "all four nodes in the catalog")
    until(lambda: len(ask(client, "GET", "/v1/health/service/consul?passing")) == 3, "three servers that pass")


def test_nothing_acknowledged_is_lost_when_the_leader_is_killed(datacenter):
    client = datacenter[CLIENT]
    led = until(lambda: leader(client), "a leader")
    dead = datacenter[led.rpartition(":")[0]]
    acknowledged = [number for number in range(50) if ask(client, "PUT", f"/v1/kv/kept/{number}", "x")]
    dead.kill()
    began = time.monotonic()
    assert ask(client, "PUT", "/v1/kv/after", "x") is True, "the call was held until there was another leader"
    print(f"first write after the kill: {time.monotonic() - began:.2f} s")
    assert leader(client) != led
    assert len(ask(client, "GET", "/v1/kv/kept/?keys")) == len(acknowledged) == 50
    until(lambda: ask(client, "GET", "/v1/health/state/critical"), "the dead server is critical")
    dead.start()
    until(lambda: ask(dead, "GET", "/v1/kv/after?stale"), "the killed server has caught up")
    until(lambda: not ask(client, "GET", "/v1/health/state/critical"), "it passes again")
    assert voters(client) == {"n1", "n2", "n3"}


def test_a_leader_that_is_told_to_stop_hands_over_first(datacenter):
    client = datacenter[CLIENT]
    led = until(lambda: leader(client), "a leader")
    stopping = datacenter[led.rpartition(":")[0]]
    stopping.process.terminate()
    slowest = 0.0
    for number in range(100):
        began = time.monotonic()
        assert ask(client, "PUT", f"/v1/kv/handover/{number}", "x") is True
        slowest = max(slowest, time.monotonic() - began)
    print(f"slowest write during the handover: {slowest:.3f} s")
    assert slowest < 2.0, "no election was waited for: that takes the heartbeat's time-out, one to two seconds"
    assert stopping.process.wait(20) == 1
    stopping.start()
    until(lambda: ask(stopping, "GET", "/v1/kv/handover/99?stale"), "the stopped server has caught up")
