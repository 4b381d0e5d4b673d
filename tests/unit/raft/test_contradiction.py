"""A leader's entries show whether this server's snapshot was ever agreed on."""

import pytest

from muster.raft.entries import COMMAND, Entry
from muster.raft.incoming import contradicts
from muster.raft.log import Log
from muster.raft.messages import AppendEntries

SNAPSHOT_INDEX, SNAPSHOT_TERM = 10, 3


def request(previous: tuple[int, int], *terms: int) -> AppendEntries:
    """Entries of these terms behind the one of `previous` (index, term)."""
    entries = tuple(Entry(previous[0] + place, term, COMMAND, b"") for place, term in enumerate(terms, 1))
    return AppendEntries(9, "127.0.0.2:8300", previous[0], previous[1], 0, entries)


@pytest.mark.parametrize(
    ("message", "contradicted"),
    [
        pytest.param(request((5, 2), 2, 3), False, id="entries before it"),
        pytest.param(request((8, 3), 3, 3, 3), False, id="entries up to it and beyond"),
        pytest.param(request((10, 3), 4), False, id="a higher term behind it"),
        pytest.param(request((12, 5), 5), False, id="all behind it"),
        pytest.param(request((9, 3)), False, id="no entries"),
        pytest.param(request((9, 3), 4), True, id="a higher term in its place"),
        pytest.param(request((5, 3), 3, 4), True, id="a higher term before it"),
        pytest.param(request((9, 2), 2), True, id="a lower term in its place"),
        pytest.param(request((10, 4), 4), True, id="a higher term in its place as the one before"),
        pytest.param(request((6, 4), 4), True, id="a higher term before it as the one before"),
        pytest.param(request((6, 4)), True, id="the same without entries"),
    ],
)
def test_a_higher_term_up_to_its_end_contradicts_a_snapshot(message: AppendEntries, contradicted: bool) -> None:
    log = Log(SNAPSHOT_INDEX, SNAPSHOT_TERM, [], SNAPSHOT_INDEX + 1, SNAPSHOT_INDEX)
    assert contradicts(log, message) is contradicted


def test_without_a_snapshot_there_is_nothing_to_contradict() -> None:
    assert not contradicts(Log(0, 0, [(1, 1)], 1, 5), request((0, 0), 1, 2, 2))
    assert not contradicts(Log(0, 0, [(1, 1)], 1, 5), request((4, 2), 2))
