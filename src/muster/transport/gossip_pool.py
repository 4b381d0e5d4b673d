"""One pool of gossip on real sockets and in real time: carries out what `Serf` wants done, and tells the host what happened.

Nothing is decided here. What arrives goes to the core with the time of its arrival, its effects are carried out in order, and one timer of
the loop is armed at the core's next deadline. A host that was suspended shows to the core as nothing but a later `now`; what had arrived
meanwhile is read before what is overdue is judged.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from random import Random
from typing import Any

from muster.gossip.effects import (
    Effect,
    Exchange,
    KeyringChanged,
    LeaveDone,
    Member,
    PingByStream,
    QueryAcknowledged,
    QueryAnswered,
    QueryEnded,
    Send,
)
from muster.gossip.push_pull import MergeRefused
from muster.gossip.serf import Serf
from muster.model.clock import Clock
from muster.model.errors import Rejected
from muster.transport import endpoints
from muster.transport.gossip import GossipSockets
from muster.transport.gossip_streams import StreamFailed
from muster.transport.keyring_file import KeyringFile
from muster.transport.lookup import Resolver
from muster.transport.member_snapshot import FLUSH_INTERVAL, MemberSnapshot
from muster.transport.metrics import EFFECT_COUNTERS, Metrics, NoMetrics
from muster.transport.pool_joins import Joiner
from muster.transport.pool_queries import KeyInquiry, KeyReport, PoolQuery, key_command
from muster.wire.gossip import Ack, Alive, Endpoint, Message, Ping, PushPull, StreamError, User

logger = logging.getLogger("muster.gossip")

SHORTEST_WAIT = 0.001  # seconds; a deadline that does not move must not take the whole loop
LEAVE_GRACE = 1.0
"""Seconds that a leave may take beyond the delays of the settings."""

Listener = Callable[[Effect], None]


class GossipPool:
    """A member's side of one pool. Made by `muster.transport.pool_start.open_pool`; all calls belong to the loop it was started on.

    `serf` is the core, for reading: `members()`, `member(name)`, `coordinate`, `coordinate_of(name)`, `statistics()`, `keyring`, `clocks`.
    `listeners` are called in order with every effect that is not for the network (members, events, queries, keyring, leave, coordinate);
    they may call the pool back.
    """

    def __init__(
        self,
        serf: Serf,
        sockets: GossipSockets,
        clock: Clock,
        chance: Random,
        *,
        default_port: int,
        snapshot: MemberSnapshot | None = None,
        keyring_file: KeyringFile | None = None,
        resolver: Resolver | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.serf = serf
        self.sockets = sockets
        self.clock = clock
        self.listeners: list[Listener] = []
        self.snapshot = snapshot
        self.keyring_file = keyring_file
        self.metrics: Metrics = metrics or NoMetrics()
        self._joiner = Joiner(self.join_endpoint, resolver or Resolver(), default_port, chance)
        self._effects: deque[Effect] = deque()
        self._carrying = False
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed = math.inf
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[str]] = set()
        self._joins: dict[int, asyncio.Task[str]] = {}
        self._ticket = 0
        self._asked: dict[int, PoolQuery | KeyInquiry] = {}
        self._left: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Begin to read the sockets, to probe and gossip, and (in the background) to join again the members that the snapshot knows."""
        self._running = True
        self.sockets.start(self)
        self._carry_out(self.serf.tick(self._now()))
        previous = dict(self.snapshot.previous) if self.snapshot is not None else {}
        previous.pop(self.serf.name, None)
        if previous:
            self._begin(self._joiner.rejoin(previous))

    async def leave(self) -> None:
        """Tell the others that this member leaves, and wait until it was told (bounded by the pool's settings). `stop` comes next."""
        if self._left is None:
            self._left = asyncio.get_running_loop().create_future()
            if self.snapshot is not None:
                self.snapshot.left()
            self._carry_out(self.serf.leave(self._now()))
        settings = self.serf.settings
        limit = 2 * settings.leave_broadcast_timeout + settings.leave_propagate_delay + LEAVE_GRACE
        try:
            await asyncio.wait_for(asyncio.shield(self._left), limit)
        except TimeoutError:
            logger.warning("the leave was not told to everyone in %.0f seconds", limit)

    async def stop(self) -> None:
        """Close the sockets, write the snapshot, end everything. Without `leave` before it, the others will see this member fail."""
        self._running = False
        for timer in (self._timer, self._flush_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._flush_timer = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.sockets.close()
        for ticket in list(self._asked):
            self._asked.pop(ticket).take(QueryEnded(ticket))
        if self._flushing is not None:
            await self._flushing
        if self.snapshot is not None:
            self.snapshot.note_clock(self.serf.clocks.member)
            self.snapshot.close()

    # ------------------------------------------------------------------ what the host asks for

    async def join(self, addresses: Sequence[str]) -> tuple[int, list[str]]:
        """Exchange state with everyone at these addresses: how many did, and a text for each that failed, in the peers' words.

        An address is `host`, `host:port`, `[v6]`, `[v6]:port`, `name/host:port` or `_service._proto.domain` (SRV). A host name stands for
        all its addresses. Never raises for an address.
        """
        return await self._joiner.join(addresses)

    def members(self) -> list[Member]:
        """All known members, this one included."""
        return self.serf.members()

    def force_leave(self, name: str, prune: bool = False) -> None:
        """Say of a failed member that it has left; with `prune`, forget it."""
        self._carry_out(self.serf.force_leave(self._now(), name, prune=prune))

    def set_tags(self, tags: dict[str, str]) -> None:
        """Change this member's tags and tell; `Rejected` if they are longer than 512 bytes."""
        self._carry_out(self.serf.set_tags(self._now(), tags))

    def user_event(self, name: str, payload: bytes, coalesce: bool = False) -> None:
        """Tell all; `Rejected` if it is too big."""
        self._carry_out(self.serf.user_event(self._now(), name, payload, coalesce))

    def query(
        self,
        name: str,
        payload: bytes,
        *,
        nodes: Sequence[str] = (),
        tags: Sequence[tuple[str, str]] = (),
        acknowledge: bool = False,
        relay_factor: int = 0,
        timeout: float = 0.0,
    ) -> PoolQuery:
        """Ask all, or those named (by name, or by a tag and an expression for it); iterate the result or await its `ended()`.

        `timeout` in seconds, 0 for the pool's default. `Rejected` if it is too big.
        """
        ticket, effects = self.serf.query(
            self._now(), name, payload, nodes=nodes, tags=tags, acknowledge=acknowledge, relay_factor=relay_factor, timeout=timeout
        )
        query = self._asked[ticket] = PoolQuery(ticket)
        self._carry_out(effects)
        return query

    def respond(self, identity: int, time: int, payload: bytes) -> None:
        """Answer a `QueryReceived`; `Rejected` if it was answered, is over, or the payload is too big."""
        self._carry_out(self.serf.respond(self._now(), identity, time, payload))

    async def key_operation(self, operation: str, key: str = "", relay_factor: int = 0) -> KeyReport:
        """`install`, `use`, `remove` (with a key in base64) or `list` at every member; what they said. `Rejected` for bad input."""
        command, raw = key_command(operation, key)
        asked, effects = self.serf.key_operation(self._now(), command, raw, relay_factor=relay_factor)
        inquiry = KeyInquiry(asked)
        self._asked[asked.ticket] = inquiry
        self._carry_out(effects)
        return await inquiry.report()

    # ------------------------------------------------------------------ what the sockets bring

    def packet(self, sender: Endpoint, messages: Sequence[Message]) -> None:
        """See `Receiver`."""
        now = self._now()
        effects: list[Effect] = []
        for message in messages:
            if not isinstance(message, Alive) or self.sockets.allowed.allow(message.address):
                effects += self.serf.receive(now, sender, message)
        self._carry_out(effects)

    def stream(self, sender: Endpoint, message: Message) -> bytes | None:
        """See `Receiver`."""
        now = self._now()
        match message:
            case PushPull():
                return self._exchange_table(now, sender, message)
            case Ping():
                return self.serf.swim.answer_by_stream(message) or None
            case User():
                self._carry_out(self.serf.receive(now, sender, message))
        return None

    def _exchange_table(self, now: float, sender: Endpoint, message: PushPull) -> bytes:
        """Our table goes back even if we refuse theirs, as with the peers: they see in it why the two cannot be one pool."""
        try:
            answer, effects = self.serf.receive_exchange(now, sender, self._from_allowed(message))
        except MergeRefused as refusal:
            logger.error("Failed push/pull merge: %s from=%s", refusal, endpoints.text(sender))
            return refusal.answer
        self._carry_out(effects)
        return answer

    def _from_allowed(self, message: PushPull) -> PushPull:
        """Without the members that may not take part."""
        allowed = self.sockets.allowed
        if allowed.all:
            return message
        nodes = [node for node in message.nodes if allowed.allow(node.address)]
        return PushPull(nodes=nodes, user_state=message.user_state, join=message.join)

    # ------------------------------------------------------------------ effects

    def _now(self) -> float:
        return self.clock.monotonic()

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        """In order, also when a listener's call brings more while they are carried out."""
        self._effects.extend(effects)
        if self._carrying:
            return
        self._carrying = True
        try:
            while self._effects:
                self._perform(self._effects.popleft())
        finally:
            self._carrying = False
            self._arm()

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.sockets.send(effect.to, effect.messages, effect.checksum)
        elif isinstance(effect, Exchange):
            task = self._begin(self._exchange(effect))
            if effect.join and task is not None:
                self._joins[effect.join] = task
        elif isinstance(effect, PingByStream):
            self._begin(self._ping(effect))
        else:
            self._note(effect)
            for listener in self.listeners:
                listener(effect)

    def _note(self, effect: Effect) -> None:
        """What the pool itself makes of an effect, before the host does."""
        counter = EFFECT_COUNTERS.get(type(effect))
        if counter:
            self.metrics.increment(counter)
        match effect:
            case QueryAcknowledged(ticket=ticket) | QueryAnswered(ticket=ticket) if ticket in self._asked:
                self._asked[ticket].take(effect)
            case QueryEnded(ticket=ticket) if ticket in self._asked:
                self._asked.pop(ticket).take(effect)
            case KeyringChanged():
                self._save_keyring()
            case LeaveDone() if self._left is not None and not self._left.done():
                self._left.set_result(None)
            case _ if self.snapshot is not None:
                self.snapshot.note(effect)
                self._plan_flush()

    def _save_keyring(self) -> None:
        ring = self.serf.keyring
        if self.keyring_file is None or ring is None:
            return
        try:
            self.keyring_file.save(ring)
        except OSError as error:
            logger.error("the keyring file %s cannot be written: %s", self.keyring_file.path, error)

    def _plan_flush(self) -> None:
        if self._flush_timer is None and self._running:
            self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        if self.snapshot is None:
            return
        if self._flushing is not None and not self._flushing.done():
            self._plan_flush()  # the disk hangs: what is noted waits for it, and nothing else does
            return
        self.snapshot.note_clock(self.serf.clocks.member)
        self._flushing = asyncio.get_running_loop().run_in_executor(None, self.snapshot.pending())

    # ------------------------------------------------------------------ time

    def _arm(self) -> None:
        """One timer for the next deadline. One that is armed earlier stays: it will find nothing due and arm itself anew."""
        deadline = self.serf.next_deadline()
        if not self._running or (self._timer is not None and self._armed <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline < math.inf:
            wait = max(deadline - self._now(), SHORTEST_WAIT)
            self._armed = deadline
            self._timer = asyncio.get_running_loop().call_later(wait, self._due)

    def _due(self) -> None:
        self._timer = None
        self.sockets.drain()  # an ack that has arrived counts, however late this process wakes
        self._carry_out(self.serf.tick(self._now()))
        if self.snapshot is not None and self.serf.clocks.member > self.snapshot.clock:
            self._plan_flush()

    # ------------------------------------------------------------------ conversations

    def _begin(self, work: Coroutine[Any, Any, str]) -> asyncio.Task[str] | None:
        if not self._running:
            work.close()
            return None
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _exchange(self, effect: Exchange) -> str:
        """A push-pull; returns why it failed, or an empty text."""
        begin = self._now()
        try:
            message = await self.sockets.converse(effect.to, effect.message, self.serf.settings.stream_timeout)
            if not isinstance(message, PushPull):
                raise StreamFailed(f"remote error: {message.text}" if isinstance(message, StreamError) else "no push-pull came back")
            effects = self.serf.exchanged(self._now(), effect, self._from_allowed(message))
        except (StreamFailed, Rejected) as error:
            logger.debug("push-pull with %s failed: %s", endpoints.text(effect.to), error)
            self._carry_out(self.serf.exchange_failed(self._now(), effect))
            return str(error)
        self.metrics.sample("memberlist.pushPullNode", (self._now() - begin) * 1000.0)
        self._carry_out(effects)
        return ""

    async def _ping(self, effect: PingByStream) -> str:
        wait = effect.deadline - self._now()
        try:
            message = await self.sockets.converse(effect.to, effect.message, max(wait, SHORTEST_WAIT))
        except StreamFailed as error:
            return str(error)
        if isinstance(message, Ack):
            logger.warning("%s answers by TCP but not by UDP: is UDP blocked?", effect.node)
            self._carry_out(self.serf.receive(self._now(), effect.to, message))
        return ""

    async def join_endpoint(self, to: Endpoint) -> str:
        """Exchange state with one member: why it failed, or an empty text."""
        self._ticket += 1
        ticket = self._ticket
        try:
            self._carry_out(self.serf.join(self._now(), [to], ticket))
        except Rejected as error:
            return str(error)
        task = self._joins.pop(ticket, None)
        if task is None:
            return "the pool is stopped"
        await asyncio.wait([task])
        return "the pool is stopped" if task.cancelled() else task.result()
