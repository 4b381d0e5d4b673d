"""Packets: every recorded one is taken apart and built again, and what is wrong in one costs only itself."""

import struct
import zlib

import pytest
from gossip_vectors import captured, layers, load, single_messages
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError, Rejected
from muster.wire import sealing
from muster.wire.gossip import Ack, Nack, Ping, PushPull, StreamError, User
from muster.wire.gossip_codec import encode_message
from muster.wire.msgpack import pack
from muster.wire.packets import (
    CHECKSUM_OVERHEAD,
    COMPOUND_OVERHEAD,
    ENCRYPTION_OVERHEAD,
    decode_packet,
    encode_compound,
    encode_compressed,
    encode_packet,
)

KEY, OTHER_KEY, NONCE = b"k" * 16, b"o" * 32, b"n" * 12
ACK, NACK = Ack(sequence=1, payload=b"x"), Nack(sequence=2)
ACK_DATA, NACK_DATA = encode_message(ACK), encode_message(NACK)
BAD = b"\x02\x81"


def plain(data: bytes) -> list[object]:
    return list(decode_packet(data, keys=[], require_encryption=False))


def built(*messages: bytes, checksum: bool = False, compress: bool = False, key: bytes | None = None, label: bytes = b"") -> bytes:
    return encode_packet(messages or [ACK_DATA], checksum=checksum, compress=compress, key=key, nonce=NONCE, label=label)


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector.name) for vector in captured("packet")])
def test_a_recorded_packet_is_built_again_of_its_messages(vector):
    messages = decode_packet(vector.data, keys=vector.keys, require_encryption=bool(vector.keys))
    _, found = layers(vector)
    compressed = "compressed" in found
    key, nonce = (vector.keys[0], vector.data[1:13]) if vector.keys else (None, None)
    encoded = [encode_message(message) for message in messages]
    assert encoded == single_messages(vector)
    again = encode_packet(encoded, checksum="checksum" in found, compress=compressed, key=key, nonce=nonce)
    if compressed:  # older peers write no clear code at the start, so that the bytes differ
        assert decode_packet(again, keys=vector.keys, require_encryption=bool(vector.keys)) == messages
        assert layers(vector._replace(data=again)) == layers(vector)
    else:
        assert again == vector.data


def test_the_records_hold_every_layer():
    found = {layer for vector in captured("packet") for layer in layers(vector)[1]}
    assert found == {"encrypted", "checksum", "compressed"}


def test_the_recorded_encryption_is_written_and_read():
    recorded = load("encryption.json")
    key, nonce = bytes.fromhex(recorded["key_hex"]), bytes.fromhex(recorded["nonce_hex"])
    data, inside = (bytes.fromhex(recorded["packet"][name]) for name in ("hex", "plain_hex"))
    assert encode_packet([inside], checksum=False, compress=False, key=key, nonce=nonce) == data
    assert decode_packet(data, keys=[key], require_encryption=True) == [Ping(sequence=1, node="n1")]


@given(
    st.lists(st.binary(max_size=60).map(lambda payload: User(payload=payload)), min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, KEY, b"k" * 24, OTHER_KEY]),
    st.binary(max_size=9),
)
def test_any_layers_come_off_again(messages, checksum, compress, key, label):
    data = built(*map(encode_message, messages), checksum=checksum, compress=compress, key=key, label=label)
    assert decode_packet(data, keys=[key] if key else [], require_encryption=True, label=label) == messages


@given(st.binary(max_size=100), st.sampled_from([[], [KEY]]), st.booleans())
def test_any_bytes_are_messages_or_refused(data, keys, require_encryption):
    try:
        assert decode_packet(data, keys=keys, require_encryption=require_encryption)
    except DecodeError:
        pass


def test_a_packet_is_compressed_only_if_that_makes_it_shorter():
    long = encode_message(User(payload=bytes(1000)))
    assert built(ACK_DATA, compress=True) == ACK_DATA
    assert len(built(long, compress=True)) < 200


def test_the_overheads_are_as_announced():
    assert len(built(ACK_DATA, checksum=True)) - len(ACK_DATA) == CHECKSUM_OVERHEAD
    assert len(built(ACK_DATA, key=KEY)) - len(ACK_DATA) == ENCRYPTION_OVERHEAD
    assert len(built(ACK_DATA, NACK_DATA)) - len(ACK_DATA + NACK_DATA) == COMPOUND_OVERHEAD * 3


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"messages": []}, id="no message"),
        pytest.param({"messages": [NACK_DATA] * 256}, id="more messages than a byte counts"),
        pytest.param({"messages": [NACK_DATA, bytes(65536)]}, id="a message longer than its length can say"),
        pytest.param({"key": KEY}, id="a key without a nonce"),
        pytest.param({"key": KEY, "nonce": b"short"}, id="a short nonce"),
        pytest.param({"key": b"short", "nonce": NONCE}, id="a short key"),
        pytest.param({"label": bytes(256)}, id="a long label"),
    ],
)
def test_what_no_packet_can_hold_is_rejected(change):
    arguments = {"messages": [ACK_DATA], "checksum": False, "compress": False, "key": None, "nonce": None, **change}
    with pytest.raises(Rejected):
        encode_packet(**arguments)


def compound(count: int, lengths: list[int], rest: bytes) -> bytes:
    return struct.pack(f">BB{len(lengths)}H", 7, count, *lengths) + rest


