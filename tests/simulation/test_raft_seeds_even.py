"""Random lives of Raft clusters, the even chunks of seeds; see `raft_seeds`."""

import pytest
import raft_seeds

from muster.testing.simulation import raft_scenarios


@pytest.mark.slow  # each seed is a cluster that lives through a minute
@pytest.mark.parametrize("seeds", raft_seeds.chunks(0), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_whatever_goes_wrong_raft_keeps_its_promises_and_goes_on_afterwards(seeds):
    for seed in seeds:
        raft_scenarios.run(seed)
