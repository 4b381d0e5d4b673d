"""The server port: the first byte of a connection says which protocol follows, and that protocol takes the connection over.

A connection that says nothing within the handshake's time, or something unknown, is closed without an answer, as the peers do. One client
address may hold only so many connections; the next is closed before it is read.

Source: reference of the RPC wire, section 1.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from muster.model.clock import Clock
from muster.transport.metrics import Metrics, NoMetrics
from muster.transport.seldom import Seldom
from muster.wire.rpc import FirstByte

logger = logging.getLogger("muster.rpc")

HANDSHAKE_TIMEOUT = 5.0  # seconds, limits.rpc_handshake_timeout
CONNECTIONS_PER_CLIENT = 100  # limits.rpc_max_conns_per_client
BACKLOG = 1024
SWEEP = 5.0  # seconds between two looks at what has ended


class Routed(Protocol):
    """A protocol that takes over an accepted connection. `connection_made` comes first, then `feed` with what was already read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def feed(self, data: bytes) -> None: ...


Route = Callable[[], Routed]


class RpcListener:
    """The server's listening sockets and how many connections each client address has."""

    def __init__(
        self,
        clock: Clock,
        *,
        metrics: Metrics | None = None,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
        connections_per_client: int = CONNECTIONS_PER_CLIENT,
    ) -> None:
        """`connections_per_client` of 0 or less: no limit. `handshake_timeout` in seconds; 0 or less: none."""
        self.metrics: Metrics = metrics or NoMetrics()
        self.handshake_timeout = handshake_timeout
        self.connections_per_client = connections_per_client
        self.routes: Mapping[int, Route] = {}
        self.warn = Seldom(logger, clock)
        self._servers: list[asyncio.Server] = []
        self._clients: dict[str, set[asyncio.Transport]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int, routes: Mapping[int, Route]) -> None:
        """Accepts from now on; `OSError` if the port is taken. May be called again for another address."""
        self.routes = routes
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(lambda: _FirstByte(self), host, port, backlog=BACKLOG))

    @property
    def ports(self) -> list[int]:
        """The ports that are listened on, in the order of `listen`."""
        return [listening.getsockname()[1] for server in self._servers for listening in server.sockets]

    @property
    def connections(self) -> int:
        """Connections that are open, whatever is spoken on them."""
        self._forget_closed()
        return sum(map(len, self._clients.values()))

    def close(self) -> None:
        """Gives the ports back and ends every connection at once."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for transports in list(self._clients.values()):
            for transport in list(transports):
                transport.abort()
        self._clients.clear()

    def admit(self, client: str, transport: asyncio.Transport) -> bool:
        """Whether this client may have one more connection; counts it if so."""
        held = self._clients.setdefault(client, set())
        if 0 < self.connections_per_client <= len(held):
            held.difference_update([one for one in held if one.is_closing()])
            if self.connections_per_client <= len(held):
                limit = self.connections_per_client
                self.warn.say("too many connections from %s (limit %d, limits.rpc_max_conns_per_client)", client, limit)
                return False
        held.add(transport)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP, self._sweep)
        return True

    def _sweep(self) -> None:
        """The protocols that took over are told when a connection ends, not the listener: it looks from time to time."""
        self._forget_closed()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP, self._sweep) if self._clients else None

    def _forget_closed(self) -> None:
        for client, held in list(self._clients.items()):
            held.difference_update([one for one in held if one.is_closing()])
            if not held:
                del self._clients[client]


class _FirstByte(asyncio.Protocol):
    """A connection that has not said yet what it speaks."""

    def __init__(self, listener: RpcListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        listener = self._listener
        if not listener.admit(client_of(transport), transport):
            self._ended = True
            transport.abort()
            return
        listener.metrics.increment("rpc.accept_conn")
        _keep_alive(transport)
        if listener.handshake_timeout > 0:
            self._timer = asyncio.get_running_loop().call_later(listener.handshake_timeout, self._silent)

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._end()
        route = self._listener.routes.get(data[0])
        if route is None:
            self._listener.warn.say("unrecognized RPC byte %d from %s", data[0], client_of(self._transport))
            self._transport.abort()
            return
        if data[0] == FirstByte.RAFT:
            self._listener.metrics.increment("rpc.raft_handoff")
        following = route()
        self._transport.set_protocol(cast("asyncio.BaseProtocol", following))
        following.connection_made(self._transport)
        if len(data) > 1 and not self._transport.is_closing():
            following.feed(data[1:])

    def _silent(self) -> None:
        self._listener.warn.say("no first byte from %s within %g s", client_of(self._transport), self._listener.handshake_timeout)
        self._transport.abort()

    def _end(self) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def client_of(transport: asyncio.BaseTransport) -> str:
    """The address of the other end without its port; empty if it is gone already."""
    remote = transport.get_extra_info("peername")
    return str(remote[0]) if remote else ""


def _keep_alive(transport: asyncio.Transport) -> None:
    """TCP's own probes, so that a client that vanished without a word does not hold its place for ever."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError:
            return