@pytest.mark.parametrize(
    ("data", "good"),
    [
        pytest.param(encode_compound([BAD, ACK_DATA]), [ACK], id="a bad message first"),
        pytest.param(encode_compound([ACK_DATA, BAD, NACK_DATA]), [ACK, NACK], id="a bad message between"),
        pytest.param(encode_compound([ACK_DATA, b"", b"\xc8"]), [ACK], id="an empty and an unknown message"),
        pytest.param(encode_compound([ACK_DATA, NACK_DATA])[:-1], [ACK], id="the last message cut off"),
        pytest.param(compound(2, [len(ACK_DATA), 60_000], ACK_DATA + NACK_DATA), [ACK], id="a length beyond the data"),
        pytest.param(encode_compound([encode_compound([ACK_DATA]), NACK_DATA]), [ACK, NACK], id="a compound within"),
        pytest.param(encode_compound([ACK_DATA, encode_compressed(NACK_DATA)]), [ACK], id="compressed within"),
        pytest.param(encode_compound([ACK_DATA]) + b"more", [ACK], id="bytes after the last message"),
    ],
)
def test_a_compound_gives_its_good_messages(data, good):
    assert plain(data) == good


def nested(wrap, data: bytes, depth: int) -> bytes:
    for _ in range(depth):
        data = wrap(data)
    return data


def checksummed(data: bytes) -> bytes:
    return struct.pack(">BI", 12, zlib.crc32(data)) + data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x07", id="a compound's type alone"),
        pytest.param(b"\x07\x00", id="a compound of none"),
        pytest.param(b"\x07\xff\x00\x01\x00", id="a compound with fewer lengths than it counts"),
        pytest.param(encode_compound([BAD, b""]), id="a compound of bad messages"),
        pytest.param(nested(lambda data: encode_compound([data]), ACK_DATA, 6), id="compounds six deep"),
        pytest.param(nested(encode_compressed, ACK_DATA, 5), id="compressed five times"),
        pytest.param(encode_compressed(bytes(65_536)), id="a bomb"),
        pytest.param(b"\x09" + pack({"Algo": 1, "Buf": b""}), id="an unknown compression"),
        pytest.param(b"\x09" + pack({"Algo": 0}), id="compressed nothing"),
        pytest.param(b"\x09", id="compressed without a map"),
        pytest.param(b"\x0c\x00\x00", id="a checksum cut off"),
        pytest.param(b"\x0c\x00\x00\x00\x01" + ACK_DATA, id="a wrong checksum"),
        pytest.param(checksummed(checksummed(ACK_DATA)), id="a checksum of a checksum"),
        pytest.param(encode_message(PushPull(nodes=[])), id="a push-pull"),
        pytest.param(encode_message(StreamError(text="no")), id="an error"),
        pytest.param(built(ACK_DATA, key=KEY), id="encrypted, in a plain pool"),
        pytest.param(built(ACK_DATA, label=b"x"), id="labelled, in a pool without"),
        pytest.param(b"\xf4", id="a label's type alone"),
        pytest.param(b"\xf4\x00" + ACK_DATA, id="an empty label"),
    ],
)
def test_bad_packets_are_refused(data):
    with pytest.raises(DecodeError):
        plain(data)


def test_any_key_of_the_ring_opens_a_packet():
    for key in (KEY, OTHER_KEY):
        assert decode_packet(built(ACK_DATA, key=key), keys=[OTHER_KEY, KEY], require_encryption=True) == [ACK]


def test_a_plain_packet_is_read_until_encryption_is_required():
    assert decode_packet(ACK_DATA, keys=[KEY], require_encryption=False) == [ACK]
    with pytest.raises(DecodeError):
        decode_packet(ACK_DATA, keys=[KEY], require_encryption=True)


@pytest.mark.parametrize("require_encryption", [True, False])
def test_a_packet_under_another_key_is_refused(require_encryption):
    with pytest.raises(DecodeError):
        decode_packet(built(ACK_DATA, key=OTHER_KEY), keys=[KEY], require_encryption=require_encryption)


def test_a_changed_bit_anywhere_in_an_encrypted_packet_is_noticed():
    data = built(ACK_DATA, key=KEY, label=b"blue")
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecodeError):
            decode_packet(bytes(changed), keys=[KEY], require_encryption=True, label=b"blue")


def old_packet(inside: bytes) -> bytes:
    return b"\x00" + sealing.seal(inside, KEY, NONCE, b"")[1:]


def test_the_oldest_encryption_with_padding_is_read():
    padding = 16 - len(ACK_DATA) % 16
    assert decode_packet(old_packet(ACK_DATA + bytes((padding,)) * padding), keys=[KEY], require_encryption=True) == [ACK]


@pytest.mark.parametrize("inside", [b"", ACK_DATA + b"\x00", ACK_DATA + b"\x11" * 17, ACK_DATA + b"\x01\x02", b"\x05\x05"])
def test_wrong_padding_is_refused(inside):
    with pytest.raises(DecodeError):
        decode_packet(old_packet(inside), keys=[KEY], require_encryption=True)


@pytest.mark.parametrize("key", [None, KEY])
def test_a_packet_of_a_pool_with_another_label_is_refused(key):
    keys = [key] if key else []
    for label in (b"", b"red", b"blu", b"bluex"):
        with pytest.raises(DecodeError):
            decode_packet(built(ACK_DATA, key=key, label=label), keys=keys, require_encryption=True, label=b"blue")
