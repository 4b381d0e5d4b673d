"""Keeps alias checks in line with what they stand for: here at once, on other nodes by blocking queries."""

import asyncio
import logging
from typing import Any

from muster.agent.checks.alias import alias_result
from muster.agent.checks.result import Result
from muster.agent.definitions import CheckType
from muster.agent.registrar import Registrar
from muster.agent.sync import CallMethod
from muster.model.catalog import HealthCheck
from muster.model.durations import MINUTE
from muster.model.errors import MusterError
from muster.wire.requests import NodeRequest

logger = logging.getLogger("agent")

RETRY = 10.0  # seconds
NESTED = 'failing: Aliased check "'


class Aliases:
    """`changed` is to be called after every change of the local state; it looks at the aliases on the next turn of the loop."""

    def __init__(self, registrar: Registrar, call: CallMethod, datacenter: str) -> None:
        self.registrar = registrar
        self.call = call
        self.datacenter = datacenter
        self._planned = False
        self._watchers: dict[str, asyncio.Task[None]] = {}

    def changed(self) -> None:
        if not self._planned and (self.registrar.aliases or self._watchers):
            self._planned = True
            asyncio.get_running_loop().call_soon(self._evaluate)

    async def stop(self) -> None:
        tasks = list(self._watchers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _evaluate(self) -> None:
        self._planned = False
        self.evaluate()
        self._watch_others()

    def evaluate(self) -> None:
        """Bring every alias of this host in line, once."""
        for check_id, alias in list(self.registrar.aliases.items()):
            if not self._is_remote(alias):
                self._report(check_id, self._local_result(check_id, alias))

    def _is_remote(self, alias: CheckType) -> bool:
        return bool(alias.alias_node) and alias.alias_node.lower() != self.registrar.local.node.lower()

    def _local_result(self, check_id: str, alias: CheckType) -> Result:
        local = self.registrar.local
        checks = [*local.service_checks(alias.alias_service), *(local.service_checks("") if alias.alias_service else ())]
        others = [check for check in checks if check.check_id != check_id]
        return alias_result(others, alias.alias_service, local.service(alias.alias_service) is not None, alias.alias_node)

    def _report(self, check_id: str, result: Result) -> None:
        """Aliases of each other would quote each other without end: a nested quotation alone is no news."""
        before = self.registrar.local.check(check_id)
        if before is None or (before.status == result.status and before.output and NESTED in result.output):
            return
        self.registrar.result(check_id, result)

    def _watch_others(self) -> None:
        wanted = {check_id: alias for check_id, alias in self.registrar.aliases.items() if self._is_remote(alias)}
        for check_id in [check_id for check_id in self._watchers if check_id not in wanted]:
            self._watchers.pop(check_id).cancel()
        for check_id, alias in wanted.items():
            if check_id not in self._watchers:
                self._watchers[check_id] = asyncio.get_running_loop().create_task(self._watch(check_id, alias), name=f"alias {check_id}")

    async def _watch(self, check_id: str, alias: CheckType) -> None:
        """The checks of another node, as the catalog has them."""
        index = 0
        while True:
            request = NodeRequest(
                datacenter=self.datacenter, node=alias.alias_node, min_query_index=index, max_query_time=MINUTE, allow_stale=True
            )
            try:
                outcome = self.call("Health.NodeChecks", request)
                reply = await outcome if asyncio.isfuture(outcome) else outcome
            except MusterError as error:
                logger.warning("Failed to query the checks of an aliased node: check=%s error=%s", check_id, error)
                await asyncio.sleep(RETRY)
                continue
            index = reply.index if reply.index >= index else 0
            self._report(check_id, remote_result(reply.value, alias))


def remote_result(checks: Any, alias: CheckType) -> Result:
    """The result of an alias of another node."""
    known: list[HealthCheck] = checks or []
    exists = any(check.service_id == alias.alias_service for check in known) or not alias.alias_service
    return alias_result(known, alias.alias_service, exists, alias.alias_node)
