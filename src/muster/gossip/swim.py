"""The failure detector: who of the pool is alive, by SWIM with Lifeguard's adjustments, as memberlist's members do it.

Times are seconds on one monotonic clock that the caller owns. Nothing here sends or waits: every call returns the effects that the caller
carries out, in order.

Source: Das, Gupta, Motivala, "SWIM" (DSN 2002), sections 3 and 4; Dadgar et al., "Lifeguard" (2018); reference of the gossip wire,
section 2.
"""

from collections.abc import Sequence
from random import Random

from muster.gossip.awareness import Awareness
from muster.gossip.effects import Exchange, Send
from muster.gossip.endpoints import endpoint_of
from muster.gossip.gossiper import Gossiper, Upper
from muster.gossip.membership import Admission, Membership
from muster.gossip.node_table import NOBODY, NodeRecord, NodeStatus, NodeTable, Roster
from muster.gossip.prober import Prober
from muster.gossip.push_pull import MergeRefused, incompatibility, scaled_interval
from muster.gossip.settings import PoolSettings
from muster.gossip.suspicion import Suspicions
from muster.gossip.swim_effects import LeftPool, SwimEffect, UserMessage, UserState
from muster.model.errors import Rejected
from muster.wire.gossip import Ack, Alive, Dead, Endpoint, IndirectPing, Message, Nack, Ping, PushPull, Suspect, User
from muster.wire.gossip_codec import encode_message


