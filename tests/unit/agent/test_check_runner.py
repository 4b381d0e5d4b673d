"""When checks run, and what becomes of their results, by the test's own clock."""

import asyncio
import random

import pytest
from agent_fakes import ManualClock, in_loop, settle

from muster.agent.checks.result import Result
from muster.agent.checks.runner import CheckRunner
from muster.agent.checks.thresholds import Thresholds
from muster.agent.checks.ttl import TtlCheck


class Scripted:
    """A probe whose results the test gives, one a run."""

    def __init__(self) -> None:
        self.runs: list[asyncio.Future[Result]] = []
        self.cancelled = 0

    async def run(self) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.runs.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.reports: list[tuple[str, Result]] = []
        self.runner = CheckRunner(self.clock, random.Random(7), lambda check_id, result: self.reports.append((check_id, result)))

    async def advance(self, seconds: float) -> None:
        """Let the time pass, and everything that follows happen."""
        self.clock.advance(seconds)
        self.runner.run_due(self.clock.now)
        await settle()


@in_loop
async def test_first_run_is_spread_and_the_next_comes_an_interval_after_the_end() -> None:
    bench, probe = Bench(), Scripted()
    bench.runner.add("c", probe, 10.0, Thresholds())
    await bench.advance(10.0)
    assert len(probe.runs) == 1, "the first run comes within the first interval"
    await bench.advance(100.0)
    assert len(probe.runs) == 1, "a run that lasts is not run twice"
    probe.runs[0].set_result(Result("passing", "ok"))
    await settle()
    assert bench.reports == [("c", Result("passing", "ok"))]
    await bench.advance(9.9)
    assert len(probe.runs) == 1
    await bench.advance(0.1)
    assert len(probe.runs) == 2
    await bench.runner.stop()


@in_loop
async def test_starts_are_spread_over_the_interval() -> None:
    bench, probes = Bench(), [Scripted() for _ in range(200)]
    for number, probe in enumerate(probes):
        bench.runner.add(f"c{number}", probe, 10.0, Thresholds())
    started = []
    for _ in range(10):
        await bench.advance(1.0)
        started.append(sum(len(probe.runs) for probe in probes))
    each = [now - before for before, now in zip([0, *started], started)]
    assert started[-1] == 200
    assert max(each) < 50
    await bench.runner.stop()


@in_loop
async def test_a_removed_check_is_ended_and_not_reported() -> None:
    bench, probe = Bench(), Scripted()
    bench.runner.add("c", probe, 1.0, Thresholds())
    await bench.advance(1.0)
    bench.runner.remove("c")
    await settle()
    assert probe.cancelled == 1
    assert bench.reports == []
    await bench.advance(100.0)
    assert len(probe.runs) == 1
    await bench.runner.stop()


@in_loop
async def test_a_probe_that_breaks_is_critical_and_runs_again() -> None:
    bench, probe = Bench(), Scripted()
    bench.runner.add("c", probe, 1.0, Thresholds())
    await bench.advance(1.0)
    probe.runs[0].set_exception(RuntimeError("a fault of the probe"))
    await settle()
    assert bench.reports == [("c", Result("critical", "RuntimeError: a fault of the probe"))]
    await bench.advance(1.0)
    assert len(probe.runs) == 2
    await bench.runner.stop()


@in_loop
async def test_a_ttl_expires_unless_it_is_reported() -> None:
    bench = Bench()
    bench.runner.add_ttl("c", TtlCheck(10.0))
    await bench.advance(9.0)
    assert bench.runner.reported("c", "passing", "fine")
    await bench.advance(9.9)
    assert [result.status for _, result in bench.reports] == ["passing"]
    await bench.advance(0.1)
    assert bench.reports[-1] == ("c", Result("critical", "TTL expired (last output before timeout follows): fine"))
    assert not bench.runner.reported("unknown", "passing", "")
    await bench.runner.stop()


@in_loop
@pytest.mark.parametrize("jump", [3600.0, -3600.0, 600.0])
async def test_a_ttl_takes_its_time_whatever_the_wall_clock_says(jump: float) -> None:
    bench = Bench()
    bench.runner.add_ttl("c", TtlCheck(10.0))
    bench.clock.shown += jump
    await bench.advance(9.9)
    assert bench.reports == []
    await bench.advance(0.2)
    assert [result.status for _, result in bench.reports] == ["critical"]
    await bench.runner.stop()


@in_loop
async def test_a_ttl_restored_after_a_restart_has_only_its_rest() -> None:
    bench = Bench()
    bench.runner.add_ttl("c", TtlCheck(10.0), remaining=2.0)
    await bench.advance(1.9)
    assert bench.reports == []
    await bench.advance(0.2)
    assert bench.reports[0][1].status == "critical"
    await bench.runner.stop()
