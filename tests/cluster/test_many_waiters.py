"""Ten thousand parked queries: what they cost, that one write answers all that wait on it, that others sleep on."""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from agents import AgentProcess
from wire import Waiters

WAITERS = 10_000
MOST_MEMORY = 60.0  # MB over idle
MOST_SECONDS = 0.4 * 3  # the figure is 0.4 s; a test machine with other work gets three times as long
CONFIG = {"limits": {"http_max_conns_per_client": 30_000}}


@pytest.mark.slow
def test_ten_thousand_waiters_are_cheap_and_woken_only_by_their_own_key(tmp_path):
    with AgentProcess(tmp_path, "-dev", config=CONFIG) as agent:
        agent.call("PUT", "/v1/kv/watched", "1")
        agent.call("PUT", "/v1/kv/other", "1")
        before = agent.memory()
        with Waiters(agent.http, "/v1/kv/watched", WAITERS) as waiters:
            waiters.park()
            agent.until(lambda: woken(agent, "parked") >= WAITERS, what="all waiters parked")
            assert agent.memory() - before < MOST_MEMORY
            count = woken(agent, "woken")
            for number in range(100):
                agent.call("PUT", "/v1/kv/other", str(number))
            assert waiters.still()
            assert woken(agent, "woken") == count
            begin = time.monotonic()
            agent.call("PUT", "/v1/kv/watched", "2")
            waiters.answered()
            assert time.monotonic() - begin < MOST_SECONDS
        agent.until(lambda: woken(agent, "parked") == 0, what="the slots of clients that went away")


def woken(agent: AgentProcess, name: str) -> float:
    """The newest value of muster.blocking.NAME in the metrics."""
    metrics = json.loads(agent.call("GET", "/v1/agent/metrics")[1])
    return next(gauge["Value"] for gauge in metrics["Gauges"] if gauge["Name"].endswith(f"muster.blocking.{name}"))
