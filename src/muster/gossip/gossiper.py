"""How news leaves a member: on gossip ticks to a few others, and beside every ping and ack that has room.

Source: SWIM (DSN 2002), section 4.1; gossip ticks of their own are memberlist's.
"""

import math
from random import Random
from typing import Protocol

from muster.gossip.broadcasts import retransmit_limit
from muster.gossip.effects import Send
from muster.gossip.membership import Membership
from muster.gossip.node_table import NodeRecord, NodeStatus
from muster.gossip.settings import PoolSettings
from muster.gossip.swim_effects import SwimEffect
from muster.wire.gossip import Endpoint, Message
from muster.wire.gossip_codec import encode_message

MESSAGE_OVERHEAD = 2  # bytes of a message's length in a compound
COMPOUND_OVERHEAD = 2  # bytes of a compound's type and count
COMPOUND_LIMIT = 255  # messages in a compound: the count is one byte


class Upper(Protocol):
    """The layer above, which travels on the failure detector's messages."""

    def user_state(self, join: bool) -> bytes:
        """Its state for a push-pull."""

    def ack_payload(self) -> bytes:
        """What goes with every ack that answers a ping."""

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        """Encoded user messages to spread now: together, with `overhead` for each, at most `limit` bytes."""


class Gossiper:
    """Fills packets with news. `due_at` is the next gossip tick, infinite as long as there is nothing to tell."""

    __slots__ = ("_chance", "_membership", "_phase", "_settings", "_upper", "due_at")

    def __init__(self, now: float, membership: Membership, settings: PoolSettings, chance: Random, upper: Upper) -> None:
        self._membership = membership
        self._settings = settings
        self._chance = chance
        self._upper = upper
        self._phase = now + chance.random() * settings.gossip_interval
        self.due_at = math.inf

    def wake(self, now: float) -> None:
        """There is something to tell: at the next regular tick."""
        if self.due_at == math.inf:
            interval = self._settings.gossip_interval
            # The small number keeps a tick that ran a rounding error early from running twice.
            ticks = math.floor((now - self._phase) / interval + 1e-6) + 1
            self.due_at = self._phase + max(0, ticks) * interval

    def gossip(self, now: float, effects: list[SwimEffect]) -> None:
        """Tell a few what is new. When there is nothing to tell, or nobody to hear it, the ticks stop until there is."""
        self.due_at = math.inf
        targets = self._membership.nodes.random_nodes(self._settings.gossip_nodes, self._chance, lambda record: self._is_told(now, record))
        for target in targets:
            messages = self._news(self._room(), COMPOUND_LIMIT)
            if not messages:
                return
            effects.append(Send(target.endpoint, tuple(messages), target.name, target.reads_checksums))
        if targets:
            self.wake(now)

    def packet(self, to: Endpoint, node: str, message: Message) -> Send:
        """A packet with this message, and as much news as has room beside it."""
        encoded = encode_message(message)
        return Send(to, (encoded, *self._news(self._room() - MESSAGE_OVERHEAD - len(encoded), COMPOUND_LIMIT - 1)), node)

    def _is_told(self, now: float, record: NodeRecord) -> bool:
        """Whether news goes to it: the dead may be alive, and must hear that they are held for dead."""
        if record.name == self._membership.own.name or record.status is NodeStatus.LEFT:
            return False
        return record.is_up or not self._membership.is_long_gone(now, record)

    def _room(self) -> int:
        return self._settings.packet_size - self._settings.packet_overhead - COMPOUND_OVERHEAD

    def _news(self, room: int, most: int) -> list[bytes]:
        """At most so many messages that fit into the room, those about nodes first."""
        messages: list[bytes] = []
        if self._membership.broadcasts:
            limit = retransmit_limit(self._settings.retransmit_multiplier, len(self._membership.nodes))
            messages = self._membership.broadcasts.take(MESSAGE_OVERHEAD, room, limit, most)
            room -= sum(map(len, messages)) + MESSAGE_OVERHEAD * len(messages)
        if room > MESSAGE_OVERHEAD:
            messages += self._upper.broadcasts(MESSAGE_OVERHEAD, room)
        return messages
