"""One member of a Serf pool: tags, intents, user events, queries, keys and coordinates, above the failure detector.

Times are seconds on one monotonic clock that the caller owns. Nothing here sends or waits: every call returns the effects that the caller
carries out, in order.

Source: reference of the gossip wire, sections 3, 5 and 6; behaviour where that is silent as of Serf 0.10.1.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from muster.gossip.answering import Answering
from muster.gossip.attendance import Attendance
from muster.gossip.effects import Effect, Exchange, LeaveDone, Member, MemberStatus
from muster.gossip.endpoints import endpoint_of
from muster.gossip.events import UserEvents
from muster.gossip.hearing import Hearing
from muster.gossip.joining import Joins
from muster.gossip.key_operations import KeyCommand, KeyOperation
from muster.gossip.keyring import Keyring
from muster.gossip.lamport import Clocks, LamportClock
from muster.gossip.leaving import Departure, Phase
from muster.gossip.member_table import member_at, tags_of
from muster.gossip.node_table import NOBODY, Roster
from muster.gossip.queries import NANOSECONDS, filters_for, flags_for, new_identity
from muster.gossip.serf_broadcasts import SerfBroadcasts
from muster.gossip.settings import PoolSettings
from muster.gossip.swim import Swim
from muster.gossip.whereabouts import Whereabouts
from muster.model.coordinates import Coordinate
from muster.model.errors import Rejected
from muster.wire.gossip import Endpoint, Message, NodeState, PushPull
from muster.wire.serf import KeyRequest, Query, SerfState
from muster.wire.serf_codec import encode_serf, encode_tags

VERSIONS = b"\x01\x05\x02\x02\x05\x04"
"""Protocol minimum, maximum, current, and Serf's: what Consul 1.8 and Serf of its time say."""
TAGS_LIMIT = 512  # bytes of encoded tags

Admission = Callable[[list[Member]], str]
"""Looks at members that want in; the text says why not, empty if they may."""


FIRST_LIFE = Clocks()


def everybody(members: list[Member]) -> str:
    """Refuse nobody."""
    return ""


