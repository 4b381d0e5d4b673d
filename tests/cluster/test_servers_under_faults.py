"""Three and five servers in networks of their own, under a load of clients, while hosts, networks and disks fail.

After each fault: progress within a stated time, everything acknowledged on every server, no term with two leaders, and the clients'
histories linearizable. `MUSTER_FAULT_SECONDS` says for how long, 1200 is the long run; `MUSTER_FAULT_SERVERS` for how many.
"""

import os
import random
import statistics
import time
from collections import defaultdict

import pytest
from faults import FAULTS
from histories import KEPT, acknowledged, judged, longest_silence
from server_hosts import RAFT, Clients, Servers, until

from muster.testing.linearizability import violations

SECONDS = float(os.environ.get("MUSTER_FAULT_SECONDS", "120"))
SERVERS = int(os.environ.get("MUSTER_FAULT_SERVERS", "3"))
SEED = int(os.environ.get("MUSTER_FAULT_SEED", "1"))
LONGEST_SILENCE = 45.0
"""Seconds without an acknowledged write, at most, of a fault that leaves a majority: on a machine with other work, so that only a defect
exceeds it. What is measured stands in docs/testing.md."""
WITHOUT_MAJORITY = {"all isolated", "all killed"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(800 + 2 * SECONDS)]


class Round:
    """One fault and what came of it."""

    def __init__(self, name: str, servers: Servers, clients: Clients, phase: str) -> None:
        clients.tell("phase", phase)
        began = time.monotonic()
        FAULTS[name](servers)
        servers.until_level()
        self.name, ended = name, time.monotonic()
        self.seconds = ended - began
        self.silence = longest_silence(clients.history(), began, ended)


def schedule(chance: random.Random, seconds: float):
    """Every fault once; then, while time is left, any."""
    end = time.monotonic() + seconds
    yield from FAULTS
    while time.monotonic() < end:
        yield chance.choice(list(FAULTS))


def test_nothing_acknowledged_is_lost_and_every_history_is_linearizable_whatever_fails(tmp_path):
    chance, rounds = random.Random(SEED), []
    with Servers(tmp_path, SERVERS, disks=True, **RAFT) as servers:
        with Clients(tmp_path, servers) as clients:
            for number, name in enumerate(schedule(chance, SECONDS)):
                rounds.append(Round(name, servers, clients, str(number)))
                everything_is_there(servers, clients, str(number))
        everything_is_there(servers, clients, "")
        assert not servers.terms_with_two_leaders()
    report(rounds, clients)
    assert violations(judged(clients.history())) == []
    for one in rounds:
        assert one.silence < LONGEST_SILENCE or one.name in WITHOUT_MAJORITY, f"{one.name}: no write for {one.silence:.1f} s"


def everything_is_there(servers: Servers, clients: Clients, phase: str) -> None:
    """Each server itself holds all that was acknowledged in a phase, or ever."""
    prefix = f"{KEPT}/{phase}/" if phase else f"{KEPT}/"
    expected = {key for key in acknowledged(clients.history()) if key.startswith(prefix)}
    for server in servers.all:
        missing: set[str] = set()

        def has_all() -> bool:
            missing.clear()
            missing.update(expected - server.keys(prefix))
            return not missing

        until(has_all, 10, f"{server.node} lacks {sorted(missing)[:5]} of {len(expected)} acknowledged keys under {prefix}")


def report(rounds: list[Round], clients: Clients) -> None:
    """The figures, for people."""
    history = clients.history()
    silences, lasted = defaultdict(list), defaultdict(float)
    for one in rounds:
        silences[one.name].append(one.silence)
        lasted[one.name] += one.seconds
    doubtful, shared = sum(not one.known for one in history), {one.key for one in judged(history)}
    print(f"{len(history)} operations, {doubtful} in doubt, {len(shared)} keys with a history that is judged")
    for name, found in silences.items():
        print(
            f"{name:28} {len(found):3} times; no write for: median {statistics.median(found):6.2f} s, worst {max(found):6.2f} s; {lasted[name]:6.1f} s in all"
        )
