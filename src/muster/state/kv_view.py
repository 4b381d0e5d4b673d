"""All entries of the key/value store as of one moment, read at leisure while writes go on.

Nothing is copied when a view is taken, however many keys there are. A write to a key that the view has not reached yet
first leaves the old entry here; the view gives that one in its place.
"""

from collections.abc import Iterator

from muster.model.kv import KVEntry
from muster.state.sorted_keys import SortedKeys


class KVView:
    """Made by `KV.view`, which tells it of every change until it is exhausted or closed. It shows the keys under a prefix."""

    __slots__ = ("_before", "_entries", "_order", "_passed", "_prefix")

    def __init__(self, entries: dict[str, KVEntry], order: SortedKeys, prefix: str = "") -> None:
        self._entries = entries
        self._order = order
        self._prefix = prefix
        self._passed = prefix
        self._before: dict[str, KVEntry | None] = {}

    def changing(self, key: str, old: KVEntry | None) -> None:
        """The key is about to be written or deleted; `old` is its entry until now, None without one."""
        if key >= self._passed and key not in self._before and key.startswith(self._prefix):
            self._before[key] = old

    def slices(self) -> Iterator[list[KVEntry]]:
        """The entries in some hundreds at a time, in the order of their keys but for those deleted meanwhile."""
        entries, before, prefix = self._entries, self._before, self._prefix
        while keys := self._order.block_from(self._passed):
            if not keys[-1].startswith(prefix):
                keys = [key for key in keys if key.startswith(prefix)]
                if not keys:
                    break
            found = [entries[key] for key in keys]
            if before:
                found = [old for entry in found if (old := before.pop(entry.key, entry)) is not None]
            self._passed = keys[-1] + "\0"  # the smallest key above
            yield found
        yield [old for old in before.values() if old is not None]
