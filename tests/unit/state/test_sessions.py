"""Sessions and what ends with them."""

import pytest
from state_commands import SESSION_IDS, check_op, destroy, kvs, register, session, txn

from muster.model.catalog import HealthCheck
from muster.model.errors import Rejected
from muster.model.queries import PreparedQuery, QueryService
from muster.model.sessions import ServiceCheckRef, Session
from muster.state.store import Store
from muster.wire.commands import DeregisterRequest, PreparedQueryRequest, SessionRequest

S0 = SESSION_IDS[0]


def check(status="passing", check_id="c1", node="n1"):
    return HealthCheck(node=node, check_id=check_id, name="c", status=status)


def held(behavior="release", node="n1"):
    """At 1 a node with a check, at 2 a session on both, at 3 and 4 two keys that it holds, at 5 a query of it."""
    made = Store()
    query = PreparedQuery(id=SESSION_IDS[3], name="q", session=S0, service=QueryService(service="web"))
    for index, command in enumerate([
        register("n1", checks=[check(), check(check_id="c2")]),
        session(0, node, behavior=behavior, node_checks=["c1"], lock_delay=1),
        kvs("lock", "a", session=S0),
        kvs("lock", "b", session=S0),
        PreparedQueryRequest(op="create", query=query),
    ], 1):  # fmt: skip
        result = made.apply(index, command).result
        assert not isinstance(result, Exception), result
    return made


ENDS = [
    pytest.param(destroy(0), id="destroyed"),
    pytest.param(SessionRequest(op="destroy", session=Session(id=S0.upper())), id="destroyed in capitals"),
    pytest.param(register("n1", checks=[check("critical")]), id="its check turned critical"),
    pytest.param(DeregisterRequest(node="n1", check_id="c1"), id="its check was deleted"),
    pytest.param(DeregisterRequest(node="N1"), id="its node was deleted"),
    pytest.param(txn(check_op("set", "n1", "c1", status="critical")), id="a transaction made its check critical"),
]


@pytest.mark.parametrize("end", ENDS)
def test_a_session_that_releases_frees_its_keys(end):
    made = held()
    applied = made.apply(9, end)
    for key in ("a", "b"):
        found = made.kv.get(key)[1]
        assert (found.session, found.lock_index, found.modify_index) == ("", 1, 9)
    assert made.sessions.get(S0) == (9, None)
    assert applied.lock_delays == (("a", 1), ("b", 1))


@pytest.mark.parametrize("end", ENDS)
def test_a_session_that_deletes_takes_its_keys_along(end):
    made = held("delete")
    made.apply(9, end)
    assert len(made.kv) == 0
    assert made.kv.tombstones.items() == [("a", 9), ("b", 9)]


@pytest.mark.parametrize("end", ENDS)
def test_the_queries_of_a_session_go_with_it(end):
    made = held()
    made.apply(9, end)
    assert made.queries.list() == (9, [])


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param(register("n1", checks=[check("warning")]), id="its check warns"),
        pytest.param(register("n1", checks=[check("critical", "c2")]), id="another check is critical"),
        pytest.param(DeregisterRequest(node="n1", check_id="c2"), id="another check is deleted"),
        pytest.param(destroy(1), id="another session is destroyed"),
        pytest.param(txn(check_op("set", "n1", "c1", status="critical"), check_op("get", "n1", "none")), id="the transaction failed"),
    ],
)
def test_a_session_outlives(harmless):
    made = held()
    applied = made.apply(9, harmless)
    assert made.sessions.get(S0)[1] is not None
    assert made.kv.get("a")[1].session == S0
    assert applied.lock_delays == ()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": ""}, "Missing session ID"),
        ({"node": "none"}, "Missing node registration"),
        ({"behavior": "explode"}, "Invalid session behavior: explode"),
        ({"node_checks": ["none"]}, "Missing check 'none' registration"),
        ({"checks": ["none"]}, "Missing check 'none' registration"),
        ({"service_checks": [ServiceCheckRef(id="none")]}, "Missing check 'none' registration"),
        ({"node_checks": ["bad"]}, "Check 'bad' is in critical state"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_session_that_cannot_be_is_refused(fields, text):
    made = Store()
    made.apply(1, register("n1", checks=[check("critical", "bad")]))
    result = made.apply(2, SessionRequest(op="create", session=Session(**{"id": S0, "node": "n1", **fields}))).result
    assert str(result) == text
    assert made.sessions.list() == (0, [])


def test_an_unknown_operation_is_refused():
    assert str(Store().apply(1, SessionRequest(op="x")).result) == "Invalid Session operation 'x'"


@pytest.mark.parametrize(
    ("session_id", "text"),
    [
        ("short", "UUID must be 36 characters"),
        ("0" * 36, None),
        ("-" * 5 + "0" * 31, 'UUID should have maximum of 4 "-"; got 5'),
        ("-" + "0" * 35, "Input (without hyphens) must be even length"),
        ("00000000-0000-0000-0000-00000000000é", "UUID must be 36 characters"),
        ("00000000-0000-0000-0000-0000000000\udc80\udc80", "Invalid UUID: encoding/hex: invalid byte: U+0080"),
        ("00000000-0000-0000-0000-00000000000g", "Invalid UUID: encoding/hex: invalid byte: U+0067 'g'"),
    ],
)
def test_an_id_that_is_no_uuid_is_an_error(session_id, text):
    if text is None:
        assert Store().sessions.get(session_id) == (0, None)
        return
    with pytest.raises(Rejected) as refused:
        Store().sessions.get(session_id)
    assert str(refused.value) == f"failed session lookup: index error: {text}"
    assert str(Store().apply(1, SessionRequest(op="destroy", session=Session(id=session_id))).result) == str(refused.value)


def test_sessions_are_found_by_id_by_node_and_all_together_in_the_order_of_their_ids():
    made = Store()
    made.apply(1, register("n1"))
    made.apply(2, register("n2"))
    for index, (number, node) in enumerate([(2, "n2"), (1, "n1"), (0, "N2")], 3):
        assert made.apply(index, session(number, node)).result == SESSION_IDS[number]
    assert made.sessions.get(SESSION_IDS[1])[1].behavior == "release"
    assert [found.id for found in made.sessions.list()[1]] == SESSION_IDS[:3]
    index, of_node = made.sessions.of_node("N2")
    assert (index, [found.id for found in of_node]) == (5, [SESSION_IDS[0], SESSION_IDS[2]])


def test_an_id_that_is_written_twice_is_the_later_session():
    store = Store()
    for index, command in enumerate([register("n1"), register("n2"), session(0, "n1"), session(0, "n2")], 1):
        store.apply(index, command)
    assert [one.node for one in store.sessions.list()[1]] == ["n2"]
    assert store.sessions.of_node("n1")[1] == []
    assert [one.create_index for one in store.sessions.of_node("n2")[1]] == [4]
