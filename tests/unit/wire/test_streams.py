"""Streams: every recorded one is read, in pieces of any size, and nothing grows beyond its limit."""

import struct

import pytest
from gossip_vectors import captured, layers, load
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.model.errors import DecodeError, Rejected
from muster.wire import streams
from muster.wire.gossip import Ack, Message, NodeState, Ping, PushPull, StreamError, User
from muster.wire.gossip_codec import MAXIMUM_STREAM, encode_message, node_state_of
from muster.wire.lzw import compress
from muster.wire.msgpack import pack
from muster.wire.packets import encode_compressed
from muster.wire.streams import MAXIMUM_DECOMPRESSED, StreamReader, encode_stream, encode_user_stream

KEY, OTHER_KEY, NONCE = b"k" * 16, b"o" * 32, b"n" * 12
NODE = NodeState(name="n1", address=b"\x0a\x00\x00\x01", port=8301, meta=b"\xff\x80", incarnation=1, versions=b"\x01\x05\x02\x02\x05\x04")
MESSAGES = {
    "ping": Ping(sequence=1, node="n1"),
    "ack": Ack(sequence=1, payload=b"\x01\x80"),
    "error": StreamError(text="no"),
    "user": User(payload=bytes(300)),
    "empty user": User(),
    "push-pull": PushPull(nodes=[NODE, NODE], user_state=b"state" * 40, join=True),
    "empty push-pull": PushPull(nodes=[]),
}
MESSAGE = pytest.mark.parametrize("message", [pytest.param(message, id=name) for name, message in MESSAGES.items()])


def encoded(message: Message) -> bytes:
    return encode_user_stream(message.payload) if isinstance(message, User) else encode_message(message)


def stream_of(message: Message, *, compress: bool = False, key: bytes | None = None, label: bytes = b"") -> bytes:
    return encode_stream(encoded(message), compress=compress, key=key, nonce=NONCE, label=label)


def read(data: bytes, step: int, reader: StreamReader) -> Message | None:
    """The message, which must come with the last piece that holds a byte of it."""
    for start in range(0, len(data), step):
        message = reader.feed(data[start : start + step])
        if message is not None:
            assert start + step >= len(data)
            return message
    return None


def plain_reader() -> StreamReader:
    return StreamReader([], require_encryption=False)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector.name) for vector in captured("stream")])
def test_a_recorded_stream_is_read_and_written_again(vector, step):
    message = read(vector.data, step, StreamReader(vector.keys, require_encryption=True))
    inside, found = layers(vector)
    assert encode_message(message) == inside
    compressed = "compressed" in found
    key, nonce = (vector.keys[0], vector.data[6:18]) if vector.keys else (None, None)
    again = encode_stream(inside, compress=compressed, key=key, nonce=nonce)
    assert layers(vector._replace(data=again)) == (inside, found)
    assert again == vector.data or compressed  # older peers write no clear code at the start of what they compress


def test_the_recorded_encryption_is_written():
    recorded = load("encryption.json")
    key, nonce = bytes.fromhex(recorded["key_hex"]), bytes.fromhex(recorded["nonce_hex"])
    data, inside = (bytes.fromhex(recorded["stream"][name]) for name in ("hex", "plain_hex"))
    assert encode_stream(inside, compress=False, key=key, nonce=nonce) == data


@MESSAGE
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("key", [None, KEY, b"k" * 24, OTHER_KEY], ids=["plain", "128", "192", "256"])
@pytest.mark.parametrize("label", [b"", b"blue"])
def test_every_message_comes_through_every_layer(message, compress, key, label):
    data = stream_of(message, compress=compress, key=key, label=label)
    for step in (1, 5, len(data)):
        assert read(data, step, StreamReader([key] if key else [], require_encryption=True, label=label)) == message


@MESSAGE
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("key", [None, KEY])
def test_a_stream_that_is_cut_off_gives_no_message(message, compress, key):
    data = stream_of(message, compress=compress, key=key, label=b"blue")
    for length in range(len(data)):
        assert StreamReader([key] if key else [], require_encryption=True, label=b"blue").feed(data[:length]) is None


@MESSAGE
@pytest.mark.parametrize("key", [None, KEY])
def test_what_comes_after_the_message_is_ignored(message, key):
    reader = StreamReader([key] if key else [], require_encryption=True)
    assert reader.feed(stream_of(message, key=key) + b"more") == message
    assert reader.feed(b"\xff" * 100) is None


def test_each_node_of_a_large_push_pull_is_read_once(monkeypatch):
    reads = 0

    def counted(fields):
        nonlocal reads
        reads += 1
        return node_state_of(fields)

    monkeypatch.setattr(streams, "node_state_of", counted)
    exchange = PushPull(nodes=[NODE] * 5000, user_state=bytes(70_000))
    assert read(encode_message(exchange), 1000, plain_reader()) == exchange
    assert reads == 5000


