"""What clients did and were told, when: one operation a line in a file, judged afterwards.

Values are unique, so that a compare-and-set by index is one by value: whoever read the index knows which value has it.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import msgspec

from muster.testing.linearizability import Operation

KEPT = "kept"  # keys under it are written once, each with a value of its own
SHARED = "shared"  # registers that all write
LOCKS = "locks"  # keys that are only locked and unlocked
UNANSWERED = 1e300
"""Stands in the file for an end that never came: JSON has no infinity."""

_LEADS = re.compile(r"leading term (\d+)")


def line(operation: Operation) -> bytes:
    """An operation as it is written down."""
    ended = operation.ended if operation.known else UNANSWERED
    return msgspec.json.encode(msgspec.structs.replace(operation, ended=ended)) + b"\n"


def written(path: Path) -> list[Operation]:
    """All whole lines of a file; the last one may still be under way."""
    decoder = msgspec.json.Decoder(Operation)
    found = [decoder.decode(text) for text in path.read_bytes().split(b"\n")[:-1]]
    return [one if one.ended < UNANSWERED else msgspec.structs.replace(one, ended=float("inf")) for one in found]


def acknowledged(history: Iterable[Operation]) -> set[str]:
    """The keys that were written once and must be there ever after."""
    return {one.key for one in history if one.key.startswith(KEPT) and one.known}


def judged(history: Iterable[Operation]) -> list[Operation]:
    """What several clients did to the same keys."""
    return [one for one in history if not one.key.startswith(KEPT)]


def longest_silence(history: Iterable[Operation], since: float, until: float) -> float:
    """Seconds between two acknowledged writes, at most, from `since` to `until`: the time in which nothing could be written."""
    times = sorted(one.ended for one in history if one.kind != "get" and one.known and one.result and since <= one.ended <= until)
    return max(later - earlier for earlier, later in pairwise([since, *times, until]))


def terms_led(log: str) -> list[int]:
    """The terms in which a server began to lead, as its log tells."""
    return [int(match[1]) for match in _LEADS.finditer(log)]
