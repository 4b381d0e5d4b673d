"""DNS messages: what we write others read, and no bytes break the decoder."""

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError
from muster.wire import dns as wire
from muster.wire.dns import AuthorityData, ExtendedOptions, Message, Question, Record, ServiceData

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(lambda labels: ".".join(labels) + ".")
RECORD = st.one_of(
    st.builds(Record, NAME, st.just(wire.TYPE_A), st.integers(0, 2**31), st.ip_addresses(v=4).map(str)),
    st.builds(Record, NAME, st.just(wire.TYPE_AAAA), st.integers(0, 2**31), st.ip_addresses(v=6).map(str)),
    st.builds(Record, NAME, st.sampled_from([wire.TYPE_CNAME, wire.TYPE_NS, wire.TYPE_PTR]), st.integers(0, 9), NAME),
    st.builds(Record, NAME, st.just(wire.TYPE_TXT), st.integers(0, 9), st.tuples(st.text(max_size=50))),
    st.builds(Record, NAME, st.just(wire.TYPE_SRV), st.integers(0, 9), st.builds(ServiceData, *[st.integers(0, 65535)] * 3, NAME)),
    st.builds(
        Record, NAME, st.just(wire.TYPE_SOA), st.integers(0, 9), st.builds(AuthorityData, NAME, NAME, *[st.integers(0, 2**32 - 1)] * 5)
    ),
)


@given(NAME, st.lists(RECORD, max_size=6), st.lists(RECORD, max_size=4), st.booleans())
def test_what_we_write_we_read_again_and_dnspython_agrees(name, answers, additional, compress):
    message = Message(
        id=7,
        flags=wire.FLAG_RESPONSE,
        questions=[Question(name, wire.TYPE_A)],
        answers=answers,
        additional=additional,
        options=ExtendedOptions(1232, (1, 24, "10.1.2.0")),
    )
    data = wire.encode(message, compress)
    assert wire.decode(data) == message
    theirs = dns.message.from_wire(data)
    assert sum(len(rrset) for rrset in theirs.answer) <= len(answers)
    assert {rrset.name.to_text() for rrset in theirs.answer} == {record.name for record in answers}


@given(st.binary(max_size=600))
def test_any_bytes_decode_or_raise_the_documented_error(data):
    try:
        wire.decode(data)
    except DecodeError:
        pass


@given(st.binary(min_size=12, max_size=200), st.data())
def test_damaged_messages_decode_or_raise_the_documented_error(noise, data):
    whole = bytearray(
        wire.encode(Message(id=1, flags=0, questions=[Question("web.service.consul.", 1)], answers=[Record("a.b.", 1, 0, "10.0.0.1")]))
    )
    for byte in noise[:8]:
        whole[data.draw(st.integers(0, len(whole) - 1))] = byte
    try:
        wire.decode(bytes(whole))
    except DecodeError:
        pass


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(b"\xc0\x0c", id="a pointer to itself"),
        pytest.param(b"\x01a\xc0\x0c", id="a pointer to the name that holds it"),
        pytest.param(b"\xc0\xff", id="a pointer past the end"),
        pytest.param(b"\x80a", id="a length byte of no meaning"),
        pytest.param(b"\x3fabc", id="a label past the end"),
    ],
)
def test_a_name_that_never_ends_is_refused(name):
    with pytest.raises(DecodeError):
        wire.decode(b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1")


def test_names_in_srv_data_are_written_out_and_later_names_point_at_them():
    srv = Record("web.service.consul.", wire.TYPE_SRV, 0, ServiceData(1, 1, 80, "n1.node.dc1.consul."))
    beside = Record("n1.node.dc1.consul.", wire.TYPE_A, 0, "10.0.0.1")
    data = wire.encode(
        Message(id=1, flags=0, questions=[Question("web.service.consul.", wire.TYPE_SRV)], answers=[srv], additional=[beside])
    )
    assert data.count(b"\x02n1\x04node\x03dc1\x06consul") == 1
    assert data.endswith(b"\0\1\0\1\0\0\0\0\0\4\x0a\0\0\1")
