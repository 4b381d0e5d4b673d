"""Requests and responses on a stream, and the heads of snapshots: the recorded bytes, cut anywhere."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.model.errors import DecodeError
from muster.wire.msgpack import pack
from muster.wire.rpc import (
    EMPTY,
    MAXIMUM_HEADER,
    Request,
    RequestReader,
    Response,
    ResponseReader,
    encode_error,
    encode_request,
    encode_response,
    refusal,
)
from muster.wire.rpc_methods import METHODS
from muster.wire.snapshot_rpc import RESTORE, SAVE, HeadReader, SnapshotRequest, SnapshotResponse, encode_head
from muster.wire.times import UTC, Timestamp, decode_timestamp
from muster.wire.value_stream import ValueStream, split_values

RPC = Path(__file__).parents[2] / "vectors" / "rpc"


def load(name: str) -> dict:
    return json.loads((RPC / name).read_text())


PAIRS = [
    pytest.param(pair, id=name) for file in ("methods.json", "python-probes.json") for name, pair in load(file)["pairs"].items()
]  # fmt: skip
SNAPSHOT = load("snapshot-rpc.json")


def raw(pair: dict, side: str) -> bytes:
    return bytes.fromhex(pair[f"{side}_hex"])


@pytest.mark.parametrize("pair", PAIRS)
def test_recorded_requests_are_read_to_the_last_byte(pair):
    data = raw(pair, "request")
    (request,) = RequestReader().feed(data)
    header = pair.get("request_header") or pair["request"]["header"]
    assert (request.method, request.sequence) == (header["ServiceMethod"], header["Seq"])
    assert data.endswith(request.body)
    if "request_header" in pair:  # the probes wrote the names of their headers in another order
        assert encode_request(request.method, request.sequence, request.body) == data


@pytest.mark.parametrize("pair", PAIRS)
def test_recorded_responses_are_read_and_written_alike(pair):
    data = raw(pair, "response")
    (response,) = ResponseReader().feed(data)
    assert response.error == pair["response_header"]["Error"]
    if response.error:
        assert response.body == EMPTY
        assert encode_error(response.sequence, response.method, response.error) == data
    else:
        assert encode_response(response.sequence, response.method, response.body) == data


@settings(max_examples=20)
@given(st.lists(st.integers(1, 200), min_size=1))
def test_calls_mean_the_same_however_they_are_cut(steps):
    pairs = [pair for pair in load("python-probes.json")["pairs"].values() if len(pair["response_hex"]) < 2000]
    for reader, side in ((RequestReader, "request"), (ResponseReader, "response")):
        data = b"".join(raw(pair, side) for pair in pairs)
        one, found, position, turn = reader(), [], 0, 0
        while position < len(data):
            step = steps[turn % len(steps)]
            found += one.feed(data[position : position + step])
            position, turn = position + step, turn + 1
        assert found == reader().feed(data)
        assert len(found) == len(pairs)


def test_a_body_that_comes_byte_by_byte_is_looked_at_once():
    """Ten thousand pieces of a big body take no more than a few times as long as one: nothing is read again."""
    body = pack({"Value": bytes(300_000)})
    data = encode_request("KVS.Apply", 1, body)
    reader = RequestReader()
    for position in range(0, len(data) - 1, 30):
        assert reader.feed(data[position : min(position + 30, len(data) - 1)]) == []
    assert reader.feed(data[-1:]) == [Request("KVS.Apply", 1, body)]


def test_pipelined_calls_and_great_sequences_come_out_in_order():
    recorded = load("leniency.json")["cases"]
    said = (
        encode_request("Status.Ping", 1, EMPTY) + encode_request("Status.Leader", 2, EMPTY) + encode_request("Status.Ping", 1 << 40, EMPTY)
    )
    assert [(request.method, request.sequence) for request in RequestReader().feed(said)] == [
        (header["ServiceMethod"], header["Seq"]) for header in (*recorded["pipelined_two"][::2], recorded["seq_echo_big"][0])
    ]


def test_a_header_may_hold_str8():
    assert RequestReader().feed(b"\x82\xa3Seq\x01\xadServiceMethod\xd9\x0dStatus.Leader\xc0") == [Request("Status.Leader", 1, b"\xc0")]


TOO_MUCH = [
    pytest.param(b"\x80\xdb\x7f\xff\xff\xff" + bytes(2000), id="a text that goes on"),
    pytest.param(b"\x80\xdd\x00\x10\x00\x00" + b"\xc0" * 2000, id="a list that goes on"),
    pytest.param(b"\x80" + pack("x" * 2000), id="a text that is whole"),
    pytest.param(pack({"ServiceMethod": "x" * MAXIMUM_HEADER}) + b"\x80", id="a header"),
    pytest.param(b"\x80" + b"\x91" * 1500, id="lists within lists"),
    pytest.param(b"\x80\xc1", id="no value at all"),
    pytest.param(b"\x91\x01\x80", id="a header that is a list"),
    pytest.param(pack({"Seq": -1}) + b"\x80", id="a negative sequence"),
    pytest.param(pack({"Seq": 1, "ServiceMethod": 5}) + b"\x80", id="a name that is a number"),
]  # fmt: skip


@pytest.mark.parametrize("data", TOO_MUCH)
@pytest.mark.parametrize("reader", [RequestReader, ResponseReader])
def test_what_is_too_much_or_no_call_is_refused(reader, data):
    with pytest.raises(DecodeError):
        reader(1024).feed(data)


def test_a_header_may_be_nearly_empty():
    assert RequestReader().feed(b"\x80\xc0") == [Request("", 0, b"\xc0")]
    assert ResponseReader().feed(b"\x80\xc0") == [Response(0, "", "", b"\xc0")]


REFUSED = [
    # name, error
    pytest.param("Nope.X", "rpc: can't find service Nope.X", id="a service"),
    pytest.param("Status.Nope", "rpc: can't find method Status.Nope", id="a method"),
    pytest.param("Status.", "rpc: can't find method Status.", id="no method"),
    pytest.param(".Ping", "rpc: can't find service .Ping", id="no service"),
    pytest.param("A.B.C", "rpc: can't find service A.B.C", id="two dots"),
    pytest.param("status.Ping", "rpc: can't find service status.Ping", id="small letters"),
    pytest.param("KVS", "rpc: service/method request ill-formed: KVS", id="no dot"),
    pytest.param("", "rpc: service/method request ill-formed: ", id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "error"), REFUSED)
def test_a_name_that_is_no_method_gets_the_text_of_the_peers(name, error):
    assert refusal(name, METHODS) == error


def test_a_method_that_exists_is_not_refused():
    assert [refusal(name, METHODS) for name in METHODS] == [None] * len(METHODS)


def test_a_stream_of_values_keeps_nothing_of_what_it_gave_out():
    stream = ValueStream(4 << 20)
    for _ in range(3):
        stream.feed(pack("x" * (2 << 20)))
        assert len(stream.next() or b"") == (2 << 20) + 5
        assert stream.next() is None
        assert stream.pending == 0
    stream.feed(b"\x01rest")
    assert stream.next() == b"\x01"
    assert stream.take(3) == b"res"
    assert (stream.next(), stream.next()) == (b"t", None)


def test_values_are_split_at_their_ends_or_not_at_all():
    assert split_values(pack([1]) + pack("a") + b"\xc0") == [pack([1]), pack("a"), b"\xc0"]
    for data in (pack("abc")[:-1], b"\xc1", b"\x92\x01"):
        with pytest.raises(DecodeError):
            split_values(data)


def test_the_heads_of_a_recorded_save_are_read_and_written():
    request = SnapshotRequest(datacenter="dc3", op=SAVE, token="11111111-2222-3333-4444-555555555555")
    assert b"\x05" + encode_head(request) == raw(SNAPSHOT["save"], "request")
    head = raw(SNAPSHOT["save"], "response_header")
    expected = SnapshotResponse(index=46, known_leader=True)
    assert HeadReader(SnapshotResponse).feed(head + b"archive") == (expected, b"archive")
    assert encode_head(expected) == head


def test_the_heads_of_a_recorded_restore_are_read_and_written():
    data = raw(SNAPSHOT["restore"], "request")[1:]
    reader = HeadReader(SnapshotRequest)
    assert reader.feed(data[:20]) is None
    found = reader.feed(data[20:] + b"\x1f\x8b")
    assert found == (SnapshotRequest(datacenter="dc3", op=RESTORE, token="11111111-2222-3333-4444-555555555555"), b"\x1f\x8b")
    assert encode_head(SnapshotResponse()) == raw(SNAPSHOT["restore"], "response_header")


def test_the_error_of_a_recorded_restore_is_read_and_written():
    head = raw(SNAPSHOT["restore_truncated_archive"], "response_header")
    expected = SnapshotResponse(error=SNAPSHOT["restore_truncated_archive"]["response_header"]["Error"])
    assert HeadReader(SnapshotResponse).feed(head) == (expected, b"")
    assert encode_head(expected) == head


@pytest.mark.parametrize("data", [b"\xa1x", b"\x01", b"\x81\xa2Op\xa1x", b"\x81\xa1x\xdb\x00\x10\x00\x00" + bytes(70_000)])
def test_a_head_that_is_none_is_refused(data):
    with pytest.raises(DecodeError):
        HeadReader(SnapshotRequest).feed(data)


TIMES = [
    # bytes, time
    pytest.param("01000000000000000000000000ffff", Timestamp(), id="zero"),
    pytest.param("010000000ee295f5b82705a63cffff", Timestamp(1_795_423_928_654_681_660, UTC), id="utc"),
    pytest.param("010000000ee295f2ae3716d31d0000", Timestamp(1_795_423_150_924_242_717, 0), id="at offset zero"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "time"), TIMES)
def test_recorded_times_are_read_and_written(data, time):
    assert decode_timestamp(bytes.fromhex(data)) == time
    assert time.encode().hex() == data


@given(st.integers(-(10**19), 10**19), st.integers(-32768, 32767))
def test_times_go_there_and_back(nanoseconds, zone):
    time = Timestamp(nanoseconds, zone)
    assert decode_timestamp(time.encode()) == time


@pytest.mark.parametrize("data", ["02" + "00" * 14, "01", "01" + "00" * 8 + "7fffffff" + "0000"])
def test_what_is_no_time_is_refused(data):
    with pytest.raises(DecodeError):
        decode_timestamp(bytes.fromhex(data))
