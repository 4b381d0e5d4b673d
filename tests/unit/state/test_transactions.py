"""Transactions: verbs, results, the words of failures, and that a failed one leaves no trace."""

import pytest
from state_commands import SESSION_IDS, check_op, kv_op, kvs, node_op, register, service_op, session, session_op, txn

from muster.model.catalog import HealthCheck, NodeService
from muster.model.kv import KVEntry
from muster.state.store import Store
from muster.state.transactions import TxnError, TxnResponse, TxnResult, is_read_only
from muster.wire.commands import TxnOp

S0, S1 = SESSION_IDS[:2]


@pytest.fixture
def store():
    """Key a at 1, node n1 with service w1 and check c1 at 2, sessions 0 and 1, key held by session 0 at 5."""
    made = Store()
    service, check = NodeService(id="w1", service="web"), HealthCheck(node="n1", check_id="c1", name="c", status="passing")
    for index, command in enumerate([
        kvs("set", "a", b"1"),
        register("n1", service=service, checks=[check]),
        session(0),
        session(1),
        kvs("lock", "held", session=S0),
    ], 1):  # fmt: skip
        assert not isinstance(made.apply(index, command).result, Exception)
    return made


def run(store, *ops, index=20):
    return store.apply(index, txn(*ops)).result


def kv_results(response):
    return [(result.kv.key, result.kv.value, result.kv.modify_index) for result in response.results]


@pytest.mark.parametrize(
    ("op", "results"),
    [
        pytest.param(kv_op("set", "n"), [("n", None, 20)], id="set"),
        pytest.param(kv_op("set", "a", b"1"), [("a", None, 1)], id="set to what it is"),
        pytest.param(kv_op("cas", "a", modify_index=1), [("a", None, 20)], id="cas"),
        pytest.param(kv_op("cas", "n", modify_index=0), [("n", None, 20)], id="cas of a new key"),
        pytest.param(kv_op("lock", "a", session=S1), [("a", None, 20)], id="lock"),
        pytest.param(kv_op("unlock", "held", session=S0), [("held", None, 20)], id="unlock"),
        pytest.param(kv_op("get", "a"), [("a", b"1", 1)], id="get"),
        pytest.param(kv_op("get-tree", ""), [("a", b"1", 1), ("held", b"v", 5)], id="get-tree"),
        pytest.param(kv_op("get-tree", "none"), [], id="get-tree of nothing"),
        pytest.param(kv_op("check-index", "a", modify_index=1), [("a", None, 1)], id="check-index"),
        pytest.param(kv_op("check-session", "held", session=S0), [("held", None, 5)], id="check-session"),
        pytest.param(kv_op("check-not-exists", "n"), [], id="check-not-exists"),
        pytest.param(kv_op("delete", "a"), [], id="delete"),
        pytest.param(kv_op("delete", "n"), [], id="delete of nothing"),
        pytest.param(kv_op("delete-cas", "a", modify_index=1), [], id="delete-cas"),
        pytest.param(kv_op("delete-tree", ""), [], id="delete-tree"),
        pytest.param(TxnOp(), [], id="nothing at all"),
    ],
)
def test_a_verb_of_keys_that_succeeds(store, op, results):
    response = run(store, op)
    assert response.errors is None
    assert kv_results(response) == results


