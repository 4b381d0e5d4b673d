"""All that changes, as one ordered stream that can be taken up again where it broke off.

Each applied command that changed something is one batch; a bounded ring holds the newest. Readers keep only how far they are, so that
a slow one costs nothing but its place: when the ring has passed it, it is cut off, comes again, and is told to begin anew.

The promises are those that etcd makes for its watches: batches come in order, each once, with nothing left out, a command's changes
together; a reader can resume after the index of a batch; and it is told how far it is also when nothing of interest happened.

Source: reference of the web page, section 7.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from msgspec import Struct

from muster.model.clock import Clock
from muster.state import config_entries, coordinates, sessions, watches
from muster.state.store import Store
from muster.state.watches import WatchKey

KEPT_BATCHES = 4096
KEPT_CHANGES = 65536
"""How far back a reader can resume: the least of the two."""
AT_ONCE = 256  # batches that one reader gets in one go
BOOKMARK_PERIOD = 15.0  # seconds after which a reader is told how far it is
LONGEST_PAUSE = 60.0  # seconds that a reader may leave what it was sent unread
KEPT_WITHOUT_READERS = 600.0  # seconds for which changes are collected after the last reader left, so that it can resume

TOPICS: dict[str, str] = {
    "service": "services",
    "node": "nodes",
    watches.KEY: "keys",
    "state": "checks",
    sessions.SESSION: "sessions",
    "query": "queries",
    config_entries.CONFIG_ENTRY: "config",
    coordinates.NODE_COORDINATES: "coordinates",
}
"""The topics by the kinds of watch keys that the state touches. What is touched beside these (whole tables) says nothing more."""


class Change(Struct, frozen=True, rename="pascal"):
    """`key` is the name of a service, node, key, query or config entry (KIND/NAME), the id of a session, or for checks a status that some
    check has or had. `kind` is "put" or "delete"."""

    topic: str
    key: str
    kind: str


class Batch(Struct, frozen=True, rename="pascal"):
    """What the command at `index` changed."""

    index: int
    changes: list[Change]


class Reader(Protocol):
    """Who follows the stream. It is called only from the loop, never from within its own calls of the feed."""

    seen: int
    """The index of the last batch that it took, or passed over."""

    def more(self) -> None:
        """There are batches after `seen`."""

    def bookmark(self, index: int) -> None:
        """There is nothing new for it up to `index`."""

    def cut(self) -> None:
        """The ring has passed it, or it does not read: it is no reader any more."""


class Changes:
    """The ring and its readers. Nothing is collected before the first reader comes."""

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._store, self._loop, self._clock = store, loop, clock
        self._ring: deque[Batch] = deque()
        self._held = 0  # changes in the ring
        self._floor = 0  # batches up to this index may be missing from the ring
        self._newest = 0
        self._readers: dict[Reader, float] = {}  # each with the time at which it last took something
        self._telling = False
        self._timer: asyncio.TimerHandle | None = None
        self._alone_since: float | None = None

    @property
    def newest(self) -> int:
        """The index of the last command that is applied."""
        return self._newest

    @property
    def reader_count(self) -> int:
        """How many follow."""
        return len(self._readers)

    def can_resume(self, index: int) -> bool:
        """Whether nothing after this index is missing."""
        return index >= (self._floor if self._store.watches.followed else self._newest)

    def join(self, reader: Reader) -> None:
        """From now on it is told when there is more after what it has seen; at once, if there is."""
        if not self._store.watches.followed:
            self._begin()
        self._alone_since = None
        self._readers[reader] = self._clock.monotonic()
        self._tell_soon()

    def leave(self, reader: Reader) -> None:
        """It follows no longer."""
        self._readers.pop(reader, None)
        if not self._readers:
            self._alone_since = self._clock.monotonic()

    def took(self, reader: Reader) -> None:
        """It took what it was sent."""
        if reader in self._readers:
            self._readers[reader] = self._clock.monotonic()

    def after(self, index: int) -> list[Batch]:
        """The next batches after an index that can be resumed from."""
        ring = self._ring
        if not ring or ring[-1].index <= index:
            return []
        if index < ring[0].index:
            return list(islice(ring, AT_ONCE))
        low, high = 0, len(ring)
        while low < high:
            middle = (low + high) // 2
            if ring[middle].index <= index:
                low = middle + 1
            else:
                high = middle
        return list(islice(ring, low, low + AT_ONCE))

    def applied(self, index: int) -> None:
        """A command was applied; what it changed is taken from the state's watches."""
        self._newest = index
        changed = self._store.watches.take_changed()
        if changed:
            changes = self._changes(changed)
            if changes:
                self._append(Batch(index, changes))
                if self._readers:
                    self._tell_soon()

    def restored(self) -> None:
        """Everything may be different: nobody can go on from what it has seen. A restored state holds at an index past all before."""
        self._store.watches.take_changed()
        self._ring.clear()
        self._held = 0
        self._floor = self._newest = max(self._newest + 1, self._store.indexes.highest())
        self._tell_soon()

    def close(self) -> None:
        """All readers are cut off."""
        for reader in list(self._readers):
            self._cut(reader)
        self._end()

    # ----

    def _begin(self) -> None:
        self._store.watches.followed = True
        self._floor = self._newest
        self._timer = self._loop.call_later(BOOKMARK_PERIOD, self._look_around)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._store.watches.followed = False
        self._store.watches.take_changed()
        self._ring.clear()
        self._held = 0

    def _append(self, batch: Batch) -> None:
        ring = self._ring
        ring.append(batch)
        self._held += len(batch.changes)
        while len(ring) > KEPT_BATCHES or (self._held > KEPT_CHANGES and len(ring) > 1):
            gone = ring.popleft()
            self._held -= len(gone.changes)
            self._floor = gone.index

    def _changes(self, changed: Iterable[WatchKey]) -> list[Change]:
        return [Change(topic, name, self._kind(kind, name)) for kind, name in changed if name and (topic := TOPICS.get(kind)) is not None]

    def _kind(self, kind: str, name: str) -> str:
        return "put" if self._exists(kind, name) else "delete"

    def _exists(self, kind: str, name: str) -> bool:
        store = self._store
        match kind:
            case "service":
                return store.catalog.has_service(name)
            case "node" | coordinates.NODE_COORDINATES:
                return store.catalog.find_node(name) is not None
            case watches.KEY:
                return store.kv.get(name)[1] is not None
            case sessions.SESSION:
                return store.sessions.exists(name)
            case "query":
                return store.queries.get(name)[1] is not None
            case config_entries.CONFIG_ENTRY:
                entry_kind, _, entry = name.partition("/")
                return store.config_entries.get(entry_kind, entry)[1] is not None
            case _:
                return True

    def _tell_soon(self) -> None:
        """One round for all that is applied in this turn of the loop."""
        if not self._telling and self._readers:
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        last = self._ring[-1].index if self._ring else 0
        for reader in list(self._readers):
            if reader.seen < self._floor:
                self._cut(reader)
            elif reader.seen < last:
                reader.more()

    def _cut(self, reader: Reader) -> None:
        self.leave(reader)
        reader.cut()

    def _look_around(self) -> None:
        """Tells those who heard nothing for long how far they are, and cuts off those who do not read."""
        now = self._clock.monotonic()
        if self._alone_since is not None and now - self._alone_since >= KEPT_WITHOUT_READERS:
            self._end()
            return
        self._timer = self._loop.call_later(BOOKMARK_PERIOD, self._look_around)
        for reader, took_at in list(self._readers.items()):
            if now - took_at >= LONGEST_PAUSE or reader.seen < self._floor:
                self._cut(reader)
            else:
                reader.bookmark(self._newest)
