"""What holds for every endpoint: paths, methods, blocked prefixes, who may write, errors."""

from collections.abc import Callable
from typing import Any

import pytest

from muster.http.settings import networks
from muster.model.errors import NoPathToDatacenter, PermissionDenied
from muster.wire.replies import Reply


def status(answer: bytes) -> int:
    return int(answer[9:12])


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("url", "location"),
    [
        pytest.param("/v1//kv/a", b"/v1/kv/a", id="two slashes"),
        pytest.param("/v1/kv//a/../b?x=1&y", b"/v1/kv/b?x=1&y", id="dots, with the query"),
        pytest.param("/v1/kv/a%2f%2e%2e/b", b"/v1/kv/b", id="escaped dots"),
        pytest.param("/v1/../v1/status/leader", b"/v1/status/leader", id="above and back"),
        pytest.param("/v1/kv", b"/v1/kv/", id="without the last slash"),
        pytest.param("/v1/agent/service/deregister", b"/v1/agent/service/deregister/", id="without it, under a shorter pattern"),
        pytest.param("/v1/kv/%C3%A9//a", b"/v1/kv/%C3%A9/a", id="escaped again"),
    ],
)
def test_a_path_that_is_not_clean_is_sent_to_the_clean_one(edge: Any, url: str, location: bytes) -> None:
    answer = edge.get(url)
    assert status(answer) == 301
    assert b"\r\nLocation: %b\r\n" % location in answer
    assert body(answer) == b'<a href="%b">Moved Permanently</a>.\n\n' % location.replace(b"&", b"&amp;")
    assert edge.agent.asked == []


@pytest.mark.parametrize("url", ["/v1/absent", "/v2/kv/a", "/v1/", "/v1", "/absent", "/v1/catalog", "/v1/catalog/nodes/", "/v1/kvx/a"])
def test_an_unknown_path_is_a_bare_404(make_edge: Callable[..., Any], url: str) -> None:
    edge = make_edge(response_headers={"X-Custom": "yes"})
    answer = edge.get(url)
    assert status(answer) == 404
    assert body(answer) == b""
    assert b"X-Custom" not in answer
    assert b"Content-Type" not in answer


@pytest.mark.parametrize("path", ["/v1/kv/bad%01char", "/v1/kv/bad%0Aline", "/v1/kv/%7f", "/v1/kv/%E2%80%8B"])
def test_a_path_that_cannot_be_printed_is_refused(edge: Any, path: str) -> None:
    answer = edge.get(path)
    assert status(answer) == 400
    assert body(answer) == b""


def test_unprintable_paths_are_taken_where_the_configuration_says_so(make_edge: Callable[..., Any]) -> None:
    edge = make_edge(unprintable_paths=True)
    edge.agent.answers["KVS.Get"] = Reply(value=None, index=1)
    assert status(edge.get("/v1/kv/bad%01char")) == 404
    assert edge.agent.asked[0][1].key == "bad\x01char"