@given(st.binary(max_size=200), st.integers(1, 200), st.sampled_from([[], [KEY]]))
@settings(max_examples=300)
def test_any_bytes_are_a_message_or_the_start_of_one_or_refused(data, step, keys):
    reader = StreamReader(keys, require_encryption=False)
    try:
        for start in range(0, len(data), step):
            reader.feed(data[start : start + step])
    except DecodeError:
        assert reader.feed(b"\x00") is None


def push_pull(nodes: int, length: int) -> bytes:
    return b"\x06" + pack({"Nodes": nodes, "UserStateLen": length})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(push_pull((1 << 20) + 1, 0), id="more nodes than a pool may have"),
        pytest.param(push_pull(0, MAXIMUM_DECOMPRESSED + 1), id="more user state than a stream may hold"),
        pytest.param(push_pull(1, 0) + b"\x05", id="a node that is no map"),
        pytest.param(push_pull(1, 0) + pack({"Port": "a"}), id="a text for a port"),
        pytest.param(b"\x06\xc1", id="a byte that starts nothing"),
        pytest.param(b"\x06\xdf\xff\xff\xff\xff", id="four thousand million fields"),
        pytest.param(b"\x06\x81\xa1a\xdd\x00\xff\xff\xff", id="sixteen million items"),
        pytest.param(b"\x08" + pack({"UserMsgLen": MAXIMUM_DECOMPRESSED + 1}), id="a user message beyond the limit"),
        pytest.param(b"\x07\x01", id="a compound"),
        pytest.param(b"\x04\x80", id="an alive"),
        pytest.param(b"\xc8", id="an unknown type"),
        pytest.param(b"\xf4\x01x\x00", id="labelled, in a pool without"),
        pytest.param(b"\x0a\x00\x00\x00\x1e", id="encrypted, in a plain pool"),
        pytest.param(encode_compressed(encode_compressed(b"\x06\x80")), id="compressed twice"),
        pytest.param(encode_compressed(push_pull(1, 0)), id="compressed, and cut off inside"),
        pytest.param(encode_compressed(b""), id="compressed nothing"),
        pytest.param(b"\x09" + pack({"Algo": 1, "Buf": compress(b"\x06\x80")}), id="an unknown compression"),
        pytest.param(b"\x09" + pack({"Algo": 0, "Buf": b"junk"}), id="bad compression"),
    ],
)
def test_bad_streams_are_refused(data):
    with pytest.raises(DecodeError):
        plain_reader().feed(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(stream_of(MESSAGES["ping"]), id="plain"),
        pytest.param(stream_of(MESSAGES["ping"], key=OTHER_KEY), id="another key"),
        pytest.param(struct.pack(">BI", 10, MAXIMUM_STREAM + 1), id="longer than a stream may be"),
        pytest.param(struct.pack(">BI", 10, 3) + b"\x01ab", id="too short to be sealed"),
        pytest.param(struct.pack(">BI", 10, 0), id="sealed nothing"),
    ],
)
def test_an_encrypted_pool_refuses(data):
    with pytest.raises(DecodeError):
        StreamReader([KEY], require_encryption=True).feed(data)


def test_a_changed_bit_anywhere_in_an_encrypted_stream_is_noticed():
    data = stream_of(MESSAGES["ping"], key=KEY, label=b"blue")
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        reader = StreamReader([KEY], require_encryption=True, label=b"blue")
        try:
            assert reader.feed(bytes(changed)) is None  # a length that asks for more
        except DecodeError:
            pass


def test_a_plain_stream_is_read_until_encryption_is_required():
    assert StreamReader([KEY], require_encryption=False).feed(stream_of(MESSAGES["ping"])) == MESSAGES["ping"]


@pytest.mark.parametrize("label", [b"", b"red", b"blu", b"bluex"])
@pytest.mark.parametrize("key", [None, KEY])
def test_a_stream_of_a_pool_with_another_label_is_refused(label, key):
    with pytest.raises(DecodeError):
        StreamReader([key] if key else [], True, b"blue").feed(stream_of(MESSAGES["ping"], key=key, label=label))


def test_a_stream_without_end_is_refused_at_the_limit():
    reader, piece = plain_reader(), bytes(1 << 20)
    reader.feed(push_pull(0, MAXIMUM_DECOMPRESSED))
    for _ in range((MAXIMUM_STREAM >> 20) - 1):
        reader.feed(piece)
    with pytest.raises(DecodeError, match="more than"):
        reader.feed(piece)


def test_a_compression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(streams, "MAXIMUM_DECOMPRESSED", 1 << 20)
    bomb = encode_compressed(push_pull(0, 1 << 20) + bytes(1 << 20))
    assert len(bomb) < 2000
    with pytest.raises(DecodeError, match="more than"):
        plain_reader().feed(bomb)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"message": bytes(MAXIMUM_STREAM)}, id="longer than peers take"),
        pytest.param({"key": KEY}, id="a key without a nonce"),
        pytest.param({"key": b"short", "nonce": NONCE}, id="a short key"),
        pytest.param({"label": bytes(256)}, id="a long label"),
    ],
)
def test_what_no_stream_can_hold_is_rejected(change):
    with pytest.raises(Rejected):
        encode_stream(**{"message": b"\x06", "compress": False, "key": None, "nonce": None, **change})
