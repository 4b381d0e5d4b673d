"""How much room a server's log and snapshots take and how much is left, and the word of warning before the disk is full.

A full disk ends all acknowledgement until the server is started again, so somebody must hear of it while there is time.
"""

from enum import IntEnum

from msgspec import Struct

from muster.storage.files import Files
from muster.storage.log import SEGMENT_BYTES
from muster.storage.raft_storage import RaftStorage

PART = 10  # of the file system: so much is to stay free by default …
MOST = 1 << 30  # … but never more bytes than these
CLEAR_PERCENT = 125  # of the limit must be free again before the warning is taken back, lest it come and go
SEVERE_PERCENT = 25  # of the limit: below it the warning is repeated in stronger words


class Usage(Struct, frozen=True):
    """Bytes at one moment. `newest_snapshot` is the size of the last one."""

    log: int
    snapshots: int
    newest_snapshot: int
    free: int
    total: int


def measure(files: Files, directory: str, storage: RaftStorage) -> Usage:
    """Looks at the disk, so it may take long. `directory`: any on the file system in question. May raise OSError."""
    space = files.space(directory)
    newest = storage.newest.size if storage.newest is not None else 0
    return Usage(storage.log.held_bytes(), storage.snapshots.held_bytes(), newest, space.free, space.total)


def default_limit(usage: Usage) -> int:
    """Free bytes below which a warning is due: a tenth of the disk up to 1 GiB, and room for two snapshots and two segments.

    Two snapshots, because one is written before the oldest of those that are kept is removed, and a leader's may come besides.
    """
    return max(min(usage.total // PART, MOST), 2 * usage.newest_snapshot + 2 * SEGMENT_BYTES)


class Level(IntEnum):
    """How short the room is."""

    ENOUGH = 0
    SHORT = 1
    SEVERE = 2


class SpaceWatch:
    """Remembers what was said, so that each step down is told once and one step up takes it back."""

    def __init__(self, limit: int = 0) -> None:
        """`limit`: free bytes; 0 for the default."""
        self._given = limit
        self.level = Level.ENOUGH
        self.limit = limit

    def look(self, usage: Usage) -> bool:
        """Whether the level is another one now and worth a word."""
        self.limit = self._given or default_limit(usage)
        before, self.level = self.level, self._level(usage.free)
        return self.level > before or (before != Level.ENOUGH and self.level == Level.ENOUGH)

    def _level(self, free: int) -> Level:
        if free < self.limit * SEVERE_PERCENT // 100:
            return Level.SEVERE
        if free < self.limit:
            return max(self.level, Level.SHORT)
        if free * 100 < self.limit * CLEAR_PERCENT:
            return self.level
        return Level.ENOUGH
