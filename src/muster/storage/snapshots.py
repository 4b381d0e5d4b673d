"""Snapshots: the whole state at one index, each in a directory of its own.

    snapshots/TERM-INDEX-MILLISECONDS/meta.json     what it is, and the CRC-32 of state.bin
                                     /state.bin     the state's records
    snapshots/new                                    one that is being written

A snapshot is written and synced under the name `new`, which is then renamed and the directory synced: under its final
name it is whole. The newest two are kept, so that a damaged one can be passed over while the log still covers the gap.
"""

import io
import logging
from typing import BinaryIO, Protocol
from zlib import crc32

import msgspec

from muster.model.errors import CorruptFile
from muster.raft.membership import Configuration
from muster.storage.files import File, Files

KEPT = 2
SLICE_BYTES = 1 << 20
SYNC_BYTES = 4 << 20  # written between syncs: a long backlog of dirty pages would hold up the log's own syncs

logger = logging.getLogger("muster.storage")


class SnapshotMeta(msgspec.Struct, frozen=True):
    """What a snapshot is. `milliseconds`: wall time since 1970 when it was begun."""

    term: int
    index: int
    milliseconds: int
    configuration: Configuration
    configuration_index: int
    size: int = 0
    checksum: int = 0

    @property
    def identity(self) -> str:
        """TERM-INDEX-MILLISECONDS."""
        return f"{self.term}-{self.index}-{self.milliseconds}"

    def finished(self, content: bytes) -> "SnapshotMeta":
        """With the size and the checksum of its content."""
        return msgspec.structs.replace(self, size=len(content), checksum=crc32(content))


class SnapshotWriter(Protocol):
    """One snapshot being written; every method may raise OSError."""

    def write(self, data: bytes) -> None:
        """Adds to state.bin."""
        ...

    def stream(self) -> BinaryIO:
        """Reads what was written, from the beginning."""
        ...

    def commit(self) -> SnapshotMeta:
        """Makes it the newest snapshot, durably."""
        ...

    def discard(self) -> None:
        """Gives it up."""
        ...


class SnapshotStorage(Protocol):
    """All snapshots of a server."""

    def begin(self, meta: SnapshotMeta) -> SnapshotWriter:
        """Begins one; at most one is written at a time."""
        ...

    def newest(self, log_first_index: int) -> SnapshotMeta | None:
        """The newest whole one, if any. Raises CorruptFile if damage cannot be made good from the log."""
        ...

    def open(self, meta: SnapshotMeta) -> BinaryIO:
        """Its state.bin."""
        ...

    def held_bytes(self) -> int:
        """What all of them take on the disk, the one being written included. From any thread; may raise OSError."""
        ...