def test_bytes_that_are_no_utf8_reach_the_agent_unchanged(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = Reply(value=None, index=1)
    edge.get("/v1/kv/%ff%fe")
    assert edge.agent.asked[0][1].key.encode("utf-8", "surrogateescape") == b"\xff\xfe"


@pytest.mark.parametrize("query", ["?%zz", "?a=%", "?a=%1", "?index=1&b=%g0"])
def test_a_broken_escape_in_the_query_is_a_bare_500(edge: Any, query: str) -> None:
    answer = edge.get("/v1/kv/a" + query)
    assert status(answer) == 500
    assert body(answer) == b""


@pytest.mark.parametrize(
    ("method", "url", "expected", "allow", "text"),
    [
        pytest.param("OPTIONS", "/v1/kv/a", 200, b"OPTIONS,GET,PUT,DELETE", b"", id="options"),
        pytest.param("POST", "/v1/kv/a", 405, b"OPTIONS,GET,PUT,DELETE", b"method POST not allowed", id="wrong method"),
        pytest.param("HEAD", "/v1/catalog/nodes", 405, b"OPTIONS,GET", b"", id="head"),
        pytest.param("TRACE", "/v1/status/leader", 405, b"OPTIONS,GET", b"method TRACE not allowed", id="trace"),
        pytest.param("OPTIONS", "/v1/query/abc", 200, b"OPTIONS,GET,PUT,DELETE", b"{}", id="options of a query"),
        pytest.param("OPTIONS", "/v1/query/abc/execute", 200, b"OPTIONS,GET", b"{}", id="options of running a query"),
        pytest.param("POST", "/v1/query/abc", 405, b"GET,PUT,DELETE", b"method POST not allowed", id="wrong method of a query"),
        pytest.param("PUT", "/v1/query/abc/execute", 405, b"GET", b"method PUT not allowed", id="wrong method of running a query"),
    ],
)
def test_methods(edge: Any, method: str, url: str, expected: int, allow: bytes, text: bytes) -> None:
    answer = edge.send(method, url)
    assert status(answer) == expected
    assert b"\r\nAllow: %b\r\n" % allow in answer
    assert body(answer) == text


def test_blocked_prefixes(make_edge: Callable[..., Any]) -> None:
    edge = make_edge(block_endpoints=("/v1/agent/self", "/v1/kv"))
    answer = edge.get("/v1/kv/a")
    assert status(answer) == 403
    assert body(answer) == b"Endpoint is blocked by agent configuration"
    edge.agent.answers["Catalog.ListNodes"] = Reply(value=[], index=1)
    assert status(edge.get("/v1/catalog/nodes")) == 200


def test_writes_come_from_allowed_networks_only(make_edge: Callable[..., Any]) -> None:
    edge = make_edge(write_networks=networks(["192.168.0.0/16"]))
    answer = edge.send("PUT", "/v1/kv/a", b"x")
    assert status(answer) == 403
    assert body(answer) == b"Access is restricted"
    edge.agent.answers["KVS.Get"] = Reply(value=None, index=1)
    assert status(edge.get("/v1/kv/a")) == 404
    allowed = make_edge(write_networks=networks(["10.0.0.0/8"]))
    assert status(allowed.send("PUT", "/v1/kv/a", b"x")) == 200


def test_configured_headers_stand_in_answers_of_endpoints(make_edge: Callable[..., Any]) -> None:
    edge = make_edge(response_headers={"X-Custom": "yes"}, translate_wan_addresses=True)
    edge.agent.answers["KVS.Get"] = Reply(value=None, index=1)
    for answer in (edge.get("/v1/kv/a"), edge.send("PUT", "/v1/kv/"), edge.send("OPTIONS", "/v1/kv/a")):
        assert b"\r\nX-Custom: yes\r\n" in answer
        assert b"\r\nX-Consul-Translate-Addresses: true\r\n" in answer


def test_an_error_of_a_read_carries_the_headers_of_an_empty_reply(edge: Any) -> None:
    edge.agent.answers["Catalog.ListNodes"] = NoPathToDatacenter()
    answer = edge.get("/v1/catalog/nodes?dc=nowhere")
    assert status(answer) == 500
    assert body(answer) == b"No path to datacenter"
    assert b"X-Consul-Index: 1\r\nX-Consul-Knownleader: false\r\nX-Consul-Lastcontact: 0\r\n" in answer


def test_an_error_of_the_store_of_keys_does_not(edge: Any) -> None:
    edge.agent.answers["KVS.Get"] = PermissionDenied()
    answer = edge.get("/v1/kv/a")
    assert status(answer) == 403
    assert b"X-Consul-Index" not in answer


def test_an_error_that_comes_later_is_answered_like_one_at_once(edge: Any) -> None:
    later = edge.later()
    edge.agent.answers["Catalog.ListNodes"] = later
    edge.get("/v1/catalog/nodes")
    edge.run(lambda: later.set_exception(NoPathToDatacenter()), turns=3)
    assert b"500 Internal Server Error" in edge.transport.written
    assert b"X-Consul-Knownleader: false" in edge.transport.written
