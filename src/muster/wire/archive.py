"""Snapshot archives, as `consul snapshot save` writes them: gzip( tar( meta.json, state.bin, SHA256SUMS ) ).

- meta.json: one line of JSON, see `Metadata`; its Size is the length of state.bin.
- state.bin: the state as a stream of records.
- SHA256SUMS: for each of the two others a line of the sum in hexadecimal, two spaces, the name.

The members may come in any order, and no other may be there. Headers are USTAR, mode 0600, no owner. The tar ends with
exactly two empty blocks, and the gzip stream, of one member, ends there too: the peers refuse a byte more.

Source: reference "FSM commands", section 5; answers of Consul 1.8.7 to archives broken in many ways.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct, field

from muster.model.errors import DecodeError

META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"
VERSION = 1
COMPRESSION = 1  # zlib's level: saving must not hold up writes, and the peers read any
_BLOCK = 512
_PIECE = 1 << 16
_RAW_DEFLATE = -15  # zlib's wbits for a stream whose head and tail are read here
_GZIP = 31
_FILE = "failed to read snapshot file: "
_INTEGRITY = _FILE + "failed checking integrity of snapshot: "
_CUT_OFF = {
    META: "failed to read snapshot metadata: unexpected EOF",
    STATE: "failed to read or write snapshot data: unexpected EOF",
    SUMS: "failed to read snapshot hashes: unexpected EOF",
}


class ArchivedServer(Struct, frozen=True, kw_only=True):
    """A server of the Raft configuration when the snapshot was taken. `suffrage`: 0 voter, 1 non-voter, 2 staging."""

    suffrage: int = field(name="Suffrage", default=0)
    id: str = field(name="ID", default="")
    address: str = field(name="Address", default="")


class ArchivedConfiguration(Struct, frozen=True, kw_only=True):
    servers: list[ArchivedServer] | None = field(name="Servers", default=None)


class Metadata(Struct, frozen=True, kw_only=True):
    """meta.json. `id` is TERM-INDEX-MILLISECONDS, `peers` the base64 of the msgpack of the voters' addresses."""

    version: int = field(name="Version", default=VERSION)
    id: str = field(name="ID", default="")
    index: int = field(name="Index", default=0)
    term: int = field(name="Term", default=0)
    peers: str | None = field(name="Peers", default=None)
    configuration: ArchivedConfiguration = field(name="Configuration", default_factory=ArchivedConfiguration)
    configuration_index: int = field(name="ConfigurationIndex", default=0)
    size: int = field(name="Size", default=0)


class UnfitContent(DecodeError):
    """The archive is sound, but what it says of its content does not fit this release or the content."""


class Archive(Struct, frozen=True):
    """A whole and sound archive."""

    metadata: Metadata
    state: memoryview

    def chunks(self) -> Iterator[bytes]:
        """state.bin in pieces."""
        return (bytes(self.state[at : at + _PIECE]) for at in range(0, len(self.state), _PIECE))


def write(metadata: Metadata, state: Iterable[bytes], seconds: int = 0) -> Iterator[bytes]:
    """The archive's bytes, piece by piece. `state` has to give exactly `metadata.size` bytes, or a `DecodeError` is raised.

    `seconds` since 1970 is the time of change that the members show.
    """
    described = msgspec.json.encode(metadata) + b"\n"
    packer = zlib.compressobj(COMPRESSION, wbits=_GZIP)
    sums = {META: hashlib.sha256(described), STATE: hashlib.sha256()}
    yield packer.compress(_member(META, described, seconds) + _header(STATE, metadata.size, seconds))
    size = 0
    for piece in state:
        size += len(piece)
        sums[STATE].update(piece)
        yield packer.compress(piece)
    if size != metadata.size:
        raise DecodeError(f"failed to write snapshot, size didn't match ({size} != {metadata.size})")
    listed = "".join(f"{digest.hexdigest()}  {name}\n" for name, digest in sums.items()).encode()
    yield packer.compress(bytes(-size % _BLOCK) + _member(SUMS, listed, seconds) + bytes(2 * _BLOCK)) + packer.flush()


def _member(name: str, content: bytes, seconds: int) -> bytes:
    return _header(name, len(content), seconds) + content + bytes(-len(content) % _BLOCK)


def _header(name: str, size: int, seconds: int) -> bytes:
    """A USTAR header: texts padded with zeros, numbers in octal."""
    length = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    head = name.encode().ljust(100, b"\0") + b"0000600\0" + b"0000000\0" * 2 + length + b"%011o\0" % seconds
    tail = (b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2).ljust(_BLOCK - 156, b"\0")
    return head + b"%06o\0 " % (sum(head) + sum(tail) + 8 * ord(" ")) + tail


# ---- reading


