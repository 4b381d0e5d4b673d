"""Bodies of requests: what is taken, what is refused, and that no body can stall or crash the edge."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.bodies import DEEPEST, WrongBody, from_json, read_json
from muster.http.entry_kinds import parse_entry, shown_entry
from muster.model.catalog import HealthCheckDefinition
from muster.model.durations import InvalidDuration
from muster.model.operator import AutopilotConfig
from muster.model.queries import PreparedQuery
from muster.wire.commands import RegisterRequest
from muster.wire.replies import Reply


def status(answer: bytes) -> int:
    return int(answer[9:12])


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_names_match_in_any_case() -> None:
    value = read_json(b'{"NODE": "n", "address": "10.0.0.1", "Service": {"Service": "web", "Tags": null, "port": 80}} trailing')
    record = from_json(RegisterRequest, value)
    assert (record.node, record.address) == ("n", "10.0.0.1")
    assert record.service is not None
    assert (record.service.service, record.service.tags, record.service.port) == ("web", None, 80)


@pytest.mark.parametrize(("text", "expected"), [('"10s"', 10_000_000_000), ("5", 5), ('""', 0), ("null", 0), ("true", 0)])
def test_durations_are_texts_or_nanoseconds(text: str, expected: int) -> None:
    assert from_json(HealthCheckDefinition, read_json(f'{{"Interval": {text}}}'.encode())).interval == expected


def test_what_a_body_leaves_out_is_zero_and_not_the_default_of_a_new_record() -> None:
    config = from_json(AutopilotConfig, {})
    assert (config.max_trailing_logs, config.cleanup_dead_servers) == (0, False)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"nonsense", id="no JSON"),
        pytest.param(b'{"Node": NaN}', id="not a number"),
        pytest.param(b'{"Node": "\xff', id="cut off and no utf-8"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"x"', id="a text"),
        pytest.param(b'{"Node": 5}', id="number for text"),
        pytest.param(b'{"Service": {"Port": "80"}}', id="text for number"),
        pytest.param(b'{"Service": {"Port": 1.5}}', id="fraction for integer"),
        pytest.param(b'{"Service": {"Port": true}}', id="boolean for number"),
        pytest.param(b'{"Service": {"Tags": "a"}}', id="text for list"),
        pytest.param(b'{"Service": {"Tags": [1]}}', id="list of numbers for texts"),
        pytest.param(b'{"NodeMeta": {"a": 1}}', id="map of numbers for texts"),
        pytest.param(b'{"SkipNodeUpdate": "yes"}', id="text for boolean"),
        pytest.param(b'{"What": 1}', id="unknown name"),
        pytest.param(b'{"Service": {"enable_tag_override": true}}', id="unknown name inside"),
        pytest.param(b'{"Check": {"Definition": {"Interval": "soon"}}}', id="no duration"),
        pytest.param(b"[" * 100_000, id="deep list"),
        pytest.param(b'{"a":' * 100_000, id="deep object"),
        pytest.param(
            b'{"Service": {"Proxy": {"Config": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}}}", id="deep where anything may stand"
        ),
        pytest.param(b'{"Service": {"Port": 1' + b"0" * 5000 + b"}}", id="number of 5,000 digits"),
    ],
)
def test_a_body_that_does_not_decode_is_refused(edge: Any, text: bytes) -> None:
    answer = edge.send("PUT", "/v1/catalog/register", text)
    assert status(answer) == 400
    assert body(answer).startswith(b"Request decode failed: ")
    assert edge.agent.asked == []


def test_brackets_inside_texts_are_not_nesting() -> None:
    assert read_json(b'{"a": "' + b"[{" * 1000 + b'\\" ["}') == {"a": "[{" * 1000 + '" ['}


def test_nesting_up_to_the_bound_is_read() -> None:
    assert read_json(b"[" * DEEPEST + b"]" * DEEPEST)
    with pytest.raises(WrongBody):
        read_json(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_the_documented_error(data: bytes) -> None:
    try:
        from_json(RegisterRequest, read_json(data))
    except (WrongBody, InvalidDuration):
        return


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Node", "Service", "Port", "Tags", "Checks", "Meta"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_no_value_raises_anything_but_the_documented_error(value: Any) -> None:
    try:
        from_json(RegisterRequest, value)
    except (WrongBody, InvalidDuration):
        return


@pytest.mark.parametrize(
    ("text", "expected", "complaint"),
    [
        pytest.param(b"{", 400, b"Failed to parse body: unexpected EOF", id="cut off"),
        pytest.param(b'{"KV": {}}', 400, b"Failed to parse body: ", id="an object"),
        pytest.param(
            b'[{"KV": {"Verb": "set", "Key": "a", "Value": "not base64!"}}]', 400, b"Failed to parse body: illegal base64 data", id="value"
        ),
        pytest.param(b"[" + b",".join([b"{}"] * 65) + b"]", 413, b"Transaction contains too many operations (65 > 64)", id="65 operations"),
    ],
)
def test_a_transaction_that_does_not_decode_is_refused(edge: Any, text: bytes, expected: int, complaint: bytes) -> None:
    answer = edge.send("PUT", "/v1/txn", text)
    assert status(answer) == expected
    assert body(answer).startswith(complaint)
    assert edge.agent.asked == []


def test_a_value_of_a_transaction_has_the_limit_of_values(make_edge: Any) -> None:
    edge = make_edge(kv_max_value_size=10)
    answer = edge.send("PUT", "/v1/txn", b'[{"KV": {"Verb": "set", "Key": "t", "Value": "MDEyMzQ1Njc4OWFi"}}]')
    assert status(answer) == 413
    assert body(answer) == b'Value for key "t" is too large (12 > 10 bytes)'


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        pytest.param(b"", "lock_delay", 15_000_000_000, id="default delay"),
        pytest.param(b'{"LockDelay": 25}', "lock_delay", 25_000_000_000, id="small number is seconds"),
        pytest.param(b'{"LockDelay": "90s"}', "lock_delay", 90_000_000_000, id="text"),
        pytest.param(b'{"lockdelay": 5000000000}', "lock_delay", 5_000_000_000, id="nanoseconds"),
        pytest.param(b"", "node_checks", ["serfHealth"], id="default checks"),
        pytest.param(b'{"Checks": []}', "node_checks", [], id="no checks"),
        pytest.param(b'{"NodeChecks": ["a"]}', "node_checks", ["a"], id="node checks"),
        pytest.param(b"", "checks", None, id="the older list says nothing of its own"),
        pytest.param(b'{"Checks": ["serfHealth"], "NodeChecks": ["a"]}', "checks", None, id="the older list has the default alone"),
        pytest.param(b'{"Checks": ["a"]}', "checks", ["a"], id="the older list"),
        pytest.param(b'{"Checks": ["a"]}', "node_checks", ["serfHealth"], id="the older list beside the default"),
        pytest.param(b'{"Checks": ["a"], "NodeChecks": []}', "checks", None, id="no node checks"),
        pytest.param(b'{"NodeChecks": null}', "node_checks", None, id="null for node checks"),
        pytest.param(b'{"Node": "other"}', "node", "other", id="node"),
    ],
)
def test_a_new_session(make_edge: Any, text: bytes, field: str, expected: Any) -> None:
    edge = make_edge(node_name="here")
    edge.agent.answers["Session.Apply"] = Reply(value="an-id")
    assert body(edge.send("PUT", "/v1/session/create", text)) == b'{"ID":"an-id"}'
    assert getattr(edge.agent.asked[0][1].session, field) == expected


def test_a_prepared_query_of_nothing_is_sent_as_an_empty_one(edge: Any) -> None:
    """A peer that leads ends its process when there is none in the request."""
    edge.agent.answers["PreparedQuery.Apply"] = Reply(value="an-id")
    edge.send("POST", "/v1/query", b"null")
    edge.send("PUT", "/v1/query/an-id", b"null")
    assert [request.query for _, request in edge.agent.asked] == [PreparedQuery(), PreparedQuery(id="an-id")]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        pytest.param({"Kind": "absent", "Name": "x"}, "invalid config entry kind: absent", id="kind"),
        pytest.param({"Name": "x"}, "Payload does not contain a kind/Kind key at the top level", id="no kind"),
        pytest.param({"Kind": 1}, "Kind value in payload is not a string", id="kind is a number"),
        pytest.param(
            {"Kind": "service-defaults", "Name": "web", "Absent": 1},
            '1 error occurred:\n\t* invalid config key "Absent"\n\n',
            id="unknown key",
        ),
        pytest.param([], "'' expected a map, got 'slice'", id="list"),
        pytest.param(
            {"Kind": "service-defaults", "MeshGateway": {"Foo": 1}},
            '1 error occurred:\n\t* invalid config key "MeshGateway.Foo"\n\n',
            id="unknown inside",
        ),
        pytest.param(
            {"Kind": "service-defaults", "Name": ["x", "y"]},
            "1 error(s) decoding:\n\n* 'Name' expected type 'string', got unconvertible type '[]interface {}'",
            id="list of two for a text",
        ),
        pytest.param(
            {"Kind": "proxy-defaults", "Config": 5},
            "1 error(s) decoding:\n\n* 'Config' expected a map, got 'float64'",
            id="number for a map",
        ),
    ],
)
def test_a_wrong_config_entry_is_refused(value: Any, complaint: str) -> None:
    with pytest.raises(WrongBody) as caught:
        parse_entry(value)
    assert str(caught.value) == complaint


def test_a_config_entry_is_shown_without_what_is_empty() -> None:
    entry = parse_entry({"kind": "service-defaults", "name": "web", "protocol": "http", "mesh_gateway": {"mode": "local"}})
    assert shown_entry(entry) == {
        "Kind": "service-defaults",
        "Name": "web",
        "Protocol": "http",
        "MeshGateway": {"Mode": "local"},
        "Expose": {},
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }


def test_a_config_entry_takes_the_forms_of_hcl() -> None:
    entry = parse_entry(
        {"Kind": "proxy-defaults", "Name": 5, "Config": [{"a": [], "b": [1], "c": [[1]], "d": {"e": [1]}}], "Expose": {"Checks": "true"}}
    )
    assert entry.fields == {
        "Config": {"a": [], "b": 1, "c": [1], "d": {"e": [1]}},
        "MeshGateway": {"Mode": ""},
        "Expose": {"Checks": True, "Paths": None},
    }


def test_there_is_one_proxy_defaults_entry() -> None:
    assert parse_entry({"Kind": "proxy-defaults", "Name": "other"}).name == "global"


@pytest.mark.parametrize(("start", "end"), [pytest.param(b"[", b"]", id="lists"), pytest.param(b'{"a":', b"}", id="objects")])
def test_a_hundred_levels_are_read_and_one_more_is_not(start: bytes, end: bytes) -> None:
    read_json(start * 100 + b"1" + end * 100)
    with pytest.raises(WrongBody, match="max depth"):
        read_json(start * 101 + b"1" + end * 101)


def test_brackets_in_texts_are_no_nesting() -> None:
    body = b'["\\t", "' + b"[" * 1000 + b'", "\\\\", "' + b"{" * 1000 + b'"]'
    assert read_json(body) == ["\t", "[" * 1000, "\\", "{" * 1000]
