"""Which instances are answered with, and in which order."""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

from muster.model.catalog import CRITICAL, PASSING, CheckServiceNode

T = TypeVar("T")


def is_healthy(row: CheckServiceNode, only_passing: bool) -> bool:
    """Whether no check of it is critical, or all pass."""
    return all(check.status != CRITICAL and (not only_passing or check.status == PASSING) for check in row.checks)


def shuffled(rows: Sequence[T], chance: random.Random) -> Iterator[T]:
    """The rows in random order, drawn as they are asked for: whoever wants three of a thousand pays for three."""
    pool = list(rows)
    size = len(pool)
    draw = chance.random
    while size:
        position = int(draw() * size)
        size -= 1
        yield pool[position]
        pool[position] = pool[size]
