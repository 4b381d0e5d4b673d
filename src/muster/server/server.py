"""What makes an agent a server: the one table of methods, and the rules that all of them follow.

On a leader that has applied all that was committed before it, a call is answered at once; a consistent read asks a quorum
first. On any other server it goes to the leader, or waits up to `rpc_hold_timeout` for one; a read that may be stale is
answered by a server that has ever heard from a leader, and says how old its view is.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from muster.gossip.effects import Effect, MemberFailed, MemberJoined, MemberLeft, MemberReaped, MemberUpdated
from muster.model.clock import Clock
from muster.server.abroad import Abroad
from muster.server.blocking import Blocking, ReadRule
from muster.server.bootstrapping import Bootstrapping
from muster.server.changes import Changes
from muster.server.context import Context, UserEventListener
from muster.server.datacenters import Datacenters
from muster.server.deferred import Outcome
from muster.server.endpoints import table
from muster.server.forwarding import Call, Forwarder, Forwarding
from muster.server.health_history import HealthHistory
from muster.server.leader import LeaderDuties
from muster.server.leave import Departure
from muster.server.measures import Measures
from muster.server.methods import Method, PlainRead, Read, UnknownMethod, Write
from muster.server.replicated_state import ReplicatedState
from muster.server.replication import Replication
from muster.server.routing import Routing
from muster.server.server_members import Members
from muster.server.session_timers import SessionTimers
from muster.server.settings import ServerSettings
from muster.server.statistics import statistics
from muster.state.store import Applied
from muster.state.watches import Ticket, Turn
from muster.transport.metrics import Metrics, NoMetrics
from muster.wire.commands import Command
from muster.wire.replies import Reply

Run = Callable[[str, Any], Outcome]
Slow = Callable[[Any], "asyncio.Future[Reply] | None"] | None
MemberEvent = (MemberJoined, MemberUpdated, MemberFailed, MemberLeft, MemberReaped)


class Server:
    """Made on the running loop, before consensus starts; `leadership` is what consensus calls `on_leadership`,
    `leader_changed` its `on_leader`. `start` follows the start of consensus. It is told of the pool by `member_event`.

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
        *,
        members: Members | None = None,
        forwarding: Forwarding | None = None,
        force_leave: Callable[[str], None] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`members`: all of the datacenter's pool, by default this server alone. `forwarding`: the way to other servers.

        `force_leave` tells the pools by its name that a failed server has left for good.
        """
        loop = loop or asyncio.get_running_loop()
        self.settings = settings
        self.consensus = consensus
        self.store = store = state.store
        self._datacenter = settings.datacenter
        self._loop = loop
        self.context = context = Context(settings, store, consensus, clock, chance, members, forwarding)
        self.blocking = Blocking(loop, clock, chance, store.watches, lambda: store.indexes)
        self.measures = Measures(metrics or NoMetrics(), clock)
        if metrics is not None:
            context.metrics = metrics
            state.now, state.on_measured = clock.monotonic, self._measured
        self.changes = Changes(store, loop, clock)
        self.history = HealthHistory()
        self.duties = LeaderDuties(context, loop, self._became_ready, force_leave)
        context.session_timers = SessionTimers(loop, clock, self.duties.end_session)
        self._routing = Routing(settings.datacenter, consensus, context.servers)
        hold = settings.rpc_hold_timeout
        self._abroad = Abroad(loop, clock, context.forwarding, lambda: context.known_datacenters, hold)
        context.abroad = self._abroad.call
        self._forwarder = Forwarder(
            loop, clock, chance, self._routing, context.forwarding, hold, self.is_ready, self._stale_reply, self._abroad.call
        )
        self._started = False
        self._bootstrapping = Bootstrapping(context, loop)
        self._departure = Departure(context, self.duties, self._refuse)
        state.on_applied, state.on_restored = self._applied, self._restored
        self._methods: dict[str, Run] = {name: self.measures.bind(name, self._bind(method)) for name, method in table().items()}

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

    def start(self) -> None:
        """Consensus has started: from now on the pool's servers may found a datacenter together, and ask each other for pre-votes."""
        self._started = True
        self._look_at_servers()

    def leadership(self, leads: bool) -> None:
        """This server begins or ceases to lead."""
        self.context.metrics.increment("raft.state.leader" if leads else "raft.state.follower")
        if leads and not self._routing.leaving:
            self.duties.start()
        else:
            self.duties.stop()

    def leader_changed(self, _address: str) -> None:
        """Consensus knows another leader, or none any more: what waits for one need not look for it."""
        self._forwarder.leader_changed()

    def member_event(self, effect: Effect) -> None:
        """What the pool of the datacenter tells; all but changes of its members is passed over."""
        if isinstance(effect, MemberEvent):
            self.context.servers.changed(effect.member)
            self.duties.member_changed(effect.member, reaped=isinstance(effect, MemberReaped))
            if self._started:
                self._look_at_servers()

    async def hand_over(self) -> bool:
        """Gives leadership to another server before this one stops; calls that come meanwhile go there. False if it still leads."""
        return await self._departure.hand_over()

    async def leave(self, leave_pools: Callable[[], Any], drain: float) -> None:
        """Leaves the datacenter for good: see `leave.Departure`. `leave_pools` is awaited; `drain` in seconds."""
        await self._departure.leave(leave_pools, drain)

    def stop(self) -> None:
        """Answers all that waits with NoLeader or by cancelling, and does nothing more."""
        self._refuse()
        self._bootstrapping.stop()
        self._forwarder.close()
        self.blocking.close()
        self.changes.close()

    # ---- what is applied

    def _applied(self, index: int, command: Command, applied: Applied) -> None:
        for key, delay in applied.lock_delays:
            self.context.lock_delays.start(key, delay)
        self.blocking.applied(applied.woken)
        self.duties.applied(index, command, applied)
        self.changes.applied(index)
        turns = self.store.watches.take_turns()
        if turns and self._started:  # what a start reads again happened at another time
            self._note(index, turns)

    def _measured(self, command: Command, seconds: float) -> None:
        self.measures.applied(command, seconds, self.consensus.is_leader())

    def batch_applied(self, proposed: tuple[int, float] | None) -> None:
        """Consensus has applied a batch; `proposed`: see `Consensus.committed`."""
        if proposed is None:
            self.measures.not_ours()
        else:
            count, since = proposed
            self.measures.batch(count, self.measures.now() - since)

    def _restored(self, woken: list[Ticket]) -> None:
        self.context.lock_delays.clear()
        self.blocking.restored(woken)
        self.duties.restored()
        self.changes.restored()
        self.history.clear()

    def _note(self, index: int, turns: list[Turn]) -> None:
        now = self.context.clock.wall()
        for turn in turns:
            self.history.turned(now, index, turn, self.store.catalog.find_check(turn.node, turn.check_id))

    # ---- the rules of each kind of method

    def _bind(self, method: Method) -> Run:
        if isinstance(method, Read):
            rule = ReadRule(read=partial(method.function, self.context), indexes=method.indexes, kept=method.kept)
            slow = partial(method.slow, self.context) if method.slow is not None else None
            return partial(self._read, rule, method.cheap, slow)
        if isinstance(method, PlainRead):
            return partial(self._plain_read, partial(method.function, self.context), not method.leader_only)
        if isinstance(method, Write):
            return partial(self._write, partial(method.function, self.context))
        return partial(self._local, partial(method.function, self.context))

    def _read(self, rule: ReadRule, cheap: bool, slow: Slow, method: str, request: Any) -> Outcome:
        if request.allow_stale and not self.duties.ready and self._routing.may_be_stale(request.datacenter):
            return self._forwarder.stamped(self._answer(rule, cheap, slow, method, request))
        if request.datacenter != self._datacenter or not self.duties.ready:
            answer = partial(self._answer, rule, cheap, slow, method, request)
            return self._forwarder.bring(Call(method, request, partial(self._read, rule, cheap, slow, method, request), answer))
        if request.require_consistent:
            answer = partial(self._answer, rule, cheap, slow, method, request)
            return self._verified(Call(method, request, partial(self._read, rule, cheap, slow, method, request)), answer)
        return self._answer(rule, cheap, slow, method, request)

    def _answer(self, rule: ReadRule, cheap: bool, slow: Slow, method: str, request: Any) -> Outcome:
        if cheap and not request.min_query_index:
            later = slow(request) if slow is not None else None
            if later is not None:
                return later
            index, value = rule.read(request, None)
            return Reply(value=value, index=index or 1)
        return self.blocking.ask(rule, method, request)

    def _plain_read(self, function: Callable[[Any], Any], may_be_stale: bool, method: str, request: Any) -> Outcome:
        answer = partial(self._plain_answer, function, request)
        if request.datacenter != self._datacenter or not self.duties.ready:
            here = partial(self._plain_read, function, may_be_stale, method, request)
            return self._forwarder.bring(Call(method, request, here, answer if may_be_stale else None))
        if getattr(request, "require_consistent", False):
            return self._verified(Call(method, request, partial(self._plain_read, function, may_be_stale, method, request)), answer)
        return answer()

    def _plain_answer(self, function: Callable[[Any], Any], request: Any) -> Outcome:
        value = function(request)
        return value if isinstance(value, asyncio.Future) else Reply(value=value)

    def _write(self, function: Callable[[Any], Outcome], method: str, request: Any) -> Outcome:
        if request.datacenter != self._datacenter or not self.duties.ready:
            return self._forwarder.bring(Call(method, request, partial(self._write, function, method, request)))
        return function(request)

    def _local(self, function: Callable[[Any], Any], method: str, request: Any) -> Outcome:
        datacenter = getattr(request, "datacenter", "")
        if datacenter and datacenter != self._datacenter:
            here = partial(self._local, function, method, request)
            return self._abroad.call(Call(method, request, here, here))
        return Reply(value=function(request))

    def _verified(self, call: Call, then: Callable[[], Outcome]) -> Outcome:
        self.context.metrics.increment("raft.verify_leader")
        confirmed = self.consensus.verify_leader()
        if confirmed.done() and not confirmed.cancelled() and confirmed.exception() is None:
            return then()
        return self._forwarder.verified(call, confirmed, then)

    def _stale_reply(self, reply: Reply) -> Reply:
        """The reply of a server that does not lead: how long ago it heard from a leader, and whether it knows one now.

        The age is in whole milliseconds, as the edges show it, so that answers within one are alike.
        """
        age = self.consensus.last_contact() or 0.0
        return Reply(
            value=reply.value,
            index=reply.index,
            known_leader=bool(self.consensus.leader_address()),
            last_contact=int(age * 1000) * 1_000_000,
            encodings=reply.encodings,
        )

    # ---- coming and going

    def _look_at_servers(self) -> None:
        self.consensus.know_pre_votes(self.context.servers.pre_voters())
        self._bootstrapping.look()

    def _refuse(self) -> None:
        """From now on there is no leader here."""
        self._routing.leaving = True
        self.duties.stop()
        self._forwarder.wake()

    def _became_ready(self) -> None:
        self._forwarder.wake()
