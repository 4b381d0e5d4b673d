"""The error caps that Serf publishes for its coordinates, held by the median of 30 seeds.

An error is |estimated - true| / true round-trip time of a pair; mean and maximum over all pairs after 1,000 cycles, in each of which every
node measures one random other node.
"""

import math
import random
import statistics

import pytest

from muster.gossip.coordinates import VivaldiClient

CYCLES = 1000
SEEDS = 30
SPACING = 0.010


def line(_chance: random.Random) -> list[list[float]]:
    return [[abs(a - b) * SPACING for b in range(10)] for a in range(10)]


def grid(_chance: random.Random) -> list[list[float]]:
    places = [(column, row) for row in range(5) for column in range(5)]
    return [[SPACING * math.dist(a, b) for b in places] for a in places]


def split(_chance: random.Random) -> list[list[float]]:
    near, far = 0.001, 0.010
    return [[near + far * ((a <= 12) != (b <= 12)) for b in range(25)] for a in range(25)]


def noise(chance: random.Random) -> list[list[float]]:
    truth = [[0.0] * 25 for _ in range(25)]
    for a in range(25):
        for b in range(a + 1, 25):
            truth[a][b] = truth[b][a] = chance.gauss(0.100, 0.010)
    return truth


def errors(truth: list[list[float]], chance: random.Random) -> tuple[float, float]:
    nodes = range(len(truth))
    clients = [VivaldiClient(chance) for _ in nodes]
    names = [f"node_{node}" for node in nodes]
    for _ in range(CYCLES):
        for node, client in enumerate(clients):
            other = chance.randrange(len(clients))
            if other != node:
                client.update(names[other], clients[other].coordinate, truth[node][other])
    found = [
        abs(clients[a].coordinate.distance_to(clients[b].coordinate) - truth[a][b]) / truth[a][b] for a in nodes for b in nodes if a < b
    ]
    return statistics.mean(found), max(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "mean_cap", "maximum_cap"),
    [
        pytest.param(line, 0.0031, 0.0130, id="ten in a line, 10 ms apart"),
        pytest.param(grid, 0.0016, 0.0230, id="a grid of 25, 10 ms apart"),
        pytest.param(split, 0.00006, 0.00048, id="two groups, 1 ms within and 10 ms between"),
        pytest.param(noise, 0.075, 0.33, id="25 at random, 100 ms plus or minus 10"),
    ],
)
def test_the_estimates_are_as_good_as_serfs(made, mean_cap, maximum_cap):
    runs = []
    for seed in range(SEEDS):
        chance = random.Random(seed)
        runs.append(errors(made(chance), chance))
    assert statistics.median(mean for mean, _ in runs) <= mean_cap
    assert statistics.median(maximum for _, maximum in runs) <= maximum_cap
