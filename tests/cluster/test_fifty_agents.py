"""Fifty agents in one pool: how long it takes them all to notice that one of them died.

The bound comes from a pool of Consul's of the same size and settings, measured beside Muster's by `bench/detection.py`: fifty agents of both
programs, ten kills each, are too much for every run of the tests.
"""

import statistics
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import MUSTER
from many_agents import ManyAgents
from namespaces import needs_namespaces

AGENTS = 50
KILLS = 2
CONSUL_MEDIAN = 8.8  # seconds from a kill until the last of 49 calls it failed; docs/gossip.md
SHORTEST_SUSPICION = 6.8  # seconds: multiplier 4 x log10(50) x probe interval 1 s; before that nobody may be sure
RATIO = 1.5


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_fifty_agents_notice_a_death_hardly_later_than_consuls_do(tmp_path):
    needs_namespaces()
    with ManyAgents(tmp_path, MUSTER, AGENTS) as pool:
        detections = [pool.detect(victim) for victim in pool.agents[-KILLS:]]
        accused = pool.false_accusations()
    assert not accused, "living members were called failed"
    for detection in detections:
        assert detection.first >= SHORTEST_SUSPICION, detections
    assert statistics.median(detection.last for detection in detections) <= RATIO * CONSUL_MEDIAN, detections
