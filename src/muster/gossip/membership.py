"""One member's picture of the pool, and how news changes it.

`transitions.TRANSITIONS` says what follows from what; here it is found out and done. Nothing here knows of packets or probes.

Source: SWIM (DSN 2002), section 4.2; reference of the gossip wire, section 2.
"""

from collections.abc import Callable, Sequence

from muster.gossip.awareness import Awareness
from muster.gossip.broadcasts import CONGESTION, BroadcastQueue, retransmit_limit
from muster.gossip.endpoints import endpoint_of
from muster.gossip.node_table import MEMBER_LIMIT, NodeRecord, NodeStatus, NodeTable, Roster
from muster.gossip.push_pull import have_meaning, news_of
from muster.gossip.settings import PoolSettings
from muster.gossip.suspicion import Suspicion, Suspicions, minimum_suspicion_time
from muster.gossip.swim_effects import NodeConflict, NodeDied, NodeJoined, NodeUpdated, SwimEffect
from muster.gossip.transitions import BY_CAUSE, Action, Condition, News, State, Transition
from muster.wire.gossip import Alive, Dead, Endpoint, NodeState, Suspect
from muster.wire.gossip_codec import encode_message

HIGHEST_INCARNATION = (1 << 32) - 1  # 32 bits on the wire
KNEW_HARDLY_ANYBODY = 4
"""So many times more members in another's table than we know: we are the newcomer, whatever gossip told us before our join was answered."""
META_LIMIT = 512  # bytes of tags that the peers allow
NAME_LIMIT = 512  # bytes; with META_LIMIT an alive still fits in a packet
SINGLE_OVERHEAD = 4  # bytes of a compound with one message
CONFLICT_LIMIT = 1024
"""The most conflicts that are remembered as told."""

Admission = Callable[[list[NodeState]], str]
"""Looks at nodes that want in; the text says why not, empty if they may."""

_STATES = {
    NodeStatus.ALIVE: State.ALIVE,
    NodeStatus.SUSPECT: State.SUSPECT,
    NodeStatus.DEAD: State.DEAD,
    NodeStatus.LEFT: State.LEFT,
}
_STATUSES = {state: status for status, state in _STATES.items()}


