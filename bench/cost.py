#!/usr/bin/env python3
"""Measures the CPU time that a request costs the server's process, in microseconds, for one build or several side by side.

    python3 bench/cost.py .venv/bin/muster ../before/.venv/bin/muster
    python3 bench/cost.py --loads kv-get,kv-put --rounds 9 .venv/bin/muster

A rate depends on what else the machine does; the CPU time of a request hardly does, so this is the figure to watch while
a path is made shorter. The builds run at the same time and are loaded in turn; the least figure of all rounds is the one
that was disturbed least, the median stands beside it. Development mode, loads and servers as in `versus.py`; `put-lone` is
one connection that waits for each answer. Needs wrk.
"""

import argparse
import statistics
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

sys.dont_write_bytecode = True

from loads import wrk  # noqa: E402
from servers import Contender  # noqa: E402

LONE = 2_000  # writes of one connection in a round

PATHS = {
    "kv-get": "/v1/kv/bench/7",
    "kv-put": "/",
    "catalog-register": "/",
    "txn-64": "/",
    "health-service": "/v1/health/service/web?passing",
}
SCRIPTED = frozenset(("kv-put", "catalog-register", "txn-64"))


def put_lone(contender: Contender) -> float:
    """CPU microseconds of one write that nothing else accompanies."""
    connection = HTTPConnection("127.0.0.1", contender.leader.http)
    before = contender.cpu()
    for i in range(LONE):
        connection.request("PUT", f"/v1/kv/bench/{i % 1000}", f"{i}")
        connection.getresponse().read()
    used = contender.cpu() - before
    connection.close()
    return used / LONE * 1e6


def loaded(contender: Contender, load: str, seconds: float) -> float:
    """CPU microseconds of one request of many connections."""
    leader, before, begin = contender.leader, contender.cpu(), time.monotonic()
    rate = wrk(contender, leader, PATHS[load], seconds, 8 if load == "txn-64" else 64, load if load in SCRIPTED else None)
    elapsed = time.monotonic() - begin
    return (contender.cpu() - before) / (rate * min(elapsed, seconds)) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", help="command lines of the builds")
    parser.add_argument("--loads", default="kv-get,kv-put,put-lone,catalog-register,txn-64,health-service")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--mode", choices=("dev", "single"), default="dev")
    parser.add_argument("--base-port", type=int, default=24600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cost-") as root:
        contenders = [
            Contender(str(number), program, options.mode, options.base_port + 100 * number, Path(root))
            for number, program in enumerate(options.programs)
        ]
        try:
            for contender in contenders:
                contender.start()
                contender.prepare()
            for load in options.loads.split(","):
                figures: list[list[float]] = [[] for _ in contenders]
                for _ in range(options.rounds):
                    for contender, own in zip(contenders, figures):
                        own.append(put_lone(contender) if load == "put-lone" else loaded(contender, load, options.seconds))
                shown = "   ".join(f"{min(own):8.2f} (median {statistics.median(own):.2f})" for own in figures)
                print(f"{load:18}{shown}", flush=True)
        finally:
            for contender in contenders:
                contender.stop(kill=True)


if __name__ == "__main__":
    main()
