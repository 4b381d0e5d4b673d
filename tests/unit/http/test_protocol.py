"""Framing: what is sent, in which order, and what becomes of input that cannot be followed."""

from collections.abc import Callable
from typing import Any

import pytest

from muster.http.limits import DISCARDED_BODY, HEAD_LIMIT
from muster.http.messages import Response
from muster.http.routing import Route, Router
from muster.model.kv import KVEntry
from muster.wire.replies import Reply

GET_A = b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n"
ENTRY = KVEntry(key="a", value=b"hello", create_index=5, modify_index=5)


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_utf8_that_is_not_escaped_is_taken(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=None, index=1)
    assert statuses(edge.ask("GET /v1/kv/été?raw=é HTTP/1.1\r\nHost: x\r\n\r\n".encode() + GET_A)) == [404, 404]
    assert [request.key for _, request in edge.agent.asked] == ["été", "a"]


def test_an_answer_has_its_length_and_its_date(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=ENTRY, index=5)
    answer = edge.ask(GET_A)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nVary: Accept-Encoding\r\nContent-Type: application/json\r\nX-Consul-Index: 5\r\n")
    assert b"Date: Sun, 13 Sep 2020 12:26:40 GMT\r\n" in answer
    assert b"Content-Length: %d\r\n" % len(body(answer)) in answer
    assert body(answer) == b'[{"LockIndex":0,"Key":"a","Flags":0,"Value":"aGVsbG8=","CreateIndex":5,"ModifyIndex":5}]'
    assert edge.metrics == {"http.GET.v1.kv._": 1}


