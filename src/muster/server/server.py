"""What makes an agent a server: the one table of methods, and the rules that all of them follow.

A read that may not be stale, and every write, wait up to `rpc_hold_timeout` for a leader that has applied all that was
committed before it. A consistent read asks a quorum first.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from muster.model.clock import Clock
from muster.model.errors import NoLeader, NoPathToDatacenter
from muster.server.blocking import Blocking, ReadRule
from muster.server.context import Context, UserEventListener
from muster.server.datacenters import Datacenters
from muster.server.deferred import Deferred, Outcome, follow
from muster.server.endpoints import table
from muster.server.leader import LeaderDuties
from muster.server.leader_wait import LeaderWait
from muster.server.methods import Method, PlainRead, Read, UnknownMethod, Write
from muster.server.replicated_state import ReplicatedState
from muster.server.replication import Replication
from muster.server.session_timers import SessionTimers
from muster.server.settings import ServerSettings
from muster.server.statistics import statistics
from muster.state.store import Applied
from muster.state.watches import Ticket
from muster.wire.commands import Command
from muster.wire.replies import Reply

Run = Callable[[str, Any], Outcome]
Slow = Callable[[Any], "asyncio.Future[Reply] | None"] | None


class Server:
    """Made on the running loop, before consensus starts; `leadership` is what consensus calls `on_leadership`.

    `state.on_applied` and `state.on_restored` are taken by it.
    """

    def __init__(
        self,
        settings: ServerSettings,
        state: ReplicatedState,
        consensus: Replication,
        clock: Clock,
        chance: random.Random,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        loop = loop or asyncio.get_running_loop()
        self.settings = settings
        self.consensus = consensus
        self.store = store = state.store
        self._datacenter = settings.datacenter
        self._loop = loop
        self.context = context = Context(settings, store, consensus, clock, chance)
        self.blocking = Blocking(loop, clock, chance, store.watches, lambda: store.indexes)
        self.duties = LeaderDuties(context, loop, self._became_ready)
        context.session_timers = SessionTimers(loop, clock, self.duties.end_session)
        self._wait = LeaderWait(loop, settings.rpc_hold_timeout)
        self._stopped = False
        state.on_applied, state.on_restored = self._applied, self._restored
        self._methods: dict[str, Run] = {name: self._bind(method) for name, method in table().items()}

    @property
    def on_user_event(self) -> list[UserEventListener]:
        """Called with name and payload of every user event that is fired."""
        return self.context.on_user_event

    def know_datacenters(self, known: Datacenters) -> None:
        """From now on other datacenters are known by this."""
        self.context.known_datacenters = known

    def statistics(self) -> dict[str, dict[str, str]]:
        """This server's part of `/v1/agent/self`."""
        return statistics(self.context)

    def call(self, method: str, request: Any) -> Outcome:
        """The reply of a method, or its future. Raises a MusterError, or the future carries it."""
        run = self._methods.get(method)
        if run is None:
            raise UnknownMethod(method)
        return run(method, request)

    def is_ready(self) -> bool:
        """Whether reads and writes are served: this server leads and has applied all that was committed before."""
        return self.duties.ready

    def leadership(self, leads: bool) -> None:
        """This server begins or ceases to lead."""
        if leads:
            self.duties.start()
        else:
            self.duties.stop()

    def stop(self) -> None:
        """Answers all that waits with NoLeader or by cancelling, and does nothing more."""
        self._stopped = True
        self.duties.stop()
        self._wait.close()
        self.blocking.close()

    # ---- what is applied

    def _applied(self, index: int, command: Command, applied: Applied) -> None:
        for key, delay in applied.lock_delays:
            self.context.lock_delays.start(key, delay)
        self.blocking.applied(applied.woken)
        self.duties.applied(index, command, applied)

    def _restored(self, woken: list[Ticket]) -> None:
        self.context.lock_delays.clear()
        self.blocking.restored(woken)
        self.duties.restored()

    # ---- the rules of each kind of method

    def _bind(self, method: Method) -> Run:
        if isinstance(method, Read):
            rule = ReadRule(read=partial(method.function, self.context), indexes=method.indexes, kept=method.kept)
            slow = partial(method.slow, self.context) if method.slow is not None else None
            return partial(self._read, rule, method.cheap, slow)
        if isinstance(method, PlainRead):
            return partial(self._plain_read, partial(method.function, self.context))
        if isinstance(method, Write):
            return partial(self._write, partial(method.function, self.context))
        return partial(self._local, partial(method.function, self.context))

    def _read(self, rule: ReadRule, cheap: bool, slow: Slow, method: str, request: Any) -> Outcome:
        if request.datacenter != self._datacenter:
            raise NoPathToDatacenter()
        ready = self.duties.ready
        if not ready and not request.allow_stale:
            return self._when_ready(partial(self._read, rule, cheap, slow, method, request))
        if request.require_consistent:
            return self._verified(partial(self._answer, rule, cheap, slow, method, request))
        reply = self._answer(rule, cheap, slow, method, request)
        return reply if ready or not isinstance(reply, Reply) else self._without_leader(reply)

    def _answer(self, rule: ReadRule, cheap: bool, slow: Slow, method: str, request: Any) -> Outcome:
        if cheap and not request.min_query_index:
            later = slow(request) if slow is not None else None
            if later is not None:
                return later
            index, value = rule.read(request, None)
            return Reply(value=value, index=index or 1)
        return self.blocking.ask(rule, method, request)

    def _without_leader(self, reply: Reply) -> Reply:
        """A stale answer while nobody leads says so; it is not the shared one."""
        known = bool(self.consensus.leader_address())
        return Reply(value=reply.value, index=reply.index, known_leader=known)

    def _plain_read(self, function: Callable[[Any], Any], method: str, request: Any) -> Outcome:
        if request.datacenter != self._datacenter:
            raise NoPathToDatacenter()
        stale = getattr(request, "allow_stale", False)
        if not self.duties.ready and not stale:
            return self._when_ready(partial(self._plain_read, function, method, request))
        if getattr(request, "require_consistent", False):
            return self._verified(lambda: self._plain_reply(function(request)))
        return self._plain_reply(function(request))

    def _plain_reply(self, value: Any) -> Outcome:
        if isinstance(value, asyncio.Future):
            return value
        return Reply(value=value, known_leader=self.duties.ready or bool(self.consensus.leader_address()))

    def _write(self, function: Callable[[Any], Outcome], method: str, request: Any) -> Outcome:
        if request.datacenter != self._datacenter:
            raise NoPathToDatacenter()
        if not self.duties.ready:
            return self._when_ready(partial(self._write, function, method, request))
        return function(request)

    def _local(self, function: Callable[[Any], Any], method: str, request: Any) -> Outcome:
        datacenter = getattr(request, "datacenter", "")
        if datacenter and datacenter != self._datacenter:
            raise NoPathToDatacenter()
        return Reply(value=function(request))

    def _when_ready(self, again: Callable[[], Outcome]) -> Outcome:
        if self._stopped:
            raise NoLeader()
        return self._wait.until_ready(again)

    def _verified(self, then: Callable[[], Outcome]) -> Outcome:
        confirmed = self.consensus.verify_leader()
        if confirmed.done() and not confirmed.cancelled() and confirmed.exception() is None:
            return then()
        return follow(Deferred(loop=self._loop), confirmed, then)

    def _became_ready(self) -> None:
        self._wait.ready()
