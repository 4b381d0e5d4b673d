"""Random request sequences: those recorded from the real Consul gate, new ones are explored with both programs live."""

import os
import random
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import differential  # noqa: E402

MUSTER = Path(sys.executable).with_name("muster")
SEEDS = range(1, 21)
NEW_SEEDS = 5
LEAST_ALIKE = 0.995
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


@pytest.mark.slow
def test_the_recorded_sequences_are_answered_alike():
    settings = differential.options(str(MUSTER), 30000)
    total = differing = 0
    for seed in SEEDS:
        golden = differential.recorded(seed)
        mismatches = differential.compare(seed, golden, differential.run(settings, seed))
        total += len(golden["responses"])
        differing += differential.report(seed, golden, mismatches, 5)
    assert total >= 5000
    assert differing <= (1 - LEAST_ALIKE) * total, f"{differing} of {total} steps differ"


@pytest.mark.slow
@pytest.mark.peer
def test_new_sequences_are_answered_alike(consul):
    first = random.randrange(1000, 10**9)
    total, differing = differential.explore(str(consul), str(MUSTER), list(range(first, first + NEW_SEEDS)), 5)
    print(f"seeds from {first}: {total - differing} of {total} steps alike; what differs is under findings/")
    assert differing <= 0.02 * total, f"{differing} of {total} steps differ from seed {first} on"