def test_pipelined_requests_are_answered_in_order_in_one_write(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = lambda request: Reply(value=KVEntry(key=request.key, value=request.key.encode()), index=3)
    answer = edge.ask(b"".join(b"GET /v1/kv/k%d?raw HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20)))
    assert statuses(answer) == [200] * 20
    assert [request.key for _, request in edge.agent.asked] == [f"k{number}" for number in range(20)]
    assert edge.transport.writes == 1


def test_a_pipelined_request_waits_for_the_one_before_it(edge: Any) -> None:
    later = edge.later()
    edge.agent.answers["KVS.Apply"] = later
    edge.agent.answers["KVS.Get"] = Reply(value=ENTRY, index=5)
    assert edge.ask(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz" + GET_A) == b""
    assert [method for method, _ in edge.agent.asked] == ["KVS.Apply"]
    edge.run(lambda: later.set_result(Reply(value=True)), turns=3)
    assert statuses(bytes(edge.transport.written)) == [200, 200]
    assert [method for method, _ in edge.agent.asked] == ["KVS.Apply", "KVS.Get"]


def test_reading_rests_while_too_many_requests_queue(edge: Any) -> None:
    later = edge.later()
    edge.agent.answers["KVS.Get"] = later
    edge.ask(GET_A * 100)
    assert edge.transport.paused
    edge.agent.answers["KVS.Get"] = Reply(value=ENTRY, index=5)
    edge.run(lambda: later.set_result(Reply(value=ENTRY, index=5)), turns=3)
    assert len(statuses(bytes(edge.transport.written))) == 100
    assert not edge.transport.paused


def test_a_request_in_single_bytes_is_one_request(edge: Any) -> None:
    request = b"PUT /v1/kv/a?flags=7 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    answers = b"".join(edge.ask(request[place : place + 1], turns=0) for place in range(len(request)))
    assert statuses(answers) == [200]
    command = edge.agent.asked[0][1]
    assert (command.entry.value, command.entry.flags) == (b"abcde", 7)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400, id="length and chunked"),
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, id="two lengths"),
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: x3\r\n\r\nabc", 400, id="length is no number"),
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc", 501, id="unknown coding"),
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", 400, id="chunk size is no number"),
        pytest.param(b"hello world\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS on a plain port"),
        pytest.param(b"GET /v1/kv/a HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET /v1/kv/a HTTP/2.0\r\n\r\n", 400, id="HTTP/2"),
        pytest.param(b"GET /v1/kv/a\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param(b"GET /v1/kv/a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="zero byte in the path"),
        pytest.param(b"GET /v1/kv/a%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="broken escape in the path"),
        pytest.param(b"GET /v1/kv/a% HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="escape cut off"),
        pytest.param(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, id="header without colon"),
        pytest.param(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nX: " + b"a" * HEAD_LIMIT + b"\r\n\r\n", 431, id="header over the limit"),
        pytest.param(b"GET /v1/kv/" + b"a" * HEAD_LIMIT + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, id="path over the limit"),
        pytest.param(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * HEAD_LIMIT, 431, id="header without end"),
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: more\r\n\r\nabc", 417, id="unknown expectation"),
    ],
)  # fmt: skip
def test_input_that_cannot_be_followed_is_refused_and_the_connection_closed(edge: Any, request_bytes: bytes, status: int) -> None:
    assert statuses(edge.ask(request_bytes)) == [status]
    assert edge.transport.closed
    assert edge.agent.asked == []
    assert edge.ask(GET_A) == b""


def test_a_head_that_grows_over_the_limit_in_pieces_is_refused(edge: Any) -> None:
    edge.ask(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n")
    answers = [edge.ask(b"X-%d: " % number + b"a" * 1000 + b"\r\n", turns=0) for number in range(80)]
    assert statuses(b"".join(answers)) == [431]


def test_what_came_before_broken_input_is_answered_first(edge: Any) -> None:
    later = edge.later()
    edge.agent.answers["KVS.Get"] = later
    edge.ask(GET_A + b"garbage\r\n\r\n")
    assert not edge.transport.closed
    edge.run(lambda: later.set_result(Reply(value=ENTRY, index=5)), turns=3)
    assert statuses(bytes(edge.transport.written)) == [200, 400]
    assert edge.transport.closed


def test_half_a_request_and_then_silence_ends_the_connection(edge: Any) -> None:
    edge.ask(b"GET /v1/kv/a HTT")
    edge.clock.now += 9.0
    edge.run(edge.listener.sweep)
    assert not edge.transport.closed
    edge.ask(b"P/1.1\r\n")  # a client that trickles gets no more time
    edge.clock.now += 2.0
    edge.run(edge.listener.sweep)
    assert edge.transport.closed


def test_half_a_body_and_then_silence_ends_the_connection(edge: Any) -> None:
    edge.ask(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    edge.clock.now += 50.0
    edge.ask(b"d")  # a body that goes on has time
    edge.clock.now += 50.0
    edge.run(edge.listener.sweep)
    assert not edge.transport.closed
    edge.clock.now += 11.0
    edge.run(edge.listener.sweep)
    assert edge.transport.closed


def test_an_idle_connection_stays(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=ENTRY, index=5)
    edge.ask(GET_A)
    edge.clock.now += 3600.0
    edge.run(edge.listener.sweep)
    assert not edge.transport.closed


def test_a_client_that_goes_cancels_its_parked_query_at_once(edge: Any) -> None:
    later = edge.later()
    edge.agent.answers["KVS.Get"] = later
    edge.get("/v1/kv/a?index=5")
    edge.connection.connection_lost(None)
    assert later.cancelled()
    assert edge.listener.connections == 0


def test_a_client_that_goes_ends_its_stream(edge: Any) -> None:
    ended: list[bool] = []

    def parts() -> Any:
        try:
            while True:
                yield b"x"
        finally:
            ended.append(True)

    edge.listener.router = edge.context.router = Router([Route("GET", "/s", lambda request, context: Response(200, body=parts()))])
    edge.ask(b"GET /s HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"1\r\nx\r\n" in edge.transport.written
    edge.connection.connection_lost(None)
    assert ended == [True]


def test_a_stream_stops_while_the_client_does_not_read(edge: Any) -> None:
    numbers = iter(range(1000))
    edge.listener.router = Router([Route("GET", "/s", lambda request, context: Response(200, body=(b"%d," % n for n in numbers)))])
    edge.ask(b"GET /s HTTP/1.1\r\nHost: x\r\n\r\n", turns=2)
    edge.connection.pause_writing()
    edge.run(lambda: None, turns=50)
    assert next(numbers) < 10
    edge.run(edge.connection.resume_writing, turns=2000)
    assert edge.transport.written.endswith(b"0\r\n\r\n")


def test_a_stream_that_fails_breaks_the_connection_off(edge: Any) -> None:
    def parts() -> Any:
        yield b"x"
        raise ValueError("planned")

    edge.listener.router = Router([Route("GET", "/s", lambda request, context: Response(200, body=parts()))])
    edge.ask(b"GET /s HTTP/1.1\r\nHost: x\r\n\r\n")
    assert edge.transport.aborted


def test_a_handler_that_fails_costs_its_request_only(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = ValueError("planned")
    assert statuses(edge.ask(GET_A)) == [500]
    edge.agent.answers["KVS.Get"] = Reply(value=ENTRY, index=5)
    assert statuses(edge.ask(GET_A)) == [200]


@pytest.mark.parametrize(
    ("head", "line", "closes"),
    [
        pytest.param(b"GET /v1/kv/a HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK", True, id="1.0"),
        pytest.param(b"GET /v1/kv/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"Connection: keep-alive", False, id="1.0 that stays"),
        pytest.param(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"Connection: close", True, id="1.1 that closes"),
        pytest.param(GET_A, b"HTTP/1.1 200 OK", False, id="1.1"),
    ],
)
def test_the_connection_stays_as_the_client_asks(edge: Any, head: bytes, line: bytes, closes: bool) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=ENTRY, index=5)
    assert line in edge.ask(head)
    assert edge.transport.closed is closes


def test_a_client_that_asks_first_is_told_to_go_on(edge: Any) -> None:
    head = b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    assert edge.ask(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert statuses(edge.ask(b"abc")) == [200]


def test_a_client_that_asks_first_with_too_much_is_spared_the_sending(make_edge: Callable[..., Any]) -> None:
    edge = make_edge(kv_max_value_size=10)
    answer = edge.ask(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
    assert statuses(answer) == [413]
    assert edge.transport.closed


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_the_limit_is_refused_and_the_connection_stays(make_edge: Callable[..., Any], framing: str) -> None:
    edge = make_edge(kv_max_value_size=10)
    if framing == "length":
        answer = edge.send("PUT", "/v1/kv/a", b"x" * 11)
    else:
        answer = edge.ask(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nxxxxxxxxxxx\r\n0\r\n\r\n")
    assert statuses(answer) == [413]
    assert body(answer) == (
        b"Request body(11 bytes) too large, max size: 10 bytes. See https://www.consul.io/docs/agent/options.html#kv_max_value_size."
    )
    assert edge.agent.asked == []
    assert statuses(edge.send("PUT", "/v1/kv/a", b"x" * 10)) == [200]


def test_a_body_without_end_is_not_read_for_ever(edge: Any) -> None:
    edge.ask(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    answers = b""
    for _ in range(DISCARDED_BODY // 0x100000 + 2):
        answers += edge.ask(piece, turns=0)
    assert statuses(answers) == [413]
    assert edge.transport.closed


def test_closing_withdraws_what_is_parked(edge: Any) -> None:
    later = edge.later()
    edge.agent.answers["KVS.Get"] = later
    edge.get("/v1/kv/a?index=5")
    edge.run(edge.connection.close_when_done, turns=2)
    assert later.cancelled()
    assert edge.transport.closed
