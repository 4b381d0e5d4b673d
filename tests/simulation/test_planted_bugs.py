"""The simulation finds bugs that are put into the gossip, and finds nothing where there are none."""

import functools

import planted_bugs
import pytest

from muster.testing.simulation import scenarios
from muster.testing.simulation.engine import Violation

SEARCHED = 200  # seeds


def violation(seed: int) -> Violation | None:
    """What a random life shows."""
    try:
        scenarios.run(seed)
    except Violation as violation:
        return violation
    return None


@functools.cache
def violation_without_bugs(seed: int) -> Violation | None:
    return violation(seed)


def order(begin: int) -> list[int]:
    """All seeds of the search, from a known one on."""
    return [(begin + step) % SEARCHED for step in range(SEARCHED)]


@pytest.mark.slow  # runs at least one pool
@pytest.mark.parametrize("plant", planted_bugs.PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant):
    for seed in order(planted_bugs.PLANTED[plant]):
        with pytest.MonkeyPatch.context() as patch:
            plant(patch)
            found = violation(seed)
        if found is not None:
            break
    else:
        pytest.fail(f"not found with {SEARCHED} seeds")
    print(f"found with seed {seed}: {found}")
    assert violation_without_bugs(seed) is None
