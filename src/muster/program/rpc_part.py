"""The server port of this host: calls of client agents and other servers, Raft, snapshots."""

import asyncio
from collections.abc import Callable
from typing import Any

from muster.agent.config.config import Config
from muster.agent.telemetry import Metrics
from muster.model.clock import Clock
from muster.model.durations import seconds
from muster.transport.listener import Route, RpcListener
from muster.transport.rpc_calls import CallService
from muster.transport.rpc_server import RpcServer
from muster.transport.snapshot_rpc import SnapshotRpc
from muster.wire.replies import Reply

CALLS, RAFT, MULTIPLEXED, SNAPSHOT = 0, 1, 4, 5
"""What the first byte of a connection says."""

DRAIN_LIMIT = 1.0  # seconds


class RpcPart:
    """Opened once, closed once. A configured port of 0 opens none: nobody is to call this server."""

    def __init__(
        self, config: Config, clock: Clock, metrics: Metrics, call: Callable[[str, Any], Reply | asyncio.Future[Reply]], raft: Route | None
    ) -> None:
        """`call` answers methods. `raft` takes over connections that speak it; None: they are closed."""
        self._host, self._port = config.bind_address, config.ports.server
        self._listener = RpcListener(
            clock,
            metrics=metrics,
            handshake_timeout=seconds(config.limits.rpc_handshake_timeout),
            connections_per_client=config.limits.rpc_max_connections_per_client,
        )

        def serve(method: str, request: Any, _source: str) -> Reply | asyncio.Future[Reply]:
            return call(method, request)

        self._calls = RpcServer(CallService(serve, clock, metrics=metrics))
        self._snapshots = SnapshotRpc(serve, clock, folder=config.data_dir or None)
        self._routes: dict[int, Route] = {
            CALLS: self._calls.plain,
            MULTIPLEXED: self._calls.multiplexed,
            SNAPSHOT: self._snapshots.connection,
        }
        if raft is not None:
            self._routes[RAFT] = raft

    async def open(self) -> None:
        """Accepts connections from now on. `OSError` if the address is taken."""
        if self._port > 0:
            await self._listener.listen(self._host, self._port, self._routes)

    async def close(self) -> None:
        """Answers what is under way, then ends the connections."""
        await self._calls.drain(DRAIN_LIMIT)
        self._listener.close()
        self._calls.close()
        await self._snapshots.close()
