"""A million mutated packets, streams and Serf messages: only the documented exception, no hang, no memory kept."""

import gc
import random
import struct
import time
import zlib

import pytest
from gossip_vectors import all_messages, all_serf_messages, captured, layers, load
from test_mutated_bytes import mutated, resident

from muster.model.errors import DecodeError
from muster.wire import lzw
from muster.wire.gossip import PushPull, User
from muster.wire.gossip_codec import decode_message
from muster.wire.msgpack import pack
from muster.wire.packets import decode_packet, encode_compound, encode_compressed, encode_packet
from muster.wire.serf_codec import decode_coordinate, decode_filter, decode_serf, decode_tags
from muster.wire.streams import StreamReader, encode_stream, encode_user_stream

INPUTS = 1_000_000
SETTLED = 100_000
ROUND = 10_000
LONGEST = 2.0  # seconds that no single input may take
GROWTH = 5.0  # MB
KEY, OTHER_KEY, NONCE = b"k" * 16, b"o" * 32, b"n" * 12

PLAIN = [(vector, layers(vector)[0]) for vector in captured("packet")]
MESSAGES = [data for data in all_messages() if len(data) < 1000]
SERF = [data for data in all_serf_messages() if len(data) < 1000]
EXCHANGES = [layers(vector)[0] for vector in captured("stream")]


def sealed_packets() -> list[bytes]:
    keys = (KEY, OTHER_KEY, b"x" * 24)
    return [encode_packet([data], checksum=True, compress=False, key=key, nonce=NONCE) for data in MESSAGES for key in keys]


def sealed_streams() -> list[bytes]:
    return [encode_stream(data, compress=False, key=key, nonce=NONCE) for data in EXCHANGES for key in (KEY, b"x" * 24)]


def parts(data: bytes) -> None:
    """What a member does with a message that came: Serf's messages and states are decoded too."""
    message = decode_message(data)
    if isinstance(message, User | PushPull):
        decode_serf(message.payload if isinstance(message, User) else message.user_state)


def with_right_checksum(data: bytes) -> None:
    decode_packet(struct.pack(">BI", 12, zlib.crc32(data)) + data, keys=[], require_encryption=False)


def in_two_pieces(keys: list[bytes], data: bytes) -> None:
    reader = StreamReader(keys, require_encryption=False)
    reader.feed(data[: len(data) // 2])
    reader.feed(data[len(data) // 2 :])


def pieces_of_messages(data: bytes) -> None:
    for decode in (decode_tags, decode_coordinate, decode_filter):
        try:
            decode(data)
        except DecodeError:
            pass


STREAMS = [data for data in EXCHANGES if len(data) < 900] + [encode_user_stream(data) for data in SERF[:9]]
SMALL = [b"\xff\x82\xa1a\xa1b\xa1c\xa1d", b"\x01\x81\xa3Vec\x92\xcb" + bytes(8) + b"\xcb" + bytes(8), b"\x00\x92\xa1a\xa1b", b"\x01\x80"]
DECODERS = [
    # name, decoder, samples, share of the inputs
    ("messages", parts, MESSAGES, 0.25),
    ("serf messages", decode_serf, SERF, 0.25),
    ("packets", lambda data: decode_packet(data, keys=[], require_encryption=False), [vector.data for vector, _ in PLAIN], 0.1),
    ("packets with a right checksum", with_right_checksum, [data for _, data in PLAIN], 0.1),
    ("sealed packets", lambda data: decode_packet(data, keys=[KEY, OTHER_KEY], require_encryption=False), sealed_packets(), 0.1),
    ("streams", lambda data: in_two_pieces([], data), STREAMS, 0.06),
    ("recorded streams", lambda data: in_two_pieces([], data), [vector.data for vector in captured("stream")], 0.01),
    ("sealed streams", lambda data: in_two_pieces([KEY], data), sealed_streams(), 0.05),
    ("compressed", lambda data: lzw.decompress(data, 5000), [bytes.fromhex(row["lzw_hex"]) for row in load("lzw.json")], 0.03),
    ("tags, coordinates, filters", pieces_of_messages, SMALL, 0.05),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mutated_gossip_raises_only_what_is_documented_and_leaves_no_memory():
    assert sum(share for *_, share in DECODERS) == pytest.approx(1)
    chance = random.Random(20240607)
    done, settled, slowest = 0, 0.0, 0.0
    while done < INPUTS:
        for _name, decode, samples, share in DECODERS:
            for _ in range(round(share * ROUND)):
                data = mutated(chance, chance.choice(samples))
                begin = time.perf_counter()
                try:
                    decode(data)
                except DecodeError:
                    pass
                slowest = max(slowest, time.perf_counter() - begin)
        done += ROUND
        if done == SETTLED:
            gc.collect()
            settled = resident()
    gc.collect()
    assert slowest < LONGEST
    assert resident() - settled < GROWTH


def nested_lists(kind: int, count: int) -> bytes:
    return bytes((kind,)) + (b"\xdd" + struct.pack(">I", count)) * 1000


BOMBS = [
    pytest.param(encode_compressed(bytes(65_536)), id="a packet of zeros"),
    pytest.param(encode_compound([encode_compressed(bytes(65_536))] * 255), id="a compound of packets of zeros"),
    pytest.param(encode_compressed(encode_compressed(bytes(65_536))), id="compressed twice"),
    pytest.param(nested_lists(3, 1024), id="lists within lists"),
    pytest.param(nested_lists(3, 1 << 31), id="huge lists within lists"),
    pytest.param(b"\x06" + pack({"Nodes": 1 << 20, "UserStateLen": 40 << 20}), id="a push-pull that is all promise"),
    pytest.param(b"\x03\xdb\x7f\xff\xff\xff", id="a text that is all promise"),
    pytest.param(b"\x08" + nested_lists(2, 1 << 20), id="a state of lists within lists"),
    pytest.param(b"\x08\x02\x81\xa6Events\xdd\x00\x10\x00\x00" + b"\xc0" * 60_000, id="more slots than sent"),
]  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_again_and_again_at_no_cost(bomb):
    def thrown() -> None:
        for decode in (parts, lambda data: decode_packet(data, keys=[], require_encryption=False), lambda data: in_two_pieces([], data)):
            begin = time.perf_counter()
            try:
                decode(bomb)
            except DecodeError:
                pass
            assert time.perf_counter() - begin < LONGEST

    for _ in range(3):
        thrown()
    gc.collect()
    before = resident()
    for _ in range(20):
        thrown()
    gc.collect()
    assert resident() - before < GROWTH
