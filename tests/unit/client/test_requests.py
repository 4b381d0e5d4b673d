"""What the client sends, and what it makes of answers and of none."""

import socket
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from stub_agent import StubAgent

from muster.client import AgentUnreachable, Client, InvalidSetting, Query, RequestFailed
from muster.client.errors import InvalidKey, UnexpectedAnswer
from muster.client.queries import next_index
from muster.client.settings import Settings, from_environment, parse_address
from muster.client.transport import Transport

TRANSPORT = Transport(Settings())


@pytest.mark.parametrize(
    ("text", "tls", "url"),
    [
        pytest.param("127.0.0.1:8500", False, "http://127.0.0.1:8500", id="host and port"),
        pytest.param("agent", False, "http://agent", id="host only"),
        pytest.param("agent:8501", True, "https://agent:8501", id="TLS by setting"),
        pytest.param("https://agent:8501/", False, "https://agent:8501", id="TLS by scheme"),
        pytest.param("http://agent:8500", True, "http://agent:8500", id="the scheme wins"),
        pytest.param("[::1]:8500", False, "http://[::1]:8500", id="IPv6"),
        pytest.param("unix:///run/agent.sock", False, "http://%2Frun%2Fagent.sock", id="a Unix socket"),
    ],
)
def test_an_address_says_where_and_how(text, tls, url):
    assert parse_address(text, tls=tls).base_url == url


@pytest.mark.parametrize(
    ("text", "complaint"), [("zz://x", "Unknown protocol scheme: zz"), ("a:b", 'invalid port "b"'), ("a:70000", "invalid port")]
)
def test_a_bad_address_is_refused(text, complaint):
    with pytest.raises(InvalidSetting, match=complaint):
        Client(text)


def test_the_environment_is_read_as_consul_s_programs_do(tmp_path):
    token = tmp_path / "token"
    token.write_text(" from-file \n")
    environment = {
        "CONSUL_HTTP_ADDR": "agent:1",
        "CONSUL_HTTP_TOKEN": "from-variable",
        "CONSUL_HTTP_TOKEN_FILE": str(token),
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_HTTP_SSL_VERIFY": "0",
        "CONSUL_CACERT": "ca",
        "CONSUL_CLIENT_CERT": "cert",
        "CONSUL_CLIENT_KEY": "key",
        "CONSUL_TLS_SERVER_NAME": "name",
        "CONSUL_HTTP_AUTH": "user:password",
    }
    found = from_environment(environment)
    assert found == Settings(
        address="agent:1",
        token="from-file",
        tls=True,
        verify=False,
        ca_file="ca",
        client_cert="cert",
        client_key="key",
        server_name="name",
        credentials="user:password",
    )
    assert from_environment({}) == Settings()


def test_a_token_file_that_is_not_there_is_refused():
    with pytest.raises(InvalidSetting, match=r"^Error loading token file: open /nonexistent: no such file or directory$"):
        from_environment({}, token_file="/nonexistent")


def test_a_ca_file_that_is_not_there_is_refused_even_without_tls():
    with pytest.raises(InvalidSetting, match=r"^Error loading CA File: open /nonexistent: no such file or directory$"):
        Client(ca_file="/nonexistent")


@pytest.mark.parametrize(
    ("path", "parameters", "target"),
    [
        pytest.param("kv/a b?c#d%41", [], "/v1/kv/a%20b%3Fc%23d%2541", id="a path is escaped"),
        pytest.param("kv/a/b:c,d;e@f", [], "/v1/kv/a/b:c,d;e@f", id="what Go leaves stays"),
        pytest.param("kv/\udcff", [], "/v1/kv/%FF", id="bytes that are no text survive"),
        pytest.param("kv/", [("recurse", ""), ("index", "5")], "/v1/kv/?index=5&recurse=", id="the query is sorted"),
        pytest.param("event/list", [("name", "a b&c")], "/v1/event/list?name=a+b%26c", id="the query is escaped"),
    ],
)
def test_a_request_line_is_escaped_as_go_does(path, parameters, target):
    assert TRANSPORT.target(path, parameters) == target


@given(st.text(), st.text())
def test_any_key_and_value_make_a_request_line(path, value):
    target = TRANSPORT.target(path, [("filter", value)])
    assert target.isascii() and " " not in target and target.count("?") == 1


def test_a_read_sends_its_options_and_gives_what_the_headers_say():
    headers = {"X-Consul-Index": "42", "x-consul-lastcontact": "7", "X-Consul-Knownleader": "true", "X-Cache": "HIT", "Age": "3"}
    with StubAgent((200, headers, b'[{"Node":"n1","Unknown":1}]')) as agent:
        client = Client(agent.address, "secret", datacenter="eu", stale=True)
        query = Query(index=41, wait="5m", near="_agent", filter="Node == n1", node_meta={"rack": "7"})
        answer = client.catalog.nodes(query)
    asked = agent.asked[0]
    assert asked.target == "/v1/catalog/nodes?dc=eu&filter=Node+%3D%3D+n1&index=41&near=_agent&node-meta=rack%3A7&stale=&wait=5m"
    assert asked.headers["X-Consul-Token"] == "secret"
    assert (answer.index, answer.last_contact, answer.known_leader, answer.hit, answer.age) == (42, 7, True, True, 3)
    assert [node.node for node in answer.value] == ["n1"]


