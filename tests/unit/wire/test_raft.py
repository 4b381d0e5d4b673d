"""Raft's messages: every recorded one comes back byte for byte, and connections are read however they are cut."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from muster.model.errors import DecodeError
from muster.raft.membership import decode_configuration
from muster.wire.msgpack import pack, unpack
from muster.wire.raft import (
    AppendEntries,
    AppendEntriesResponse,
    Entry,
    InstallSnapshot,
    InstallSnapshotResponse,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
    TimeoutNowResponse,
)
from muster.wire.raft_decoder import (
    MAXIMUM_ENTRIES,
    RequestReader,
    ResponseReader,
    SnapshotPiece,
    decode_request,
    decode_response,
)
from muster.wire.raft_encoder import encode_request, encode_response

RAFT = Path(__file__).parents[2] / "vectors" / "raft"
MESSAGES = json.loads((RAFT / "transport-messages.json").read_text())["messages"]
STREAM = json.loads((RAFT / "stream-first-12.json").read_text())
RECORDED = pytest.mark.parametrize("message", [pytest.param(message, id=name) for name, message in MESSAGES.items()])


def entries(count: int, size: int = 100) -> tuple[Entry, ...]:
    return tuple(Entry(index=70_000 + number, term=7, type=0, data=bytes(size)) for number in range(count))


APPEND = AppendEntries(term=7, leader="10.0.0.1:8300", previous_index=69_999, previous_term=7, commit_index=69_990, entries=entries(3))
VOTE = RequestVote(term=8, candidate="10.0.0.2:8300", last_index=9, last_term=7)
CONFIGURATION = pack(
    {
        "Servers": [
            {"Address": "10.0.0.1:8300", "ID": "a", "Suffrage": 0},
            {"Address": "10.0.0.2:8300", "ID": "b", "Suffrage": 1},
            {"Address": "10.0.0.3:8300", "ID": "c", "Suffrage": 0},
        ]
    }
)
SNAPSHOT = InstallSnapshot(
    term=7, leader="10.0.0.1:8300", last_index=5, last_term=6, configuration=CONFIGURATION, configuration_index=1, size=10
)


@RECORDED
def test_recorded_requests_are_read_and_written_alike(message):
    data = bytes.fromhex(message["request_hex"])
    request = decode_request(data)
    assert type(request).__name__ == message["request_type"]
    assert encode_request(request) == data


@RECORDED
def test_recorded_responses_are_read_and_written_alike(message):
    request, data = decode_request(bytes.fromhex(message["request_hex"])), bytes.fromhex(message["response_hex"])
    error, response = decode_response(request, data)
    assert error == message["response_error"]
    assert encode_response(response, error) == data


@RECORDED
def test_recorded_fields_stand_where_they_belong(message):
    request, fields = decode_request(bytes.fromhex(message["request_hex"])), message["request"]
    match request:
        case AppendEntries():
            numbers = [request.term, request.previous_index, request.previous_term, request.commit_index]
            assert numbers == [fields[name] for name in ("Term", "PrevLogEntry", "PrevLogTerm", "LeaderCommitIndex")]
            assert request.leader == fields["Leader"]
            assert (request.entries is None) == (fields["Entries"] is None)
            found = [(entry.index, entry.term, entry.type) for entry in request.entries or ()]
            assert found == [(entry["Index"], entry["Term"], entry["Type"]) for entry in fields["Entries"] or ()]
        case RequestVote():
            assert [request.candidate, request.last_index] == [fields["Candidate"], fields["LastLogIndex"]]
            assert request.leadership_transfer == fields["LeadershipTransfer"]
        case InstallSnapshot():
            assert [request.size, request.last_index] == [fields["Size"], fields["LastLogIndex"]]
            assert [member.address for member in decode_configuration(request.configuration).members] == unpack(request.peers)


def test_the_start_of_a_recorded_connection_is_read_and_written_in_any_pieces():
    said, answered = bytes.fromhex(STREAM["leader_to_follower_hex"]), bytes.fromhex(STREAM["follower_to_leader_hex"])
    for step in (1, 7, 100, 100_000):
        reader, requests = RequestReader(), []
        for position in range(1, len(said), step):
            requests += reader.feed(said[position : position + step])
        assert len(requests) == len(STREAM["decoded"])
        assert said == b"\x01" + b"".join(encode_request(request) for request in requests)
        answers = ResponseReader()
        for request in requests:
            answers.sent(request)
        found = []
        for position in range(0, len(answered), step):
            found += answers.feed(answered[position : position + step])
        assert answered == b"".join(encode_response(response, error) for error, response in found)
        assert answers.in_flight == 0


def test_an_answer_carries_the_request_that_it_answers():
    reader = ResponseReader()
    later = replace(APPEND, sequence=5)
    for request in (APPEND, later, SNAPSHOT):
        reader.sent(request)
    assert reader.in_flight == 3
    answers = [AppendEntriesResponse(7, 1, True), AppendEntriesResponse(8, 2, False, True), InstallSnapshotResponse(7, True)]
    found = reader.feed(b"".join(map(encode_response, answers)))
    assert [response for _, response in found] == [
        replace(answers[0], request=APPEND),
        replace(answers[1], request=later),
        replace(answers[2], last_index=SNAPSHOT.last_index),
    ]


def test_an_error_comes_with_the_answer():
    reader = ResponseReader()
    reader.sent(VOTE)
    assert reader.feed(encode_response(RequestVoteResponse(1, False), "no")) == [("no", RequestVoteResponse(1, False))]


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_the_bytes_of_a_snapshot_come_between_its_head_and_the_next_request(step):
    data = encode_request(SNAPSHOT) + b"\x00\xc1\xff3456789" + encode_request(VOTE)
    reader, found = RequestReader(), []
    for position in range(0, len(data), step):
        found += reader.feed(data[position : position + step])
    pieces = [piece for piece in found if isinstance(piece, SnapshotPiece)]
    assert [found[0], found[-1]] == [replace(SNAPSHOT, peers=pack(["10.0.0.1:8300", "10.0.0.3:8300"])), VOTE]
    assert b"".join(piece.data for piece in pieces) == b"\x00\xc1\xff3456789"
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_a_snapshot_of_nothing_ends_at_once():
    found = RequestReader().feed(encode_request(replace(SNAPSHOT, size=0, peers=b"\x90")))
    assert found[1:] == [SnapshotPiece(b"", last=True)]


numbers = st.integers(0, (1 << 64) - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
log_entries = st.builds(
    Entry, index=numbers, term=numbers, type=st.integers(0, 255), data=st.binary(max_size=300), extensions=st.binary(max_size=40)
)
appends = st.builds(
    AppendEntries,
    term=numbers,
    leader=texts,
    previous_index=numbers,
    previous_term=numbers,
    commit_index=numbers,
    entries=st.none() | st.lists(log_entries, max_size=20).map(tuple),
)
votes = st.builds(RequestVote, term=numbers, candidate=texts, last_index=numbers, last_term=numbers, leadership_transfer=st.booleans())
pre_votes = st.builds(RequestPreVote, term=numbers, candidate=texts, last_index=numbers, last_term=numbers)
snapshots = st.builds(
    InstallSnapshot,
    term=numbers,
    leader=texts,
    last_index=numbers,
    last_term=numbers,
    configuration=st.just(CONFIGURATION),
    configuration_index=numbers,
    size=st.integers(0, 1 << 40),
    peers=st.binary(min_size=1, max_size=40),
)


@settings(max_examples=200)
@given(appends | votes | pre_votes | snapshots | st.just(TimeoutNow()))
def test_requests_go_there_and_back(request):
    data = encode_request(request)
    assert decode_request(data) == request
    fields = unpack(data[1:])
    assert data[1:] == pack(fields)
    assert list(fields) == sorted(fields)


@settings(max_examples=100)
@given(appends)
def test_the_slow_reader_of_entries_means_the_same_as_the_fast(request):
    """The fast one expects every field; a missing one is zero to the slow one."""
    fields = unpack(encode_request(replace(request, previous_term=0))[1:])
    del fields["PrevLogTerm"]
    assert decode_request(b"\x00" + pack(fields)) == replace(request, previous_term=0)


responses = [
    (APPEND, st.builds(AppendEntriesResponse, term=numbers, last_index=numbers, success=st.booleans(), no_retry_backoff=st.booleans(), request=st.just(APPEND))),
    (VOTE, st.builds(RequestVoteResponse, term=numbers, granted=st.booleans())),
    (RequestPreVote(1, "a", 1, 1), st.builds(RequestPreVoteResponse, term=numbers, granted=st.booleans())),
    (SNAPSHOT, st.builds(InstallSnapshotResponse, term=numbers, success=st.booleans(), last_index=st.just(SNAPSHOT.last_index))),
    (TimeoutNow(), st.just(TimeoutNowResponse())),
]  # fmt: skip


@settings(max_examples=100)
@given(st.one_of([st.tuples(st.just(request), response, texts) for request, response in responses]))
def test_responses_go_there_and_back(case):
    request, response, error = case
    assert decode_response(request, encode_response(response, error)) == (error, response)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 255, 256, 65_535, 65_536, 600_000])
def test_data_of_any_size_comes_back(size):
    request = replace(APPEND, entries=(*entries(2, size), Entry(1, 1, 0, b"x", bytes(size))))
    assert decode_request(encode_request(request)) == request
    assert decode_request(encode_request(replace(APPEND, entries=entries(2, size)))) == replace(APPEND, entries=entries(2, size))


def test_a_leader_whose_name_is_no_text_comes_back_as_it_was():
    data = encode_request(replace(APPEND, leader="\udcff:1"))
    assert decode_request(data) == replace(APPEND, leader="\udcff:1")
    assert encode_request(decode_request(data)) == data


ENTRY = {"Data": None, "Extensions": None, "Index": 1, "Term": 1, "Type": 0}
FIELDS = {"Entries": [ENTRY], "Leader": "a", "LeaderCommitIndex": 0, "PrevLogEntry": 0, "PrevLogTerm": 0, "ProtocolVersion": 3, "Term": 1}
WRONG = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\x00", id="a type alone"),
    pytest.param(b"\x05\x80", id="a type that does not exist"),
    pytest.param(b"\xcc\x00\x80", id="a type in two bytes"),
    pytest.param(b"\x00\x90", id="a list"),
    pytest.param(b"\x00\x80\x80", id="two maps"),
    pytest.param(b"\x00" + pack({**FIELDS, "Term": -1}), id="a negative term"),
    pytest.param(b"\x00" + pack({**FIELDS, "Term": "x"}), id="a term that is a text"),
    pytest.param(b"\x00" + pack({**FIELDS, "Entries": 5}), id="entries that are a number"),
    pytest.param(b"\x00" + pack({**FIELDS, "Entries": [5]}), id="an entry that is a number"),
    pytest.param(b"\x00" + pack({**FIELDS, "Entries": [{**ENTRY, "Index": -1}]}), id="a negative index"),
    pytest.param(b"\x00" + pack({**FIELDS, "Entries": [{**ENTRY, "Type": 256}]}), id="a type of entry beyond a byte"),
    pytest.param(b"\x00" + pack({**FIELDS, "Entries": [{**ENTRY, "Data": 7}]}), id="data that is a number"),
    pytest.param(b"\x00" + pack({**FIELDS, "Entries": [ENTRY] * (MAXIMUM_ENTRIES + 1)}), id="too many entries"),
    pytest.param(b"\x02" + pack({"Size": -1}), id="a negative size"),
    pytest.param(b"\x02" + pack({"Size": 1 << 50}), id="a size beyond any disk"),
    pytest.param(b"\x01" + pack({"LeadershipTransfer": 1}), id="a truth that is a number"),
]  # fmt: skip


@pytest.mark.parametrize("data", WRONG)
def test_what_is_no_request_is_refused(data):
    with pytest.raises(DecodeError):
        decode_request(data)


def test_an_entry_cannot_bring_a_command_of_its_own():
    """The object that the leader keeps beside an entry is applied unread, so it must never come from outside."""
    request = decode_request(b"\x00" + pack({**FIELDS, "Entries": [{**ENTRY, "command": "x", "Command": "x"}]}))
    assert isinstance(request, AppendEntries)
    assert [entry.command for entry in request.entries or ()] == [None]


@pytest.mark.parametrize("data", [b"\xa0\x90", b"\x01\x80", b"\xa0" + pack({"Term": "x"}), b"\xa0" + pack({"Success": 1})])
def test_what_is_no_answer_is_refused(data):
    reader = ResponseReader()
    reader.sent(APPEND)
    with pytest.raises(DecodeError):
        reader.feed(data)


def test_an_answer_that_nobody_asked_for_is_refused():
    with pytest.raises(DecodeError):
        ResponseReader().feed(encode_response(TimeoutNowResponse()))


def test_a_request_beyond_the_limit_is_refused_before_it_is_whole():
    reader = RequestReader(limit=10_000)
    data = encode_request(replace(APPEND, entries=entries(64, 1000)))
    with pytest.raises(DecodeError):
        for position in range(0, len(data), 1000):
            reader.feed(data[position : position + 1000])
            assert position < 11_000
