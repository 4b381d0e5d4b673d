"""The way of a client agent to the servers of its datacenter, by RPC.

A call that fails on the way goes to the next server. Without a leader it is tried again for a bounded time, since elections take seconds
and clients should not see them; a call that may have been carried out is repeated only if it changes nothing.

Source: reference of the RPC wire, section 6, "Retries and holds".
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from typing import Any, Protocol

from muster.agent.no_servers import NoKnownServers
from muster.agent.rate_limit import RateLimit
from muster.agent.server_list import KnownServer, ServerList
from muster.gossip.effects import Effect, Member, MemberFailed, MemberJoined, MemberLeft, MemberReaped, MemberUpdated
from muster.model.clock import Clock
from muster.model.errors import MusterError
from muster.transport.rpc_errors import CannotConnect, ConnectionLost
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, QueryOptions

logger = logging.getLogger("agent")

NO_LEADER = "No cluster leader"
JITTER_FRACTION = 16
"""A wait between two tries is by chance up to this part of the hold time."""
PING_TIMEOUT = 5.0  # seconds in which a server must show that it is there, before it comes first


class Caller(Protocol):
    """The pool of connections."""

    def call(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
        """A call of one method at a server; see `muster.transport.rpc_pool`."""
        ...


class RemoteServers:
    """A `Servers` of the agent. Told of the pool's members by `heard`; made and used on one loop."""

    def __init__(
        self,
        pool: Caller,
        clock: Clock,
        chance: random.Random,
        hold: float,
        agents: Callable[[], int],
        on_first: Callable[[], None],
        limit: RateLimit | None = None,
    ) -> None:
        """`hold`: seconds that a call waits for a leader. `on_first` is called when there is a server after there was none."""
        self.limit = limit or RateLimit(clock, math.inf, 1)
        self.servers = ServerList(chance)
        self._pool, self._clock, self._random = pool, clock, chance
        self._hold, self._agents, self._on_first = hold, agents, on_first
        self._timer: asyncio.TimerHandle | None = None
        self._rebalancing: asyncio.Task[None] | None = None

    def heard(self, effect: Effect) -> None:
        """What the pool of the datacenter tells."""
        if isinstance(effect, MemberJoined | MemberUpdated | MemberFailed | MemberLeft | MemberReaped):
            self.note(effect.member)

    def note(self, member: Member) -> None:
        """A member as it stands now."""
        before = len(self.servers)
        self.servers.heard(member)
        if not before and len(self.servers):
            self._on_first()
        if self._timer is None and len(self.servers) > 1:
            self._plan_rebalance()

    def call(self, method: str, request: Any) -> asyncio.Future[Reply]:
        """Ask a server. Raises NoKnownServers, RateExceeded, what the server said, or why no server could be asked."""
        self.limit.take()
        server = self.servers.first()
        if server is None:
            raise NoKnownServers
        return _Call(self, method, request, self._clock.monotonic() + self._hold).start(server)

    def statistics(self) -> dict[str, dict[str, str]]:
        """Its part of `/v1/agent/self`."""
        return {"consul": {"acl": "disabled", "known_servers": str(len(self.servers)), "server": "false"}}

    def stop(self) -> None:
        """Rebalance no more; what is under way ends by itself."""
        if self._timer is not None:
            self._timer.cancel()
        if self._rebalancing is not None:
            self._rebalancing.cancel()

    def ask(self, server: KnownServer, method: str, request: Any) -> asyncio.Future[Reply]:
        """One try at one server."""
        return self._pool.call(server.address, method, request)

    def pause(self) -> float:
        """Seconds until the next try, so that not all clients of a datacenter try at once."""
        return self._random.uniform(0.0, self._hold / JITTER_FRACTION)

    def now(self) -> float:
        """The monotonic clock."""
        return self._clock.monotonic()

    def seconds_left(self, deadline: float) -> float:
        """How long a call may still be tried again."""
        return deadline - self._clock.monotonic()

    def _plan_rebalance(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.servers.rebalance_delay(self._agents()), self._rebalance)

    def _rebalance(self) -> None:
        self._plan_rebalance()
        if len(self.servers) > 1 and (self._rebalancing is None or self._rebalancing.done()):
            self._rebalancing = asyncio.ensure_future(self._shuffle())

    async def _shuffle(self) -> None:
        """Another order, whose first server answers."""
        self.servers.shuffle()
        for _ in range(len(self.servers)):
            server = self.servers.first()
            if server is None:
                return
            try:
                await asyncio.wait_for(self.ask(server, "Status.Ping", DatacenterRequest()), PING_TIMEOUT)
            except (MusterError, TimeoutError) as error:
                logger.debug("pinging server failed: server=%s error=%s", server.name, error)
                self.servers.failed(server)
            else:
                return


class _Call(asyncio.Future[Reply]):
    """One call, over all its tries. Cancelling it cancels the try under way."""

    def __init__(self, servers: RemoteServers, method: str, request: Any, deadline: float) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._servers, self._method, self._request, self._deadline = servers, method, request, deadline
        self._server: KnownServer
        self._try: asyncio.Future[Reply] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self.failing_since: float | None = None
        """When its tries began to fail, on the monotonic clock."""

    def start(self, server: KnownServer) -> "asyncio.Future[Reply]":
        """The first try."""
        self._server = server
        self._attempt()
        return self

    def cancel(self, msg: Any | None = None) -> bool:
        """Whoever asked is gone."""
        if not super().cancel(msg):
            return False
        if self._try is not None:
            self._try.cancel()
        if self._pause is not None:
            self._pause.cancel()
        return True

    def _attempt(self) -> None:
        try:
            self._try = self._servers.ask(self._server, self._method, self._request)
        except MusterError as error:
            self._ended(error)
        else:
            self._try.add_done_callback(self._tried)

    def _tried(self, answer: "asyncio.Future[Reply]") -> None:
        if self.done():
            return
        if answer.cancelled():
            self._ended(ConnectionLost(self._method))
        elif (error := answer.exception()) is not None:
            self._ended(error)
        else:
            self.set_result(answer.result())

    def _ended(self, error: BaseException) -> None:
        if not isinstance(error, MusterError):
            self.set_exception(error)
            return
        if isinstance(error, CannotConnect | ConnectionLost):
            logger.error("RPC failed to server: method=%s server=%s error=%s", self._method, self._server.address, error)
            self._servers.servers.failed(self._server)
        if not self._may_repeat(error) or self._servers.seconds_left(self._deadline) <= 0.0:
            self.set_exception(error)
            return
        if self.failing_since is None:
            self.failing_since = self._servers.now()
        self._pause = asyncio.get_running_loop().call_later(self._servers.pause(), self._again)

    def _may_repeat(self, error: MusterError) -> bool:
        """Without a leader nothing was done; a connection that could not be opened, or that was lost while reading, did no harm."""
        if NO_LEADER in error.wire_text or isinstance(error, CannotConnect):
            return True
        return isinstance(error, ConnectionLost) and isinstance(self._request, QueryOptions)

    def _again(self) -> None:
        if self.done():
            return
        server = self._servers.servers.first()
        if server is None:
            self.set_exception(NoKnownServers())
            return
        self._server = server
        self._attempt()
