"""Queries: questions to all members, each asked once, with acks and answers that come straight back.

Source: reference of the gossip wire, section 3; texts of the refusals as the peers say them.
"""

import math
from collections.abc import Sequence
from random import Random

from msgspec import Struct

from muster.gossip.effects import Effect, QueryAcknowledged, QueryAnswered, QueryEnded
from muster.gossip.lamport import LamportClock
from muster.gossip.recent import Recent
from muster.gossip.settings import PoolSettings
from muster.model.errors import Rejected
from muster.wire.gossip import Endpoint
from muster.wire.serf import ACKNOWLEDGE, NO_BROADCAST, Query, QueryResponse
from muster.wire.serf_codec import encode_node_filter, encode_serf, encode_tag_filter

SEEN_BUDGET = 1 << 16
"""Queries whose repetition is noticed, at most; the peers' limit is on times only."""
UNANSWERED_LIMIT = 1024
"""Queries of others that wait for the host's answer, at most; the oldest goes first."""
ANSWER_FLOOR = 64
"""Answers that one query takes beyond twice the members, who may be more than we know."""
NANOSECONDS = 1_000_000_000


class Asked(Struct):
    """A query of ours that is under way; each member counts once."""

    identity: int
    deadline: float
    limit: int
    acknowledged: set[str]
    answered: set[str]


class QueriesAsked:
    """Our own queries. A query's ticket is its Lamport time: no other query of ours has it."""

    __slots__ = ("_open", "_settings")

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._open: dict[int, Asked] = {}

    def default_timeout(self, members: int) -> float:
        """Seconds for a query to reach all and for their answers: gossip interval × 16 × ceil(log10(members + 1))."""
        return self._settings.gossip_interval * self._settings.query_timeout_multiplier * math.ceil(math.log10(members + 1))

    def encode(self, query: Query) -> bytes:
        """The message of a new query; `Rejected` if it is too big."""
        encoded = encode_serf(query)
        if len(encoded) > self._settings.query_size_limit:
            raise Rejected(f"query exceeds limit of {self._settings.query_size_limit} bytes")
        return encoded

    def open(self, now: float, query: Query, members: int) -> None:
        """Wait for answers to a query."""
        deadline = now + query.timeout / NANOSECONDS
        self._open[query.time] = Asked(query.identity, deadline, 2 * members + ANSWER_FLOOR, set(), set())

    def receive(self, now: float, response: QueryResponse) -> list[Effect]:
        """What an answer tells the host: nothing if it is a second one, or late, or to no query of ours."""
        asked = self._open.get(response.time)
        if asked is None or not self._is_expected(now, asked, response):
            return []
        acknowledges = bool(response.flags & ACKNOWLEDGE)
        heard = asked.acknowledged if acknowledges else asked.answered
        if response.sender in heard or len(heard) >= asked.limit:
            return []
        heard.add(response.sender)
        if acknowledges:
            return [QueryAcknowledged(response.time, response.sender)]
        return [QueryAnswered(response.time, response.sender, response.payload)]

    @staticmethod
    def _is_expected(now: float, asked: Asked, response: QueryResponse) -> bool:
        return asked.identity == response.identity and now <= asked.deadline

    def next_deadline(self) -> float:
        """When the first of our queries ends."""
        return min((asked.deadline for asked in self._open.values()), default=math.inf)

    def tick(self, now: float) -> list[Effect]:
        """The queries whose time is over."""
        ended = [ticket for ticket, asked in self._open.items() if asked.deadline <= now]
        for ticket in ended:
            del self._open[ticket]
        return [QueryEnded(ticket) for ticket in ended]


class Unanswered(Struct, frozen=True):
    """A query that the host may answer, once."""

    query: Query
    origin: Endpoint
    deadline: float


class QueriesReceived:
    """The queries of all members as one of them has seen them."""

    __slots__ = ("_seen", "_unanswered", "clock")

    def __init__(self, settings: PoolSettings, clock: LamportClock) -> None:
        self._seen: Recent[int] = Recent(settings.query_buffer, SEEN_BUDGET)
        self._unanswered: dict[tuple[int, int], Unanswered] = {}
        self.clock = clock

    def is_new(self, query: Query) -> bool:
        """Whether this query is seen for the first time and is not too old."""
        self.clock.witness(query.time)
        return self._seen.add(self.clock.time, query.time, query.identity)

    def ignore_before(self, time: int) -> None:
        """Take no query older than `time`."""
        self._seen.minimum_time = max(self._seen.minimum_time, time)

    def expect_answer(self, now: float, query: Query, origin: Endpoint) -> float:
        """Let the host answer; the moment until which it may."""
        self._forget_late(now)
        deadline = now + query.timeout / NANOSECONDS
        self._unanswered[query.time, query.identity] = Unanswered(query, origin, deadline)
        return deadline

    def find(self, now: float, identity: int, time: int) -> Unanswered:
        """The query that the host answers now; `Rejected` if it was answered, is over or never came."""
        unanswered = self._unanswered.get((time, identity))
        if unanswered is None:
            raise Rejected("response already sent")
        if now > unanswered.deadline:
            raise Rejected("response is past the deadline")
        return unanswered

    def settle(self, identity: int, time: int) -> None:
        """The host has answered."""
        del self._unanswered[time, identity]

    def _forget_late(self, now: float) -> None:
        """Late ones go when there are many: most queries are answered at once or never."""
        if len(self._unanswered) < UNANSWERED_LIMIT:
            return
        for key in [key for key, waiting in self._unanswered.items() if waiting.deadline < now]:
            del self._unanswered[key]
        while len(self._unanswered) >= UNANSWERED_LIMIT:
            del self._unanswered[next(iter(self._unanswered))]


def new_identity(chance: Random) -> int:
    """A number for a query, of 31 bits as the peers draw it."""
    return int(chance.random() * (1 << 31))


def filters_for(nodes: Sequence[str], tags: Sequence[tuple[str, str]]) -> list[bytes]:
    """The filters of a query: only these nodes, only members whose tags match these expressions."""
    filters = [encode_node_filter(nodes)] if nodes else []
    return filters + [encode_tag_filter(tag, expression) for tag, expression in tags]


def flags_for(acknowledge: bool, no_broadcast: bool) -> int:
    """The flags of a query."""
    return ACKNOWLEDGE * acknowledge | NO_BROADCAST * no_broadcast
