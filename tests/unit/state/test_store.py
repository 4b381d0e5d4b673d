"""The whole store under random commands: waking, taking back, and commands that it does not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from state_commands import KEYS, NODES, SESSION_IDS, commands, histories, kv_op, kvs, register, transactions, txn

from muster.model.catalog import ConnectProxyConfig, HealthCheck, NodeService
from muster.model.errors import CommandFailed
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.state import opaque
from muster.state.store import Store, UnknownCommand
from muster.wire.commands import AutopilotRequest, ConfigEntryRequest, OpaqueRequest

# Reads whose waiters wake if, and only if, the value changed.
EXACT = [
    *[pytest.param(lambda store, watch, key=key: store.kv.get(key, watch), id=f"key {key!r}") for key in KEYS],
    *[pytest.param(lambda store, watch, key=key: store.kv.list(key, watch), id=f"prefix {key!r}") for key in [*KEYS, "a/b/c/d"]],
    pytest.param(lambda store, watch: store.sessions.get(SESSION_IDS[0], watch), id="session"),
]
# Reads whose waiters wake at least if the value changed.
COVERED = [
    *[pytest.param(lambda store, watch, node=node: store.sessions.of_node(node, watch), id=f"sessions of {node}") for node in NODES],
    *[pytest.param(lambda store, watch, node=node: store.coordinates.of_node(node, watch), id=f"coordinate of {node}") for node in NODES],
    *[pytest.param(lambda store, watch, node=node: store.catalog.node_checks(node, watch=watch), id=f"checks of {node}") for node in NODES],
    *[pytest.param(lambda store, watch, node=node: store.catalog.node_services(node, watch=watch), id=f"services of {node}") for node in NODES],
    *[pytest.param(lambda store, watch, name=name: store.catalog.service_nodes(name, (), watch=watch), id=f"service {name}") for name in ("web", "w1")],
    *[
        pytest.param(lambda store, watch, name=name: store.catalog.check_service_nodes(name, (), watch=watch), id=f"health of {name}")
        for name in ("web", "w1")
    ],
    *[pytest.param(lambda store, watch, name=name: store.catalog.service_checks(name, (), watch=watch), id=f"checks of {name}") for name in ("web", "w1")],
    *[
        pytest.param(lambda store, watch, name=name: store.catalog.check_service_nodes(name, (), connect=True, watch=watch), id=f"mesh of {name}")
        for name in ("web", "api")
    ],
    pytest.param(lambda store, watch: store.catalog.nodes((), watch=watch), id="nodes"),
    pytest.param(lambda store, watch: store.catalog.services((), watch=watch), id="services"),
    pytest.param(lambda store, watch: store.catalog.checks_in_state("any", (), watch=watch), id="checks"),
    pytest.param(lambda store, watch: store.sessions.list(watch), id="sessions"),
    pytest.param(lambda store, watch: store.coordinates.list(watch), id="coordinates"),
    pytest.param(lambda store, watch: store.config_entries.get("service-defaults", "x", watch), id="config entry"),
    pytest.param(lambda store, watch: store.config_entries.list("service-defaults", watch), id="config entries of a kind"),
    pytest.param(lambda store, watch: store.config_entries.list("", watch), id="config entries"),
    pytest.param(lambda store, watch: store.autopilot.get(watch), id="autopilot"),
    pytest.param(lambda store, watch: store.queries.list(watch), id="queries"),
]  # fmt: skip


def applied(history):
    made = Store()
    for index, command in enumerate(history, 1):
        made.apply(index, command)
    return made


def parked(store, reads):
    """Parks a ticket for each read, and returns what each answers now."""
    answers = []
    for ticket, read in enumerate(reads):
        watch = []
        answers.append(read(store, watch))
        store.watches.park(ticket, watch)
    return answers


@given(histories, commands)
def test_a_waiter_wakes_whenever_its_answer_changed_and_for_keys_only_then(history, command):
    store = applied(history)
    exact = [param.values[0] for param in EXACT]
    reads = exact + [param.values[0] for param in COVERED]
    before = parked(store, reads)
    woken = store.apply(100, command).woken
    assert len(woken) == len(set(woken))
    for ticket, (read, (_, value)) in enumerate(zip(reads, before)):
        value_now = read(store, None)[1]
        if ticket < len(exact):
            assert (ticket in woken) == (value_now != value), (EXACT[ticket].id, command)
        elif value_now != value:
            assert ticket in woken, (COVERED[ticket - len(exact)].id, command)


def instance(service_id, name, **fields):
    return register("n1", service=NodeService(id=service_id, service=name, **fields))


def owned(service_id=""):
    return register("n1", checks=[HealthCheck(node="n1", check_id="c", name="c", status="passing", service_id=service_id)])


@pytest.mark.parametrize(
    ("first", "second"), [("", "w2"), ("w1", "w2"), ("w1", "")], ids=["node to service", "service to service", "service to node"]
)
def test_a_check_that_changes_its_owner_wakes_those_who_had_it_and_their_indexes_stay(first, second):
    store = applied([instance("w1", "web"), instance("w2", "api"), owned(first)])
    reads = [lambda store, watch: store.catalog.check_service_nodes("web", (), watch=watch)]
    ((index, rows),) = parked(store, reads)
    assert [check.check_id for check in rows[0].checks] == ["c"]
    assert store.apply(9, owned(second)).woken == [0]
    index_now, rows = reads[0](store, None)
    assert index_now == (9 if second == "" else index)
    assert [check.check_id for check in rows[0].checks] == (["c"] if second == "" else [])


def test_a_proxy_that_stands_before_another_service_wakes_those_of_the_first():
    def proxy(name):
        return instance("p", "proxy", kind="connect-proxy", proxy=ConnectProxyConfig(destination_service_name=name))

    store = applied([proxy("web")])
    parked(store, [lambda store, watch: store.catalog.check_service_nodes("web", (), connect=True, watch=watch)])
    assert store.apply(9, proxy("api")).woken == [0]


@given(histories, transactions)
def test_a_transaction_that_fails_leaves_everything_as_it_was(history, transaction):
    store = applied(history)
    parked(store, [param.values[0] for param in EXACT + COVERED])
    before = b"".join(store.snapshot()), store.kv._held, repr(store.sessions._of_check), len(store.kv._order), store.kv._order.under("")
    failing = txn(*transaction.ops, kv_op("get", "there is no such key"))
    result = store.apply(100, failing)
    assert result.result.errors
    assert (result.woken, result.lock_delays) == ([], ())
    after = b"".join(store.snapshot()), store.kv._held, repr(store.sessions._of_check), len(store.kv._order), store.kv._order.under("")
    assert after[0] == before[0]
    assert after[1] == before[1] and after[3:] == before[3:]


@given(histories, st.lists(commands, max_size=8))
def test_after_a_failed_transaction_the_store_goes_on_as_if_nothing_had_been(history, later):
    touched, untouched = applied(history), applied(history)
    touched.apply(50, txn(*[op for command in later for op in getattr(command, "ops", None) or []], kv_op("get", "there is no such key")))
    for index, command in enumerate(later, 51):
        assert repr(touched.apply(index, command)) == repr(untouched.apply(index, command))
    assert b"".join(touched.snapshot()) == b"".join(untouched.snapshot())


@given(histories)
def test_a_command_that_fails_leaves_everything_as_it_was(history):
    store = Store()
    for index, command in enumerate(history, 1):
        before = b"".join(store.snapshot())
        result = store.apply(index, command).result
        if isinstance(result, Exception):
            assert b"".join(store.snapshot()) == before


def test_an_unknown_command_that_may_be_passed_over_is():
    assert Store().apply(5, OpaqueRequest(type=0x80 | 77, value={})).result is None


@pytest.mark.parametrize("number", [77, 10, 14, 29])
def test_an_unknown_command_stops_the_server(number):
    with pytest.raises(UnknownCommand, match=f"log entry 5 is a command of type {number}"):
        Store().apply(5, OpaqueRequest(type=number, value={}))


def test_a_command_of_the_old_access_control_fails_and_stops_nothing():
    assert isinstance(Store().apply(5, OpaqueRequest(type=4, value={})).result, CommandFailed)


@pytest.mark.parametrize(
    ("cas", "expected", "wins"),
    [(False, 0, True), (True, 3, True), (True, 2, False)],
    ids=["set", "cas with the index", "cas with another"],
)
def test_autopilot_settings(cas, expected, wins):
    store = Store()
    assert store.apply(3, AutopilotRequest(config=AutopilotConfig(min_quorum=1))).result is True
    assert store.apply(4, AutopilotRequest(cas=cas, config=AutopilotConfig(min_quorum=2, modify_index=expected))).result is wins
    index, config = store.autopilot.get()
    assert (index, config.create_index, config.min_quorum) == ((4, 3, 2) if wins else (3, 3, 1))


def test_autopilot_cannot_be_checked_before_it_was_set():
    store = Store()
    assert store.apply(3, AutopilotRequest(cas=True)).result is False
    assert store.autopilot.get() == (0, None)


def entry(op, name="web", modify_index=0):
    made = ConfigEntry(kind="service-defaults", name=name, fields={"Protocol": "http"}, modify_index=modify_index)
    return ConfigEntryRequest(op=op, entry=made)


@pytest.mark.parametrize(
    ("command", "result", "index"),
    [
        (entry("upsert"), True, 5),
        (entry("upsert-cas", modify_index=3), True, 5),
        (entry("upsert-cas", modify_index=2), False, 3),
        (entry("upsert-cas", "new"), True, 5),
        (entry("delete"), None, 5),
        (entry("delete", "absent"), None, 3),
    ],
)
def test_config_entries(command, result, index):
    store = Store()
    store.apply(3, entry("upsert"))
    assert store.apply(5, command).result is result
    assert store.indexes.get("config-entries") == index


def test_names_of_config_entries_differ_by_more_than_case():
    store = Store()
    store.apply(3, entry("upsert", "Web"))
    assert store.apply(4, entry("upsert-cas", "wEB", modify_index=3)).result is True
    (found,) = store.config_entries.list("service-defaults")[1]
    assert (found.name, found.create_index, found.modify_index) == ("wEB", 3, 4)
    assert store.config_entries.get("service-defaults", "WEB")[1] == found
    store.apply(5, entry("delete", "web"))
    assert store.config_entries.list()[1] == []


def test_service_defaults_without_a_name_fail_when_they_are_applied():
    store = Store()
    store.apply(3, entry("upsert"))
    assert str(store.apply(5, entry("upsert", "")).result) == "serviceName is required"
    assert store.indexes.get("config-entries") == 3


def test_an_unknown_operation_on_config_entries_is_refused():
    assert str(Store().apply(1, entry("explode")).result) == "invalid config entry operation type: explode"


def opaque_store(*commands):
    store = Store()
    results = [store.apply(index, OpaqueRequest(type=number, value=value)).result for index, (number, value) in enumerate(commands, 1)]
    return store, results


def keys(store, table):
    return [record.key for record in store.opaque.records(table)]


def test_deleting_an_auth_method_takes_its_rules_and_tokens_along():
    store, _ = opaque_store(
        (27, {"AuthMethods": [{"Name": "m"}]}),
        (25, {"BindingRules": [{"ID": "r1", "AuthMethod": "m"}, {"ID": "r2", "AuthMethod": "other"}]}),
        (17, {"Tokens": [{"AccessorID": "t1", "AuthMethod": "m"}, {"AccessorID": "", "SecretID": "old"}]}),
        (28, {"AuthMethodNames": ["m"]}),
    )
    assert (keys(store, opaque.AUTH_METHODS), keys(store, opaque.BINDING_RULES), keys(store, opaque.TOKENS)) == ([], ["r2"], ["old"])
    assert store.indexes.get("acl-tokens") == 4


def test_a_batch_with_one_bad_object_changes_nothing():
    store, results = opaque_store((17, {"Tokens": [{"AccessorID": "a"}, 5]}))
    assert isinstance(results[0], CommandFailed)
    assert keys(store, opaque.TOKENS) == []


def test_indexes_of_a_record_come_from_the_log():
    store, _ = opaque_store((19, {"Policies": [{"ID": "p", "Name": "x"}]}), (19, {"Policies": [{"ID": "p", "Name": "y"}]}))
    assert store.opaque.get(opaque.POLICIES, "p").value == {"ID": "p", "Name": "y", "CreateIndex": 1, "ModifyIndex": 2}


def test_access_control_is_bootstrapped_once_unless_reset():
    token = {"AccessorID": "a"}
    _, results = opaque_store(
        (11, {"Token": token}), (11, {"Token": token}), (11, {"Token": token, "ResetIndex": 9}), (11, {"Token": token, "ResetIndex": 1})
    )
    assert [type(result) for result in results] == [type(None), CommandFailed, CommandFailed, type(None)]


def test_roots_replace_all_others_if_nobody_wrote_meanwhile():
    store, results = opaque_store(
        (13, {"Op": "set-roots", "Index": 0, "Roots": [{"ID": "r1"}]}),
        (13, {"Op": "set-roots", "Index": 0, "Roots": [{"ID": "r2"}]}),
        (13, {"Op": "set-roots", "Index": 1, "Roots": [{"ID": "r3"}]}),
        (13, {"Op": "increment-provider-serial"}),
        (13, {"Op": "explode"}),
    )
    assert results[:3] == [True, False, True] and results[3] == 1
    assert str(results[4]) == "Invalid CA operation 'explode'"
    assert keys(store, opaque.CA_ROOTS) == ["r3"]


def test_one_write_wakes_a_hundred_thousand_waiters_of_other_keys_not_at_all():
    store = Store()
    for number in range(100_000):
        store.watches.park(number, [("key", f"key/{number}")])
    assert store.apply(1, kvs("set", "key/77")).woken == [77]
    assert (store.watches.parked_now, store.watches.woken_total) == (100_000, 1)


@pytest.mark.parametrize(("allowed", "failed"), [(False, True), (True, False)], ids=["links must lead somewhere", "links may lead nowhere"])
def test_a_token_that_names_an_unknown_policy(allowed, failed):
    tokens = {"Tokens": [{"AccessorID": "a", "Policies": [{"ID": "none", "Name": ""}]}], "AllowMissingLinks": allowed}
    store, (result,) = opaque_store((17, tokens))
    assert isinstance(result, CommandFailed) is failed
    assert keys(store, opaque.TOKENS) == ([] if failed else ["a"])


def test_links_of_tokens_and_roles_get_the_names_of_what_they_lead_to():
    store, _ = opaque_store(
        (19, {"Policies": [{"ID": "p", "Name": "reader"}]}),
        (23, {"Roles": [{"ID": "r", "Name": "web", "Policies": [{"ID": "p"}]}]}),
        (17, {"Tokens": [{"AccessorID": "t", "Policies": [{"ID": "p"}], "Roles": [{"ID": "r"}]}]}),
    )
    token = store.opaque.get(opaque.TOKENS, "t").value
    assert (token["Policies"], token["Roles"]) == ([{"ID": "p", "Name": "reader"}], [{"ID": "r", "Name": "web"}])