class Swim:
    """One member's view of the pool, and what it owes the others."""

    __slots__ = (
        "_admit",
        "_awareness",
        "_called_at",
        "_chance",
        "_gossiper",
        "_left_told",
        "_membership",
        "_prober",
        "_push_pull_at",
        "_upper",
        "name",
        "settings",
    )

    def __init__(
        self,
        now: float,
        name: str,
        endpoint: Endpoint,
        meta: bytes,
        versions: bytes,
        settings: PoolSettings,
        chance: Random,
        upper: Upper,
        admit: Admission | None = None,
        roster: Roster = NOBODY,
    ) -> None:
        """A member alone, or with those of `roster`. `admit` is asked before a node is taken in or changed."""
        self.name = name
        self.settings = settings
        self._chance = chance
        self._upper = upper
        self._admit = admit
        self._awareness = Awareness(settings.awareness_maximum if settings.awareness else 1)
        ourselves = NodeRecord(name, endpoint, meta, versions, incarnation=1, changed=now)
        self._membership = Membership(ourselves, settings, self._awareness, admit, roster)
        self._gossiper = Gossiper(now, self._membership, settings, chance, upper)
        self._prober = Prober(now, self._membership, self._gossiper, self._awareness, settings, chance)
        self._push_pull_at = now + chance.random() * settings.push_pull_interval + self._push_pull_interval()
        self._called_at = now
        self._left_told = False
        self._settle(now, [])

    @property
    def nodes(self) -> NodeTable:
        """All known nodes, ourselves and the dead too."""
        return self._membership.nodes

    @property
    def own(self) -> NodeRecord:
        """Our own record."""
        return self._membership.own

    @property
    def endpoint(self) -> Endpoint:
        """Where we listen."""
        return self._membership.own.endpoint

    @property
    def alive_count(self) -> int:
        """Members that are alive or only suspected, ourselves too."""
        return self._membership.nodes.up

    @property
    def health_score(self) -> int:
        """Lifeguard's score: 0 is healthy."""
        return self._awareness.score

    @property
    def suspicions(self) -> Suspicions:
        """The suspicions that run here."""
        return self._membership.suspicions

    @property
    def queue_depth(self) -> int:
        """Broadcasts about nodes that wait or are sent again."""
        return len(self._membership.broadcasts)

    @property
    def has_left(self) -> bool:
        """Whether we said that we leave."""
        return self._membership.has_left

    def receive(self, now: float, sender: Endpoint, message: Message) -> list[SwimEffect]:
        """A message arrived, by packet or as the answer to a ping by stream. What belongs into an exchange is ignored."""
        self._notice_sleep(now)
        effects: list[SwimEffect] = []
        match message:
            case Ping():
                self._answer(sender, message, effects)
            case Ack():
                self._prober.ack(now, message, effects)
            case Alive() | Suspect() | Dead():
                self._membership.hear(now, message, effects)
            case User():
                effects.append(UserMessage(sender, message.payload))
            case IndirectPing():
                self._prober.help(now, sender, message, effects)
            case Nack():
                self._prober.nack(message)
            case _:
                return effects
        self._settle(now, effects)
        return effects

    def receive_exchange(self, now: float, sender: Endpoint, push_pull: PushPull) -> tuple[bytes, list[SwimEffect]]:
        """Somebody sent its table: ours to send back, as it was before, and what changed. `MergeRefused` if the two cannot be one pool."""
        answer = self._push_pull_message(push_pull.join)
        try:
            self._check_merge(push_pull, push_pull.join)
        except Rejected as error:
            raise MergeRefused(str(error), answer) from error
        return answer, self._merge(now, push_pull, push_pull.join)

    def exchanged(self, now: float, exchange: Exchange, push_pull: PushPull) -> list[SwimEffect]:
        """Our exchange was answered. `Rejected` if the two tables cannot be one pool."""
        join = not exchange.node
        self._check_merge(push_pull, join)
        return self._merge(now, push_pull, join)

    def exchange_failed(self, now: float, exchange: Exchange) -> list[SwimEffect]:
        """Nobody answered: probes decide what that means, and the next exchange goes to somebody else."""
        return []

    def answer_by_stream(self, ping: Ping) -> bytes:
        """The message that answers a ping that came by stream; empty if it asks for somebody else."""
        return encode_message(Ack(sequence=ping.sequence)) if self._is_asked(ping) else b""

    def tick(self, now: float) -> list[SwimEffect]:
        """Everything that is due: suspicions that ripened, probes to send or to give up, gossip, an exchange of tables."""
        effects: list[SwimEffect] = []
        self._notice_sleep(now)
        self._membership.ripen(now, effects)
        self._prober.tick(now, effects)
        if now >= self._push_pull_at:
            self._start_push_pull(now, effects)
        if now >= self._gossiper.due_at:
            self._gossiper.gossip(now, effects)
        self._settle(now, effects)
        return effects

    def next_deadline(self) -> float:
        """When `tick` wants to be called next."""
        return min(
            self._prober.next_deadline(),
            self._gossiper.due_at,
            self._push_pull_at,
            self._membership.suspicions.next_deadline(),
        )

    def join(self, now: float, endpoints: Sequence[Endpoint], ticket: int) -> list[SwimEffect]:
        """Exchange tables with these; an exchange without a node's name is a join."""
        message = self._push_pull_message(join=True)
        return [Exchange(to=endpoint, message=message, join=ticket) for endpoint in endpoints]

    def leave(self, now: float) -> list[SwimEffect]:
        """Say that we leave. `LeftPool` comes when it was told often enough; probes are answered until the host stops."""
        effects: list[SwimEffect] = []
        if not self.has_left:
            self._membership.leave(now, effects)
            self._settle(now, effects)
        return effects

    def set_meta(self, now: float, meta: bytes) -> list[SwimEffect]:
        """Say other tags of ourselves; at most 512 bytes."""
        return self._declare(now, self.endpoint, meta)

    def update_endpoint(self, now: float, endpoint: Endpoint) -> list[SwimEffect]:
        """Say another address of ourselves. Members that hold us for alive take it for a conflict until they saw us leave or dead."""
        return self._declare(now, endpoint, self.own.meta)

    def send_user(self, to: Endpoint, node: str, payload: bytes) -> Send:
        """A message of the layer above for one member, named if its name is known."""
        record = self.nodes.get(node) if node else None
        return Send(to, (encode_message(User(payload=payload)),), node, record is not None and record.reads_checksums)

    def gossip_soon(self, now: float) -> None:
        """The layer above has something to spread: ask it at the next regular gossip tick."""
        self._gossiper.wake(now)

    def forget(self, name: str) -> None:
        """The layer above forgets this member: so do we."""
        self._membership.forget(name)

    def _answer(self, sender: Endpoint, ping: Ping, effects: list[SwimEffect]) -> None:
        if self._is_asked(ping):
            to = endpoint_of(ping.source_address, ping.source_port) or sender
            ack = Ack(sequence=ping.sequence, payload=self._upper.ack_payload())
            effects.append(self._gossiper.packet(to, ping.source_node, ack))

    def _is_asked(self, ping: Ping) -> bool:
        """Whether it is us who is asked, not somebody who had our address before."""
        return ping.node in ("", self.name)

    def _notice_sleep(self, now: float) -> None:
        """If a deadline passed long ago we were not running. Suspicions and probes count only the time in which we could hear."""
        called_before, self._called_at = self._called_at, now
        if now - called_before > self.settings.probe_timeout:
            slept = now - max(called_before, self.next_deadline())
            if slept > self.settings.probe_timeout:
                self._membership.suspicions.postpone(slept)
                self._prober.overslept(slept)

    def _start_push_pull(self, now: float, effects: list[SwimEffect]) -> None:
        self._push_pull_at = now + self._push_pull_interval()
        partners = self.nodes.random_nodes(1, self._chance, lambda record: record.status is NodeStatus.ALIVE and record.name != self.name)
        for partner in partners:
            effects.append(Exchange(partner.endpoint, self._push_pull_message(join=False), partner.name))

    def _push_pull_interval(self) -> float:
        return scaled_interval(self.settings.push_pull_interval, len(self.nodes))

    def _push_pull_message(self, join: bool) -> bytes:
        lines = [record.line() for record in self.nodes.records()]
        return encode_message(PushPull(nodes=lines, user_state=self._upper.user_state(join), join=join))

    def _check_merge(self, push_pull: PushPull, join: bool) -> None:
        if not join:
            return
        refusal = incompatibility(push_pull.nodes, (record.line() for record in self.nodes.records()))
        if not refusal and self._admit is not None:
            refusal = self._admit(push_pull.nodes)
        if refusal:
            raise Rejected(refusal)

    def _merge(self, now: float, push_pull: PushPull, join: bool) -> list[SwimEffect]:
        self._notice_sleep(now)
        effects: list[SwimEffect] = []
        self._membership.merge(now, push_pull.nodes, effects)
        if push_pull.user_state:
            effects.append(UserState(push_pull.user_state, join))
        self._settle(now, effects)
        return effects

    def _declare(self, now: float, endpoint: Endpoint, meta: bytes) -> list[SwimEffect]:
        effects: list[SwimEffect] = []
        self._membership.declare(endpoint, meta, effects)
        self._settle(now, effects)
        return effects

    def _settle(self, now: float, effects: list[SwimEffect]) -> None:
        """What every call ends with: news wakes the gossip, and a leave that was told is done."""
        membership = self._membership
        if membership.broadcasts and len(membership.nodes) > 1:
            self._gossiper.wake(now)
        if not self._left_told and membership.has_left and (self.name not in membership.broadcasts or not membership.anybody_else()):
            self._left_told = True
            effects.append(LeftPool())
