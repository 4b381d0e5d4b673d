#!/usr/bin/env python3
"""Random sequences of requests, recorded from the real Consul and replayed against Muster.

differential.py record --consul PATH [--seeds 1-20]      writes differential/SEED.json.gz
differential.py replay --binary muster [--seeds 1-20]    compares with what was recorded
differential.py explore --consul PATH --binary muster --count 5 [--from SEED]    new seeds, both live
"""

import argparse
import collections
import concurrent.futures
import gzip
import json
import pathlib
import random
import sys

import conform
from agent import Agent
from comparison import Comparison
from random_steps import Sequence

FOLDER = pathlib.Path(__file__).parent / "differential"
FINDINGS = pathlib.Path(__file__).parent / "findings"


def options(binary: str, base_port: int) -> argparse.Namespace:
    return argparse.Namespace(binary=binary, agent_args=conform.DEFAULT_AGENT_ARGS, base_port=base_port)


def run(settings: argparse.Namespace, seed: int) -> dict:
    """The answers of one program to the sequence of a seed, in the form of a golden file."""
    scenario = Sequence(seed).scenario()
    with Agent(settings, scenario) as agent:
        responses = conform.Runner(agent).run(scenario.steps)
    return {"scenario": scenario.name, "ports": agent.ports, "startup_index": agent.startup_index, "responses": responses}


def compare(seed: int, golden: dict, live: dict) -> list:
    steps = list(conform.flat_steps(Sequence(seed).scenario().steps))
    comparison = Comparison(golden, live["ports"], live["startup_index"], tolerate_extra_keys=False)
    return comparison.compare(steps, golden["responses"], live["responses"])


def recorded(seed: int) -> dict:
    with gzip.open(FOLDER / f"{seed}.json.gz", "rt") as file:
        return json.load(file)


def record(settings: argparse.Namespace, seed: int) -> dict:
    golden = run(settings, seed)
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":"))
    (FOLDER / f"{seed}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return golden


def report(seed: int, golden: dict, mismatches: list, most: int) -> int:
    """Prints what differs; returns the number of steps that do."""
    wrong = {m.step for m in mismatches}
    print(f"seed {seed}: {len(golden['responses']) - len(wrong)} of {len(golden['responses'])} steps alike", flush=True)
    for m in mismatches[:most]:
        print(
            f"    step {m.step} {m.request}\n      {m.kind} {m.path}: expected {conform.shorten(m.expected)}, got {conform.shorten(m.actual)}"
        )
    return len(wrong)


def seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def explore(consul: str, binary: str, chosen: list[int], most: int) -> tuple[int, int]:
    """Both programs live on new seeds; what differs is stored under findings/. Returns (steps, differing steps)."""
    total = differing = 0
    for seed in chosen:
        golden = run(options(consul, 30500), seed)
        mismatches = compare(seed, golden, run(options(binary, 31000), seed))
        total += len(golden["responses"])
        differing += report(seed, golden, mismatches, most)
        if mismatches:
            FINDINGS.mkdir(exist_ok=True)
            found = {"seed": seed, "mismatches": [m._asdict() for m in mismatches], "golden": golden}
            (FINDINGS / f"{seed}.json").write_text(json.dumps(found, indent=1, default=str))
    return total, differing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("record", "replay", "explore"))
    parser.add_argument("--consul", default="consul")
    parser.add_argument("--binary", default="muster")
    parser.add_argument("--seeds", type=seeds, default=seeds("1-20"))
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--from", dest="first", type=int, help="the first seed to explore; without it, chance")
    parser.add_argument("--mismatches", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    if chosen.command == "explore":
        first = chosen.first if chosen.first is not None else random.randrange(1000, 10**9)
        total, differing = explore(chosen.consul, chosen.binary, list(range(first, first + chosen.count)), chosen.mismatches)
        print(f"{total - differing} of {total} steps alike")
        sys.exit(1 if differing > 0.005 * total else 0)
    settings = options(chosen.consul if chosen.command == "record" else chosen.binary, 29000)
    counts: collections.Counter[str] = collections.Counter()
    total = differing = 0
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        work = record if chosen.command == "record" else run
        for seed, live in zip(chosen.seeds, pool.map(lambda seed: work(settings, seed), chosen.seeds)):
            golden = live if chosen.command == "record" else recorded(seed)
            total += len(golden["responses"])
            counts.update("4xx/5xx" if answer.get("status", 500) >= 400 else "right" for answer in golden["responses"])
            if chosen.command == "replay":
                mismatches = compare(seed, golden, live)
                differing += report(seed, golden, mismatches, chosen.mismatches)
    print(f"{total} steps, {dict(counts)}; {total - differing} alike")
    sys.exit(1 if differing > 0.005 * total else 0)


if __name__ == "__main__":
    main()
