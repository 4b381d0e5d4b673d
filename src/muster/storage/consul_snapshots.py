"""The snapshots of a Consul server: `raft/snapshots/TERM-INDEX-MILLISECONDS/{meta.json,state.bin}`.

`meta.json` holds Version (1), ID, Index, Term, Configuration {Servers: [{Suffrage, ID, Address}]}, ConfigurationIndex, Size, and CRC: the
CRC-64 of state.bin, big-endian in base64.

Source: reference "FSM commands, snapshot archives", section 5; reference of the Raft wire, section 5; files that Consul 1.8.7 wrote.
"""

import io
import logging
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from muster.raft.membership import Configuration, Member
from muster.storage.crc64 import matches
from muster.storage.files import Files
from muster.storage.snapshots import SLICE_BYTES, FileStream, SnapshotMeta

VERSION = 1
CHECKSUM_SIZE = 8

logger = logging.getLogger("muster.storage")


class ConsulServer(msgspec.Struct, frozen=True):
    """One server of a configuration."""

    identity: str = msgspec.field(name="ID")
    address: str = msgspec.field(name="Address")
    suffrage: int = msgspec.field(name="Suffrage", default=0)


class ConsulConfiguration(msgspec.Struct, frozen=True):
    """All servers."""

    servers: list[ConsulServer] = msgspec.field(name="Servers")


class ConsulMeta(msgspec.Struct, frozen=True):
    """What `meta.json` says."""

    version: int = msgspec.field(name="Version")
    identity: str = msgspec.field(name="ID")
    index: int = msgspec.field(name="Index")
    term: int = msgspec.field(name="Term")
    configuration: ConsulConfiguration = msgspec.field(name="Configuration")
    configuration_index: int = msgspec.field(name="ConfigurationIndex")
    size: int = msgspec.field(name="Size")
    checksum: bytes = msgspec.field(name="CRC")

    def ours(self) -> SnapshotMeta:
        """The same as Muster notes it; size and checksum follow with the content."""
        members = tuple(Member(one.identity, one.address, one.suffrage) for one in self.configuration.servers)
        milliseconds = int(self.identity.rpartition("-")[2])
        return SnapshotMeta(self.term, self.index, milliseconds, Configuration(members), self.configuration_index)


class ConsulSnapshots:
    """All snapshots in a directory, which may not exist. Every method may raise OSError."""

    def __init__(self, files: Files, directory: str) -> None:
        self._files, self._directory = files, directory
        self.damaged: list[str] = []  # names of those that were passed over

    def newest(self) -> ConsulMeta | None:
        """The newest whole one: damaged ones are passed over with a line in the log, as Consul does when it starts."""
        names = [name for name in self._files.list(self._directory) if name.count("-") == 2 and name.replace("-", "").isdigit()]
        for name in sorted(names, key=lambda name: [int(part) for part in name.split("-")], reverse=True):
            meta = self._load(name)
            if meta is not None:
                return meta
            logger.warning("%s/%s: damaged snapshot: passed over", self._directory, name)
            self.damaged.append(name)
        return None

    def open(self, meta: ConsulMeta) -> BinaryIO:
        """Its state.bin."""
        return io.BufferedReader(FileStream(self._files.open(f"{self._directory}/{meta.identity}/state.bin")), SLICE_BYTES)

    def pieces(self, meta: ConsulMeta) -> Iterator[bytes]:
        """Its state.bin, piece by piece."""
        with self.open(meta) as stream:
            while data := stream.read(SLICE_BYTES):
                yield data

    def _load(self, name: str) -> ConsulMeta | None:
        try:
            file = self._files.open(f"{self._directory}/{name}/meta.json")
            try:
                meta = msgspec.json.decode(file.read(file.size(), 0), type=ConsulMeta)
            finally:
                file.close()
            whole = (meta.version, meta.identity) == (VERSION, name) and len(meta.checksum) == CHECKSUM_SIZE and self._is_whole(meta)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return meta if whole else None

    def _is_whole(self, meta: ConsulMeta) -> bool:
        size = 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for piece in self.pieces(meta):
                size += len(piece)
                yield piece

        return matches(counted(), int.from_bytes(meta.checksum, "big")) and size == meta.size
