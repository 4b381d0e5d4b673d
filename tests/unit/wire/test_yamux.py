"""Yamux: both ends in memory, and the frames of a real connection."""

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError, Rejected, TooLarge
from muster.wire.yamux import ACCEPT_BACKLOG, KEEPALIVE, MAXIMUM_ANSWERS, PING_TIMEOUT, Session
from muster.wire.yamux_events import (
    CreditReceived,
    DataReceived,
    GoneAway,
    PingAnswered,
    SessionDied,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from muster.wire.yamux_frames import ACK, DATA, FIN, GO_AWAY, INITIAL_WINDOW, PING, RST, SYN, WINDOW_UPDATE, FrameReader, Header

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "rpc" / "yamux-connection.json").read_text())
NOW = 100.0


def pair() -> tuple[Session, Session]:
    return Session(True, NOW), Session(False, NOW)


def sent(session: Session) -> bytes:
    return b"".join(session.data_to_send())


def carry(sender: Session, receiver: Session, now: float = NOW) -> list[object]:
    """What the receiver makes of all that the sender has to say."""
    return receiver.receive_data(now, sent(sender))


def opened() -> tuple[Session, Session, int]:
    client, server = pair()
    stream = client.open_stream()
    assert carry(client, server) == [StreamOpened(stream)]
    server.accept(stream)
    assert carry(server, client) == [StreamAccepted(stream)]
    return client, server, stream


def frame(kind: int, flags: int, stream: int, length: int, payload: bytes = b"") -> bytes:
    return Header(kind, flags, stream, length).encode() + payload


def test_the_client_says_byte_for_byte_what_a_real_one_said():
    client = Session(True, NOW)
    stream = client.open_stream()
    frames = [bytes.fromhex(one["hex"]) for one in VECTOR["client_to_server"]]
    for data in frames[1:5]:
        client.send(stream, data[12:])
    client.ping(NOW)
    assert sent(client) == b"".join(frames)


def test_the_server_says_byte_for_byte_what_a_real_one_said():
    server = Session(False, NOW)
    said = [bytes.fromhex(one["hex"]) for one in VECTOR["client_to_server"]]
    answers = [bytes.fromhex(one["hex"]) for one in VECTOR["server_to_client"]]
    assert server.receive_data(NOW, said[0]) == [StreamOpened(1)]
    server.accept(1)
    for request, answer in zip(said[1:-1], answers[1:-1], strict=True):
        assert server.receive_data(NOW, request) == [DataReceived(1, request[12:])]
        server.send(1, answer[12:])
    assert server.receive_data(NOW, said[-1]) == []
    assert sent(server) == b"".join(answers)


def test_the_end_of_a_stream_and_a_ping_are_a_real_ones_bytes():
    client, server, stream = opened()
    client.close(stream)
    said = sent(client)
    assert said.hex() == VECTOR["fin_from_client"]["hex"]
    assert server.receive_data(NOW, said) == [StreamEnded(stream)]
    server.close(stream)
    assert sent(server).hex() == VECTOR["fin_from_server"]["hex"]
    client.receive_data(NOW, bytes.fromhex(VECTOR["ping_from_server"]["hex"]))
    assert sent(client).hex() == VECTOR["ping_ack_from_server"]["hex"]


def test_data_may_follow_the_opening_before_it_is_answered():
    client, server = pair()
    stream = client.open_stream()
    client.send(stream, b"early")
    assert carry(client, server) == [StreamOpened(stream), DataReceived(stream, b"early")]


def test_an_answer_may_ride_on_data():
    client, _ = pair()
    stream = client.open_stream()
    events = client.receive_data(NOW, frame(DATA, ACK, stream, 2, b"ok"))
    assert events == [StreamAccepted(stream), DataReceived(stream, b"ok")]


def test_a_sender_stops_at_the_window_and_goes_on_with_credit():
    client, server, stream = opened()
    data = random.Random(1).randbytes(700_000)
    assert client.send(stream, data) == 700_000 - INITIAL_WINDOW
    received = b""
    rounds = 0
    while len(received) < len(data):
        for event in carry(client, server):
            assert isinstance(event, DataReceived)
            received += event.data
            server.consumed(stream, len(event.data))
        carry(server, client)
        rounds += 1
    assert received == data
    assert rounds == 3
    assert client.waiting(stream) == 0