class Serf:
    """One member's view of the pool, and what it owes the others and its host."""

    __slots__ = (
        "_admit",
        "_answering",
        "_attendance",
        "_chance",
        "_departure",
        "_events",
        "_hearing",
        "_joins",
        "_spread",
        "_whereabouts",
        "keyring",
        "name",
        "settings",
        "swim",
    )

    def __init__(
        self,
        now: float,
        name: str,
        endpoint: Endpoint,
        tags: Mapping[str, str],
        settings: PoolSettings,
        chance: Random,
        *,
        keyring: Keyring | None = None,
        admit: Admission = everybody,
        clocks: Clocks = FIRST_LIFE,
        versions: bytes = VERSIONS,
        roster: Roster = NOBODY,
    ) -> None:
        """A member alone, or with those of `roster`. `clocks` are those of an earlier life. `Rejected` if the tags are too long."""
        self.name = name
        self.settings = settings
        self.keyring = keyring
        self._chance = chance
        self._admit = admit
        self._spread = SerfBroadcasts(settings)
        self._whereabouts = Whereabouts(chance)
        admission = None if admit is everybody else self._refusal
        self.swim = Swim(now, name, endpoint, _meta(tags), versions, settings, chance, self, admission, roster)
        self._attendance = Attendance(self.swim, settings, chance, LamportClock(clocks.member + 1), self._spread, self._whereabouts)
        self._events = UserEvents(settings, LamportClock(clocks.event + 1))
        queries = LamportClock(clocks.query + 1)
        self._answering = Answering(self.swim, self._attendance.table, settings, chance, queries, self._spread, keyring)
        self._ignore_earlier_life(clocks)
        self._joins = Joins()
        self._departure = Departure(settings)
        parts = self._attendance, self._events, self._answering, self._whereabouts, self._departure
        self._hearing = Hearing(self.swim, self._spread, *parts)

    def _ignore_earlier_life(self, clocks: Clocks) -> None:
        """Take nothing twice that an earlier life has taken."""
        if clocks.event:
            self._events.ignore_before(clocks.event + 1)
        if clocks.query:
            self._answering.received.ignore_before(clocks.query + 1)

    @property
    def endpoint(self) -> Endpoint:
        """Where we listen."""
        return self.swim.endpoint

    @property
    def tags(self) -> dict[str, str]:
        """What we say of ourselves."""
        return dict(tags_of(self.swim.own.meta))

    @property
    def undecodable(self) -> int:
        """How many messages of this layer could not be read."""
        return self._hearing.undecodable

    @property
    def coordinate(self) -> Coordinate:
        """Where we are in the space of round-trip times."""
        return self._whereabouts.own

    @property
    def clocks(self) -> Clocks:
        """The newest Lamport times that were used; a `Serf` of a later life begins after them."""
        return Clocks(self._attendance.intents.clock.time - 1, self._events.clock.time - 1, self._answering.received.clock.time - 1)

    @property
    def status(self) -> MemberStatus:
        """How we stand ourselves."""
        return self._attendance.table.status(self.name) or MemberStatus.LEFT

    def members(self) -> list[Member]:
        """All members, those that failed or left too, until they are forgotten."""
        return self._attendance.table.members()

    def member(self, name: str) -> Member | None:
        """One member."""
        return self._attendance.table.member(name)

    def member_count(self) -> int:
        """How many members there are, those that failed or left too."""
        return len(self._attendance.table)

    def coordinate_of(self, name: str) -> Coordinate | None:
        """Where a member said it is when it last answered a probe of ours."""
        return self.coordinate if name == self.name else self._whereabouts.of(name)

    def statistics(self) -> dict[str, str]:
        """What an operator is shown, by the names of the peers."""
        table = self._attendance.table
        figures = {
            "coordinate_resets": self._whereabouts.vivaldi.resets,
            "event_queue": len(self._spread.events),
            "event_time": self._events.clock.time,
            "failed": len(table.failed),
            "health_score": self.swim.health_score,
            "intent_queue": len(self._spread.intents),
            "left": len(table.departed) - len(table.failed),
            "member_time": self._attendance.intents.clock.time,
            "members": len(table),
            "query_queue": len(self._spread.queries),
            "query_time": self._answering.received.clock.time,
        }
        return {"encrypted": "false" if self.keyring is None else "true", **{name: str(figure) for name, figure in figures.items()}}

    def receive(self, now: float, sender: Endpoint, message: Message) -> list[Effect]:
        """A message arrived, by packet or as the answer to a ping by stream."""
        return self._hearing.above(now, self.swim.receive(now, sender, message))

    def receive_exchange(self, now: float, sender: Endpoint, push_pull: PushPull) -> tuple[bytes, list[Effect]]:
        """Somebody sent its table: ours to send back, and what changed. `MergeRefused` if the two cannot be one pool."""
        answer, effects = self.swim.receive_exchange(now, sender, push_pull)
        return answer, self._hearing.above(now, effects)

    def exchanged(self, now: float, exchange: Exchange, push_pull: PushPull) -> list[Effect]:
        """Our exchange was answered. `Rejected` if the two cannot be one pool."""
        join = self._joins.finished(exchange)
        told = self.swim.exchanged(now, exchange, push_pull)
        if join is not None and join.ignore_old:
            self._hearing.ignore_past_events(push_pull.user_state)
        effects = self._hearing.above(now, told)
        if join is not None and self._departure.phase is Phase.STAYING:  # otherwise it would take our leave back
            self._attendance.announce(now)
        return effects

    def exchange_failed(self, now: float, exchange: Exchange) -> list[Effect]:
        """Our exchange was not answered."""
        self._joins.finished(exchange)
        return self._hearing.above(now, self.swim.exchange_failed(now, exchange))

    def tick(self, now: float) -> list[Effect]:
        """Everything that is due."""
        effects = self._hearing.above(now, self.swim.tick(now))
        if now >= self._own_deadline():
            effects += self._answering.asked.tick(now)
            effects += self._attendance.forget_due(now)
            effects += self._hearing.above(now, self._attendance.reconnect(now))
        if self._departure.phase is not Phase.STAYING:
            effects += self._go_on_leaving(now)
        return effects

    def next_deadline(self) -> float:
        """When `tick` wants to be called next."""
        return min(self.swim.next_deadline(), self._own_deadline(), self._departure.deadline)

    def join(self, now: float, endpoints: Sequence[Endpoint], ticket: int, *, ignore_old: bool = False) -> list[Effect]:
        """Ask these for their tables. With `ignore_old` the user events of before the join are not told."""
        if self._departure.phase is not Phase.STAYING:
            raise Rejected("Serf can't Join after Leave or Shutdown")
        self._joins.start(ticket, len(endpoints), ignore_old)
        return self._hearing.above(now, self.swim.join(now, endpoints, ticket))

    def leave(self, now: float) -> list[Effect]:
        """Leave the pool; `LeaveDone` tells when the others know."""
        if self._departure.phase is not Phase.STAYING:
            return []
        self._attendance.intents.staying = False
        self._departure.tell(now)
        effects = self._attendance.intend_to_leave(now, self.name, prune=False)
        return effects + self._go_on_leaving(now)

    def force_leave(self, now: float, name: str, *, prune: bool = False) -> list[Effect]:
        """Say of a failed member that it has left; with `prune` everybody forgets it."""
        return self._attendance.intend_to_leave(now, name, prune)

    def set_tags(self, now: float, tags: Mapping[str, str]) -> list[Effect]:
        """Say other tags of ourselves; `Rejected` if they are too long."""
        return self._hearing.above(now, self.swim.set_meta(now, _meta(tags)))

    def update_endpoint(self, now: float, endpoint: Endpoint) -> list[Effect]:
        """Say another address of ourselves."""
        return self._hearing.above(now, self.swim.update_endpoint(now, endpoint))

    def user_event(self, now: float, name: str, payload: bytes, coalesce: bool = False) -> list[Effect]:
        """Tell all members, ourselves too; `Rejected` if it is too big."""
        event, encoded = self._events.fire(name, payload, coalesce)
        received = self._events.receive(event)
        self._hearing.pass_on_event(now, encoded)
        return [] if received is None else [received]

    def query(
        self,
        now: float,
        name: str,
        payload: bytes,
        *,
        nodes: Sequence[str] = (),
        tags: Sequence[tuple[str, str]] = (),
        acknowledge: bool = False,
        relay_factor: int = 0,
        timeout: float = 0.0,
        no_broadcast: bool = False,
    ) -> tuple[int, list[Effect]]:
        """Ask all members, or those with these names and whose tags match. The ticket is that of the effects that tell of answers.

        `timeout` in seconds; 0 stands for as long as a pool of this size needs. `Rejected` if the query is too big.
        """
        address, port = self.endpoint
        query = Query(
            time=self._answering.received.clock.time,
            identity=new_identity(self._chance),
            address=address,
            port=port,
            source_node=self.name,
            filters=filters_for(nodes, tags),
            flags=flags_for(acknowledge, no_broadcast),
            relay_factor=relay_factor,
            timeout=round((timeout or self._answering.asked.default_timeout(self.swim.alive_count)) * NANOSECONDS),
            name=name,
            payload=payload,
        )
        return query.time, self._answering.ask(now, query)

    def respond(self, now: float, identity: int, time: int, payload: bytes) -> list[Effect]:
        """Answer a query that came as `QueryReceived`, once; `Rejected` if it is too late or too big."""
        return self._answering.respond(now, identity, time, payload)

    def key_operation(
        self, now: float, command: KeyCommand, key: bytes = b"", *, relay_factor: int = 0
    ) -> tuple[KeyOperation, list[Effect]]:
        """Change the keys of all members, or ask for them. The operation takes these effects and those that follow."""
        node_count = self.swim.alive_count
        ticket, effects = self.query(now, command, encode_serf(KeyRequest(key=key)), relay_factor=relay_factor)
        return KeyOperation(ticket, node_count), effects

    def user_state(self, join: bool) -> bytes:
        """What a push-pull carries for this layer."""
        table = self._attendance.table
        state = SerfState(
            time=self._attendance.intents.clock.time,
            status_times=table.status_times(),
            left_members=table.left(),
            event_time=self._events.clock.time,
            events=self._events.past(),
            query_time=self._answering.received.clock.time,
        )
        return encode_serf(state)

    def ack_payload(self) -> bytes:
        """What our acks carry: our coordinate."""
        return self._whereabouts.payload()

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        """What this layer has to spread, as far as it fits."""
        return self._spread.take(overhead, limit, self.member_count())

    def _own_deadline(self) -> float:
        return min(self._attendance.next_deadline(), self._answering.asked.next_deadline())

    def _go_on_leaving(self, now: float) -> list[Effect]:
        """The next step of our leave, if the one before has lasted long enough."""
        departure = self._departure
        if departure.phase is Phase.TELLING and (departure.is_due(now) or self._attendance.is_leave_told()):
            departure.leave_pool(now)
            return self._hearing.above(now, self.swim.leave(now))
        if departure.phase is Phase.LEAVING and departure.is_due(now):
            departure.linger(now)
        elif departure.phase is Phase.LINGERING and departure.is_due(now):
            departure.go()
            return [LeaveDone()]
        return []

    def _refusal(self, nodes: list[NodeState]) -> str:
        """Why the host does not want these nodes, empty if it does."""
        return self._admit([_line_as_member(line) for line in nodes])


def _meta(tags: Mapping[str, str]) -> bytes:
    """The encoded tags; `Rejected` if they are too long."""
    meta = encode_tags(tags)
    if len(meta) > TAGS_LIMIT:
        raise Rejected(f"Encoded length of tags exceeds limit of {TAGS_LIMIT} bytes")
    return meta


def _line_as_member(line: NodeState) -> Member:
    endpoint = endpoint_of(line.address, line.port) or (line.address, line.port)
    return member_at(line.name, endpoint, line.meta, line.state, line.versions)