class DiskSnapshots:
    """Snapshots in one directory."""

    def __init__(self, files: Files, directory: str) -> None:
        self._files, self._directory = files, directory
        files.make_directory(directory)
        files.sync_directory(directory)  # the last process may have been killed between a rename and its sync

    def begin(self, meta: SnapshotMeta) -> "DiskSnapshotWriter":
        """See SnapshotStorage."""
        return DiskSnapshotWriter(self._files, self._directory, meta, self._remove_old)

    def newest(self, log_first_index: int) -> SnapshotMeta | None:
        """See SnapshotStorage. `log_first_index`: the log's oldest entry; 1 if it was never compacted."""
        damage = ""
        for name in self._names():
            meta = self._load(name)
            if meta is None:
                damage = damage or f"{self._directory}/{name}/state.bin"
                logger.error("%s/%s: damaged snapshot: passed over", self._directory, name)
            elif damage and log_first_index > meta.index + 1:
                break
            else:
                return meta
        if damage and log_first_index > 1:
            raise CorruptFile(
                f"{damage}: offset 0: damaged, and the log begins at {log_first_index}, too late to do without it; "
                "restore a snapshot into an empty data directory, or empty it and let this server join the others again"
            )
        return None

    def open(self, meta: SnapshotMeta) -> BinaryIO:
        """See SnapshotStorage."""
        return io.BufferedReader(FileStream(self._files.open(f"{self._directory}/{meta.identity}/state.bin")), SLICE_BYTES)

    def held_bytes(self) -> int:
        """See SnapshotStorage."""
        return sum(self._size_of(name) for name in self._files.list(self._directory))

    def _size_of(self, name: str) -> int:
        try:
            file = self._files.open(f"{self._directory}/{name}/state.bin")
        except FileNotFoundError:  # removed meanwhile
            return 0
        try:
            return file.size()
        finally:
            file.close()

    def _names(self) -> list[str]:
        """Newest first."""
        found = [name for name in self._files.list(self._directory) if name.count("-") == 2 and name.replace("-", "").isdigit()]
        return sorted(found, key=lambda name: [int(part) for part in name.split("-")], reverse=True)

    def _load(self, name: str) -> SnapshotMeta | None:
        """A snapshot's meta, if its content is whole."""
        try:
            file = self._files.open(f"{self._directory}/{name}/meta.json")
            try:
                meta = msgspec.json.decode(file.read(file.size(), 0), type=SnapshotMeta)
            finally:
                file.close()
            with self.open(meta) as stream:
                checksum = size = 0
                while data := stream.read(SLICE_BYTES):
                    checksum, size = crc32(data, checksum), size + len(data)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return meta if (size, checksum, name) == (meta.size, meta.checksum, meta.identity) else None

    def _remove_old(self) -> None:
        for name in self._names()[KEPT:]:
            self._files.remove(f"{self._directory}/{name}")


class DiskSnapshotWriter:
    """See SnapshotWriter."""

    def __init__(self, files: Files, directory: str, meta: SnapshotMeta, committed: "Committed") -> None:
        self._files, self._directory, self._meta, self._committed = files, directory, meta, committed
        self._path = f"{directory}/new"
        if "new" in files.list(directory):
            files.remove(self._path)
        files.make_directory(self._path)
        self._file: File = files.open(f"{self._path}/state.bin", create=True)
        self._size = self._checksum = self._synced = 0

    def write(self, data: bytes) -> None:
        """See SnapshotWriter."""
        self._file.write(data, self._size)
        self._size += len(data)
        self._checksum = crc32(data, self._checksum)
        if self._size - self._synced >= SYNC_BYTES:
            self._file.sync()
            self._synced = self._size

    def stream(self) -> BinaryIO:
        """See SnapshotWriter."""
        return io.BufferedReader(FileStream(self._files.open(f"{self._path}/state.bin")), SLICE_BYTES)

    def commit(self) -> SnapshotMeta:
        """See SnapshotWriter."""
        meta = msgspec.structs.replace(self._meta, size=self._size, checksum=self._checksum)
        self._file.sync()
        self._file.close()
        file = self._files.open(f"{self._path}/meta.json", create=True)
        file.write(msgspec.json.encode(meta), 0)
        file.sync()
        file.close()
        self._files.sync_directory(self._path)
        self._files.rename(self._path, f"{self._directory}/{meta.identity}")
        self._files.sync_directory(self._directory)
        self._committed()
        return meta

    def discard(self) -> None:
        """See SnapshotWriter."""
        self._file.close()
        self._files.remove(self._path)


class Committed(Protocol):
    """What follows a commit."""

    def __call__(self) -> None:
        """Removes what is no longer needed."""
        ...


class FileStream(io.RawIOBase):
    """A File as a stream to read."""

    def __init__(self, file: File) -> None:
        self._file, self._offset = file, 0

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fills the buffer; 0 at the end."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._file.read(len(view), self._offset)
        view[: len(data)] = data
        self._offset += len(data)
        return len(data)

    def close(self) -> None:
        """Closes the file too."""
        if not self.closed:
            self._file.close()
        super().close()
