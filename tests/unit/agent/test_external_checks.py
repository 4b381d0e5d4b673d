"""Checks of nodes without an agent: which are run, and what is written of them."""

import random
from typing import Any

import pytest
from agent_fakes import ManualClock, in_loop, settle

from muster.agent.checks.result import critical, passing
from muster.agent.definitions import CheckType
from muster.agent.external_checks import MARK, OUTPUT_INTERVAL, ExternalChecks
from muster.model.catalog import HealthCheck, HealthCheckDefinition, Node, NodeInfo
from muster.model.durations import SECOND
from muster.model.errors import NoLeader
from muster.wire.replies import Reply

HTTP = HealthCheckDefinition(http="http://10.0.0.1/", interval=10 * SECOND)
KEY = "ext/web"


class Catalog:
    """One external node with these checks; what is written is kept. A check is made of every definition, and never runs by itself."""

    def __init__(self, *checks: HealthCheck) -> None:
        self.checks = list(checks)
        self.leads, self.away = True, False
        self.writes: list[tuple[str, Any]] = []
        self.made: list[CheckType] = []
        self.clock = ManualClock()
        self.external = ExternalChecks(self.call, self.clock, random.Random(1), "dc1", lambda: self.leads, self.make)

    def call(self, method: str, request: Any) -> Reply:
        if self.away:
            raise NoLeader
        if method == "Internal.NodeDump":
            assert request.node_meta_filters == MARK
            return Reply(value=[NodeInfo(node=Node(node="ext", address="10.0.0.1"), services=[], checks=self.checks)])
        self.writes.append((method, request))
        return Reply(value=None)

    def make(self, definition: CheckType) -> Any:
        self.made.append(definition)
        return object()

    async def result(self, result: Any) -> None:
        self.external.result(KEY, result)
        await settle()


def check(status: str = "critical", definition: HealthCheckDefinition = HTTP, **more: Any) -> HealthCheck:
    return HealthCheck(node="ext", check_id="web", status=status, service_id="web", definition=definition, **more)


@pytest.mark.parametrize(
    ("definition", "runs"),
    [
        pytest.param(HTTP, True, id="http"),
        pytest.param(HealthCheckDefinition(tcp="10.0.0.1:80", interval=SECOND), True, id="tcp"),
        pytest.param(HealthCheckDefinition(grpc="10.0.0.1:80", interval=SECOND), True, id="grpc"),
        pytest.param(HealthCheckDefinition(), False, id="nothing"),
        pytest.param(HealthCheckDefinition(http="http://10.0.0.1/"), False, id="no interval"),
        pytest.param(HealthCheckDefinition(ttl=SECOND), False, id="ttl"),
        pytest.param(HealthCheckDefinition(script_args=["true"], interval=SECOND), False, id="scripts never"),
    ],
)
def test_what_can_be_run_from_here_is_run(definition: HealthCheckDefinition, runs: bool) -> None:
    @in_loop
    async def test() -> None:
        catalog = Catalog(check(definition=definition))
        await catalog.external.look()
        assert len(catalog.made) == runs
        await catalog.external.look()
        assert len(catalog.made) == runs, "once"
        await catalog.external.stop()

    test()


@in_loop
async def test_a_result_is_written_when_it_changes() -> None:
    catalog = Catalog(check("critical"))
    await catalog.external.look()
    await catalog.result(critical("refused"))
    assert [request.check.output for _, request in catalog.writes] == ["refused"], "the first word of a check is written"
    await catalog.result(critical("timed out"))
    assert len(catalog.writes) == 1, "another output alone waits"
    await catalog.result(passing("200 OK"))
    await catalog.result(passing("200 OK"))
    (method, request), *more = catalog.writes[1:]
    assert (method, request.node, request.skip_node_update, request.check.status) == ("Catalog.Register", "ext", True, "passing")
    assert request.check.definition == HTTP
    assert more == []
    catalog.clock.now += OUTPUT_INTERVAL
    await catalog.result(passing("204 No Content"))
    assert catalog.writes[-1][1].check.output == "204 No Content"
    await catalog.external.stop()


@in_loop
async def test_only_the_leader_runs_them() -> None:
    catalog = Catalog(check())
    await catalog.external.look()
    catalog.leads = False
    await catalog.result(passing(""))
    assert catalog.writes == []
    await catalog.external.look()
    catalog.leads = True
    await catalog.result(passing(""))
    assert catalog.writes == [], "they were ended"
    await catalog.external.stop()


@in_loop
async def test_a_check_that_is_gone_is_ended_and_one_that_changed_is_begun_anew() -> None:
    catalog = Catalog(check())
    await catalog.external.look()
    catalog.checks = [check(definition=HealthCheckDefinition(tcp="10.0.0.1:80", interval=SECOND))]
    await catalog.external.look()
    assert [one.kind() for one in catalog.made] == ["http", "tcp"]
    catalog.checks = []
    await catalog.external.look()
    await catalog.result(passing(""))
    assert catalog.writes == []
    await catalog.external.stop()


@in_loop
async def test_a_service_that_is_critical_for_too_long_is_removed() -> None:
    limited = HealthCheckDefinition(http="http://10.0.0.1/", interval=SECOND, deregister_critical_service_after=60 * SECOND)
    catalog = Catalog(check("passing", limited))
    await catalog.external.look()
    await catalog.result(critical("refused"))
    catalog.clock.now += 59
    await catalog.result(critical("refused"))
    assert [method for method, _ in catalog.writes] == ["Catalog.Register"]
    catalog.clock.now += 2
    await catalog.result(critical("refused"))
    method, request = catalog.writes[-1]
    assert (method, request.node, request.service_id) == ("Catalog.Deregister", "ext", "web")
    await catalog.external.stop()


@in_loop
async def test_without_a_leader_everything_goes_on() -> None:
    catalog = Catalog(check("critical"))
    await catalog.external.look()
    catalog.away = True
    await catalog.external.look()
    await catalog.result(passing(""))
    catalog.away = False
    await catalog.result(critical("refused"))
    assert [request.check.status for _, request in catalog.writes] == ["critical"]
    await catalog.external.stop()