class Membership:
    """The table of nodes, the suspicions that run, and the news to spread."""

    __slots__ = ("_admit", "_awareness", "_claims", "_name", "_settings", "_tells", "broadcasts", "nodes", "own", "suspicions")

    def __init__(
        self, ourselves: NodeRecord, settings: PoolSettings, awareness: Awareness, admit: Admission | None, roster: Roster
    ) -> None:
        """A pool of ourselves and those of the roster. We announce ourselves unless the roster says of us what we say."""
        self._name = ourselves.name
        self._settings = settings
        self._awareness = awareness
        self._admit = admit
        self._claims: dict[tuple[str, Endpoint], None] = {}
        self.nodes = NodeTable(roster)
        self._tells = True
        self.suspicions = Suspicions()
        self.broadcasts = BroadcastQueue()
        known = self.nodes.get(self._name)
        self.own = ourselves
        """Our own record."""
        if known is None or _says_other(known, ourselves):
            self._declare(ourselves)
        else:
            self.own = known

    @property
    def has_left(self) -> bool:
        """Whether we said that we leave."""
        return self.own.status is NodeStatus.LEFT

    def hear(self, now: float, news: Alive | Suspect | Dead, effects: list[SwimEffect]) -> None:
        """Take in what somebody says about a node."""
        if isinstance(news, Alive) and not self._is_well_formed(news):
            return
        transition = self._transition(now, news)
        if transition.action is Action.IGNORE:
            self._hear_again(news)
            return
        if isinstance(news, Alive) and not self._admits(news):
            return
        self._act(now, news, transition, effects)

    def merge(self, now: float, lines: Sequence[NodeState], effects: list[SwimEffect]) -> None:
        """Take in somebody's whole table. A large one is no news to the pool if we knew hardly anybody: then we do not tell it around."""
        self._tells = len(lines) < max(CONGESTION, KNEW_HARDLY_ANYBODY * len(self.nodes))
        for line in lines:
            if line.name == self._name:
                self._notice_namesake(line, effects)
            news = None if self._is_known(line) else news_of(line, self._name)
            if news is not None:
                self.hear(now, news, effects)
        self._tells = True

    def ripen(self, now: float, effects: list[SwimEffect]) -> None:
        """Hold those for dead that were suspected for long enough."""
        for name in self.suspicions.ripe(now):
            record = self.nodes.get(name)
            if record is not None:
                self.hear(now, Dead(incarnation=record.incarnation, node=name, accuser=self._name), effects)

    def declare(self, endpoint: Endpoint, meta: bytes, effects: list[SwimEffect]) -> None:
        """Say of ourselves another address or other tags; nothing once we have left."""
        own = self.own
        if own.status is NodeStatus.LEFT:
            return
        if endpoint != own.endpoint:
            self._claims[own.name, own.endpoint] = None  # what is still said of us from there is no conflict to tell
        incarnation = self.refuting_incarnation(own.incarnation)
        self._declare(NodeRecord(own.name, endpoint, meta, own.versions, incarnation, own.status, own.changed))
        effects.append(NodeUpdated(own.name, endpoint, meta, own.versions))

    def leave(self, now: float, effects: list[SwimEffect]) -> None:
        """Say that we are gone. Whatever is said of us afterwards changes nothing."""
        own = self.own = self.own.turned(now, NodeStatus.LEFT, self.own.incarnation)
        self.nodes.put(own)
        self._spread(Dead(incarnation=own.incarnation, node=own.name, accuser=own.name))
        effects.append(NodeDied(own.name, left=True))

    def forget(self, name: str) -> None:
        """Know nothing of this node any more."""
        if name != self._name:
            self.suspicions.clear(name)
            self.nodes.forget(name)
            self._prune()

    def forget_the_long_dead(self, now: float) -> None:
        """Drop those that are dead or left for longer than they are gossiped to."""
        if self.nodes.up < len(self.nodes):
            gone = [record.name for record in self.nodes.records() if not record.is_up and self.is_long_gone(now, record)]
            for name in gone:
                self.forget(name)
        self.nodes.compact()

    def is_long_gone(self, now: float, record: NodeRecord) -> bool:
        """Whether its end is no news to anybody."""
        return now - record.changed > self._settings.gossip_to_the_dead_time

    def anybody_else(self) -> bool:
        """Whether another member lives, as far as we know."""
        return self.nodes.up > self.own.is_up

    def refuting_incarnation(self, accused: int) -> int:
        """The number that ends all talk about us up to `accused`."""
        return min(max(self.own.incarnation, accused) + 1, HIGHEST_INCARNATION)

    def _is_known(self, line: NodeState) -> bool:
        """Whether a line of another's table only says what we know; almost all do, so this is the short way."""
        record = self.nodes.get(line.name)
        return (
            record is not None
            and line.state == NodeStatus.ALIVE.value
            and line.incarnation <= record.incarnation
            and record.endpoint == (line.address, line.port)
            and record is not self.own
        )

    def _hear_again(self, news: Alive | Suspect | Dead) -> None:
        """Others spread what we know and may be spreading too."""
        record = self.nodes.get(news.node)
        if record is None or record.incarnation != news.incarnation or record.is_up is isinstance(news, Dead):
            return
        if isinstance(news, Suspect) is (record.status is NodeStatus.SUSPECT) and news.node in self.broadcasts:
            self.broadcasts.heard(news.node, retransmit_limit(self._settings.retransmit_multiplier, len(self.nodes)))

    def _transition(self, now: float, news: Alive | Suspect | Dead) -> Transition:
        record = self.nodes.get(news.node)
        state = self._state(news.node, record)
        match news:
            case Alive():
                return BY_CAUSE[state, News.ALIVE, self._alive_condition(now, state, record, news)]
            case Suspect():
                return BY_CAUSE[state, News.SUSPECT, self._suspect_condition(state, record, news)]
            case Dead():
                said_by_itself = news.node == news.accuser
                return BY_CAUSE[state, News.LEFT if said_by_itself else News.DEAD, _accused_condition(state, record, news)]

    def _state(self, name: str, record: NodeRecord | None) -> State:
        if record is None:
            return State.UNKNOWN
        if name == self._name:
            return State.OURSELVES_LEFT if record.status is NodeStatus.LEFT else State.OURSELVES
        return _STATES[record.status]

    def _alive_condition(self, now: float, state: State, record: NodeRecord | None, alive: Alive) -> Condition:
        if record is None or state is State.OURSELVES_LEFT:
            return Condition.ALWAYS
        if endpoint_of(alive.address, alive.port) != record.endpoint:
            return Condition.TAKEOVER if self._may_be_taken_over(now, record) else Condition.ELSEWHERE
        if state is State.OURSELVES:
            return _own_condition(record, alive)
        return Condition.NEWER if alive.incarnation > record.incarnation else Condition.NOT_NEWER

    def _suspect_condition(self, state: State, record: NodeRecord | None, suspect: Suspect) -> Condition:
        condition = _accused_condition(state, record, suspect)
        if state is not State.SUSPECT or condition is Condition.OLDER:
            return condition
        running = self.suspicions.of(suspect.node)
        return Condition.CONFIRMING if running is not None and running.is_new(suspect.accuser) else Condition.REPEATED

    def _may_be_taken_over(self, now: float, record: NodeRecord) -> bool:
        """Whether a host at another address may have this node's name."""
        reclaim = self._settings.dead_node_reclaim_time
        dead_for_long = record.status is NodeStatus.DEAD and 0 < reclaim < now - record.changed
        return record.status is NodeStatus.LEFT or dead_for_long

    def _is_well_formed(self, alive: Alive) -> bool:
        """Whether this can be a member at all, and one more has room."""
        return (
            have_meaning(alive.versions)
            and endpoint_of(alive.address, alive.port) is not None
            and len(alive.meta) <= META_LIMIT
            and 0 < len(alive.node) <= NAME_LIMIT
            and (len(self.nodes) < MEMBER_LIMIT or alive.node in self.nodes)
        )

    def _admits(self, alive: Alive) -> bool:
        if self._admit is None:
            return True
        line = NodeState(
            name=alive.node,
            address=alive.address,
            port=alive.port,
            meta=alive.meta,
            incarnation=alive.incarnation,
            versions=alive.versions,
        )
        return not self._admit([line])

    def _act(self, now: float, news: Alive | Suspect | Dead, transition: Transition, effects: list[SwimEffect]) -> None:
        match transition.action, news:
            case Action.JOIN, Alive():
                self._take_in(now, news, effects)
            case Action.UPDATE, Alive():
                self._update(now, news, effects)
            case Action.CONFLICT, Alive():
                self._tell_conflict(news, effects)
            case Action.SUSPECT, Suspect():
                self._turn(now, news, transition)
                self.suspicions.start(news.node, self._suspicion(now, news.accuser))
            case Action.CONFIRM, Suspect():
                self.suspicions.confirm(news.node, news.accuser)
                self._spread(news)
            case Action.BURY, Dead():
                self.suspicions.clear(news.node)
                self._turn(now, news, transition)
                effects.append(NodeDied(news.node, left=transition.becomes is State.LEFT))
            case Action.REFUTE, _:
                self._refute(news.incarnation)

    def _take_in(self, now: float, alive: Alive, effects: list[SwimEffect]) -> None:
        record = _record(alive, now)
        self.nodes.put(record)
        self._spread(record.alive_message())
        effects.append(NodeJoined(record.name, record.endpoint, record.meta, record.versions))

    def _update(self, now: float, alive: Alive, effects: list[SwimEffect]) -> None:
        known = self.nodes.get(alive.node)
        assert known is not None, "only known nodes are updated"
        self.suspicions.clear(alive.node)
        record = _record(alive, known.changed if known.status is NodeStatus.ALIVE else now)
        self.nodes.put(record)
        self._spread(record.alive_message())
        if record.meta != known.meta:
            effects.append(NodeUpdated(record.name, record.endpoint, record.meta, record.versions))

    def _notice_namesake(self, line: NodeState, effects: list[SwimEffect]) -> None:
        """Others know our name at another address, and are not told that it left: they refuse us, at least for now.

        One that they hold for alive is told of when its line is taken in as news; of the others only an accusation would be left.
        """
        endpoint = endpoint_of(line.address, line.port)
        accused = line.state in (NodeStatus.SUSPECT.value, NodeStatus.DEAD.value)
        if accused and endpoint not in (None, self.own.endpoint) and not self.has_left:
            self._tell_conflict(line, effects)

    def _tell_conflict(self, claimant: Alive | NodeState, effects: list[SwimEffect]) -> None:
        endpoint = endpoint_of(claimant.address, claimant.port)
        assert endpoint is not None, "a well-formed alive has one"
        claim = claimant.name if isinstance(claimant, NodeState) else claimant.node, endpoint
        if claim not in self._claims:
            if len(self._claims) >= CONFLICT_LIMIT:
                del self._claims[next(iter(self._claims))]
            self._claims[claim] = None
            effects.append(NodeConflict(*claim))

    def _suspicion(self, now: float, accuser: str) -> Suspicion:
        """Two probe intervals less than the multiplier says are to pass until the others confirm: so many can be expected to."""
        settings, members = self._settings, len(self.nodes)
        expected = settings.suspicion_multiplier - 2
        if members - 2 < expected or not settings.dynamic_suspicion:
            expected = 0
        minimum = minimum_suspicion_time(settings.suspicion_multiplier, members, settings.probe_interval)
        return Suspicion(now, accuser, expected, minimum, minimum * settings.suspicion_maximum_multiplier)

    def _turn(self, now: float, news: Suspect | Dead, transition: Transition) -> None:
        record = self.nodes.get(news.node)
        assert record is not None, "news of unknown nodes is ignored"
        self.nodes.put(record.turned(now, _STATUSES[transition.becomes], news.incarnation))
        self._spread(news)

    def _refute(self, accused: int) -> None:
        """Live on above the incarnation that was spoken ill of."""
        own = self.own
        self._awareness.worsen()
        self._declare(own.turned(own.changed, NodeStatus.ALIVE, self.refuting_incarnation(accused)))

    def _declare(self, ourselves: NodeRecord) -> None:
        self.own = ourselves
        self.nodes.put(ourselves)
        self._spread(ourselves.alive_message())

    def _spread(self, news: Alive | Suspect | Dead) -> None:
        """Tell others, instead of what was to be told of this node before. What fits in no packet cannot be told."""
        if not self._tells and news.node != self._name:
            return
        message = encode_message(news)
        if len(message) > self._settings.packet_size - self._settings.packet_overhead - SINGLE_OVERHEAD:
            self.broadcasts.drop(news.node)
            return
        self.broadcasts.queue(news.node, message)
        self._prune()

    def _prune(self) -> None:
        """Spread no more at a time than a pool of this size can have to tell."""
        self.broadcasts.prune(max(self._settings.minimum_queue_depth, 2 * len(self.nodes)))


def _record(alive: Alive, changed: float) -> NodeRecord:
    endpoint = endpoint_of(alive.address, alive.port)
    assert endpoint is not None, "a well-formed alive has one"
    return NodeRecord(alive.node, endpoint, alive.meta, alive.versions, alive.incarnation, NodeStatus.ALIVE, changed)


def _says_other(known: NodeRecord, ourselves: NodeRecord) -> bool:
    return (known.endpoint, known.meta, known.versions) != (ourselves.endpoint, ourselves.meta, ourselves.versions)


def _own_condition(record: NodeRecord, alive: Alive) -> Condition:
    if alive.incarnation < record.incarnation:
        return Condition.OLDER
    same = (alive.incarnation, alive.meta, alive.versions) == (record.incarnation, record.meta, record.versions)
    return Condition.SAME if same else Condition.DIFFERENT


def _accused_condition(state: State, record: NodeRecord | None, news: Suspect | Dead) -> Condition:
    if record is None or state in (State.DEAD, State.LEFT, State.OURSELVES_LEFT):
        return Condition.ALWAYS
    return Condition.OLDER if news.incarnation < record.incarnation else Condition.CURRENT
