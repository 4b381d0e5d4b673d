"""The log, the vote and the snapshots of a server that keeps nothing: development mode, and tests."""

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from muster.raft.entries import CONFIGURATION, Entry
from muster.storage.snapshots import SnapshotMeta


class MemoryLog:
    """See LogStorage. An entry's size counts as its data."""

    def __init__(self) -> None:
        self.first_index, self.last_index, self.appended_bytes = 1, 0, 0
        self._entries: list[Entry] = []

    def append(self, entries: Sequence[Entry]) -> None:
        """See LogStorage."""
        first = entries[0].index
        if not self.first_index <= first <= self.last_index + 1:
            raise ValueError(f"entry {first} does not follow the log {self.first_index}..{self.last_index}")
        if first <= self.last_index:
            del self._entries[first - self.first_index :]
        self._entries.extend(entries)
        self.last_index = entries[-1].index
        for entry in entries:
            self.appended_bytes += len(entry.data)

    def read(self, first: int, last: int) -> Iterator[Entry]:
        """See LogStorage."""
        return iter(self._entries[first - self.first_index : last - self.first_index + 1])

    def runs(self) -> list[tuple[int, int]]:
        """See LogStorage."""
        found: list[tuple[int, int]] = []
        for entry in self._entries:
            if not found or found[-1][1] != entry.term:
                found.append((entry.index, entry.term))
        return found

    def configurations(self) -> list[int]:
        """See LogStorage."""
        return [entry.index for entry in self._entries if entry.type == CONFIGURATION]

    def compact(self, through: int) -> None:
        """See LogStorage."""
        through = min(through, self.last_index)
        if through >= self.first_index:
            del self._entries[: through - self.first_index + 1]
            self.first_index = through + 1

    def restart(self, next_index: int) -> None:
        """See LogStorage."""
        self._entries, self.first_index, self.last_index = [], next_index, next_index - 1

    def close(self) -> None:
        """See LogStorage."""

    def held_bytes(self) -> int:
        """See LogStorage."""
        return sum(len(entry.data) for entry in self._entries)

    def first_index_within(self, size: int) -> int:
        """See LogStorage."""
        first = self.last_index + 1
        for entry in reversed(self._entries):
            size -= len(entry.data)
            if size < 0 and first <= self.last_index:
                break
            first = entry.index
        return first


class MemoryVote:
    """See VoteStorage."""

    def __init__(self) -> None:
        self.term, self.candidate = 0, ""

    def save(self, term: int, candidate: str) -> None:
        """See VoteStorage."""
        self.term, self.candidate = term, candidate


class MemorySnapshotWriter:
    """See SnapshotWriter."""

    def __init__(self, owner: "MemorySnapshots", meta: SnapshotMeta) -> None:
        self._owner, self._meta, self._parts = owner, meta, [b""]

    def write(self, data: bytes) -> None:
        """See SnapshotWriter."""
        self._parts.append(data)

    def stream(self) -> BinaryIO:
        """See SnapshotWriter."""
        return io.BytesIO(b"".join(self._parts))

    def commit(self) -> SnapshotMeta:
        """See SnapshotWriter."""
        return self._owner.keep(self._meta, b"".join(self._parts))

    def discard(self) -> None:
        """See SnapshotWriter."""
        self._parts.clear()


class MemorySnapshots:
    """See SnapshotStorage. Only the newest is kept."""

    def __init__(self) -> None:
        self._newest: tuple[SnapshotMeta, bytes] | None = None

    def begin(self, meta: SnapshotMeta) -> MemorySnapshotWriter:
        """See SnapshotStorage."""
        return MemorySnapshotWriter(self, meta)

    def keep(self, meta: SnapshotMeta, content: bytes) -> SnapshotMeta:
        """Makes this the newest."""
        finished = meta.finished(content)
        self._newest = finished, content
        return finished

    def newest(self, log_first_index: int) -> SnapshotMeta | None:
        """See SnapshotStorage."""
        return self._newest[0] if self._newest else None

    def open(self, meta: SnapshotMeta) -> BinaryIO:
        """See SnapshotStorage. Raises FileNotFoundError once a newer one has taken its place."""
        if self._newest is None or self._newest[0] != meta:
            raise FileNotFoundError(f"snapshot {meta.identity} is no longer kept")
        return io.BytesIO(self._newest[1])

    def held_bytes(self) -> int:
        """See SnapshotStorage."""
        return self._newest[0].size if self._newest else 0
