"""Config entries: settings of services and proxies by kind and name.

Source: reference "FSM commands", section 1; answers of /v1/config.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from muster.model.operator import ConfigEntry
from muster.state import discovery_chain
from muster.state.indexes import Indexes
from muster.state.watches import Watches, WatchSet

TABLE = "config-entries"
CONFIG_ENTRY = "config entry"
CONFIG_KIND = "config entries of kind"


class ConfigEntries:
    """Config entries by kind and name. Names that differ in case alone are one name, which is spelled as it was written last."""

    def __init__(self, indexes: Indexes, watches: Watches) -> None:
        self._indexes = indexes
        self._journal = indexes.journal
        self._watches = watches
        self._entries: dict[tuple[str, str], ConfigEntry] = {}

    def get(self, kind: str, name: str, watch: WatchSet | None = None) -> tuple[int, ConfigEntry | None]:
        """One entry."""
        if watch is not None:
            watch.append((CONFIG_ENTRY, f"{kind}/{name.lower()}"))
        return self._indexes.get(TABLE), self._entries.get((kind, name.lower()))

    def list(self, kind: str = "", watch: WatchSet | None = None) -> tuple[int, list[ConfigEntry]]:
        """The entries of a kind, or all for an empty kind, in the order of kinds and names."""
        if watch is not None:
            watch.append((CONFIG_KIND, kind))
        return self._indexes.get(TABLE), [entry for _, entry in sorted(self._entries.items()) if kind in ("", entry.kind)]

    def set(self, index: int, entry: ConfigEntry) -> bool:
        """Writes an entry; the index moves in any case. Fails if the others do not fit to it."""
        discovery_chain.check(self._entries, entry.kind, entry.name, entry)
        old = self._entries.get(_key(entry))
        made = replace(entry, create_index=index if old is None else old.create_index, modify_index=index)
        self._journal.put(self._entries, _key(entry), made)
        self._changed(index, entry)
        return True

    def check_and_set(self, index: int, entry: ConfigEntry) -> bool:
        """`set`, if the ModifyIndex of the entry is `entry.modify_index`; 0 means: if there is no such entry."""
        old = self._entries.get(_key(entry))
        if entry.modify_index != (0 if old is None else old.modify_index):
            return False
        return self.set(index, entry)

    def delete(self, index: int, kind: str, name: str) -> None:
        """Deletes an entry; nothing happens if it is not there. Fails if others need it."""
        old = self._entries.get((kind, name.lower()))
        if old is not None:
            discovery_chain.check(self._entries, kind, name, None)
            self._journal.drop(self._entries, _key(old))
            self._changed(index, old)

    def _changed(self, index: int, entry: ConfigEntry) -> None:
        self._indexes.bump(TABLE, index)
        self._watches.touch((CONFIG_ENTRY, f"{entry.kind}/{entry.name.lower()}"))
        self._watches.touch((CONFIG_KIND, entry.kind))
        self._watches.touch((CONFIG_KIND, ""))

    def replace(self, entries: Iterable[ConfigEntry]) -> None:
        """Takes exactly these entries."""
        self._entries = {_key(entry): entry for entry in entries}


def _key(entry: ConfigEntry) -> tuple[str, str]:
    return entry.kind, entry.name.lower()