def test_credit_is_told_once_half_a_window_is_free():
    client, server, stream = opened()
    client.send(stream, bytes(INITIAL_WINDOW))
    carry(client, server)
    server.consumed(stream, INITIAL_WINDOW // 2 - 1)
    assert sent(server) == b""
    server.consumed(stream, 1)
    assert sent(server) == frame(WINDOW_UPDATE, 0, stream, INITIAL_WINDOW // 2)


def test_more_than_was_received_is_never_credited():
    client, server, stream = opened()
    client.send(stream, bytes(200_000))
    carry(client, server)
    server.consumed(stream, 10**9)
    assert sent(server) == frame(WINDOW_UPDATE, 0, stream, 200_000)
    server.consumed(stream, 10**9)
    assert sent(server) == b""


def test_credit_tells_how_much_waits_still():
    client, _, stream = opened()
    client.send(stream, bytes(INITIAL_WINDOW + 1000))
    sent(client)
    events = client.receive_data(NOW, frame(WINDOW_UPDATE, 0, stream, 400))
    assert events == [CreditReceived(stream, 600)]
    assert len(sent(client)) == 12 + 400


def test_what_waits_has_a_limit_and_nothing_of_what_exceeds_it_is_sent():
    session = Session(True, NOW, maximum_waiting=1000)
    stream = session.open_stream()
    sent(session)
    with pytest.raises(TooLarge):
        session.send(stream, bytes(INITIAL_WINDOW + 1001))
    assert sent(session) == b""
    assert session.send(stream, bytes(INITIAL_WINDOW + 1000)) == 1000


def test_a_stream_closes_behind_what_waits():
    client, server, stream = opened()
    client.send(stream, bytes(INITIAL_WINDOW + 5))
    client.close(stream)
    assert StreamEnded(stream) not in carry(client, server)
    server.consumed(stream, INITIAL_WINDOW)
    carry(server, client)
    assert carry(client, server) == [DataReceived(stream, bytes(5)), StreamEnded(stream)]
    with pytest.raises(Rejected):
        client.send(stream, b"more")


def test_a_stream_that_both_sides_closed_is_forgotten():
    client, server, stream = opened()
    client.close(stream)
    carry(client, server)
    assert server.send(stream, b"still") == 0
    server.close(stream)
    assert carry(server, client) == [DataReceived(stream, b"still"), StreamEnded(stream)]
    assert client.streams == server.streams == []


def test_an_end_that_rides_on_data_comes_after_the_last_piece():
    _, server, stream = opened()
    data = frame(DATA, FIN, stream, 6, b"abcdef")
    assert server.receive_data(NOW, data[:15]) == [DataReceived(stream, b"abc")]
    assert server.receive_data(NOW, data[15:]) == [DataReceived(stream, b"def"), StreamEnded(stream)]


def test_a_reset_ends_a_stream_both_ways_and_what_still_comes_is_passed_over():
    client, server, stream = opened()
    client.send(stream, b"lost")
    said = sent(client)
    server.reset(stream)
    assert server.receive_data(NOW, said) == []
    assert carry(server, client) == [StreamReset(stream)]
    assert client.streams == server.streams == []
    assert server.alive


def test_ids_are_odd_from_the_client_and_even_from_the_server():
    client, server = pair()
    assert [client.open_stream() for _ in range(3)] == [1, 3, 5]
    assert [server.open_stream() for _ in range(3)] == [2, 4, 6]


def test_the_backlog_of_unanswered_streams_is_bounded_on_both_sides():
    client, server = pair()
    streams = [client.open_stream() for _ in range(ACCEPT_BACKLOG)]
    with pytest.raises(Rejected):
        client.open_stream()
    carry(client, server)
    events = server.receive_data(NOW, frame(WINDOW_UPDATE, SYN, 2 * ACCEPT_BACKLOG + 1, 0))
    assert events == []
    assert sent(server) == frame(WINDOW_UPDATE, RST, 2 * ACCEPT_BACKLOG + 1, 0)
    server.accept(streams[0])
    carry(server, client)
    assert client.open_stream() == 2 * ACCEPT_BACKLOG + 1


def test_open_streams_are_bounded_too():
    server = Session(False, NOW, maximum_streams=2)
    for stream in (1, 3, 5):
        server.receive_data(NOW, frame(WINDOW_UPDATE, SYN, stream, 0))
        server.accept(stream)
    assert server.streams == [1, 3]


def test_a_ping_is_answered_and_its_time_measured():
    client, server = pair()
    value = client.ping(NOW)
    carry(client, server)
    assert carry(server, client, NOW + 0.25) == [PingAnswered(value, 0.25)]
    assert client.ping(NOW) == value + 1


def test_keepalives_go_out_every_thirty_seconds_while_they_are_answered():
    client, server = pair()
    for number in (1, 2, 3):
        due = NOW + number * KEEPALIVE
        assert client.next_deadline() == due
        assert client.tick(due) == []
        carry(client, server, due)
        assert carry(server, client, due) == [PingAnswered(number - 1, 0.0)]


def test_a_ping_without_an_answer_ends_the_session():
    client, _ = pair()
    client.tick(NOW + KEEPALIVE)
    due = NOW + KEEPALIVE + PING_TIMEOUT
    assert client.next_deadline() == due
    assert client.tick(due - 0.001) == []
    assert client.tick(due) == [SessionDied("keepalive timeout")]
    assert client.next_deadline() == math.inf
    with pytest.raises(Rejected):
        client.open_stream()


def test_a_peer_that_goes_away_takes_no_new_streams_but_goes_on_with_the_old():
    client, server, stream = opened()
    server.go_away()
    assert carry(server, client) == [GoneAway(0)]
    with pytest.raises(Rejected):
        client.open_stream()
    client.send(stream, b"x")
    assert carry(client, server) == [DataReceived(stream, b"x")]


PROTOCOL_ERRORS = [
    pytest.param(b"\x01" + frame(PING, SYN, 0, 0)[1:], id="another version"),
    pytest.param(frame(4, 0, 0, 0), id="another type"),
    pytest.param(frame(WINDOW_UPDATE, SYN, 1, 0), id="a stream opened twice"),
    pytest.param(frame(WINDOW_UPDATE, SYN, 2, 0), id="an id of this side"),
    pytest.param(frame(WINDOW_UPDATE, SYN, 0, 0), id="stream zero opened"),
    pytest.param(frame(DATA, 0, 1, INITIAL_WINDOW + 1), id="more than the window"),
    pytest.param(frame(WINDOW_UPDATE, 0, 1, 0xFFFFFFFF), id="more credit than a window holds"),
    pytest.param(frame(WINDOW_UPDATE, FIN, 1, 0) + frame(DATA, 0, 1, 1, b"x"), id="data after the end"),
]


@pytest.mark.parametrize("data", PROTOCOL_ERRORS)
def test_what_breaks_the_protocol_ends_the_session_with_a_reason(data):
    _, server, _ = opened()
    assert isinstance(server.receive_data(NOW, data)[-1], SessionDied)
    assert sent(server) == frame(GO_AWAY, 0, 0, 1)
    assert not server.alive
    assert server.receive_data(NOW, frame(PING, SYN, 0, 7)) == []
    assert sent(server) == b""


def test_a_peer_that_only_asks_and_never_reads_is_cut_off():
    _, server = pair()
    pings = frame(PING, SYN, 0, 1) * 1000
    events = [event for _ in range(MAXIMUM_ANSWERS // len(pings) + 1) for event in server.receive_data(NOW, pings)]
    assert isinstance(events[-1], SessionDied)
    assert len(sent(server)) < MAXIMUM_ANSWERS + 100


def test_pings_of_a_peer_whose_answers_are_written_cost_nothing():
    _, server = pair()
    for _ in range(200):
        assert server.receive_data(NOW, frame(PING, SYN, 0, 1) * 1000) == []
        assert len(sent(server)) == 12_000


def test_a_payload_for_nobody_is_passed_over_at_any_length():
    _, server, stream = opened()
    server.receive_data(NOW, frame(DATA, 0, 99, 1 << 27))
    for _ in range(1 << 7):
        assert server.receive_data(NOW, bytes(1 << 20)) == []
    assert server.receive_data(NOW, frame(DATA, 0, stream, 1, b"x")) == [DataReceived(stream, b"x")]


@given(st.lists(st.integers(1, 40), min_size=1), st.randoms(use_true_random=False))
def test_frames_mean_the_same_however_they_are_cut(sizes, chance):
    data = b"".join(frame(DATA, 0, 1, size, chance.randbytes(size)) + frame(PING, SYN, 0, size) for size in sizes)
    reader, position, parts = FrameReader(), 0, []
    while position < len(data):
        step = chance.randrange(1, 30)
        parts += reader.feed(data[position : position + step])
        position += step
    payload = b"".join(part.payload for part in parts if part.header.type == DATA)
    assert payload == b"".join(part.payload for part in FrameReader().feed(data))
    assert [part.header.length for part in parts if part.header.type == PING] == sizes
    assert sum(part.left == 0 for part in parts if part.header.type == DATA) == len(sizes)


@given(st.binary(max_size=200))
def test_any_bytes_leave_a_session_or_end_it(data):
    session = Session(False, NOW)
    events = session.receive_data(NOW, data)
    assert session.alive != any(isinstance(event, SessionDied) for event in events)


def test_a_lost_connection_ends_the_session_once():
    client, _, _ = opened()
    assert client.connection_lost() == [SessionDied("connection lost")]
    assert client.connection_lost() == []
    assert client.streams == []


def test_a_reader_tells_a_bad_frame():
    with pytest.raises(DecodeError):
        FrameReader().feed(frame(9, 0, 0, 0))
