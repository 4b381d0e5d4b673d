"""Queries, ours and those of others: asked, passed on, acknowledged, answered.

Source: reference of the gossip wire, section 3; behaviour where that is silent as of Serf 0.10.1.
"""

from random import Random

from muster.gossip import internal_queries
from muster.gossip.effects import Effect, KeyringChanged, QueryReceived
from muster.gossip.endpoints import endpoint_of
from muster.gossip.filters import are_for
from muster.gossip.keyring import Keyring
from muster.gossip.lamport import LamportClock
from muster.gossip.member_table import MemberTable, tags_of
from muster.gossip.queries import QueriesAsked, QueriesReceived
from muster.gossip.responding import Responder
from muster.gossip.serf_broadcasts import SerfBroadcasts
from muster.gossip.settings import PoolSettings
from muster.gossip.swim import Swim
from muster.model.errors import Rejected
from muster.wire.gossip import Endpoint
from muster.wire.serf import ACKNOWLEDGE, NO_BROADCAST, Query, QueryResponse


class Answering:
    """What one member does with queries."""

    __slots__ = ("_keyring", "_responder", "_spread", "_swim", "_table", "asked", "received")

    def __init__(
        self,
        swim: Swim,
        table: MemberTable,
        settings: PoolSettings,
        chance: Random,
        clock: LamportClock,
        spread: SerfBroadcasts,
        keyring: Keyring | None,
    ) -> None:
        self._swim = swim
        self._table = table
        self._spread = spread
        self._keyring = keyring
        self._responder = Responder(swim.name, swim.nodes, swim.send_user, settings, chance)
        self.asked = QueriesAsked(settings)
        self.received = QueriesReceived(settings, clock)

    def ask(self, now: float, query: Query) -> list[Effect]:
        """Put a query to all, ourselves too; `Rejected` if it is too big."""
        encoded = self.asked.encode(query)
        self.asked.open(now, query, self._swim.alive_count)
        self.received.is_new(query)
        self._pass_on(now, encoded)
        return self._take(now, query)

    def hear(self, now: float, query: Query, encoded: bytes) -> list[Effect]:
        """A query arrived."""
        if not self.received.is_new(query):
            return []
        if not query.flags & NO_BROADCAST:
            self._pass_on(now, encoded)
        return self._take(now, query)

    def respond(self, now: float, identity: int, time: int, payload: bytes) -> list[Effect]:
        """The host answers a query, once; `Rejected` if that is too late or the answer too big."""
        waiting = self.received.find(now, identity, time)
        response = self._responder.response(waiting.query, 0, payload)
        self.received.settle(identity, time)
        return self._deliver(now, waiting.query, waiting.origin, response)

    def _pass_on(self, now: float, encoded: bytes) -> None:
        self._spread.spread_query(encoded, len(self._table))
        self._swim.gossip_soon(now)

    def _take(self, now: float, query: Query) -> list[Effect]:
        """Acknowledge a query that is for us, and answer it or give it to the host."""
        origin = endpoint_of(query.address, query.port)
        if origin is None or not are_for(query.filters, self._swim.name, tags_of(self._swim.own.meta)):
            return []
        effects = self._say(now, query, origin, ACKNOWLEDGE, b"") if query.flags & ACKNOWLEDGE else []
        if query.name.startswith(internal_queries.PREFIX):
            return effects + self._answer_internal(now, query, origin)
        deadline = self.received.expect_answer(now, query, origin)
        received = QueryReceived(query.time, query.identity, query.name, query.payload, query.source_node, deadline)
        return [*effects, received]

    def _answer_internal(self, now: float, query: Query, origin: Endpoint) -> list[Effect]:
        if query.name == internal_queries.CONFLICT:
            return self._answer_conflict(now, query, origin)
        answer = internal_queries.answer(query.name, query.payload, self._keyring, lambda payload: self._fits(query, payload))
        effects: list[Effect] = [KeyringChanged()] if answer.keyring_changed else []
        return effects if answer.payload is None else effects + self._say(now, query, origin, 0, answer.payload)

    def _answer_conflict(self, now: float, query: Query, origin: Endpoint) -> list[Effect]:
        """Say whom we know under a name. Who is asked about itself is silent: others are to judge."""
        name = query.payload.decode("utf-8", "surrogateescape")
        if name == self._swim.name:
            return []
        return self._say(now, query, origin, 0, internal_queries.conflict_answer(self._table.member(name)))

    def _fits(self, query: Query, payload: bytes) -> bool:
        return self._responder.fits(QueryResponse(time=query.time, identity=query.identity, sender=self._swim.name, payload=payload))

    def _say(self, now: float, query: Query, origin: Endpoint, flags: int, payload: bytes) -> list[Effect]:
        """An answer of our own accord; nothing if it is too big for a packet."""
        try:
            response = self._responder.response(query, flags, payload)
        except Rejected:
            return []
        return self._deliver(now, query, origin, response)

    def _deliver(self, now: float, query: Query, origin: Endpoint, response: QueryResponse) -> list[Effect]:
        """Send an answer; one to ourselves has no way to go."""
        if origin == self._swim.endpoint and query.source_node == self._swim.name:
            return self.asked.receive(now, response)
        return list(self._responder.send(query, origin, response))
