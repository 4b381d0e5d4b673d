"""Snapshots by stream: a head each way, and the archive behind the request of a restore or the response of a save.

Source: reference of the RPC wire, section 7.
"""

from typing import Final, Generic, TypeVar

from msgspec import Struct, field

from muster.wire.msgpack import pack, unpack
from muster.wire.records import encoder, from_wire
from muster.wire.value_stream import ValueStream

SAVE, RESTORE = range(2)
MAXIMUM_HEAD: Final = 1 << 16


class SnapshotRequest(Struct, frozen=True, gc=False, kw_only=True):
    """`op` 0 saves, 1 restores the archive that follows, up to the end of what the client sends."""

    allow_stale: bool = field(name="AllowStale", default=False)
    datacenter: str = field(name="Datacenter", default="")
    op: int = field(name="Op", default=SAVE)
    token: str = field(name="Token", default="")


class SnapshotResponse(Struct, frozen=True, gc=False, kw_only=True):
    """`error` is empty if all went well; then the archive of a save follows, up to the end of what the server sends."""

    consistency_level: str = field(name="ConsistencyLevel", default="")
    error: str = field(name="Error", default="")
    index: int = field(name="Index", default=0)
    known_leader: bool = field(name="KnownLeader", default=False)
    last_contact: int = field(name="LastContact", default=0)  # nanoseconds


H = TypeVar("H", SnapshotRequest, SnapshotResponse)


def encode_head(head: SnapshotRequest | SnapshotResponse) -> bytes:
    """The bytes of a head, without the connection's first byte."""
    return pack(encoder(type(head))(head))


class HeadReader(Generic[H]):
    """Reads the one head of a connection, and leaves what follows it."""

    def __init__(self, head_type: type[H]) -> None:
        self._type: type[H] = head_type
        self._stream = ValueStream(MAXIMUM_HEAD)

    def feed(self, data: bytes) -> tuple[H, bytes] | None:
        """The head and the first bytes behind it, once it is whole; `DecodeError` if it is none. Not to be fed again after either."""
        self._stream.feed(data)
        head = self._stream.next()
        if head is None:
            return None
        return from_wire(self._type, unpack(head)), self._stream.take(self._stream.pending)