FAILURES = [
    (kv_op("cas", "a", modify_index=9), 'failed to set key "a", index is stale'),
    (kv_op("cas", "a", modify_index=0), 'failed to set key "a", index is stale'),
    (kv_op("lock", "held", session=S1), 'failed to lock key "held", lock is already held'),
    (kv_op("lock", "a", session=SESSION_IDS[3]), f'invalid session "{SESSION_IDS[3]}"'),
    (kv_op("lock", "a", session="nobody"), "failed session lookup: index error: UUID must be 36 characters"),
    (kv_op("unlock", "a", session=S0), 'failed to unlock key "a", lock isn\'t held, or is held by another session'),
    (kv_op("get", "n"), 'key "n" doesn\'t exist'),
    (kv_op("check-index", "a", modify_index=9), 'failed index check for key "a", current modify index 1 != 9'),
    (kv_op("check-index", "n"), 'failed to check index, key "n" doesn\'t exist'),
    (kv_op("check-session", "a", session=S0), f'failed session check for key "a", current session "" != "{S0}"'),
    (kv_op("check-session", "n", session=S0), 'failed to check session, key "n" doesn\'t exist'),
    (kv_op("check-not-exists", "a"), 'key "a" exists'),
    (kv_op("delete-cas", "a", modify_index=9), 'failed to delete key "a", index is stale'),
    (kv_op("teleport", "a"), 'unknown KV verb "teleport"'),
    (node_op("cas", "n1", modify_index=9), 'failed to set node "n1", index is stale'),
    (node_op("get", "none"), 'node "none" doesn\'t exist'),
    (node_op("get", "none", id="short"), "node lookup by ID failed, wrong UUID: uuid string is wrong length for 'short'"),
    (node_op("get", "none", id="0" * 36), f"node lookup by ID failed, wrong UUID: uuid is improperly formatted for '{'0' * 36}'"),
    (kv_op("cas", 'a"b\\é\x01\n\udcff', modify_index=9), r'failed to set key "a\"b\\é\x01\n\xff", index is stale'),
    (node_op("delete-cas", "n1", modify_index=9), 'failed to delete node "n1", index is stale'),
    (node_op("x", "n1"), 'unknown Node verb "x"'),
    (service_op("set", "none", "w"), "Missing node registration"),
    (service_op("cas", "n1", "w1", modify_index=9), 'failed to set service "w1" on node "n1", index is stale'),
    (service_op("get", "n1", "none"), 'service "none" on node "n1" doesn\'t exist'),
    (service_op("delete-cas", "n1", "w1", modify_index=9), 'failed to delete service "w1" on node "n1", index is stale'),
    (service_op("x", "n1", "w1"), 'unknown Service verb "x"'),
    (check_op("set", "none", "c"), "Missing node registration"),
    (check_op("cas", "n1", "c1", modify_index=9), 'failed to set check "c1" on node "n1", index is stale'),
    (check_op("get", "n1", "none"), 'check "none" on node "n1" doesn\'t exist'),
    (check_op("delete-cas", "n1", "c1", modify_index=9), 'failed to delete check "c1" on node "n1", index is stale'),
    (check_op("x", "n1", "c1"), 'unknown Check verb "x"'),
]


@pytest.mark.parametrize(("op", "text"), FAILURES, ids=[text for _, text in FAILURES])
def test_one_failure_undoes_all_that_came_before(store, op, text):
    before = b"".join(store.snapshot())
    store.watches.park("t", [("prefix", ""), ("table", "nodes"), ("table", "sessions"), ("service", "web")])
    changes = [
        kv_op("set", "fresh"), kv_op("delete", "a2"), service_op("set", "n1", "w9"), node_op("set", "n9"),
        check_op("set", "n1", "c9", status="passing"), kv_op("lock", "mine", session=S1),
    ]  # fmt: skip
    applied = store.apply(20, txn(*changes, op, session_op(1), kv_op("delete-tree", ""), node_op("delete", "n1")))
    assert applied.result.results is None
    assert TxnError(op_index=len(changes), what=text) in applied.result.errors
    assert (applied.woken, applied.lock_delays) == ([], ())
    assert b"".join(store.snapshot()) == before


def test_all_failures_are_named(store):
    response = run(store, kv_op("set", "a"), kv_op("check-index", "a", modify_index=3), kv_op("get", "n"), session_op(2))
    assert [error.op_index for error in response.errors] == [1, 2]


NEW_ID = "40e4a748-2192-161a-0510-9bf59fe950b5"


@pytest.mark.parametrize(
    ("op", "found"),
    [
        pytest.param(check_op("cas", "absent", "c9"), [], id="a check on no node"),
        pytest.param(check_op("cas", "n1", "c9", service_id="absent"), [], id="a check of no service"),
        pytest.param(check_op("cas", "n1", "c1", service_id="absent", modify_index=2), ["passing"], id="a check that stays as it was"),
    ],
)
def test_a_refused_check_and_set_of_a_check_only_reads(store, op, found):
    response = run(store, op)
    assert (response.errors, [one.check.status for one in response.results]) == (None, found)


