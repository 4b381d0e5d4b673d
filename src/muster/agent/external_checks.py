"""Checks of nodes without an agent, run by the leader: off unless `muster_external_checks` is true.

A node that was registered by API with the meta `external-node: "true"` may have checks whose definition says how they are run:
`HTTP`, `TCP` or `GRPC` with an `Interval`. Results go into the catalog when they change. A service whose check is critical for
longer than its `DeregisterCriticalServiceAfter` is removed. Scripts are never run: whoever may write the catalog may not run
programs here.

Source: what the tool consul-esm promises its users.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from muster.agent.checks.probes import Probe, ProbeSettings, interval, probe
from muster.agent.checks.result import Result
from muster.agent.checks.runner import CheckRunner
from muster.agent.checks.thresholds import Thresholds
from muster.agent.definitions import CheckType
from muster.model.catalog import CRITICAL, HealthCheck
from muster.model.clock import Clock
from muster.model.durations import SECOND
from muster.model.errors import MusterError
from muster.wire.commands import DeregisterRequest, RegisterRequest
from muster.wire.requests import DatacenterRequest

LOOK_INTERVAL = 10.0  # seconds between two looks at the catalog
OUTPUT_INTERVAL = 300.0  # seconds after which another output alone is worth a write
MARK = (("external-node", "true"),)

logger = logging.getLogger("agent")


class _Known(Struct):
    """A check as the catalog holds it, and since when it is critical; `written`: when it was last written."""

    check: HealthCheck
    written: float = 0.0
    critical_since: float | None = None


class ExternalChecks:
    """`call` asks the servers; `leads`: whether this server leads now. Times are the monotonic clock's."""

    def __init__(
        self,
        call: Callable[[str, Any], Any],
        clock: Clock,
        chance: random.Random,
        datacenter: str,
        leads: Callable[[], bool],
        make: Callable[[CheckType], Probe | None] = lambda definition: probe(definition, ProbeSettings()),
    ) -> None:
        self._call, self._clock, self._datacenter, self._leads, self._make = call, clock, datacenter, leads, make
        self._runner = CheckRunner(clock, chance, self.result)
        self._known: dict[str, _Known] = {}
        self._task: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Looks at the catalog from now on."""
        self._task = asyncio.get_running_loop().create_task(self._look_again())

    async def stop(self) -> None:
        """Runs nothing any more."""
        if self._task is not None:
            self._task.cancel()
        for write in self._writes:
            write.cancel()
        await self._runner.stop()

    async def _look_again(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_INTERVAL)

    async def look(self) -> None:
        """Begins checks that came, ends those that went; on a server that does not lead, all."""
        wanted: dict[str, HealthCheck] = {}
        if self._leads():
            try:
                reply = await self._ask("Internal.NodeDump", DatacenterRequest(datacenter=self._datacenter, node_meta_filters=MARK))
            except MusterError as error:
                logger.warning("external checks: the catalog cannot be read: error=%s", error)
                return
            wanted = {f"{check.node}/{check.check_id}": check for row in reply.value or () for check in row.checks}
        for key in self._known.keys() - wanted.keys():
            self._runner.remove(key)
            del self._known[key]
        for key, check in wanted.items():
            self._follow(key, check)

    def _follow(self, key: str, check: HealthCheck) -> None:
        known = self._known.get(key)
        if known is not None and known.check.definition == check.definition:
            known.check = check
            return
        definition = _runnable(check)
        made = self._make(definition) if definition is not None else None
        if definition is None or made is None:
            return
        self._known[key] = _Known(check)
        self._runner.add(key, made, interval(definition), Thresholds())

    def result(self, key: str, result: Result) -> None:
        """A check has been run."""
        known = self._known.get(key)
        if known is None or not self._leads():
            return
        now, before = self._clock.monotonic(), known.check
        if result.status != CRITICAL:
            known.critical_since = None
        elif known.critical_since is None:
            known.critical_since = now
        if result.status != before.status or (result.output != before.output and now - known.written >= OUTPUT_INTERVAL):
            known.check, known.written = replace(before, status=result.status, output=result.output), now
            request = RegisterRequest(node=before.node, datacenter=self._datacenter, skip_node_update=True, check=known.check)
            self._write("Catalog.Register", request)
        after = before.definition.deregister_critical_service_after
        if after > 0 and before.service_id and known.critical_since is not None and now - known.critical_since > after / SECOND:
            logger.warning("external checks: a service was critical for too long: node=%s service=%s", before.node, before.service_id)
            self._write(
                "Catalog.Deregister", DeregisterRequest(node=before.node, service_id=before.service_id, datacenter=self._datacenter)
            )

    def _write(self, method: str, request: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._written(method, request))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _written(self, method: str, request: Any) -> None:
        try:
            await self._ask(method, request)
        except MusterError as error:
            logger.warning("external checks: a result cannot be written: node=%s error=%s", request.node, error)

    async def _ask(self, method: str, request: Any) -> Any:
        outcome = self._call(method, request)
        return await outcome if asyncio.isfuture(outcome) else outcome


def _runnable(check: HealthCheck) -> CheckType | None:
    """How the check is run from here; None for one that nobody runs, or that only its own host could."""
    how = check.definition
    if how.interval <= 0 or not (how.http or how.tcp or how.grpc):
        return None
    return CheckType(
        http=how.http,
        method=how.method,
        header=how.header,
        body=how.body,
        tls_skip_verify=how.tls_skip_verify,
        tcp=how.tcp,
        grpc=how.grpc,
        grpc_use_tls=how.grpc_use_tls,
        interval=how.interval,
        timeout=how.timeout,
        output_max_size=how.output_max_size,
    )
