"""A disk in memory that forgets what was not synced, tears writes, and fails when told to.

It stands in for `muster.storage.files.Files`. Each file has what a reader sees and what a crash leaves: writes reach
the second only by `sync`, or by luck when the power is cut. Names are treated the same way, per directory.
"""

import errno
import random
from collections.abc import Callable

from muster.storage.files import File, Space

Parts = list[str]
SIZE = 1 << 40
SECTOR = 512  # bytes that reach the platter together


class PowerCut(BaseException):
    """The machine stops here. Not an Exception: nothing in the program may catch it and carry on."""


class Content:
    """One file, whatever it is called: what is seen, what is durable, and what is between the two."""

    def __init__(self, durable: bytes = b"") -> None:
        self.seen = bytearray(durable)
        self.durable = bytearray(durable)
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, data), or (length, None) for a cut

    def change(self, offset: int, data: bytes | None) -> None:
        """A write or a cut that may be lost."""
        _change(self.seen, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        """All of it is durable."""
        for offset, data in self.pending:
            _change(self.durable, offset, data)
        self.pending.clear()

    def crashed(self, chance: random.Random) -> "Content":
        """What is found afterwards: some of the first pending changes, and perhaps a part of the next one."""
        count = chance.randint(0, len(self.pending))
        for offset, data in self.pending[:count]:
            _change(self.durable, offset, data)
        if count < len(self.pending):
            offset, data = self.pending[count]
            if data is not None and chance.random() < 0.7:
                _tear(self.durable, offset, data, chance)
        return Content(bytes(self.durable))


class Directory:
    """Names of one directory: a file's content or another directory."""

    def __init__(self) -> None:
        self.seen: dict[str, Content | Directory] = {}
        self.durable: dict[str, Content | Directory] = {}
        self.pending: list[Callable[[dict[str, Content | Directory]], object]] = []

    def change(self, do: "Callable[[dict[str, Content | Directory]], object]") -> None:
        """A change of names that may be lost."""
        do(self.seen)
        self.pending.append(do)

    def sync(self) -> None:
        """All names are durable."""
        self.durable = dict(self.seen)
        self.pending.clear()

    def crashed(self, chance: random.Random) -> "Directory":
        """What is found afterwards: changes of names are kept in order, the last of them perhaps not."""
        for do in self.pending[: chance.randint(0, len(self.pending))]:
            do(self.durable)
        found = Directory()
        found.seen = {name: content.crashed(chance) for name, content in self.durable.items()}
        found.durable = dict(found.seen)
        return found


class FaultyDisk:
    """See Files. Chance is handed in, so that a crash can be repeated from its seed.

    `operations` counts every change and sync; when it reaches `cut_at` the power is cut (PowerCut). `fail_sync` and
    `full_after` (bytes that may still be written) make the disk fail with EIO and ENOSPC.
    """

    def __init__(self) -> None:
        self.root = Directory()
        self.operations = 0
        self.cut_at: int | None = None
        self.fail_sync = False
        self.full_after: int | None = None

    def crash(self, chance: random.Random) -> "FaultyDisk":
        """The disk as the next start finds it. This one must not be used again."""
        found = type(self)()
        found.root = self.root.crashed(chance)
        return found

    def count(self) -> None:
        """One more operation; the power may be cut before it has any effect."""
        self.operations += 1
        if self.cut_at is not None and self.operations > self.cut_at:
            raise PowerCut

    def sync_content(self, content: Content) -> None:
        """What a file's sync does; a disk that lies overrides this."""
        content.sync()

    def open(self, path: str, create: bool = False) -> File:
        """See Files."""
        directory, name = self._place(path)
        content = directory.seen.get(name)
        if create:
            self.count()
            created = Content()
            directory.change(lambda names: names.__setitem__(name, created))
            return FaultyFile(self, path, created)
        if not isinstance(content, Content):
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        return FaultyFile(self, path, content)

    def make_directory(self, path: str) -> None:
        """See Files."""
        directory = self.root
        for part in _parts(path):
            child = directory.seen.get(part)
            if not isinstance(child, Directory):
                self.count()
                child = Directory()
                _assign(directory, part, child)
                directory.sync()
            directory = child

    def list(self, path: str) -> list[str]:
        """See Files."""
        try:
            return sorted(self._directory(_parts(path)).seen)
        except FileNotFoundError:
            return []

    def rename(self, old: str, new: str) -> None:
        """See Files. Within one directory."""
        self.count()
        directory, name = self._place(old)
        target = _parts(new)[-1]
        if name not in directory.seen:
            raise FileNotFoundError(errno.ENOENT, "No such file", old)
        directory.change(lambda names: names.__setitem__(target, names.pop(name)) if name in names else None)

    def remove(self, path: str) -> None:
        """See Files."""
        self.count()
        directory, name = self._place(path)
        if name not in directory.seen:
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        directory.change(lambda names: names.pop(name, None))

    def sync_directory(self, path: str) -> None:
        """See Files."""
        self.count()
        self._directory(_parts(path)).sync()

    def space(self, path: str) -> Space:
        """See Files. A disk that is never full has a terabyte."""
        self._directory(_parts(path))
        return Space(SIZE if self.full_after is None else self.full_after, SIZE)

    def _directory(self, parts: Parts) -> Directory:
        directory = self.root
        for part in parts:
            child = directory.seen.get(part)
            if not isinstance(child, Directory):
                raise FileNotFoundError(errno.ENOENT, "No such directory", "/".join(parts))
            directory = child
        return directory

    def _place(self, path: str) -> tuple[Directory, str]:
        parts = _parts(path)
        return self._directory(parts[:-1]), parts[-1]


class FaultyFile:
    """See File."""

    def __init__(self, disk: FaultyDisk, path: str, content: Content) -> None:
        self._disk, self._path, self._content = disk, path, content

    def write(self, data: bytes, offset: int) -> None:
        """See File."""
        self._disk.count()
        if self._disk.full_after is not None:
            if len(data) > self._disk.full_after:
                self._content.change(offset, data[: self._disk.full_after])
                raise OSError(errno.ENOSPC, "No space left on device", self._path)
            self._disk.full_after -= len(data)
        self._content.change(offset, data)

    def read(self, size: int, offset: int) -> bytes:
        """See File."""
        return bytes(self._content.seen[offset : offset + size])

    def size(self) -> int:
        """See File."""
        return len(self._content.seen)

    def truncate(self, size: int) -> None:
        """See File."""
        self._disk.count()
        self._content.change(size, None)

    def sync(self) -> None:
        """See File."""
        self._disk.count()
        if self._disk.fail_sync:
            self._content.pending.clear()  # as Linux does: pages that could not be written are marked clean
            raise OSError(errno.EIO, "Input/output error", self._path)
        self._disk.sync_content(self._content)

    def close(self) -> None:
        """See File. Closing makes nothing durable."""


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _tear(content: bytearray, offset: int, data: bytes, chance: random.Random) -> None:
    """Keeps the beginning of a write up to any byte, or any of its sectors."""
    if chance.random() < 0.5:
        _change(content, offset, data[: chance.randint(0, len(data))])
        return
    start = 0
    while start < len(data):
        end = start + SECTOR - (offset + start) % SECTOR
        if chance.random() < 0.5:
            _change(content, offset + start, data[start:end])
        start = end


def _assign(directory: Directory, name: str, child: Directory) -> None:
    directory.change(lambda names: names.__setitem__(name, child))


def _parts(path: str) -> Parts:
    return [part for part in path.split("/") if part]
