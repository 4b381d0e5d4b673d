"""What this host says it runs."""

import msgspec
import pytest
from agent_fakes import ManualClock

from muster.agent.services import LocalState
from muster.model.catalog import HealthCheck, NodeService
from muster.model.errors import Rejected

WEB = NodeService(id="web", service="web", tags=["a"], port=80)


def check(check_id: str = "c", **fields: object) -> HealthCheck:
    return HealthCheck(**{"node": "n1", "check_id": check_id, "name": check_id, "status": "passing", **fields})


def all_in_sync(local: LocalState) -> None:
    for entry in [*local.service_entries.values(), *local.check_entries.values()]:
        entry.in_sync = True
    local.unsynced_services.clear()
    local.unsynced_checks.clear()


def test_a_check_of_a_service_takes_over_its_name_and_tags(local: LocalState) -> None:
    local.add_service(WEB)
    local.add_check(check(service_id="web"))
    kept = local.check("c")
    assert kept is not None
    assert (kept.service_name, kept.service_tags) == ("web", ["a"])


def test_a_check_of_an_unknown_service_is_refused(local: LocalState) -> None:
    with pytest.raises(Rejected, match='ServiceID "web" does not exist'):
        local.add_check(check(service_id="web"))
    assert local.checks() == {}


def test_registering_the_same_again_is_no_change(local: LocalState) -> None:
    local.add_service(WEB)
    local.add_check(check())
    all_in_sync(local)
    before = local.generation
    local.add_service(msgspec.structs.replace(WEB))
    local.add_check(check())
    assert local.generation == before
    assert not local.unsynced_services
    assert not local.unsynced_checks


def test_removing_a_service_removes_its_checks_and_only_those(local: LocalState) -> None:
    local.add_service(WEB)
    local.add_check(check("its", service_id="web"))
    local.add_check(check("other"))
    assert local.remove_service("web")
    assert not local.remove_service("web")
    assert list(local.checks()) == ["other"]


def test_a_new_status_is_due_at_once(local: LocalState) -> None:
    local.output_deferral = 300.0
    local.add_check(check())
    all_in_sync(local)
    assert local.update_check("c", "critical", "down")
    assert "c" in local.unsynced_checks


def test_a_new_output_with_the_same_status_waits_for_its_deferral(local: LocalState, clock: ManualClock) -> None:
    local.output_deferral = 300.0
    local.add_check(check())
    all_in_sync(local)
    for second in range(100):
        local.update_check("c", "passing", f"output {second}")
        clock.advance(1.0)
    assert not local.unsynced_checks
    due = local.next_deferral()
    assert due is not None
    assert 1000.0 + 150.0 <= due <= 1000.0 + 450.0
    assert not local.release_deferred(due - 0.1)
    assert local.release_deferred(due)
    assert list(local.unsynced_checks) == ["c"]


def test_a_status_that_changes_during_the_deferral_does_not_wait(local: LocalState) -> None:
    local.output_deferral = 300.0
    local.add_check(check())
    all_in_sync(local)
    local.update_check("c", "passing", "new output")
    local.update_check("c", "critical", "down")
    assert "c" in local.unsynced_checks
    assert local.next_deferral() is None


def test_discarded_output_is_kept_nowhere(local: LocalState) -> None:
    local.discard_output = True
    local.add_check(check(output="initial"))
    local.update_check("c", "critical", "secret")
    kept = local.check("c")
    assert kept is not None
    assert (kept.status, kept.output) == ("critical", "")


def test_a_service_is_critical_too_long_only_by_an_unbroken_stretch(local: LocalState, clock: ManualClock) -> None:
    local.add_service(WEB)
    local.add_check(check(service_id="web", status="critical"), deregister_after=60.0)
    clock.advance(50.0)
    local.update_check("c", "passing", "")
    local.update_check("c", "critical", "")
    clock.advance(60.0)
    assert local.critical_too_long(clock.now) == []
    clock.advance(0.1)
    assert local.critical_too_long(clock.now) == ["web"]


def test_the_wall_clock_moves_no_deadline(local: LocalState, clock: ManualClock) -> None:
    local.output_deferral = 10.0
    local.add_service(WEB)
    local.add_check(check(service_id="web", status="critical"), deregister_after=60.0)
    all_in_sync(local)
    local.update_check("c", "critical", "other output")
    clock.shown += 3600.0
    assert local.critical_too_long(clock.now) == []
    assert not local.release_deferred(clock.now)
