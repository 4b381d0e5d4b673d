"""What the tests of random Raft clusters share: their seeds, in two halves that two processes run side by side."""

import os

SEEDS = int(os.environ.get("MUSTER_RAFT_SEEDS", "60"))
CHUNK = 10
"""Seeds of one test."""


def chunks(half: int) -> list[range]:
    """The seeds of one half, in chunks."""
    return [range(first, min(first + CHUNK, SEEDS)) for first in range(half * CHUNK, SEEDS, 2 * CHUNK)]
