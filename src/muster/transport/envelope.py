"""What is around the messages of a pool on the wire: compression, checksum, encryption, label.

Nonces come from the operating system: a nonce that repeats under one key would give the key stream away.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from muster.gossip.keyring import Keyring
from muster.wire import packets, streams
from muster.wire.gossip import Message

NONCE = 12  # bytes
ENCRYPTION_OVERHEAD = 29
"""Bytes that encryption adds to a packet: version, nonce, tag."""
CHECKSUM_OVERHEAD = 5


@dataclass(slots=True)
class Envelope:
    """How one pool wraps its messages. With keys it still sends plain unless `verify_outgoing`, and takes plain unless told to verify."""

    keyring: Keyring | None = None
    verify_incoming: bool = True
    verify_outgoing: bool = True
    compress: bool = True
    label: bytes = b""

    @property
    def encrypted(self) -> bool:
        """Whether the pool has keys."""
        return self.keyring is not None and bool(self.keyring.keys)

    @property
    def packet_overhead(self) -> int:
        """Bytes that this adds to a packet, for `PoolSettings.packet_overhead`."""
        label = len(self.label) + 2 if self.label else 0
        return CHECKSUM_OVERHEAD + label + (ENCRYPTION_OVERHEAD if self.encrypted else 0)

    def pack(self, messages: Sequence[bytes], checksum: bool) -> bytes:
        """One packet of encoded messages."""
        key = self._sealing_key()
        return packets.encode_packet(
            messages,
            checksum=checksum,
            compress=self.compress,
            key=key,
            nonce=os.urandom(NONCE) if key else None,
            label=self.label,
        )

    def unpack(self, packet: bytes) -> list[Message]:
        """The messages of a packet; `DecodeError` if it is not one of this pool."""
        return packets.decode_packet(packet, keys=self._keys(), require_encryption=self._strict(), label=self.label)

    def stream(self, message: bytes) -> bytes:
        """What goes over a stream for one encoded message."""
        key = self._sealing_key()
        nonce = os.urandom(NONCE) if key else None
        return streams.encode_stream(message, compress=self.compress, key=key, nonce=nonce, label=self.label)

    def reader(self) -> streams.StreamReader:
        """For what comes over one stream."""
        return streams.StreamReader(self._keys(), self._strict(), self.label)

    def _sealing_key(self) -> bytes | None:
        ring = self.keyring
        return ring.keys[0] if ring is not None and ring.keys and self.verify_outgoing else None

    def _keys(self) -> Sequence[bytes]:
        return self.keyring.keys if self.keyring is not None else ()

    def _strict(self) -> bool:
        return self.verify_incoming and self.encrypted
