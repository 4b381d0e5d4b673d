"""Serf's messages, tags, coordinates and filters: every recorded one is written alike, and no bytes break the decoders."""

import math

import msgpack
import pytest
from gossip_vectors import UNSORTED, all_messages, all_serf_messages
from hypothesis import given
from hypothesis import strategies as st

from muster.model.coordinates import Coordinate
from muster.model.errors import DecodeError
from muster.wire.gossip import Ack, Alive, PushPull
from muster.wire.gossip_codec import decode_message
from muster.wire.serf import (
    EventsOfTime,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    NodeFilter,
    PastEvent,
    Query,
    QueryResponse,
    Relay,
    SerfState,
    TagFilter,
    UserEvent,
)
from muster.wire.serf_codec import (
    decode_coordinate,
    decode_filter,
    decode_serf,
    decode_tags,
    encode_coordinate,
    encode_node_filter,
    encode_serf,
    encode_tag_filter,
    encode_tags,
)

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
BYTES = st.binary(max_size=40)
TEXT = BYTES.map(lambda data: data.decode("utf-8", "surrogateescape"))
ADDRESS = st.one_of(st.just(b""), st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
EVENTS = st.builds(EventsOfTime, time=U64, events=st.lists(st.builds(PastEvent, name=TEXT, payload=BYTES), max_size=3))
MESSAGE = st.one_of(
    st.builds(LeaveIntent, time=U64, node=TEXT, prune=st.booleans()),
    st.builds(JoinIntent, time=U64, node=TEXT),
    st.builds(
        SerfState,
        time=U64,
        status_times=st.dictionaries(TEXT, U64, max_size=3),
        left_members=st.lists(TEXT, max_size=3),
        event_time=U64,
        events=st.lists(st.one_of(st.none(), EVENTS), max_size=4),
        query_time=U64,
    ),
    st.builds(UserEvent, time=U64, name=TEXT, payload=BYTES, coalesce=st.booleans()),
    st.builds(
        Query,
        time=U64,
        identity=U32,
        address=ADDRESS,
        port=U16,
        source_node=TEXT,
        filters=st.lists(BYTES, max_size=3),
        flags=U32,
        relay_factor=U8,
        timeout=st.integers(0, 2**63 - 1),
        name=TEXT,
        payload=BYTES,
    ),
    st.builds(QueryResponse, time=U64, identity=U32, sender=TEXT, flags=U32, payload=BYTES),
    st.builds(KeyRequest, key=BYTES),
    st.builds(KeyResponse, result=st.booleans(), message=TEXT, keys=st.one_of(st.none(), st.lists(TEXT, max_size=3)), primary_key=TEXT),
    st.builds(Relay, address=ADDRESS, port=U16, zone=TEXT, node=TEXT, message=BYTES),
)
FIGURE = st.floats(allow_nan=False, allow_infinity=False)
COORDINATE = st.builds(Coordinate, vec=st.lists(FIGURE, max_size=9), error=FIGURE, adjustment=FIGURE, height=FIGURE)


@pytest.mark.parametrize("data", [pytest.param(data, id=f"{number}-{data[0]}") for number, data in enumerate(all_serf_messages())])
def test_a_recorded_message_is_written_again_byte_for_byte(data):
    assert encode_serf(decode_serf(data)) == data


def test_a_message_with_unsorted_fields_is_read():
    assert decode_serf(UNSORTED) == UserEvent(time=5, name="deploy", payload=b"v1.2")


def test_the_records_hold_every_type_of_message_but_one():
    kinds = {type(decode_serf(data)) for data in all_serf_messages()}
    assert kinds == {LeaveIntent, JoinIntent, SerfState, UserEvent, Query, QueryResponse, KeyRequest, KeyResponse, Relay}


def test_recorded_tags_filters_and_coordinates_are_written_again():
    metas, coordinates, filters = set(), set(), set()
    for message in map(decode_message, all_messages()):
        if isinstance(message, PushPull):
            metas |= {node.meta for node in message.nodes}
        elif isinstance(message, Alive):
            metas.add(message.meta)
        elif isinstance(message, Ack) and message.payload:  # an ack passed on for another has none
            coordinates.add(message.payload)
    for query in map(decode_serf, all_serf_messages()):
        filters |= set(query.filters) if isinstance(query, Query) else set()
    assert metas == {encode_tags(decode_tags(meta)) for meta in metas}
    assert coordinates == {encode_coordinate(decode_coordinate(payload)) for payload in coordinates}
    assert filters == {
        encode_node_filter(found.names) if isinstance(found, NodeFilter) else encode_tag_filter(found.tag, found.expression)
        for found in map(decode_filter, filters)
    }
    assert len(metas) > 5 and coordinates and len(filters) == 2


@given(MESSAGE)
def test_what_is_written_is_read_again(message):
    assert decode_serf(encode_serf(message)) == message


@given(st.one_of(st.binary(max_size=80), st.tuples(st.integers(0, 10), st.binary(max_size=80)).map(lambda t: bytes((t[0],)) + t[1])))
def test_any_bytes_are_a_message_or_refused(data):
    for decode in (decode_serf, decode_tags, decode_coordinate, decode_filter):
        try:
            decode(data)
        except DecodeError:
            pass


def written(kind: int, fields: object) -> bytes:
    return bytes((kind,)) + msgpack.packb(fields, use_bin_type=False)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x06\x80", id="a conflict response, which Consul's pools never send"),
        pytest.param(b"\xff\x80", id="an unknown type"),
        pytest.param(written(1, {"LTime": 1})[:-1], id="a join cut off"),
        pytest.param(written(1, {"LTime": 1}) + b"\x00", id="bytes after a join"),
        pytest.param(written(1, {"LTime": -1}), id="a time before all time"),
        pytest.param(written(2, {"Events": 5}), id="a number for the slots"),
        pytest.param(written(2, {"Events": [None, 5]}), id="a number for a slot"),
        pytest.param(written(2, {"Events": [{"Events": [None, 1]}]}), id="a number for an event"),
        pytest.param(written(2, {"StatusLTimes": {"a": "b"}}), id="a text for a time"),
        pytest.param(written(2, {"StatusLTimes": []}) + b"\x90", id="bytes after a state"),
        pytest.param(written(2, {"LeftMembers": [5]}), id="a number for a name"),
        pytest.param(b"\x02\x81\xa6Events\xdd\xff\xff\xff\xff", id="four thousand million slots"),
        pytest.param(written(4, {"Filters": ["a", 1]}), id="a number for a filter"),
        pytest.param(written(4, {"Addr": b"abc"}), id="an address of three bytes"),
        pytest.param(written(4, {"Timeout": -1}), id="a timeout before now"),
        pytest.param(written(4, {"RelayFactor": 256}), id="more relays than a byte holds"),
        pytest.param(written(8, {"Keys": "a"}), id="a text for the keys"),
        pytest.param(written(9, {"DestAddr": {"IP": b"abc"}}) + b"\x05", id="a relay to three bytes"),
        pytest.param(written(9, {"DestAddr": 1}) + b"\x05", id="a relay to a number"),
        pytest.param(b"\x09\x82\xa8DestAddr", id="a relay cut off"),
    ],
)
def test_bad_bytes_are_refused(data):
    with pytest.raises(DecodeError):
        decode_serf(data)


