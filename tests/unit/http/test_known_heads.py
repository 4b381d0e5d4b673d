"""A head that came before goes past the parser, and nobody can tell."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from http_edge import Edge
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.http.known_heads import KnownHeads
from muster.http.settings import Settings
from muster.model.kv import KVEntry
from muster.wire.replies import Reply

PUT = b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
GET = b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\n"


class NoHeads(KnownHeads):
    """Learns nothing: every request goes through the parser."""

    __slots__ = ()

    def learn(self, head: bytes, request: Any, body_size: int) -> None:
        pass


def test_a_head_is_learnt_and_then_the_parser_is_passed_by(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=KVEntry(key="a", value=b"v"))
    edge.ask(GET)
    edge.connection._parser = None  # whoever feeds it fails
    assert edge.ask(GET).startswith(b"HTTP/1.1 200 OK")
    assert [request.key for _, request in edge.agent.asked] == ["a", "a"]


def test_a_known_head_may_come_before_its_body(edge: Any) -> None:
    edge.ask(PUT)
    edge.ask(b"one")
    edge.connection._parser = None
    assert edge.ask(PUT) == b""
    assert edge.ask(b"two").startswith(b"HTTP/1.1 200 OK")
    assert [request.entry.value for _, request in edge.agent.asked] == [b"one", b"two"]


def test_a_known_head_whose_body_does_not_come_ends_the_connection(edge: Any) -> None:
    edge.ask(PUT + b"one")
    edge.ask(PUT)
    edge.clock.now += edge.context.settings.body_time + 1
    edge.run(edge.listener.sweep)
    assert edge.transport.closed


def test_what_follows_the_last_request_is_not_answered_though_its_head_is_known(edge: Any) -> None:
    edge.ask(PUT + b"one")
    edge.agent.answers["KVS.Get"] = edge.later()
    assert edge.ask(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == b""
    edge.ask(PUT + b"two")
    edge.run(lambda: edge.agent.answers["KVS.Get"].set_result(Reply(value=None)), turns=3)
    assert [method for method, _ in edge.agent.asked] == ["KVS.Apply", "KVS.Get"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET /v1/kv/a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", id="http/1.0"),
        pytest.param(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", id="the last one"),
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n", id="chunked"),
        pytest.param(b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nz", id="expectation"),
        pytest.param(b"\r\n\r\n" + GET, id="blank lines before it"),
        pytest.param(GET + GET, id="two at once"),
        pytest.param(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", id="nobody's path"),
        pytest.param(b"GET /v1/kv//a HTTP/1.1\r\nHost: x\r\n\r\n", id="a path that is sent elsewhere"),
        pytest.param(b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\nA: %b\r\n\r\n" % (b"a" * 600), id="long"),
    ],
)
def test_an_unusual_head_is_not_learnt(edge: Any, request_bytes: bytes) -> None:
    edge.ask(request_bytes)
    assert edge.listener.heads._heads == {}


def test_new_settings_make_known_heads_forgotten(edge: Any) -> None:
    edge.ask(PUT + b"one")
    edge.run(lambda: edge.listener.configure(Settings(kv_max_value_size=2)))
    assert edge.ask(PUT + b"two").startswith(b"HTTP/1.1 413")


def test_heads_that_are_remembered_are_bounded(edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.http.known_heads.REMEMBERED", 10)
    for number in range(100):
        edge.ask(b"GET /v1/kv/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
        assert len(edge.listener.heads._heads) <= 10


HEADERS = st.sampled_from([b"", b"Accept-Encoding: gzip\r\n", b"X-Consul-Token: t\r\n", b"Connection: keep-alive\r\n", b"\r\n"])
TARGETS = st.sampled_from([b"/v1/kv/a", b"/v1/kv/b?raw", b"/v1/kv/c?cas=5", b"/v1/kv//d", b"/v1/none", b"/v1/kv/e?dc=%"])
BODIES = st.sampled_from([b"", b"x", b"GET ", b"\r\n\r\n", b"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n"])


@st.composite
def requests(draw: Any) -> bytes:
    method, target, header, content = draw(st.sampled_from([b"GET", b"PUT", b"DELETE"])), draw(TARGETS), draw(HEADERS), draw(BODIES)
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    length = b"Content-Length: %d\r\n" % len(content) if content or draw(st.booleans()) else b""
    made: bytes = b"%b %b HTTP/%b\r\nHost: x\r\n%b%b\r\n%b" % (method, target, version, header, length, content)
    return made


@st.composite
def inputs(draw: Any) -> list[bytes]:
    """Requests from a small choice, so that many come again, each cut into up to three inputs or sent together with others."""
    choice = draw(st.lists(requests(), min_size=1, max_size=3))
    stream, cuts = b"", set()
    for one in draw(st.lists(st.sampled_from(choice), min_size=1, max_size=8)):
        head = one.find(b"\r\n\r\n") + 4
        cuts |= {len(stream) + place for place in draw(st.lists(st.sampled_from([0, 0, head, draw(st.integers(0, len(one)))]), max_size=3))}
        stream += one
    ends = sorted({0, len(stream), *cuts})
    return [stream[start:end] for start, end in pairwise(ends)]


def conversation(loop: asyncio.AbstractEventLoop, pieces: list[bytes], heads: KnownHeads) -> tuple[list[bytes], Any, bool]:
    edge = Edge(loop, Settings())
    edge.agent.answers["KVS.Get"] = lambda request: Reply(value=KVEntry(key=request.key, value=b"v" * 100), index=3)
    edge.listener.heads = heads
    answers = [edge.ask(piece, turns=0) for piece in pieces]
    edge.run(lambda: edge.listener._sweeper.cancel())  # type: ignore[union-attr]  # it was planned at the making
    return answers, edge.agent.asked, edge.transport.closed


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(pieces=inputs())
def test_known_heads_change_no_answer(loop: asyncio.AbstractEventLoop, pieces: list[bytes]) -> None:
    assert conversation(loop, pieces, KnownHeads()) == conversation(loop, pieces, NoHeads())
