"""Random lives of gossip pools: one for each seed, more with `make simulate SEEDS=N`.

A seed that ever found something stays in `FOUND`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from muster.testing.simulation import scenarios
from muster.testing.simulation.engine import Violation
from muster.testing.simulation.gossip_pool import SimulatedPool

SEEDS = int(os.environ.get("MUSTER_SIMULATION_SEEDS", "20"))
FOUND = (68,)
"""Seeds beyond those that found something: 68, an event whose sender died before it was told."""


@pytest.mark.slow  # a pool of up to 40 members lives through some minutes
@pytest.mark.parametrize("seed", [*range(SEEDS), *(seed for seed in FOUND if seed >= SEEDS)])
def test_after_the_faults_all_see_the_same_and_nothing_was_violated_on_the_way(seed):
    scenarios.run(seed)


@pytest.mark.slow  # runs two pools
def test_a_seed_gives_the_same_life_each_time():
    assert scenarios.run(2).trace.fingerprint() == scenarios.run(2).trace.fingerprint()


@pytest.mark.slow  # starts two interpreters
def test_a_life_does_not_depend_on_the_order_of_hashes():
    script = Path(__file__).parents[2] / "scripts" / "simulate"
    prints = set()
    for seed in ("1", "2"):
        environment = dict(os.environ, PYTHONHASHSEED=seed)
        said = subprocess.run(
            [sys.executable, script, "--seed", "2"], env=environment, capture_output=True, text=True, timeout=100, check=True
        ).stdout
        prints.add(said.rsplit(",", 1)[0])
    assert len(prints) == 1


def test_a_violation_names_its_seed_and_the_command_that_replays_it(monkeypatch):
    monkeypatch.setattr(SimulatedPool, "form", lambda pool, size: pool.simulation.violated("nobody comes"))
    monkeypatch.setattr(SimulatedPool, "add", lambda pool, name: pool.simulation.violated("nobody comes"))
    with pytest.raises(Violation, match=r"seed 7, at 0\.000 s: nobody comes\n  replay: scripts/simulate --seed 7"):
        scenarios.run(7)