def test_a_read_that_wants_consistency_is_not_made_stale():
    with StubAgent((200, {}, b"[]")) as agent:
        Client(agent.address, stale=True).catalog.nodes(Query(consistent=True))
    assert agent.asked[0].target == "/v1/catalog/nodes?consistent="


def test_null_is_an_empty_list_and_an_absent_key_none():
    with StubAgent((200, {}, b"null"), (404, {"X-Consul-Index": "9"}, b"")) as agent:
        client = Client(agent.address)
        assert client.health.service("web").value == []
        answer = client.kv.get("a")
    assert (answer.value, answer.index) == (None, 9)


def test_a_status_that_is_not_expected_is_an_error_with_its_text():
    with StubAgent((500, {}, b"No cluster leader")) as agent, pytest.raises(RequestFailed) as caught:
        Client(agent.address).catalog.nodes()
    assert str(caught.value) == "Unexpected response code: 500 (No cluster leader)"
    assert (caught.value.status, caught.value.text, caught.value.short) == (500, "No cluster leader", "Unexpected response code: 500")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"Node":1}', b"\xff"])
def test_an_answer_that_is_not_the_api_s_is_an_error(body):
    with StubAgent((200, {}, body)) as agent, pytest.raises(UnexpectedAnswer):
        Client(agent.address).catalog.nodes()


def test_a_key_with_a_leading_slash_is_refused_unsent():
    with StubAgent() as agent, pytest.raises(InvalidKey, match="must not begin with a '/'"):
        Client(agent.address).kv.put("/a", b"")
    assert agent.asked == []


def test_values_are_bytes_both_ways():
    with StubAgent((200, {}, b"true"), (200, {}, b'[{"Key":"a","Value":"AP8=","Flags":18446744073709551615}]')) as agent:
        client = Client(agent.address)
        assert client.kv.put("a", b"\x00\xff", flags=3, cas=0) is True
        entry = client.kv.get("a").value
    assert agent.asked[0].body == b"\x00\xff"
    assert agent.asked[0].target == "/v1/kv/a?cas=0&flags=3"
    assert entry is not None and entry.value == b"\x00\xff" and entry.flags == (1 << 64) - 1


def test_a_connection_is_kept_and_a_closed_one_replaced():
    with StubAgent((200, {}, b"[]")) as agent:
        client = Client(agent.address)
        for _ in range(3):
            client.catalog.nodes()
        assert agent.connections == 1
    with StubAgent((200, {}, b"[]"), close_after_each=True) as agent:
        client = Client(agent.address)
        for _ in range(3):
            assert client.catalog.nodes().value == []
        assert len(agent.asked) == 3


def test_threads_do_not_share_a_connection():
    with StubAgent((200, {}, b"[]")) as agent:
        client = Client(agent.address)
        found = []
        threads = [threading.Thread(target=lambda: found.append(client.catalog.nodes().value)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [[]] * 8


def test_nobody_listening_is_told_in_go_s_words():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(AgentUnreachable) as caught:
            Client(address).kv.put("a", b"")
    assert str(caught.value) == f'Put "http://{address}/v1/kv/a": dial tcp {address}: connect: connection refused'


def test_a_socket_that_is_not_there_is_told_in_go_s_words():
    with pytest.raises(AgentUnreachable) as caught:
        Client("unix:///nonexistent").kv.get("a")
    assert str(caught.value) == 'Get "http://%2Fnonexistent/v1/kv/a": dial unix /nonexistent: connect: no such file or directory'


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        pytest.param(b"", "EOF", id="closed at once"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[]", "unexpected EOF", id="half a body"),
        pytest.param(b"garbage\r\n\r\n", "malformed HTTP response", id="no HTTP"),
    ],
)
def test_a_broken_answer_is_an_unreachable_agent(answer, cause):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(AgentUnreachable, match=cause):
            Client(f"127.0.0.1:{listener.getsockname()[1]}").catalog.nodes()
        thread.join()


def test_http_where_tls_was_expected_is_told():
    with StubAgent() as agent, pytest.raises(AgentUnreachable, match=r"http: server gave HTTP response to HTTPS client$"):
        Client(f"https://{agent.address}").catalog.nodes()


@pytest.mark.parametrize(("before", "answered", "following"), [(0, 5, 5), (5, 5, 5), (5, 9, 9), (9, 5, 0), (5, 0, 0)])
def test_an_index_that_goes_back_starts_anew(before, answered, following):
    assert next_index(before, answered) == following
