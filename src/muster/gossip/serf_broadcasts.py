"""What a member of a pool still has to tell on Serf's behalf: intents first, then queries, then events.

Source: reference of the gossip wire, sections 2 and 3.
"""

from muster.gossip.broadcasts import BroadcastQueue, retransmit_limit
from muster.gossip.settings import PoolSettings
from muster.wire.gossip import User
from muster.wire.gossip_codec import encode_message

COMPOUND_LIMIT = 255
"""Messages of one packet."""


class SerfBroadcasts:
    """The three queues of Serf. None grows beyond the larger of the minimum queue depth and twice the members."""

    __slots__ = ("_counter", "_settings", "events", "intents", "queries")

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._counter = 0
        self.intents = BroadcastQueue()
        self.queries = BroadcastQueue()
        self.events = BroadcastQueue()

    def spread_intent(self, node: str, payload: bytes, members: int) -> None:
        """Tell an intent about `node`; older ones about it no longer matter."""
        self._queue(self.intents, node, payload, members)

    def hear_intent(self, node: str, payload: bytes, members: int) -> None:
        """Others tell the intent about `node` that we may still be telling too."""
        if self.intents.message(node).endswith(payload):
            self.intents.heard(node, self._transmissions(members))

    def spread_query(self, payload: bytes, members: int) -> None:
        """Tell a query."""
        self._queue(self.queries, self._number(), payload, members)

    def spread_event(self, payload: bytes, members: int) -> None:
        """Tell a user event."""
        self._queue(self.events, self._number(), payload, members)

    def take(self, overhead: int, room: int, members: int) -> list[bytes]:
        """Encoded user messages for one packet with `room` bytes left, each costing its length and `overhead`."""
        taken: list[bytes] = []
        for queue in (self.intents, self.queries, self.events):
            if len(queue) and room > overhead:
                limit = self._transmissions(members)
                messages = queue.take(overhead, room, limit, COMPOUND_LIMIT - len(taken))
                room -= sum(map(len, messages)) + overhead * len(messages)
                taken += messages
        return taken

    def _transmissions(self, members: int) -> int:
        return retransmit_limit(self._settings.retransmit_multiplier, members)

    def _queue(self, queue: BroadcastQueue, name: str, payload: bytes, members: int) -> None:
        if len(payload) >= self._settings.packet_size:
            return  # it came by another way and fits in no packet: it would stay for ever
        queue.queue(name, encode_message(User(payload=payload)))
        depth = max(self._settings.minimum_queue_depth, 2 * members)
        if len(queue) > depth:
            queue.prune(depth)

    def _number(self) -> str:
        """A name of its own for what replaces nothing."""
        self._counter += 1
        return str(self._counter)
