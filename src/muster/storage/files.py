"""The few things that storage asks of a file system, and the real one.

Nothing else in `storage` touches a disk, so a disk that forgets, tears and fails can take this one's place
(`muster.testing.disk`). Every call may raise OSError. Paths are absolute texts.
"""

import os
from pathlib import Path
from typing import NamedTuple, Protocol


class File(Protocol):
    """One open file."""

    def write(self, data: bytes, offset: int) -> None:
        """Writes all of `data` at `offset`; it may be lost until `sync`."""
        ...

    def read(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes; fewer only at the end of the file."""
        ...

    def size(self) -> int:
        """The length in bytes."""
        ...

    def truncate(self, size: int) -> None:
        """Cuts the file; it may be undone by a crash until `sync`."""
        ...

    def sync(self) -> None:
        """Makes content and length durable (fdatasync)."""
        ...

    def close(self) -> None:
        """Gives the descriptor back."""
        ...


class Space(NamedTuple):
    """Bytes of a file system. `free` is what this process may still write."""

    free: int
    total: int


class Files(Protocol):
    """The names. A name that was made, renamed or removed is durable only after `sync_directory` of its directory."""

    def open(self, path: str, create: bool = False) -> File:
        """Opens for reading and writing; with `create` the file is made, or emptied if it is there."""
        ...

    def make_directory(self, path: str) -> None:
        """Makes it and its parents, with their names durable; it may exist."""
        ...

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted; empty if there is no such directory."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Moves a file or directory over `new`, atomically."""
        ...

    def remove(self, path: str) -> None:
        """Removes a file, or a directory with the files in it."""
        ...

    def sync_directory(self, path: str) -> None:
        """Makes the names in a directory durable."""
        ...

    def space(self, path: str) -> Space:
        """How much room there is where `path` lies."""
        ...


class RealFile:
    """A file by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes, offset: int) -> None:
        """See File."""
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):  # a nearly full disk takes a part first
            written += os.pwrite(self._descriptor, data[written:], offset + written)

    def read(self, size: int, offset: int) -> bytes:
        """See File."""
        return os.pread(self._descriptor, size, offset)

    def size(self) -> int:
        """See File."""
        return os.fstat(self._descriptor).st_size

    def truncate(self, size: int) -> None:
        """See File."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """See File."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """See File."""
        os.close(self._descriptor)


class RealFiles:
    """The operating system's file system. Files are readable by their owner only: the log holds secrets."""

    def open(self, path: str, create: bool = False) -> File:
        """See Files."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_TRUNC if create else 0)
        return RealFile(os.open(path, flags, 0o600))

    def make_directory(self, path: str) -> None:
        """See Files."""
        if Path(path).is_dir():
            return
        parent = str(Path(path).parent)
        self.make_directory(parent)
        Path(path).mkdir(0o700)
        self.sync_directory(parent)

    def list(self, path: str) -> list[str]:
        """See Files."""
        try:
            return sorted(entry.name for entry in Path(path).iterdir())
        except FileNotFoundError:
            return []

    def rename(self, old: str, new: str) -> None:
        """See Files."""
        Path(old).rename(new)

    def remove(self, path: str) -> None:
        """See Files."""
        target = Path(path)
        if target.is_dir():
            for entry in target.iterdir():
                entry.unlink()
            target.rmdir()
        else:
            target.unlink()

    def sync_directory(self, path: str) -> None:
        """See Files."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def space(self, path: str) -> Space:
        """See Files."""
        found = os.statvfs(path)
        return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
