"""What the consensus core knows of its log without a disk: where terms begin, and the newest entries."""

from bisect import bisect_right

from muster.raft.entries import Entry

CACHED_ENTRIES = 512  # applied entries kept in memory for followers that are nearly up to date; as Consul's cache
CACHED_BYTES = 4 << 20


class Log:
    """The log's shape. Entries before `first_index` are in a snapshot only; older ones than the cache are on disk.

    Terms are kept as runs (a term and the index where it begins), so that a million entries of one term cost one.
    """

    def __init__(self, snapshot_index: int, snapshot_term: int, runs: list[tuple[int, int]], first_index: int, last_index: int) -> None:
        """`runs` are (first index, term) of the entries on disk, `first_index` to `last_index` (empty if first > last)."""
        self.snapshot_index = snapshot_index
        self.snapshot_term = snapshot_term
        self.first_index = first_index
        self.last_index = max(last_index, snapshot_index)
        self._term_before: int | None = None  # of the entry before `first_index`, to which a follower's log may reach
        self._run_starts = [start for start, _ in runs]
        self._run_terms = [term for _, term in runs]
        self._recent: list[Entry] = []
        self._recent_bytes = 0

    @property
    def last_term(self) -> int:
        """The term of the last entry, 0 in an empty log."""
        return self.term(self.last_index) or 0

    def term(self, index: int) -> int | None:
        """The term of the entry at `index`; None if it is compacted away or not yet written."""
        if index == self.snapshot_index:
            return self.snapshot_term
        if index < self.first_index or index > self.last_index:
            return 0 if index == 0 else self._term_before if index == self.first_index - 1 else None
        return self._run_terms[bisect_right(self._run_starts, index) - 1]

    def append(self, entries: list[Entry]) -> None:
        """Adds entries; those that begin within the log replace its suffix."""
        if entries[0].index <= self.last_index:
            self._truncate(entries[0].index)
        for entry in entries:
            if not self._run_terms or self._run_terms[-1] != entry.term:
                self._run_starts.append(entry.index)
                self._run_terms.append(entry.term)
            self._recent_bytes += len(entry.data)
        self._recent.extend(entries)
        self.last_index = entries[-1].index

    def recent(self, first: int, last: int) -> list[Entry] | None:
        """The entries `first` to `last` if memory still has all of them."""
        if not self._recent or (offset := first - self._recent[0].index) < 0:
            return None
        return self._recent[offset : offset + last - first + 1]

    def trim(self, applied: int) -> None:
        """Forgets the oldest applied entries beyond the cache; called after each apply, costs nothing most times."""
        recent = self._recent
        if len(recent) <= 2 * CACHED_ENTRIES and self._recent_bytes <= 2 * CACHED_BYTES:
            return
        kept = sizes = 0
        for entry in reversed(recent):
            sizes += len(entry.data)
            if entry.index <= applied and (kept >= CACHED_ENTRIES or sizes > CACHED_BYTES):
                break
            kept += 1
        del recent[: len(recent) - kept]
        self._recent_bytes = sum(len(entry.data) for entry in recent)

    def compacted(self, snapshot_index: int, snapshot_term: int, first_index: int) -> None:
        """A snapshot at `snapshot_index` exists, and the disk holds entries from `first_index` on."""
        self._term_before = self.term(first_index - 1)
        self.snapshot_index, self.snapshot_term, self.first_index = snapshot_index, snapshot_term, first_index
        while len(self._run_starts) > 1 and self._run_starts[1] <= first_index:
            del self._run_starts[0], self._run_terms[0]

    def reset(self, snapshot_index: int, snapshot_term: int) -> None:
        """The log is empty and goes on after a snapshot that replaced everything."""
        self.snapshot_index, self.snapshot_term = snapshot_index, snapshot_term
        self.first_index, self.last_index, self._term_before = snapshot_index + 1, snapshot_index, None
        self._run_starts, self._run_terms, self._recent, self._recent_bytes = [], [], [], 0

    def _truncate(self, index: int) -> None:
        while self._run_starts and self._run_starts[-1] >= index:
            del self._run_starts[-1], self._run_terms[-1]
        while self._recent and self._recent[-1].index >= index:
            self._recent_bytes -= len(self._recent.pop().data)
