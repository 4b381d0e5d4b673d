"""Runs the checks of this host: one timer for all of them, one task for each that is running now."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from muster.agent.checks.probes import Probe
from muster.agent.checks.result import Result
from muster.agent.checks.schedule import Schedule
from muster.agent.checks.thresholds import Thresholds
from muster.agent.checks.ttl import TtlCheck
from muster.model.clock import Clock

logger = logging.getLogger("agent")

Report = Callable[[str, Result], None]


@dataclass(slots=True)
class Job:
    """A check that is run every `interval` seconds."""

    probe: Probe
    interval: float
    thresholds: Thresholds
    task: asyncio.Task[None] | None = field(default=None)


class CheckRunner:
    """`report(check_id, result)` hears every result that counts.

    An interval check first runs at a random moment of its first interval, so that a restarted agent with many checks does
    not run them all at once; it runs again one interval after it has finished.
    """

    def __init__(self, clock: Clock, chance: random.Random, report: Report) -> None:
        self.clock = clock
        self.random = chance
        self.report = report
        self.jobs: dict[str, Job] = {}
        self.ttls: dict[str, TtlCheck] = {}
        self._schedule = Schedule()
        self._timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def add(self, check_id: str, probe: Probe, interval: float, thresholds: Thresholds) -> None:
        """Run a check from now on."""
        self.remove(check_id)
        self.jobs[check_id] = Job(probe, interval, thresholds)
        self._plan(check_id, self.clock.monotonic() + self.random.random() * interval)

    def add_ttl(self, check_id: str, check: TtlCheck, remaining: float | None = None) -> None:
        """Expect reports from now on; the first within `remaining` seconds, by default the whole TTL."""
        self.remove(check_id)
        self.ttls[check_id] = check
        self._plan(check_id, self.clock.monotonic() + (check.ttl if remaining is None else remaining))

    def reported(self, check_id: str, status: str, output: str) -> bool:
        """The owner of a TTL check reports; False if there is no such check."""
        check = self.ttls.get(check_id)
        if check is None:
            return False
        self._plan(check_id, self.clock.monotonic() + check.ttl)
        self.report(check_id, check.reported(status, output))
        return True

    def remove(self, check_id: str) -> None:
        """Neither run nor expect it any more; a run under way is ended and not reported."""
        self.ttls.pop(check_id, None)
        self._schedule.drop(check_id)
        job = self.jobs.pop(check_id, None)
        if job is not None and job.task is not None:
            job.task.cancel()

    async def stop(self) -> None:
        """End all checks and wait until their programs and connections are gone."""
        for check_id in [*self.jobs, *self.ttls]:
            self.remove(check_id)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _plan(self, check_id: str, due: float) -> None:
        self._schedule.set(check_id, due)
        self._arm()

    def _arm(self) -> None:
        due = self._schedule.next_due()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(due - self.clock.monotonic(), 0.0), self._run_due)

    def _run_due(self) -> None:
        self._timer = None
        self.run_due(self.clock.monotonic())
        self._arm()

    def run_due(self, now: float) -> None:
        """Start what is due, and let expire what was not reported."""
        for check_id in self._schedule.take(now):
            ttl = self.ttls.get(check_id)
            if ttl is not None:
                self.report(check_id, ttl.expired())
            elif check_id in self.jobs:
                self._start(check_id, self.jobs[check_id])

    def _start(self, check_id: str, job: Job) -> None:
        task = asyncio.get_running_loop().create_task(self._run(check_id, job), name=f"check {check_id}")
        job.task = task
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _run(self, check_id: str, job: Job) -> None:
        result = await self._result(check_id, job.probe)
        job.task = None
        if self.jobs.get(check_id) is not job:
            return
        self._plan(check_id, self.clock.monotonic() + job.interval)
        if job.thresholds.counts(result.status):
            self.report(check_id, result)

    async def _result(self, check_id: str, probe: Probe) -> Result:
        try:
            return await probe.run()
        except Exception as error:  # a fault of one probe must not end the check without a word
            logger.exception("Check failed unexpectedly: check=%s", check_id)
            return Result("critical", f"{type(error).__name__}: {error}")
