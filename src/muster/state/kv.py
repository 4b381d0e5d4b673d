"""The key/value store: sets, checked sets, locks, deletions, and the index of every read.

Each writing method answers with what happened: the entry as it now stands, or None where a condition was not met. An error
is raised before anything was changed.

Source: reference "FSM commands", sections 2 and 3.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from muster.model.errors import CommandFailed, Rejected
from muster.model.kv import KVEntry
from muster.state.indexes import Indexes
from muster.state.kv_view import KVView
from muster.state.quoting import quoted
from muster.state.sorted_keys import SortedKeys
from muster.state.tombstones import Tombstones
from muster.state.watches import KEY, PREFIX, Watches, WatchSet

TABLE = "kvs"

Keys = list[str]  # by this name, because the class has a method `list`


class KV:
    """Entries by key, the keys in order, and which keys a session holds."""

    __slots__ = ("_entries", "_held", "_indexes", "_journal", "_order", "_session_exists", "_views", "_watches", "tombstones")

    def __init__(self, indexes: Indexes, watches: Watches, session_exists: Callable[[str], bool]) -> None:
        self._indexes = indexes
        self._journal = indexes.journal
        self._watches = watches
        self._session_exists = session_exists
        self._entries: dict[str, KVEntry] = {}
        self._order = SortedKeys()
        self._held: dict[str, dict[str, None]] = {}
        self._views: list[KVView] = []
        self.tombstones = Tombstones(indexes)

    def __len__(self) -> int:
        return len(self._entries)

    # ---- reads

    def get(self, key: str, watch: WatchSet | None = None) -> tuple[int, KVEntry | None]:
        """An entry with its ModifyIndex; without one, the index of the last change anywhere."""
        if watch is not None:
            watch.append((KEY, key))
        entry = self._entries.get(key)
        if entry is None:
            return self._indexes.max(TABLE, "tombstones"), None
        return entry.modify_index, entry

    def list(self, prefix: str, watch: WatchSet | None = None) -> tuple[int, list[KVEntry]]:
        """The entries under a prefix, in the order of their keys."""
        if watch is not None:
            watch.append((PREFIX, prefix))
        entries = self._entries
        found = [entries[key] for key in self._order.under(prefix)]
        return self._index_of(prefix, found), found

    def keys(
        self, prefix: str, separator: str, watch: WatchSet | None = None, allowed: Callable[[str], bool] | None = None
    ) -> tuple[int, Keys]:
        """The keys under a prefix, each cut after the first separator behind it and then named once.

        `allowed` leaves out keys that may not be seen, before they are cut.
        """
        index, found = self.list(prefix, watch)
        keys = [entry.key for entry in found if allowed is None or allowed(entry.key)]
        if not separator:
            return index, keys
        cut: dict[str, None] = {}
        for key in keys:
            at = key.find(separator, len(prefix))
            cut[key if at < 0 else key[: at + len(separator)]] = None
        return index, list(cut)

    def blocks_under(self, prefix: str) -> int:
        """About how many hundreds of keys are under a prefix; 0 where they must be listed at once to be in order."""
        return self._order.blocks_under(prefix)

    def index_under(self, prefix: str) -> Callable[[int], int]:
        """As of now: from the highest ModifyIndex of the entries under a prefix to the index of their list."""
        everything = self._indexes.max(TABLE, "tombstones")
        deleted = self.tombstones.highest_under(prefix, 0) if prefix else 0
        return lambda highest: (max(highest, deleted) if prefix else 0) or everything

    def held_by(self, session: str) -> Sequence[str]:
        """The keys that a session holds, in order."""
        return sorted(self._held.get(session.lower(), ()))

    def _index_of(self, prefix: str, found: Sequence[KVEntry]) -> int:
        if prefix:
            highest = max([entry.modify_index for entry in found], default=0)
            highest = self.tombstones.highest_under(prefix, highest)
            if highest:
                return highest
        return self._indexes.max(TABLE, "tombstones")

    # ---- writes

    def set(self, index: int, entry: KVEntry) -> KVEntry:
        """Writes an entry; who holds the key stays. Writing what is already there changes nothing."""
        old = self._entries.get(entry.key)
        return self._write(index, entry, old, entry.lock_index, "" if old is None else old.session)

    def check_and_set(self, index: int, entry: KVEntry) -> KVEntry | None:
        """`set`, if the key's ModifyIndex is `entry.modify_index`; 0 means: if the key does not exist."""
        old = self._entries.get(entry.key)
        if entry.modify_index != (0 if old is None else old.modify_index):
            return None
        return self._write(index, entry, old, entry.lock_index, "" if old is None else old.session)

    def lock(self, index: int, entry: KVEntry) -> KVEntry | None:
        """Writes an entry and makes `entry.session` its holder, if nobody else is. The session must exist."""
        session = entry.session
        if not session:
            raise CommandFailed("missing session")
        try:
            exists = self._session_exists(session)
        except Rejected as error:
            raise CommandFailed(f"failed session lookup: {error}") from error
        if not exists:
            raise CommandFailed(f"invalid session {quoted(session)}")
        old = self._entries.get(entry.key)
        if old is None:
            lock_index = 1
        elif old.session == session:
            lock_index = old.lock_index
        elif old.session:
            return None
        else:
            lock_index = old.lock_index + 1
        return self._write(index, entry, old, lock_index, session)

    def unlock(self, index: int, entry: KVEntry) -> KVEntry | None:
        """Writes an entry and frees it, if `entry.session` is its holder."""
        if not entry.session:
            raise CommandFailed("missing session")
        old = self._entries.get(entry.key)
        if old is None or old.session != entry.session:
            return None
        return self._write(index, entry, old, old.lock_index, "")

    def release(self, index: int, key: str) -> None:
        """Frees a key whose session ended; its value stays."""
        old = self._entries[key]
        self._write(index, old, old, old.lock_index, "")

    def delete(self, index: int, key: str) -> None:
        """Deletes a key and leaves a tombstone; nothing happens if it is not there."""
        old = self._entries.get(key)
        if old is None:
            return
        self.tombstones.put(index, key)
        self._remove(old)
        self._order.remove(key)
        self._journal.record(partial(self._order.add, key))
        self._indexes.bump(TABLE, index)

    def check_and_delete(self, index: int, key: str, expected: int) -> bool:
        """`delete`, if the key's ModifyIndex is `expected`. A key that is not there counts as deleted."""
        old = self._entries.get(key)
        if old is None:
            return True
        if old.modify_index != expected:
            return False
        self.delete(index, key)
        return True

    def delete_tree(self, index: int, prefix: str) -> None:
        """Deletes the keys under a prefix, with one tombstone for all. The empty prefix needs none."""
        keys = self._order.remove_under(prefix)
        if not keys:
            return
        if prefix:
            self.tombstones.put(index, prefix)
        for key in keys:
            self._remove(self._entries[key])
        self._journal.record(partial(self._order.add_all, keys))
        self._indexes.bump(TABLE, index)

    def _write(self, index: int, entry: KVEntry, old: KVEntry | None, lock_index: int, session: str) -> KVEntry:
        key, value = entry.key, entry.value
        if old is None:
            created = index
        elif lock_index == old.lock_index and session == old.session and entry.flags == old.flags and (value or b"") == (old.value or b""):
            return old
        else:
            created = old.create_index
        new = KVEntry(
            lock_index=lock_index, key=key, flags=entry.flags, value=value, session=session, create_index=created, modify_index=index
        )
        if self._views:
            self._changing(key, old)
        self._entries[key] = new
        if old is None:
            self._order.add(key)
            if session:
                self._hold(session, key)
        elif session != old.session:
            self._unhold(old.session, key)
            self._hold(session, key)
        if self._journal.active:
            self._journal.record(partial(self._take_back, new, old))  # a closure would slow the whole function down
        self._indexes.bump(TABLE, index)
        if self._watches.tickets or self._watches.followed:
            self._watches.touch_key(key)
        return new

    def _take_back(self, new: KVEntry, old: KVEntry | None) -> None:
        key = new.key
        if old is None:
            del self._entries[key]
            self._order.remove(key)
            self._unhold(new.session, key)
            return
        self._entries[key] = old
        if new.session != old.session:
            self._unhold(new.session, key)
            self._hold(old.session, key)

    def _remove(self, old: KVEntry) -> None:
        """Takes an entry out of all but the order, and wakes its waiters."""
        if self._views:
            self._changing(old.key, old)
        del self._entries[old.key]
        self._unhold(old.session, old.key)
        if self._journal.active:
            self._journal.record(partial(self._put_back, old))
        if self._watches.tickets or self._watches.followed:
            self._watches.touch_key(old.key)

    def _put_back(self, old: KVEntry) -> None:
        self._entries[old.key] = old
        self._hold(old.session, old.key)

    def _hold(self, session: str, key: str) -> None:
        if session:
            self._held.setdefault(session.lower(), {})[key] = None

    def _unhold(self, session: str, key: str) -> None:
        if session:
            keys = self._held[session.lower()]
            del keys[key]
            if not keys:
                del self._held[session.lower()]

    # ---- snapshots

    def view(self, prefix: str = "") -> Iterator[Sequence[KVEntry]]:
        """The entries under a prefix as of now, some hundreds at a time; later writes do not show. Close it or read it to its end.

        They come in the order of their keys, but for those that are deleted meanwhile, which come last.
        """
        view = KVView(self._entries, self._order, prefix)
        self._views.append(view)
        try:
            yield []  # the caller's first `next` takes the view
            yield from view.slices()
        finally:
            if view in self._views:
                self._views.remove(view)

    def _changing(self, key: str, old: KVEntry | None) -> None:
        for view in self._views:
            view.changing(key, old)

    def replace(self, entries: dict[str, KVEntry]) -> None:
        """Takes exactly these entries, by key. Open views keep what they saw."""
        self._views = []
        self._entries = entries
        self._order = SortedKeys(entries)
        self._held = {}
        for entry in entries.values():
            if entry.session:
                self._hold(entry.session, entry.key)
