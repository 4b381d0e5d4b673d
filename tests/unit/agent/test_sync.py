"""The task that keeps the catalog in line: when it compares, when it writes, and what it does about refusals."""

import asyncio
import random
from typing import Any

import pytest
from agent_fakes import ManualClock, ToyCatalog, in_loop, settle

from muster.agent.differences import Identity
from muster.agent.services import LocalState
from muster.agent.sync import RETRY_INTERVAL, Synchronizer, scaled_interval
from muster.model.catalog import HealthCheck, NodeService
from muster.model.errors import PermissionDenied, Rejected
from muster.wire.commands import RegisterRequest


def synchronizer(local: LocalState, identity: Identity, call: Any, clock: ManualClock) -> Synchronizer:
    made = Synchronizer(local, lambda: identity, call, clock, random.Random(1), lambda: 1)
    local.changed = made.trigger
    return made


@pytest.mark.parametrize(("nodes", "minutes"), [(1, 1), (128, 1), (129, 2), (256, 2), (257, 3), (512, 3), (8192, 7)])
def test_large_clusters_are_compared_more_rarely(nodes: int, minutes: int) -> None:
    assert scaled_interval(60.0, nodes) == 60.0 * minutes


@in_loop
async def test_all_changes_of_one_turn_go_out_together_on_the_next(
    local: LocalState, identity: Identity, catalog: ToyCatalog, clock: ManualClock
) -> None:
    sync = synchronizer(local, identity, catalog.call, clock)
    sync.start()
    await settle()
    before = len(catalog.written)
    local.add_service(NodeService(id="web", service="web"))
    local.add_check(HealthCheck(node="n1", check_id="c", name="c", status="critical", service_id="web"))
    local.update_check("c", "passing", "")
    await settle()
    assert len(catalog.written) == before + 1
    assert catalog.checks["c"].status == "passing"
    await sync.stop()


@in_loop
async def test_nothing_is_sent_while_it_is_paused(local: LocalState, identity: Identity, catalog: ToyCatalog, clock: ManualClock) -> None:
    sync = synchronizer(local, identity, catalog.call, clock)
    sync.start()
    await settle()
    sync.pause()
    local.add_service(NodeService(id="web", service="web"))
    await settle()
    assert "web" not in catalog.services
    sync.resume()
    await settle()
    assert "web" in catalog.services
    await sync.stop()


@in_loop
async def test_a_new_leader_is_compared_with_at_once(
    local: LocalState, identity: Identity, catalog: ToyCatalog, clock: ManualClock
) -> None:
    local.add_service(NodeService(id="web", service="web"))
    catalog.has_leader = False
    sync = synchronizer(local, identity, catalog.call, clock)
    sync.start()
    await settle()
    assert catalog.services == {}
    catalog.has_leader = True
    sync.trigger_full()
    await settle()
    assert list(catalog.services) == ["web"]
    catalog.services.clear()
    sync.trigger_full()
    await settle()
    assert list(catalog.services) == ["web"], "what the catalog lost is written again"
    await sync.stop()


@in_loop
async def test_without_a_leader_it_asks_again_soon_and_then_more_rarely(
    local: LocalState, identity: Identity, catalog: ToyCatalog, clock: ManualClock
) -> None:
    catalog.has_leader = False
    sync = synchronizer(local, identity, catalog.call, clock)
    delays = [await sync.step(full=True) for _ in range(12)]
    assert delays[0] == 0.05
    assert delays == sorted(delays)
    assert delays[-1] == RETRY_INTERVAL


@in_loop
async def test_a_failure_is_tried_again_after_a_while(local: LocalState, identity: Identity, clock: ManualClock) -> None:
    def call(method: str, request: Any) -> Any:
        raise Rejected("something is wrong")

    delay = await synchronizer(local, identity, call, clock).step(full=True)
    assert delay is not None
    assert RETRY_INTERVAL <= delay <= 2 * RETRY_INTERVAL


@in_loop
async def test_one_refused_service_keeps_no_other_from_the_catalog(
    local: LocalState, identity: Identity, catalog: ToyCatalog, clock: ManualClock
) -> None:
    def call(method: str, request: Any) -> Any:
        if isinstance(request, RegisterRequest) and request.service is not None and request.service.id == "secret":
            raise PermissionDenied
        return catalog.call(method, request)

    for name in ("secret", "web"):
        local.add_service(NodeService(id=name, service=name))
    assert await synchronizer(local, identity, call, clock).step(full=True) is None
    assert list(catalog.services) == ["web"]


@in_loop
async def test_answers_may_come_later(local: LocalState, identity: Identity, catalog: ToyCatalog, clock: ManualClock) -> None:
    def call(method: str, request: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: future.set_result(catalog.call(method, request)))
        return future

    local.add_service(NodeService(id="web", service="web"))
    assert await synchronizer(local, identity, call, clock).step(full=True) is None
    assert list(catalog.services) == ["web"]
