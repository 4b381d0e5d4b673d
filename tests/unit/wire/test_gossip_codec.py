"""Memberlist's messages: every recorded one is understood to the last byte and written alike, and no bytes break the decoder."""

import msgpack
import pytest
from gossip_vectors import all_messages
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError
from muster.wire.gossip import Ack, Alive, Dead, IndirectPing, Nack, NodeState, Ping, PushPull, StreamError, Suspect, User
from muster.wire.gossip_codec import decode_message, encode_message

U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
BYTES = st.binary(max_size=40)
TEXT = BYTES.map(lambda data: data.decode("utf-8", "surrogateescape"))
ADDRESS = st.one_of(st.just(b""), st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
SOURCE = {"source_address": ADDRESS, "source_port": U16, "source_node": TEXT}
ACCUSED = {"incarnation": U32, "node": TEXT, "accuser": TEXT}
WHERE = {"address": ADDRESS, "port": U16, "meta": BYTES, "versions": BYTES, "incarnation": U32}
NODE = st.builds(NodeState, name=TEXT, state=st.integers(0, 255), **WHERE)
MESSAGE = st.one_of(
    st.builds(Ping, sequence=U32, node=TEXT, **SOURCE),
    st.builds(IndirectPing, sequence=U32, target=ADDRESS, port=U16, node=TEXT, nack=st.booleans(), **SOURCE),
    st.builds(Ack, sequence=U32, payload=BYTES),
    st.builds(Nack, sequence=U32),
    st.builds(Suspect, **ACCUSED),
    st.builds(Dead, **ACCUSED),
    st.builds(Alive, node=TEXT, **WHERE),
    st.builds(PushPull, nodes=st.lists(NODE, max_size=4), user_state=BYTES, join=st.booleans()),
    st.builds(User, payload=BYTES),
    st.builds(StreamError, text=TEXT),
)


@pytest.mark.parametrize("data", [pytest.param(data, id=f"{number}-{data[0]}") for number, data in enumerate(all_messages())])
def test_a_recorded_message_is_written_again_byte_for_byte(data):
    assert encode_message(decode_message(data)) == data


def test_the_records_hold_every_type_of_message():
    kinds = {type(decode_message(data)) for data in all_messages()}
    assert kinds == {Ping, IndirectPing, Ack, Nack, Suspect, Alive, Dead, PushPull, User, StreamError}


@given(MESSAGE)
def test_what_is_written_is_read_again(message):
    assert decode_message(encode_message(message)) == message


@given(st.one_of(st.binary(max_size=80), st.tuples(st.integers(0, 14), st.binary(max_size=80)).map(lambda t: bytes((t[0],)) + t[1])))
def test_any_bytes_are_a_message_or_refused(data):
    try:
        decode_message(data)
    except DecodeError:
        pass


@given(MESSAGE, st.data())
def test_a_message_cut_off_is_refused(message, data):
    whole = encode_message(message)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    if isinstance(message, User) and cut:
        return  # its length is the packet's
    with pytest.raises(DecodeError):
        decode_message(cut)


def written(kind: int, fields: object) -> bytes:
    return bytes((kind,)) + msgpack.packb(fields, use_bin_type=False)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="a type alone"),
        pytest.param(written(6, {"Nodes": 1 << 20, "UserStateLen": 0}), id="more nodes announced than sent"),
        pytest.param(written(6, {"Nodes": (1 << 20) + 1, "UserStateLen": 0}), id="more nodes than a pool may have"),
        pytest.param(written(6, {"Nodes": 0, "UserStateLen": 5}) + b"four", id="user state cut off"),
        pytest.param(written(6, {"Nodes": 0, "UserStateLen": 3}) + b"four", id="bytes after the user state"),
        pytest.param(written(6, {"Nodes": 1, "UserStateLen": 0}) + b"\x01", id="a node that is no map"),
        pytest.param(written(0, {"SeqNo": 1}) + b"\x00", id="bytes after the message"),
        pytest.param(written(0, {"SeqNo": 1 << 32}), id="a sequence number of 33 bits"),
        pytest.param(written(0, {"SeqNo": -1}), id="a negative sequence number"),
        pytest.param(written(0, {"SeqNo": 1.5}), id="a broken sequence number"),
        pytest.param(written(0, {"SeqNo": True}), id="a boolean for a number"),
        pytest.param(written(0, {"Node": 7}), id="a number for a name"),
        pytest.param(written(0, {"Node": ["a"]}), id="a list for a name"),
        pytest.param(written(0, {"SourceAddr": b"\x7f"}), id="an address of one byte"),
        pytest.param(written(0, {"SourceAddr": b"", "SourcePort": 65536}), id="a port of 17 bits"),
        pytest.param(written(1, {"Nack": 1}), id="a number for a boolean"),
        pytest.param(written(4, {"Addr": b"\x7f\x00\x00\x01\x01"}), id="an address of five bytes"),
        pytest.param(written(4, {"Meta": 1}), id="a number for bytes"),
        pytest.param(written(3, [1, "a", "b"]), id="a list for a map"),
        pytest.param(written(3, {1: 2}), id="a key that is no text"),
        pytest.param(b"\x03\xdf\xff\xff\xff\xff", id="four thousand million fields"),
        pytest.param(b"\x03\xdd\xff\xff\xff\xff", id="four thousand million items"),
        pytest.param(b"\x03" + b"\xdd\x00\x00\x0f\xff" * 3000, id="lists within lists"),
        pytest.param(b"\x03\xc7\x05\x01hello", id="an extension"),
        pytest.param(b"\x07\x01\x00\x01\x00", id="a compound"),
        pytest.param(b"\x09\x80", id="a compressed message"),
        pytest.param(b"\x0a\x80", id="an encrypted message"),
        pytest.param(b"\xc8\x80", id="an unknown type"),
    ],
)
def test_bad_bytes_are_refused(data):
    with pytest.raises(DecodeError):
        decode_message(data)


def test_nil_and_missing_fields_are_zero_and_unknown_ones_passed_over():
    assert decode_message(written(4, {"Node": "n1", "Meta": None, "Port": None, "Newer": {"a": [1]}})) == Alive(node="n1")


def test_a_ping_without_source_is_written_without_the_fields():
    assert encode_message(Ping(sequence=1, node="n1")) == written(0, {"Node": "n1", "SeqNo": 1})


def test_an_ack_without_payload_says_nil():
    assert encode_message(Ack(sequence=3)) == written(2, {"Payload": None, "SeqNo": 3})


def test_texts_and_bytes_may_come_in_the_newer_dialect():
    newer = b"\x04" + msgpack.packb({"Node": "n" * 40, "Meta": b"\xff\x80"}, use_bin_type=True)
    assert decode_message(newer) == Alive(node="n" * 40, meta=b"\xff\x80")


def test_a_bad_address_in_a_push_pull_does_not_hide_the_other_nodes():
    good, bad = NodeState(name="n1", address=b"\x0a\x00\x00\x01"), NodeState(name="n2", address=b"\x0a")
    exchange = PushPull(nodes=[bad, good])
    assert decode_message(encode_message(exchange)) == exchange
