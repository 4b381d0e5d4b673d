"""Commands too big for one log entry, cut into pieces and put together again as Consul's servers do.

Each piece is an entry of its own; its extensions say which operation it belongs to (protobuf: field 1 operation, a
random 64-bit number; field 2 position, absent for 0; field 3 number of pieces). The index of the entry that completes
the operation is the index at which the command is applied.
"""

import random
from typing import Final

import msgspec

from muster.model.errors import CommandFailed, DecodeError
from muster.raft.entries import COMMAND, Entry, Proposal

CHUNK_BYTES: Final = 524_288  # go-raftchunking's piece, and Raft's suggested greatest entry

ChunkMap = dict[int, list[dict[str, object] | None]]
"""Record 29 of a snapshot, its ChunkMap: operation -> pieces by position, each {OpNum, SequenceNum, NumChunks, Term, Data}."""


class Chunk(msgspec.Struct, frozen=True):
    """What the extensions of one piece say."""

    operation: int
    position: int
    pieces: int


def split(data: bytes, command: object, chance: random.Random) -> list[Proposal]:
    """The pieces of one command; the last carries the command itself."""
    operation = chance.getrandbits(64)
    pieces = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    proposals = [Proposal(COMMAND, piece, encode_extensions(Chunk(operation, n, len(pieces)))) for n, piece in enumerate(pieces)]
    proposals[-1].command = command
    return proposals


def encode_extensions(chunk: Chunk) -> bytes:
    """The protobuf of one piece's place."""
    position = b"\x10" + _varint(chunk.position) if chunk.position else b""
    return b"\x08" + _varint(chunk.operation) + position + b"\x18" + _varint(chunk.pieces)


def decode_extensions(data: bytes) -> Chunk:
    """The reverse of `encode_extensions`; unknown fields are skipped. Raises DecodeError."""
    fields = {1: 0, 2: 0, 3: 0}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        if tag & 7 == 0:
            fields[tag >> 3], at = _read_varint(data, at)
        elif tag & 7 == 2:
            size, at = _read_varint(data, at)
            at += size
        else:
            raise DecodeError(f"chunk extensions: offset {at}: wire type {tag & 7}")
    if not fields[2] < fields[3] <= 1 << 20 or at > len(data):
        raise DecodeError(f"chunk extensions: piece {fields[2]} of {fields[3]}")
    return Chunk(fields[1], fields[2], fields[3])


class Assembler:
    """Collects pieces until an operation is complete. All pieces of one must be of one term."""

    def __init__(self) -> None:
        self._term = 0
        self._operations: ChunkMap = {}

    def add(self, entry: Entry) -> bytes | CommandFailed | None:
        """The whole command with its last piece; None before; an error if a piece came out of order."""
        try:
            chunk = decode_extensions(entry.extensions)
        except DecodeError as error:
            return CommandFailed(str(error))
        if entry.term != self._term:  # whoever proposed the others is no longer the leader, and proposes them again
            self._operations, self._term = {}, entry.term
        pieces = self._operations.setdefault(chunk.operation, [None] * chunk.pieces)
        if len(pieces) != chunk.pieces or (chunk.position and pieces[chunk.position - 1] is None):
            del self._operations[chunk.operation]
            return CommandFailed("sequence number skipped")
        pieces[chunk.position] = {
            "OpNum": chunk.operation,
            "SequenceNum": chunk.position,
            "NumChunks": chunk.pieces,
            "Term": entry.term,
            "Data": entry.data,
        }
        if None in pieces:
            return None
        del self._operations[chunk.operation]
        return b"".join(piece["Data"] for piece in pieces if piece and isinstance(piece["Data"], bytes))

    def state(self) -> ChunkMap:
        """What is incomplete, for a snapshot."""
        return {operation: list(pieces) for operation, pieces in self._operations.items()}

    def restore(self, state: ChunkMap) -> None:
        """Goes on from a snapshot."""
        self._operations = {operation: list(pieces) for operation, pieces in state.items()}
        terms = [piece["Term"] for pieces in state.values() for piece in pieces if piece]
        self._term = max((term for term in terms if isinstance(term, int)), default=0)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
        shift += 7
    raise DecodeError(f"chunk extensions: offset {at}: unfinished number")
