"""Streams of a pool: one message each way, with label, encryption and compression around it, read as its bytes come in.

Only an encrypted stream says how long it is. Any other ends where its message ends, so the reader keeps its place in it and never looks at
a byte twice.

Source: reference of the gossip wire, section 1.
"""

import struct
from collections.abc import Generator, Sequence

import msgpack

from muster.model.errors import DecodeError, Rejected
from muster.wire import sealing
from muster.wire.gossip import Message, PushPull, User
from muster.wire.gossip_codec import (
    ACK,
    COMPRESSED,
    ENCRYPTED,
    ERROR,
    MAXIMUM_STREAM,
    PING,
    PUSH_PULL,
    USER,
    ack_of,
    error_of,
    node_state_of,
    ping_of,
    push_pull_header,
    table_reader,
)
from muster.wire.msgpack import pack
from muster.wire.packets import decompressed, encode_compressed, label_header
from muster.wire.raw_maps import UNPACKING_ERRORS, Fields, as_fields, unsigned

MAXIMUM_DECOMPRESSED = 2 * MAXIMUM_STREAM
_SEALED_HEADER = 5  # bytes: type and length

Steps = Generator[None, None, Message]


def encode_user_stream(payload: bytes) -> bytes:
    """A message of the layer above as a stream carries it, for `encode_stream`."""
    return b"\x08" + pack({"UserMsgLen": len(payload)}) + payload


def encode_stream(message: bytes, *, compress: bool, key: bytes | None, nonce: bytes | None, label: bytes = b"") -> bytes:
    """All that one side sends. `compress`: always, even if longer; with a `key` encrypted, under a fresh `nonce`.

    `Rejected` for more than peers take, or if there is a key and no nonce.
    """
    data = encode_compressed(message) if compress else message
    if len(data) > MAXIMUM_STREAM - sealing.OVERHEAD or len(message) > MAXIMUM_DECOMPRESSED:
        raise Rejected(f"a stream of more than {MAXIMUM_STREAM} bytes")
    if key is not None:
        header = struct.pack(">BI", ENCRYPTED, len(data) + sealing.OVERHEAD)
        data = header + sealing.seal(data, key, nonce, header + label)
    return label_header(label) + data


class StreamReader:
    """Reads the one message of a stream. With `keys`, a plain stream is taken too unless `require_encryption`."""

    def __init__(self, keys: Sequence[bytes], require_encryption: bool, label: bytes = b"") -> None:
        self._keys = keys
        self._require_encryption = require_encryption
        self._label = label
        self._received = 0
        self._head = bytearray()
        """What came before the plain message begins: the label, and the whole of an encrypted body."""
        self._plain: _PlainReader | None = None
        self._finished = False

    def feed(self, data: bytes) -> Message | None:
        """The message, once its last byte is here; `DecodeError` as soon as there cannot be one. What comes after either is ignored."""
        if self._finished:
            return None
        try:
            message = self._advance(data)
        except DecodeError:
            self._finished = True
            raise
        self._finished = message is not None
        return message

    def _advance(self, data: bytes) -> Message | None:
        self._received += len(data)
        if self._received > MAXIMUM_STREAM:
            raise DecodeError(f"a stream of more than {MAXIMUM_STREAM} bytes")
        if self._plain is not None:
            return self._plain.feed(data)
        self._head += data
        start = self._after_label()
        if start is None or len(self._head) == start:
            return None
        if self._head[start] == ENCRYPTED:
            return self._unsealed(start)
        if self._keys and self._require_encryption:
            raise DecodeError("Encryption is configured but remote state is not encrypted")
        self._plain = _PlainReader()
        return self._plain.feed(bytes(self._head[start:]))

    def _after_label(self) -> int | None:
        """Where the label ends; None while it is not whole."""
        head, expected = self._head, label_header(self._label)
        if head[: len(expected)] != expected[: len(head)] or (head[:1] == b"\xf4" and not expected):
            raise DecodeError("a stream of a pool with another label")
        return len(expected) if len(head) >= len(expected) else None

    def _unsealed(self, start: int) -> Message | None:
        if not self._keys:
            raise DecodeError("Remote state is encrypted and encryption is not configured")
        body = start + _SEALED_HEADER
        if len(self._head) < body:
            return None
        length = int.from_bytes(self._head[start + 1 : body], "big")
        if length > MAXIMUM_STREAM:
            raise DecodeError(f"a stream of {length} bytes")
        if len(self._head) < body + length:
            return None
        sealed = bytes(memoryview(self._head)[body : body + length])
        plain = sealing.unseal(sealed, self._keys, bytes(self._head[start:body]) + self._label)
        self._head.clear()
        return _whole(plain)


def _whole(data: bytes, compressed: bool = False) -> Message:
    message = _PlainReader(compressed).feed(data)
    if message is None:
        raise DecodeError("a stream whose message is cut off")
    return message


class _PlainReader:
    """Reads one message from plain bytes. `compressed`: they were compressed, and cannot be once more."""

    def __init__(self, compressed: bool = False) -> None:
        self._compressed = compressed
        self._buffer: msgpack.Unpacker = table_reader()
        self._steps = self._message()

    def feed(self, data: bytes) -> Message | None:
        try:
            self._buffer.feed(data)
            next(self._steps)
        except StopIteration as done:
            message: Message = done.value
            return message
        except UNPACKING_ERRORS as error:
            raise DecodeError(f"stream: {error or type(error).__name__}") from error
        return None

    def _message(self) -> Steps:
        kind = (yield from self._bytes(1))[0]
        if kind == USER:
            return (yield from self._user())
        if kind not in (PING, ACK, PUSH_PULL, ERROR, COMPRESSED) or (kind == COMPRESSED and self._compressed):
            raise DecodeError(f"message type {kind} has no meaning in a stream")
        fields = yield from self._fields()
        if kind == PUSH_PULL:
            return (yield from self._push_pull(fields))
        if kind == COMPRESSED:
            return _whole(decompressed(fields, MAXIMUM_DECOMPRESSED), compressed=True)
        if kind == PING:
            return ping_of(fields)
        return ack_of(fields) if kind == ACK else error_of(fields)

    def _user(self) -> Steps:
        fields = yield from self._fields()
        payload = yield from self._bytes(unsigned(fields.get(b"UserMsgLen"), MAXIMUM_DECOMPRESSED))
        return User(payload=payload)

    def _push_pull(self, header: Fields) -> Steps:
        count, length, join = push_pull_header(header)
        nodes = []
        for _ in range(count):
            fields = yield from self._fields()
            nodes.append(node_state_of(fields))
        state = yield from self._bytes(length)
        return PushPull(nodes=nodes, user_state=state, join=join)

    def _fields(self) -> Generator[None, None, Fields]:
        while True:
            try:
                return as_fields(self._buffer.unpack())
            except msgpack.OutOfData:
                yield

    def _bytes(self, length: int) -> Generator[None, None, bytes]:
        parts = []
        while length:
            part = self._buffer.read_bytes(length)
            if part:
                parts.append(part)
                length -= len(part)
            else:
                yield
        return b"".join(parts)
