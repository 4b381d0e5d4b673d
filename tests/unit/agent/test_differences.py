"""Anti-entropy without I/O: after its calls the catalog holds what this host says, and then there is nothing left to do."""

import gc
import random
import time

import pytest
from agent_fakes import ManualClock, ToyCatalog
from hypothesis import given
from hypothesis import strategies as st

from muster.agent.differences import Identity, calls, compare, settled
from muster.agent.services import LocalState
from muster.model.catalog import HealthCheck, Node, NodeService, Weights

IDENTITY = Identity("dc1", "11111111-2222-3333-4444-555555555555", "n1", "10.0.0.1", {"lan": "10.0.0.1"}, {}, is_server=True)


def service(name: str, **fields: object) -> NodeService:
    return NodeService(**{"id": name, "service": name, "weights": Weights(), **fields})


def check(name: str, **fields: object) -> HealthCheck:
    return HealthCheck(**{"node": "n1", "check_id": name, "name": name, "status": "passing", **fields})


def synchronize(local: LocalState, catalog: ToyCatalog, full: bool = True) -> int:
    """One round; how many writes it took."""
    before = len(catalog.written)
    if full:
        for _ in compare(local, IDENTITY, catalog.node, list(catalog.services.values()), list(catalog.checks.values())):
            pass
    for call in calls(local, IDENTITY):
        catalog.call(call.method, call.request)
        settled(local, call)
    return len(catalog.written) - before


def test_the_node_itself_comes_first(local: LocalState, catalog: ToyCatalog) -> None:
    local.add_service(service("web"))
    synchronize(local, catalog)
    (_, first), (_, second) = catalog.written
    assert (first.service, first.skip_node_update) == (None, False)
    assert (second.service.id, second.skip_node_update) == ("web", True)


def test_a_service_goes_with_its_new_checks_in_one_write(local: LocalState, catalog: ToyCatalog) -> None:
    local.add_service(service("web"))
    for name in ("a", "b"):
        local.add_check(check(name, service_id="web"))
    local.add_check(check("other", service_id="web"), token="another")
    synchronize(local, catalog)
    sent = [[one.check_id for one in request.checks or [request.check] if one] for _, request in catalog.written]
    assert sent == [[], ["a", "b"], ["other"]]


def test_a_second_round_writes_nothing(local: LocalState, catalog: ToyCatalog) -> None:
    local.add_service(service("web", tags=[], meta=None))
    local.add_check(check("c", service_id="web"))
    assert synchronize(local, catalog) == 2
    assert synchronize(local, catalog) == 0


def test_what_the_catalog_has_too_much_is_removed_but_not_the_servers_own(local: LocalState, catalog: ToyCatalog) -> None:
    catalog.services = {name: service(name) for name in ("consul", "stray")}
    catalog.checks = {name: check(name) for name in ("serfHealth", "stray check")}
    catalog.checks["its"] = check("its", service_id="stray")
    synchronize(local, catalog)
    assert list(catalog.services) == ["consul"]
    assert list(catalog.checks) == ["serfHealth"]
    assert (local.service_entries, local.check_entries) == ({}, {})


def test_tags_that_may_be_overridden_are_taken_over(local: LocalState, catalog: ToyCatalog) -> None:
    local.add_service(service("web", tags=["mine"], enable_tag_override=True))
    synchronize(local, catalog)
    catalog.services["web"] = service("web", tags=["theirs"], enable_tag_override=True)
    assert synchronize(local, catalog) == 0
    kept = local.service("web")
    assert kept is not None
    assert kept.tags == ["theirs"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(Node(id="other", node="n1", address="10.0.0.1", tagged_addresses={"lan": "10.0.0.1"}), id="id"),
        pytest.param(Node(id=IDENTITY.node_id, node="n1", address="10.0.0.9", tagged_addresses={"lan": "10.0.0.1"}), id="address"),
        pytest.param(Node(id=IDENTITY.node_id, node="n1", address="10.0.0.1", tagged_addresses={}), id="tagged addresses"),
        pytest.param(
            Node(id=IDENTITY.node_id, node="n1", address="10.0.0.1", tagged_addresses={"lan": "10.0.0.1"}, meta={"x": "y"}), id="meta"
        ),
    ],
)
def test_the_node_is_written_again_when_the_catalog_has_it_differently(local: LocalState, catalog: ToyCatalog, changed: Node) -> None:
    synchronize(local, catalog)
    catalog.node = changed
    assert synchronize(local, catalog) == 1
    assert synchronize(local, catalog) == 0


