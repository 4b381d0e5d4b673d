"""User events as they travel inside Serf's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.agent.event_payload import decode, encode
from muster.agent.events import UserEvent
from muster.model.errors import DecodeError
from muster.wire.msgpack import pack

FROM_CONSUL = b"\x85\xa2ID\xd9$4a067b6b-880d-d54c-bf64-fb6ec5c9015e\xa1n\xa6deploy\xa2nf\xa2.*\xa1p\xc4\x08payload1\xa1v\x01"
"""What Consul 1.8.7 sent for an event named `deploy` with a node filter."""


def test_an_event_of_consul_is_read_and_written_byte_for_byte():
    event = decode(FROM_CONSUL, 7)
    assert event == UserEvent(
        id="4a067b6b-880d-d54c-bf64-fb6ec5c9015e", name="deploy", payload=b"payload1", node_filter=".*", version=1, lamport_time=7
    )
    assert encode(event) == FROM_CONSUL


texts = st.text(max_size=20)


@given(st.builds(UserEvent, id=texts, name=texts, payload=st.binary(min_size=1), node_filter=texts, service_filter=texts, tag_filter=texts))
def test_any_event_comes_back(event: UserEvent):
    assert decode(encode(event), 0) == event


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(pack([1]), id="a list"),
        pytest.param(pack({"ID": 3}), id="a number for a text"),
        pytest.param(pack({"v": "1"}), id="a text for a number"),
        pytest.param(FROM_CONSUL[:-1], id="cut off"),
    ],
)
def test_what_is_no_event_is_a_decode_error(payload: bytes):
    with pytest.raises(DecodeError):
        decode(payload, 1)


@given(st.binary(max_size=100))
def test_random_bytes_never_raise_anything_else(payload: bytes):
    try:
        decode(payload, 1)
    except DecodeError:
        pass
