"""Watches: the request of each type, what is a change, and what a handler gets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.client.errors import RequestFailed, UnexpectedAnswer
from muster.client.watches import InvalidWatch, WatchPlan, event_index


@pytest.mark.parametrize(
    ("kind", "parameters", "path", "pairs"),
    [
        pytest.param("key", {"key": "/a/b"}, "kv/a/b", [], id="key"),
        pytest.param("keyprefix", {"prefix": "a/"}, "kv/a/", [("recurse", "")], id="keyprefix"),
        pytest.param("services", {"datacenter": "eu"}, "catalog/services", [("dc", "eu")], id="services"),
        pytest.param("nodes", {"stale": True}, "catalog/nodes", [("stale", "")], id="nodes"),
        pytest.param(
            "service",
            {"service": "web", "tag": ["a", "b"], "passingonly": True},
            "health/service/web",
            [("tag", "a"), ("tag", "b"), ("passing", "1")],
            id="service",
        ),
        pytest.param("service", {"service": "web", "tag": "a"}, "health/service/web", [("tag", "a")], id="one tag"),
        pytest.param("checks", {}, "health/state/any", [], id="all checks"),
        pytest.param("checks", {"state": "critical"}, "health/state/critical", [], id="checks in a state"),
        pytest.param("checks", {"service": "web"}, "health/checks/web", [], id="checks of a service"),
        pytest.param("event", {"name": "deploy"}, "event/list", [("name", "deploy")], id="event"),
    ],
)
def test_each_type_has_its_request(kind, parameters, path, pairs):
    plan = WatchPlan(kind, parameters)
    assert (plan.path, plan.parameters()) == (path, pairs)


@pytest.mark.parametrize(
    ("kind", "parameters", "complaint"),
    [
        pytest.param("", {}, "Watch type must be specified", id="no type"),
        pytest.param("zzz", {}, "Unsupported watch type: zzz", id="unknown type"),
        pytest.param("key", {}, "Must specify a single key to watch", id="no key"),
        pytest.param("keyprefix", {"prefix": ""}, "Must specify a single prefix to watch", id="no prefix"),
        pytest.param("service", {}, "Must specify a single service to watch", id="no service"),
        pytest.param("checks", {"service": "a", "state": "any"}, "Cannot specify service and state", id="both"),
        pytest.param("checks", {"state": "none"}, "Unsupported state: none", id="unknown state"),
        pytest.param("key", {"key": "x", "prefix": "y", "name": "z"}, r"Invalid parameters: \[name prefix\]", id="of other types"),
        pytest.param("key", {"key": 3}, "Expecting key to be a string", id="not a text"),
        pytest.param("service", {"service": "a", "tag": [1]}, "Expecting tag to be a string or a list of strings", id="not a tag"),
    ],
)
def test_wrong_parameters_are_refused(kind, parameters, complaint):
    with pytest.raises(InvalidWatch, match=f"^{complaint}$"):
        WatchPlan(kind, parameters)


def test_only_a_moved_index_with_another_value_is_a_change():
    plan = WatchPlan("services", {})
    first = plan.receive(200, 10, b'{"web":["b"],"db":[]}')
    assert first is not None and first.index == 10
    assert first.payload() == b'{"db":[],"web":["b"]}\n'
    assert plan.parameters() == [("index", "10")]
    assert plan.receive(200, 10, b'{"web":[]}') is None
    assert plan.receive(200, 11, b'{"db":[],"web":["b"]}') is None
    assert plan.parameters() == [("index", "11")]
    again = plan.receive(200, 12, b'{"web":[]}')
    assert again is not None and again.value == {"web": []}


def test_an_index_that_goes_back_makes_the_next_request_not_block():
    plan = WatchPlan("services", {})
    plan.receive(200, 10, b"{}")
    assert plan.receive(200, 3, b"{}") is None
    assert plan.parameters() == []
    change = plan.receive(200, 3, b"{}")
    assert change is not None and change.index == 3


def test_failures_wait_longer_from_time_to_time_and_start_anew():
    plan = WatchPlan("nodes", {})
    plan.receive(200, 10, b"[]")
    assert [plan.failed() for _ in range(7)] == [5.0, 20.0, 45.0, 80.0, 125.0, 180.0, 180.0]
    assert plan.parameters() == []
    plan.receive(200, 11, b"[]")
    assert plan.failed() == 5.0


def test_an_absent_key_is_null_and_a_missing_service_an_empty_list():
    absent = WatchPlan("key", {"key": "a"}).receive(404, 7, b"")
    assert absent is not None and absent.payload() == b"null\n"
    empty = WatchPlan("service", {"service": "web"}).receive(200, 7, b"[]")
    assert empty is not None and empty.payload() == b"[]\n"


def test_a_key_s_payload_has_go_s_order_and_all_fields():
    body = json.dumps([{"LockIndex": 0, "Key": "a", "Flags": 3, "Value": "PA==", "CreateIndex": 1, "ModifyIndex": 2}]).encode()
    change = WatchPlan("key", {"key": "a"}).receive(200, 2, body)
    assert change is not None
    assert change.payload() == b'{"Key":"a","CreateIndex":1,"ModifyIndex":2,"LockIndex":0,"Flags":3,"Value":"PA==","Session":""}\n'


def test_a_check_s_payload_has_a_whole_definition():
    change = WatchPlan("checks", {}).receive(200, 2, b'[{"Node":"n","CheckID":"c","Definition":{"Interval":"10s","HTTP":"http://x"}}]')
    assert change is not None
    definition = change.value[0]["Definition"]
    assert list(definition)[:4] == ["Interval", "Timeout", "DeregisterCriticalServiceAfter", "HTTP"]
    assert (definition["Interval"], definition["Timeout"], definition["HTTP"]) == ("10s", "0s", "http://x")


def _event(last_digit: str) -> dict:
    return {"ID": f"00000000-0000-0000-0000-00000000000{last_digit}", "Name": "deploy"}


def test_only_events_after_the_last_one_are_given():
    plan = WatchPlan("event", {})
    first = plan.receive(200, event_index(_event("1")["ID"]), json.dumps([_event("1")]).encode())
    assert first is not None and [event["ID"][-1] for event in first.value] == ["1"]
    second = plan.receive(200, event_index(_event("3")["ID"]), json.dumps([_event("1"), _event("2"), _event("3")]).encode())
    assert second is not None and [event["ID"][-1] for event in second.value] == ["2", "3"]


def test_a_refusal_is_no_answer():
    with pytest.raises(RequestFailed):
        WatchPlan("nodes", {}).receive(500, 0, b"No path to datacenter")
    with pytest.raises(RequestFailed):
        WatchPlan("nodes", {}).receive(404, 0, b"")


@given(
    st.sampled_from(["key", "keyprefix", "services", "nodes", "service", "checks", "event"]),
    st.binary() | st.from_regex(r"[\[\]{}\"a:0,]*").map(str.encode),
)
def test_any_body_is_an_answer_or_the_documented_error(kind, body):
    plan = WatchPlan(kind, {"key": {"key": "a"}, "keyprefix": {"prefix": "a"}, "service": {"service": "a"}}.get(kind, {}))
    try:
        plan.receive(200, 1, body)
    except UnexpectedAnswer:
        return