def test_an_output_that_waits_is_not_written_by_a_full_round(local: LocalState, catalog: ToyCatalog) -> None:
    local.output_deferral = 300.0
    local.add_check(check("c"))
    synchronize(local, catalog)
    local.update_check("c", "passing", "chatter")
    assert synchronize(local, catalog) == 0
    assert catalog.checks["c"].output == ""


def test_what_changes_while_its_write_travels_is_written_again(local: LocalState, catalog: ToyCatalog) -> None:
    local.add_service(service("web"))
    for call in calls(local, IDENTITY):
        catalog.call(call.method, call.request)
        if call.service is not None:
            local.add_service(service("web", port=81))
        settled(local, call)
    assert synchronize(local, catalog, full=False) == 1
    assert catalog.services["web"].port == 81


def test_ten_thousand_services_are_compared_in_short_slices(local: LocalState, catalog: ToyCatalog) -> None:
    for number in range(10_000):
        local.add_service(service(f"s{number}"))
        local.add_check(check(f"c{number}", service_id=f"s{number}"))
    services, checks = list(local.services().values()), list(local.checks().values())
    node = Node(id=IDENTITY.node_id, node="n1", address="10.0.0.1", tagged_addresses={"lan": "10.0.0.1"})
    steps, cost = 0, 0.0
    gc.disable()  # a collection over all that earlier tests left would count as part of a slice
    try:
        begun = time.process_time()
        for _ in compare(local, IDENTITY, node, services, checks):
            steps, cost = steps + 1, max(cost, time.process_time() - begun)
            begun = time.process_time()
    finally:
        gc.enable()
    assert steps >= 80
    assert cost < 0.05, f"a slice took {cost:.3f} s"
    assert list(calls(local, IDENTITY)) == []


Action = st.sampled_from(
    ["add service", "remove service", "add check", "remove check", "update check", "lose", "stray", "round", "changes"],
)


@given(st.lists(st.tuples(Action, st.integers(0, 3), st.sampled_from(["passing", "warning", "critical"])), max_size=40))
def test_whatever_happened_one_round_brings_the_catalog_in_line(actions: list[tuple[str, int, str]]) -> None:
    local, catalog = LocalState("n1", ManualClock(), random.Random(1)), ToyCatalog()
    for action, number, status in actions:
        _act(local, catalog, action, number, status)
    synchronize(local, catalog)
    assert {name: one.port for name, one in catalog.services.items()} == {name: one.port for name, one in local.services().items()}
    assert {name: one.status for name, one in catalog.checks.items()} == {name: one.status for name, one in local.checks().items()}
    assert synchronize(local, catalog) == 0


def _act(local: LocalState, catalog: ToyCatalog, action: str, number: int, status: str) -> None:
    service_id, check_id = f"s{number % 2}", f"c{number}"
    if action == "add service":
        local.add_service(service(service_id, port=number))
    elif action == "remove service":
        local.remove_service(service_id)
    elif action == "add check" and local.service(service_id) is not None:
        local.add_check(check(check_id, service_id=service_id if number else "", status=status))
    elif action == "remove check":
        local.remove_check(check_id)
    elif action == "update check":
        local.update_check(check_id, status, status)
    elif action == "lose":
        catalog.services.clear()
        catalog.checks.clear()
    elif action == "stray":
        catalog.services["s9"] = service("s9")
        catalog.checks["c9"] = check("c9", service_id="s9")
    elif action in ("round", "changes"):
        synchronize(local, catalog, full=action == "round")
