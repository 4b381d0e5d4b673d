"""Answers that are lists: short ones encoded whole, long ones in slices, so that no answer holds the loop up.

The slices of an answer stay with its reply while it is not huge, so that many waiters cost one encoding.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from muster.http.encoding import encode
from muster.http.writing import gzip_parts

LONG_LIST = 200  # rows; more are sent in slices
SLICE = 100  # rows encoded at a time, one or two milliseconds
SHARED_ROWS = 8192  # rows; the slices of a longer answer are made for each client anew rather than held


class ListView:
    """How each row of a list is shown, and which rows are. Null is shown as an empty list."""

    __slots__ = ("keep", "row", "slice")

    def __init__(self, row: Callable[[Any], Any], keep: Callable[[Any], bool] | None = None, slice_rows: int = SLICE) -> None:
        self.row = row
        self.keep = keep
        self.slice = slice_rows

    def rows(self, value: Any) -> list[Any]:
        """The rows that are shown."""
        return kept(value or (), self.keep) if self.keep is not None else value or []

    def __call__(self, value: Any) -> list[Any]:
        return [self.row(row) for row in self.rows(value)]

    def parts(self, value: Any, pretty: bool) -> Iterator[bytes]:
        """The JSON of the list in slices."""
        rows = self.rows(value)
        if not rows:
            yield encode([], pretty)
            return
        lead, between, end = (b"[\n", b",\n", b"\n]\n") if pretty else (b"[", b",", b"]")
        for start in range(0, len(rows), self.slice):
            made = encode([self.row(row) for row in rows[start : start + self.slice]], pretty)
            yield lead + (made[2:-3] if pretty else made[1:-1])
            lead = between
        yield end


def kept(rows: Sequence[Any], keep: Callable[[Any], bool]) -> list[Any]:
    """The rows that are kept, in the peers' order: the last row not yet looked at takes the place of one that is left out."""
    left = list(rows)
    place = 0
    while place < len(left):
        if keep(left[place]):
            place += 1
            continue
        last = left.pop()
        if place < len(left):
            left[place] = last
    return left


class SharedParts:
    """Slices made once for all who ask for them, each at its own pace."""

    __slots__ = ("_made", "_source")

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._made: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        place = 0
        while True:
            if place == len(self._made):
                part = next(self._source, None)
                if part is None:
                    return
                self._made.append(part)
            yield self._made[place]
            place += 1


def long_list(value: Any, view: ListView, pretty: bool, gzip: bool, kept: dict[Any, Any]) -> Iterator[bytes]:
    """The slices of a long answer; `kept` is where its reply keeps encodings."""
    if len(value) > SHARED_ROWS:
        parts = view.parts(value, pretty)
        return gzip_parts(parts) if gzip else parts
    key = (view, pretty, gzip, "parts")
    shared = kept.get(key)
    if shared is None:
        parts = view.parts(value, pretty)
        shared = kept[key] = SharedParts(gzip_parts(parts) if gzip else parts)
    return iter(shared)
