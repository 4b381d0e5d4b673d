#!/usr/bin/env python3
"""Measures how long a pool takes to notice a death, Muster and Consul side by side: one pool after the other, never both at once.

    peers=$(scripts/get-peers)
    sudo .venv/bin/python bench/detection.py --consul "$peers/consul"
    sudo .venv/bin/python bench/detection.py --consul "$peers/consul" --agents 20 --kills 5 --rounds 1 --json detection.json

Each pool has --agents client agents with the default LAN settings, in one network namespace at loopback addresses of their own
(tests/many_agents.py says why). A member chosen by chance is killed with SIGKILL; measured is the time until the first and until the last of the
others writes that it failed, as their logs say to a millisecond. It is started again, and once all have seen it the next one is killed. The kills
are split into --rounds, in which the programs take turns (A B A B), so that a machine whose speed drifts slows both.
The figure to quote is the ratio of the medians of the last.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from many_agents import Detection, ManyAgents

HERE = Path(__file__).parents[1]
IDLE = 20.0  # seconds in which the pool at rest is measured


def idle_figures(pool: ManyAgents) -> tuple[float, float]:
    """CPU milliseconds an agent uses in a second at rest, and MB of memory an agent has."""
    before, begun = [agent.processor_time() for agent in pool.agents], time.monotonic()
    time.sleep(IDLE)  # a figure over time needs time
    used = sum(agent.processor_time() for agent in pool.agents) - sum(before)
    memory = statistics.median(agent.memory() for agent in pool.agents)
    return 1000 * used / (time.monotonic() - begun) / len(pool.agents), memory


def measure(program: Path, agents: int, kills: int, chance: random.Random, folder: Path, label: str) -> dict:
    """The detections of one pool's kills, and what the pool needed at rest."""
    begun = time.monotonic()
    with ManyAgents(folder, program, agents) as pool:
        started = time.monotonic() - begun
        cpu, memory = idle_figures(pool)
        print(
            f"{label}: {agents} agents see one another after {started:.1f} s; at rest {cpu:.1f} CPU ms/s and {memory:.0f} MB each",
            flush=True,
        )
        detections: list[Detection] = []
        for victim in chance.sample(pool.agents[1:], kills):
            detections.append(pool.detect(victim))
            print(f"{label}: {victim.node} first {detections[-1].first:.2f} s, last {detections[-1].last:.2f} s", flush=True)
            pool.revive(victim)
        accused = len(pool.false_accusations())
    return {"detections": detections, "cpu": cpu, "memory": memory, "start": started, "accused": accused}


def summary(runs: list[dict]) -> dict:
    first = [detection.first for run in runs for detection in run["detections"]]
    last = [detection.last for run in runs for detection in run["detections"]]
    return {
        "first": {"median": statistics.median(first), "least": min(first), "greatest": max(first)},
        "last": {"median": statistics.median(last), "least": min(last), "greatest": max(last)},
        "kills": len(last),
        "cpu milliseconds a second": statistics.median(run["cpu"] for run in runs),
        "memory MB": statistics.median(run["memory"] for run in runs),
        "living members called failed": sum(run["accused"] for run in runs),
        "start seconds": statistics.median(run["start"] for run in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--muster", type=Path, default=HERE / ".venv/bin/muster")
    parser.add_argument("--consul", type=Path, help="without it only Muster is measured")
    parser.add_argument("--only", choices=["muster", "consul"])
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    programs = {"muster": given.muster, "consul": given.consul}
    programs = {name: path for name, path in programs.items() if path and given.only in (None, name)}
    runs: dict[str, list[dict]] = {name: [] for name in programs}
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(given.rounds):
            kills = given.kills * (round_number + 1) // given.rounds - given.kills * round_number // given.rounds
            for name, path in programs.items():
                runs[name].append(measure(path, given.agents, kills, chance, Path(folder, f"{name}-{round_number}"), name))
    results = {name: summary(found) for name, found in runs.items()}
    for name, result in results.items():
        print(name, json.dumps(result))
    if len(results) == 2:
        for what in ("first", "last"):
            print(
                f"{what}: Muster takes {results['muster'][what]['median'] / results['consul'][what]['median']:.2f} times as long as Consul"
            )
    if given.json:
        given.json.write_text(json.dumps({"results": results, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
