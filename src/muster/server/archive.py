"""Snapshot archives: gzip of a tar of `meta.json`, `state.bin` and `SHA256SUMS`.

The tar's blocks are made by hand: after the last member exactly two empty blocks, as the peers refuse anything more.
Source: reference "FSM commands", section 5; error texts of Consul 1.8.7.
"""

import base64
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from muster.model.errors import Rejected
from muster.raft.membership import NONVOTER, Configuration
from muster.storage.snapshots import SnapshotMeta
from muster.wire import msgpack

META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"
BLOCK = 512
PIECE = 1 << 16  # bytes of state that are packed at a time, about a millisecond
COMPRESSION = 1  # a save must not hold up writes; the peers read any level
VERSION = 1
GZIP = 31  # zlib's name for the format
HEAD = "failed to read snapshot file: "
BAD_HEADER = HEAD + "failed reading snapshot: archive/tar: invalid tar header"
BROKEN = HEAD + "failed checking integrity of snapshot: "


class Archive(Struct, frozen=True):
    """A whole and sound archive: the index that it was taken at, and the content of its state.bin."""

    index: int
    state: memoryview

    def chunks(self) -> Iterator[bytes]:
        """The state in pieces."""
        for at in range(0, len(self.state), PIECE):
            yield bytes(self.state[at : at + PIECE])


def write(meta: SnapshotMeta, size: int, state: BinaryIO) -> Iterator[bytes]:
    """The archive's bytes, piece by piece. `size` is that of the whole state."""
    packer = zlib.compressobj(COMPRESSION, wbits=GZIP)
    seconds = meta.milliseconds // 1000
    described = metadata(meta, size)
    sums = {META: hashlib.sha256(described), STATE: hashlib.sha256()}
    yield packer.compress(_member(META, described, seconds) + _header(STATE, size, seconds))
    left = size
    while left:
        piece = state.read(min(PIECE, left))
        if not piece:
            raise Rejected("snapshot ended early")
        left -= len(piece)
        sums[STATE].update(piece)
        yield packer.compress(piece)
    listed = "".join(f"{digest.hexdigest()}  {name}\n" for name, digest in sums.items()).encode()
    yield packer.compress(bytes(-size % BLOCK) + _member(SUMS, listed, seconds) + bytes(2 * BLOCK)) + packer.flush()


def metadata(meta: SnapshotMeta, size: int) -> bytes:
    """One line of JSON."""
    members = meta.configuration.members
    voters = set(meta.configuration.voters())
    peers = msgpack.pack([member.address for member in members if member.identity in voters])
    described = {
        "Version": VERSION,
        "ID": meta.identity,
        "Index": meta.index,
        "Term": meta.term,
        "Peers": base64.b64encode(peers).decode(),
        "Configuration": {"Servers": _servers(meta.configuration)},
        "ConfigurationIndex": meta.configuration_index,
        "Size": size,
    }
    return json.dumps(described, separators=(",", ":")).encode() + b"\n"


def _servers(configuration: Configuration) -> list[dict[str, Any]]:
    return [
        {"Suffrage": member.suffrage if member.suffrage <= NONVOTER else NONVOTER, "ID": member.identity, "Address": member.address}
        for member in configuration.members
    ]


def _header(name: str, size: int, seconds: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, seconds
    return info.tobuf(tarfile.USTAR_FORMAT)


def _member(name: str, content: bytes, seconds: int) -> bytes:
    return _header(name, len(content), seconds) + content + bytes(-len(content) % BLOCK)


# ---- reading


def read(data: bytes) -> Archive:
    """The archive that `data` holds. Raises Rejected with the peers' text; pure work, fit for a thread."""
    tar, complete = _decompress(data)
    members, end = _members(tar, complete)
    described = members.get(META)
    state = members.get(STATE, memoryview(b""))
    meta = _read_metadata(bytes(described)) if described is not None else {}
    _check_sums(members)
    if end + 2 * BLOCK < len(tar):
        raise Rejected(f"{len(tar) - end - 2 * BLOCK} unread uncompressed bytes remain")
    if not complete:
        raise Rejected("unexpected EOF")
    if meta.get("Version") != VERSION:
        raise Rejected(f"Raft error when restoring snapshot: unsupported snapshot version {meta.get('Version')}")
    if meta.get("Size") != len(state):
        raise Rejected(
            f"Raft error when restoring snapshot: failed to restore snapshot: expected {meta.get('Size')} bytes, got {len(state)}"
        )
    index = meta.get("Index")
    return Archive(index=index if isinstance(index, int) else 0, state=state)


def _decompress(data: bytes) -> tuple[memoryview, bool]:
    """What can be unpacked, and whether the stream ended well and nothing followed."""
    if not data:
        raise Rejected("failed to decompress snapshot: EOF")
    if data[:3] != b"\x1f\x8b\x08":
        raise Rejected(
            "failed to decompress snapshot: gzip: invalid header" if len(data) >= 10 else "failed to decompress snapshot: unexpected EOF"
        )
    unpacker = zlib.decompressobj(GZIP)
    parts = bytearray()
    try:
        for at in range(0, len(data), PIECE):
            parts += unpacker.decompress(data[at : at + PIECE])
    except zlib.error:
        return memoryview(parts), False
    return memoryview(parts), unpacker.eof and not unpacker.unused_data


def _members(tar: memoryview, complete: bool) -> tuple[dict[str, memoryview], int]:
    """The members by name, and where they end."""
    found: dict[str, memoryview] = {}
    at = 0
    while at < len(tar) and any(tar[at : at + BLOCK]):
        block = tar[at : at + BLOCK]
        if len(block) < BLOCK:
            raise Rejected(f"{HEAD}failed reading snapshot: unexpected EOF")
        try:
            info = tarfile.TarInfo.frombuf(bytes(block), "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise Rejected(BAD_HEADER) from None
        if info.size < 0:
            raise Rejected(BAD_HEADER)
        if info.name not in (META, STATE, SUMS):
            raise Rejected(f'{HEAD}unexpected file "{info.name}" in snapshot')
        content = tar[at + BLOCK : at + BLOCK + info.size]
        if len(content) < info.size:
            raise Rejected(HEAD + _CUT_OFF[info.name])
        found[info.name] = content
        at += BLOCK + info.size + -info.size % BLOCK
    if at >= len(tar) and not complete:
        raise Rejected(f"{HEAD}failed reading snapshot: unexpected EOF")
    return found, at


_CUT_OFF = {
    META: "failed to decode snapshot metadata: unexpected EOF",
    STATE: "failed to read or write snapshot data: unexpected EOF",
    SUMS: "failed to read snapshot hashes: unexpected EOF",
}


def _read_metadata(text: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"{HEAD}failed to decode snapshot metadata: {error}") from None


def _check_sums(members: dict[str, memoryview]) -> None:
    listed: dict[str, str] = {}
    for line in bytes(members.get(SUMS, memoryview(b""))).decode("ascii", "replace").splitlines():
        parts = line.split()
        if len(parts) != 2:
            raise Rejected(BROKEN + "unexpected EOF")
        if parts[1] not in (META, STATE):
            raise Rejected(f'{BROKEN}list missing hash for "{parts[1]}"')
        listed[parts[1]] = parts[0]
    for name in (META, STATE):
        if name not in listed:
            raise Rejected(f'{BROKEN}file missing for "{name}"')
        if hashlib.sha256(members.get(name, memoryview(b""))).hexdigest() != listed[name]:
            raise Rejected(f'{BROKEN}hash check failed for "{name}"')
