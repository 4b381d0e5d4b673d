"""Options that every read takes, and the complaints about wrong ones."""

from typing import Any

import pytest

from muster.http.cache import HIT, MISS, REMEMBERED, CacheBook
from muster.http.querystring import parse_query
from muster.model.kv import KVEntry
from muster.wire.replies import Reply
from muster.wire.requests import KeyRequest, ServiceRequest


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param("index=abc", b"Invalid index", id="index"),
        pytest.param("index=-1", b"Invalid index", id="negative index"),
        pytest.param("index=1.5", b"Invalid index", id="fraction"),
        pytest.param("index=99999999999999999999", b"Invalid index", id="index over 64 bits"),
        pytest.param("index=" + "9" * 5000, b"Invalid index", id="index of 5,000 digits"),
        pytest.param("wait=abc", b"Invalid wait time", id="wait"),
        pytest.param("index=1&wait=10", b"Invalid wait time", id="wait without unit"),
        pytest.param("stale&consistent", b"Cannot specify ?stale with ?consistent, conflicting semantics.", id="stale and consistent"),
        pytest.param("stale&max_stale=abc", b'Invalid max_stale value "abc"', id="max_stale"),
        pytest.param("cached&consistent", b"Cannot specify ?cached with ?consistent, conflicting semantics.", id="cached and consistent"),
    ],
)
def test_wrong_options_are_refused(edge: Any, query: str, text: bytes) -> None:
    answer = edge.get(f"/v1/catalog/nodes?{query}")
    assert answer.startswith(b"HTTP/1.1 400")
    assert body(answer) == text
    assert edge.agent.asked == []


def test_options_reach_the_agent(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=None, index=1)
    edge.get("/v1/kv/a?dc=far&index=7&wait=5s&stale&max_stale=1m&token=t")
    assert edge.agent.asked[0][1] == KeyRequest(
        key="a",
        datacenter="far",
        min_query_index=7,
        max_query_time=5_000_000_000,
        allow_stale=True,
        max_stale_duration=60_000_000_000,
        token="t",
    )


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        pytest.param("", (), "", id="none"),
        pytest.param("?token=a", ("X-Consul-Token: b",), "a", id="query before header"),
        pytest.param("", ("X-Consul-Token: b", "Authorization: Bearer c"), "b", id="header before bearer"),
        pytest.param("", ("authorization: bearer c",), "c", id="bearer"),
        pytest.param("", ("Authorization: Basic c",), "", id="another scheme"),
    ],
)
def test_the_token(edge: Any, query: str, headers: tuple[str, ...], expected: str) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=None, index=1)
    edge.get("/v1/kv/a" + query, *headers)
    assert edge.agent.asked[0][1].token == expected


def test_a_service_is_asked_for_with_tags_metadata_and_place(edge: Any) -> None:
    edge.agent.answers["Health.ServiceNodes"] = Reply(value=[], index=1)
    edge.get(
        "/v1/health/service/web?tag=a&tag=b&node-meta=k:v:w&node-meta=x&near=_ip&filter=Checks+is+empty",
        "X-Forwarded-For: 9.9.9.9, 8.8.8.8",
    )
    question: ServiceRequest = edge.agent.asked[0][1]
    assert question.service_tags == ("a", "b")
    assert question.tag_filter
    assert question.node_meta_filters == (("k", "v:w"), ("x", ""))
    assert question.source.ip == "9.9.9.9"
    assert question.filter == "Checks is empty"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"a=1&a=2&b", {"a": ["1", "2"], "b": [""]}, id="twice"),
        pytest.param(b"a;b=c+d%2B", {"a": [""], "b": ["c d+"]}, id="semicolon, plus and escape"),
        pytest.param(b"&&=x", {"": ["x"]}, id="empty parts"),
        pytest.param(b"%C3%A9=%ff", {"é": ["\udcff"]}, id="no utf-8"),
    ],
)
def test_query_strings(raw: bytes, expected: dict[str, list[str]]) -> None:
    assert parse_query(raw) == expected


def test_a_cached_question_is_a_hit_the_second_time(edge: Any) -> None:
    edge.agent.answers["Health.ServiceNodes"] = lambda request: Reply(value=[], index=1)
    assert MISS in edge.get("/v1/health/service/web?cached")
    assert HIT in edge.get("/v1/health/service/web?cached", "Cache-Control: max-age=60")
    assert MISS in edge.get("/v1/health/service/web?cached&tag=a")
    assert b"X-Cache" not in edge.get("/v1/health/service/web")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        pytest.param("catalog/nodes", "Catalog.ListNodes", id="nodes"),
        pytest.param("catalog/services", "Catalog.ListServices", id="services"),
        pytest.param("health/state/any", "Health.ChecksInState", id="checks"),
        pytest.param("health/service/web", "Health.ServiceNodes", id="instances"),
    ],
)
@pytest.mark.parametrize(("age", "asks"), [pytest.param(4_999, 1, id="young enough"), pytest.param(5_001, 2, id="too old")])
def test_an_answer_of_a_server_that_lost_its_leader_for_too_long_is_not_taken(
    edge: Any, path: str, method: str, age: int, asks: int
) -> None:
    edge.agent.answers[method] = lambda request: Reply(value=None, index=1, last_contact=age * 1_000_000 if request.allow_stale else 0)
    answer = edge.get(f"/v1/{path}{'&' if '?' in path else '?'}max_stale=5s")
    assert [asked.allow_stale for _, asked in edge.agent.asked] == [True, False][:asks]
    assert (b"X-Consul-Lastcontact: 0\r\n" in answer) == (asks == 2)


def test_the_book_of_cached_questions_has_a_bound() -> None:
    book = CacheBook()
    for number in range(REMEMBERED + 1):
        book.line("KVS.Get", KeyRequest(key=str(number)))
    assert book.line("KVS.Get", KeyRequest(key="1")) == HIT
    assert book.line("KVS.Get", KeyRequest(key="0")) == MISS


def test_an_answer_is_remembered_only_while_its_entry_is_the_same(edge: Any) -> None:
    first, second = (KVEntry(key="a", value=value, modify_index=index) for value, index in ((b"1", 5), (b"2", 6)))
    edge.agent.answers["KVS.Get"] = lambda request: Reply(value=first, index=5)
    once, again = edge.get("/v1/kv/a"), edge.get("/v1/kv/a")
    assert once == again
    assert b"\n" in body(edge.get("/v1/kv/a?pretty"))
    edge.agent.answers["KVS.Get"] = lambda request: Reply(value=second, index=6)
    assert b'"Value":"Mg=="' in edge.get("/v1/kv/a")
    edge.agent.answers["KVS.Get"] = lambda request: Reply(value=second, index=9)
    assert b"X-Consul-Index: 9\r\n" in edge.get("/v1/kv/a")