def test_a_state_with_few_slots_is_read_as_it_is():
    assert decode_serf(written(2, {"LTime": 7, "Events": [None]})) == SerfState(time=7, events=[None])


def test_tags_keep_their_order_and_any_bytes():
    tags = {"role": "web", "a": "", "odd": "\udcff"}
    meta = encode_tags(tags)
    assert meta[0] == 255
    assert list(decode_tags(meta).items()) == list(tags.items())


@pytest.mark.parametrize("meta", [b"web", b""])
def test_a_meta_from_before_tags_is_the_role(meta):
    assert decode_tags(meta) == {"role": meta.decode()}


@given(COORDINATE)
def test_a_coordinate_is_read_again(coordinate):
    assert decode_coordinate(encode_coordinate(coordinate)) == coordinate


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x02\x80", id="another version"),
        pytest.param(written(1, {"Vec": [0.0, math.nan]}), id="not a number"),
        pytest.param(written(1, {"Height": math.inf}), id="infinity"),
        pytest.param(written(1, {"Error": "a"}), id="a text"),
        pytest.param(written(1, {"Error": True}), id="a boolean"),
        pytest.param(written(1, {"Vec": {}}), id="a map for the dimensions"),
    ],
)
def test_a_coordinate_that_is_no_point_is_refused(payload):
    with pytest.raises(DecodeError):
        decode_coordinate(payload)


@given(st.lists(TEXT, max_size=4), TEXT, TEXT)
def test_filters_are_read_again(names, tag, expression):
    assert decode_filter(encode_node_filter(names)) == NodeFilter(tuple(names))
    assert decode_filter(encode_tag_filter(tag, expression)) == TagFilter(tag, expression)


@pytest.mark.parametrize("data", [b"", b"\x02\x90", b"\x00\x80", b"\x00\x91\x01", b"\x01\x90", b"\x01"])
def test_a_filter_of_another_kind_is_refused(data):
    with pytest.raises(DecodeError):
        decode_filter(data)
