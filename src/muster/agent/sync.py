"""Keeps the catalog in line with this host: everything once in a while, a change at once.

A full comparison comes at the start, then every minute (longer in large clusters) and after a failure; changes in between go
out on the next turn of the loop, all that were made in one turn together.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from typing import Any

from muster.agent.differences import Identity, calls, compare, settled
from muster.agent.services import LocalState
from muster.model.catalog import HealthCheck, Node, NodeService, NodeServices
from muster.model.clock import Clock
from muster.model.errors import MusterError, NoLeader, PermissionDenied
from muster.wire.requests import NodeRequest

logger = logging.getLogger("agent")

FULL_INTERVAL = 60.0  # seconds
RETRY_INTERVAL = 15.0  # seconds after a failure, plus as much again by chance
FIRST_RETRY = 0.05  # seconds; while there is no leader yet, as right after the start
SCALE_THRESHOLD = 128  # nodes; above, the interval grows by one with every doubling

CALLS_A_TURN = 50  # answers that come at once must not keep the loop

CallMethod = Callable[[str, Any], Any]


def scaled_interval(interval: float, nodes: int) -> float:
    """The interval of full comparisons in a cluster of this many nodes."""
    if nodes <= SCALE_THRESHOLD:
        return interval
    return interval * (math.ceil(math.log2(nodes) - math.log2(SCALE_THRESHOLD)) + 1)


async def answered(outcome: Any) -> Any:
    """The value of a method's reply, whether it came at once or comes later."""
    reply = await outcome if asyncio.isfuture(outcome) or asyncio.iscoroutine(outcome) else outcome
    return getattr(reply, "value", reply)


class Synchronizer:
    """One task that compares and calls. `nodes()` is the size of the cluster."""

    def __init__(
        self,
        local: LocalState,
        identity: Callable[[], Identity],
        call: CallMethod,
        clock: Clock,
        chance: random.Random,
        nodes: Callable[[], int],
    ) -> None:
        self.local = local
        self.identity = identity
        self.call = call
        self.clock = clock
        self.random = chance
        self.nodes = nodes
        self.paused = 0
        self._wake = asyncio.Event()
        self._full_wanted = True
        self._retry = FIRST_RETRY
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="anti-entropy")

    async def stop(self) -> None:
        """End the task and wait for it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def trigger(self) -> None:
        """Something changed here."""
        self._wake.set()

    def trigger_full(self) -> None:
        """Something may have changed there: a new leader, a restored snapshot."""
        self._full_wanted = True
        self._retry = FIRST_RETRY
        self._wake.set()

    def pause(self) -> None:
        """Many changes follow; nothing is sent before as many `resume`."""
        self.paused += 1

    def resume(self) -> None:
        self.paused -= 1
        if not self.paused:
            self._wake.set()

    async def _run(self) -> None:
        next_full = self.clock.monotonic()
        while True:
            now = self.clock.monotonic()
            if not self.paused:
                full = self._full_wanted or now >= next_full
                self._full_wanted = False
                self.local.release_deferred(now)
                self._wake.clear()
                delay = await self.step(full)
                if full or delay is not None:
                    next_full = self.clock.monotonic() + (self._stagger(self._interval()) if delay is None else delay)
            else:
                self._wake.clear()
            deadlines = [next_full, self.local.next_deferral()]
            due = min(time for time in deadlines if time is not None)
            await self._wait(math.inf if self.paused else due - self.clock.monotonic())

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(max(seconds, 0.0), self._wake.set) if seconds != math.inf else None
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _interval(self) -> float:
        return scaled_interval(FULL_INTERVAL, self.nodes())

    def _stagger(self, interval: float) -> float:
        return interval + self.random.random() * interval

    async def step(self, full: bool) -> float | None:
        """One comparison (if `full`) and the calls it takes; seconds until the next try, or None if all went well."""
        try:
            if full:
                await self._compare()
            await self._send()
        except NoLeader as error:
            delay, self._retry = self._retry, min(self._retry * 2, RETRY_INTERVAL)
            logger.log(logging.ERROR if delay > 1 else logging.DEBUG, "failed to sync remote state: error=%s", error)
            return delay
        except MusterError as error:
            logger.error("failed to sync %s: error=%s", "remote state" if full else "changes", error)
            return self._stagger(RETRY_INTERVAL)
        self._retry = FIRST_RETRY
        return None

    async def _compare(self) -> None:
        identity = self.identity()
        request = NodeRequest(datacenter=identity.datacenter, node=identity.node, allow_stale=False)
        node, services = node_and_services(await answered(self.call("Catalog.NodeServices", request)))
        checks: list[HealthCheck] = await answered(self.call("Health.NodeChecks", request)) or []
        for _ in compare(self.local, identity, node, services, checks):
            await asyncio.sleep(0)

    async def _send(self) -> None:
        local = self.local
        for count, call in enumerate(calls(local, self.identity()), 1):
            if count % CALLS_A_TURN == 0:
                await asyncio.sleep(0)
            try:
                await answered(self.call(call.method, call.request))
            except PermissionDenied as error:  # the others must not wait for the one that may not
                logger.warning("%s blocked by ACLs: error=%s", call.method, error)
                continue
            settled(local, call)
            _log(call.service, call.checks)


def node_and_services(value: NodeServices | None) -> tuple[Node | None, list[NodeService]]:
    """The parts of the catalog's answer about this node, which may not know it yet."""
    return (None, []) if value is None else (value.node, value.services)


def _log(service: NodeService | None, checks: tuple[HealthCheck, ...]) -> None:
    if service is not None:
        logger.info("Synced service: service=%s", service.id)
    elif checks:
        logger.debug("Synced check: check=%s", checks[0].check_id)
    else:
        logger.info("Synced node info")
