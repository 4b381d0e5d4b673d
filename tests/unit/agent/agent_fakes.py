"""A clock that the test moves, and a catalog that does what it is told."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from muster.model.catalog import HealthCheck, Node, NodeService, NodeServices
from muster.model.errors import NoLeader
from muster.wire.commands import DeregisterRequest, RegisterRequest
from muster.wire.replies import Reply


class ManualClock:
    """Both readings move together, unless a test moves one of them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.shown = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.shown

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.shown += seconds


class ToyCatalog:
    """One node's part of the catalog. `written` holds every write that reached it."""

    def __init__(self) -> None:
        self.node: Node | None = None
        self.services: dict[str, NodeService] = {}
        self.checks: dict[str, HealthCheck] = {}
        self.written: list[tuple[str, Any]] = []
        self.has_leader = True

    def call(self, method: str, request: Any) -> Reply:
        if not self.has_leader:
            raise NoLeader
        if isinstance(request, RegisterRequest):
            self.written.append((method, request))
            self._register(request)
        elif isinstance(request, DeregisterRequest):
            self.written.append((method, request))
            self._deregister(request)
        elif method == "Catalog.NodeServices":
            return Reply(value=self.node and NodeServices(node=self.node, services=list(self.services.values())))
        elif method == "Health.NodeChecks":
            return Reply(value=list(self.checks.values()))
        return Reply(value=True)

    def _register(self, request: RegisterRequest) -> None:
        if not request.skip_node_update or self.node is None:
            self.node = Node(
                id=request.id, node=request.node, address=request.address, tagged_addresses=request.tagged_addresses, meta=request.node_meta
            )
        if request.service is not None:
            self.services[request.service.id] = msgspec.structs.replace(request.service, modify_index=len(self.written))
        for check in [*([request.check] if request.check else []), *(request.checks or [])]:
            assert not check.service_id or check.service_id in self.services, "the catalog refuses a check of an unknown service"
            self.checks[check.check_id] = msgspec.structs.replace(check, modify_index=len(self.written))

    def _deregister(self, request: DeregisterRequest) -> None:
        if request.service_id:
            self.services.pop(request.service_id, None)
            self.checks = {name: check for name, check in self.checks.items() if check.service_id != request.service_id}
        else:
            self.checks.pop(request.check_id, None)


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Runs a coroutine test in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(test(*arguments, **fixtures))

    return run


async def settle() -> None:
    """Let everything happen that is ready to."""
    for _ in range(10):
        await asyncio.sleep(0)