def read(source: bytes | BinaryIO) -> Archive:
    """The archive; `DecodeError` with the peers' text if anything about it is wrong. Takes about 10 ns a byte of state."""
    tar, fault = _decompress(source if isinstance(source, bytes) else source.read())
    members, end = _members(tar, fault)
    metadata = _metadata(members.get(META))
    _check_sums(members)
    if end < len(tar):
        raise DecodeError(f"{len(tar) - end} unread uncompressed bytes remain")
    if fault:
        raise DecodeError(fault)
    state = members[STATE]
    if metadata.version != VERSION:
        raise UnfitContent(f"unsupported snapshot version {metadata.version}")
    if metadata.size != len(state):
        raise UnfitContent(f"failed to write snapshot, size didn't match ({len(state)} != {metadata.size})")
    return Archive(metadata, state)


def _decompress(data: bytes) -> tuple[memoryview, str]:
    """All that can be unpacked, and what was wrong after it; empty if the stream ended well."""
    tar = bytearray()
    start, fault = _gzip_body(data, 0)
    if fault:
        raise DecodeError(f"failed to decompress snapshot: {fault}")
    while not fault:
        begin = len(tar)
        unpacker = zlib.decompressobj(_RAW_DEFLATE)
        try:
            for at in range(start, len(data), _PIECE):
                tar += unpacker.decompress(data[at : at + _PIECE])
                if unpacker.eof:
                    break
        except zlib.error as error:
            return memoryview(tar), f"flate: corrupt input: {error}"
        if not unpacker.eof:
            return memoryview(tar), "unexpected EOF"
        after = min(at + _PIECE, len(data)) - len(unpacker.unused_data)
        trailer = data[after : after + 8]
        if len(trailer) < 8:
            return memoryview(tar), "unexpected EOF"
        body = memoryview(tar)[begin:]
        sound = trailer == zlib.crc32(body).to_bytes(4, "little") + (len(body) & 0xFFFFFFFF).to_bytes(4, "little")
        body.release()
        if not sound:
            return memoryview(tar), "gzip: invalid checksum"
        if after + 8 == len(data):
            return memoryview(tar), ""
        start, fault = _gzip_body(data, after + 8)
    return memoryview(tar), fault


def _gzip_body(data: bytes, at: int) -> tuple[int, str]:
    """Where the deflated body of the gzip member at `at` begins, or what is wrong with its head."""
    head = data[at : at + 10]
    if not head:
        return at, "EOF"
    if len(head) < 10:
        return at, "unexpected EOF"
    if head[:3] != b"\x1f\x8b\x08":
        return at, "gzip: invalid header"
    at += 10
    flags = head[3]
    if flags & 4:  # extra field
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (8, 16):  # name, comment: texts that end with a zero
        if flags & flag:
            at = data.find(b"\0", at) + 1 or len(data)
    if flags & 2:  # sum of the head
        at += 2
    return (at, "") if at < len(data) else (at, "unexpected EOF")


def _members(tar: memoryview, fault: str) -> tuple[dict[str, memoryview], int]:
    """The members by name, and where the tar ends, its empty blocks included."""
    found: dict[str, memoryview] = {}
    at = 0
    while at < len(tar):
        block = bytes(tar[at : at + _BLOCK])
        at += _BLOCK
        if len(block) < _BLOCK:
            raise DecodeError(f"{_FILE}failed reading snapshot: {fault or 'unexpected EOF'}")
        if not any(block):
            return found, at + _BLOCK
        size = _size(block)
        if block[156:157] not in (b"x", b"g"):  # attributes that some tar programs add
            name = block[:100].split(b"\0")[0].decode("utf-8", "surrogateescape")
            if name not in (META, STATE, SUMS):
                raise DecodeError(f'{_FILE}unexpected file "{name}" in snapshot')
            found[name] = tar[at : at + size]
            if len(found[name]) < size:
                raise DecodeError(_FILE + _CUT_OFF[name])
        at += size + -size % _BLOCK
    if fault:
        raise DecodeError(f"{_FILE}failed reading snapshot: {fault}")
    return found, at


def _size(block: bytes) -> int:
    """The size that a header tells, after its sum was checked."""
    try:
        told = int(block[148:156].strip(b"\0 ") or b"0", 8)
        length = block[124:136]
        size = int.from_bytes(length[1:], "big") if length[0] & 0x80 else int(length.strip(b"\0 ") or b"0", 8)
    except ValueError:
        told, size = -1, -1
    if size < 0 or told != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise DecodeError(f"{_FILE}failed reading snapshot: archive/tar: invalid tar header")
    return size


def _metadata(text: memoryview | None) -> Metadata:
    if text is None:
        return Metadata()
    try:
        return msgspec.json.decode(text, type=Metadata)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError(f"{_FILE}failed to decode snapshot metadata: {error}") from error


def _check_sums(members: dict[str, memoryview]) -> None:
    listed: dict[str, str] = {}
    for line in bytes(members.get(SUMS, b"")).decode("ascii", "replace").splitlines():
        digest, _, name = line.partition(" ")
        name = name.strip()
        if name not in (META, STATE):
            raise DecodeError(f'{_INTEGRITY}list missing hash for "{name}"')
        listed[name] = digest
    for name in (META, STATE):
        if name not in listed:
            raise DecodeError(f'{_INTEGRITY}file missing for "{name}"')
        if hashlib.sha256(members.get(name, b"")).hexdigest() != listed[name].lower():
            raise DecodeError(f'{_INTEGRITY}hash check failed for "{name}"')