def test_a_node_that_gossip_watches_keeps_its_name(store):
    register_again = register("n1", id=NEW_ID, checks=[HealthCheck(node="n1", check_id="serfHealth", name="s", status="passing")])
    assert store.apply(10, register_again).result is None, "no check of gossip yet: the id is taken"
    other = node_op("cas", "n1", id=NEW_ID[:-1] + "6", modify_index=10)
    assert run(store, other) == TxnResponse(results=[]), "refused, which the peers do not tell"
    assert [error.what for error in run(store, node_op("set", "n1", id=NEW_ID[:-1] + "6"), index=21).errors] == [
        f'Error while renaming Node ID: "{NEW_ID[:-1]}6": Node name n1 is reserved by node {NEW_ID} with name n1 (10.0.0.1)'
    ]


def test_deleting_a_check_of_a_node_moves_the_index_of_services(store):
    run(store, check_op("delete", "n1", "c1"))
    assert store.catalog.services()[0] == 20


def test_later_operations_see_what_earlier_ones_did(store):
    ops = [kv_op("set", "x", b"new"), kv_op("get", "x"), kv_op("delete", "x"), kv_op("check-not-exists", "x")]
    assert kv_results(run(store, *ops)) == [("x", None, 20), ("x", b"new", 20)]


def test_verbs_of_the_catalog_answer_with_the_records(store):
    response = run(
        store, node_op("set", "n2"), service_op("set", "n2", "w2"), check_op("set", "n2", "c2", status="warning"), node_op("get", "n1")
    )
    assert response.errors is None
    node, service, check, found = response.results
    assert (node.node.node, node.node.create_index) == ("n2", 20)
    assert (service.service.id, check.check.status, found.node.modify_index) == ("w2", "warning", 2)
    assert run(store, check_op("delete", "n2", "c2"), service_op("delete", "n2", "w2"), node_op("delete", "n2")).results == []
    assert store.catalog.find_node("n2") is None


def test_deleting_a_session_frees_its_keys(store):
    assert run(store, session_op(0), kv_op("get", "held")).results == [
        TxnResult(kv=KVEntry(key="held", value=b"v", lock_index=1, create_index=5, modify_index=20))
    ]


@pytest.mark.parametrize(
    ("ops", "read_only"),
    [
        ([], True),
        ([kv_op("get", "a"), kv_op("get-tree", "a"), kv_op("check-index", "a"), kv_op("teleport", "a")], True),
        ([node_op("get", "a"), service_op("get", "a", "b"), check_op("get", "a", "b"), TxnOp()], True),
        ([kv_op("get", "a"), kv_op("set", "a")], False),
        ([node_op("set", "a")], False),
        ([service_op("delete", "a", "b")], False),
        ([check_op("cas", "a", "b")], False),
        ([session_op(0)], False),
    ],
)
def test_whether_a_transaction_needs_the_log(ops, read_only):
    assert is_read_only(ops) is read_only


def test_a_reading_transaction_answers_and_never_writes(store):
    before = b"".join(store.snapshot())
    assert kv_results(store.read_transaction([kv_op("get", "a")])) == [("a", b"1", 1)]
    assert store.read_transaction([kv_op("get", "n")]).errors == [TxnError(op_index=0, what='key "n" doesn\'t exist')]
    store.read_transaction([kv_op("set", "n"), session_op(0)])
    assert b"".join(store.snapshot()) == before


def test_a_transaction_wakes_those_who_wait_for_what_it_changed(store):
    store.watches.park("a", [("key", "a")])
    store.watches.park("b", [("key", "b")])
    assert store.apply(20, txn(kv_op("set", "a", b"2"), kv_op("get", "held"))).woken == ["a"]


def test_an_instance_is_written_anew_under_a_node_name_of_another_case(store):
    again = register("N1", service=NodeService(id="w1", service="web"))
    for index, command in ((20, again), (21, again)):
        assert store.apply(index, command).result is None
    (row,) = store.catalog.service_nodes("web")[1]
    assert (row.node.node, row.service.create_index, row.service.modify_index) == ("N1", 2, 20)
