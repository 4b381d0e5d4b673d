"""What must hold in a gossip pool at every step, each looked at only where the step may have changed it.

Each invariant computes what it expects from what went over the network, not from the code under test. What must hold once the faults are
over stands in `settled`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from muster.gossip.effects import Effect, EventReceived, MemberFailed, MemberReaped, MemberStatus, Send
from muster.gossip.node_table import NodeRecord, NodeStatus
from muster.model.errors import DecodeError
from muster.testing.simulation.gossip_member import SimulatedMember, Watcher
from muster.wire.gossip import Ack, Alive, Dead, Message, Ping, PushPull, Suspect, User
from muster.wire.gossip_codec import decode_message
from muster.wire.serf import JoinIntent, LeaveIntent, SerfState
from muster.wire.serf_codec import decode_serf

Key = tuple[str, int, str]
"""A member, its life, and whom it is about."""


class Invariant(Watcher):
    """Sees every step; `violated` stops the run."""

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        pass

    def merged(self, member: SimulatedMember, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        pass

    def acted(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        pass

    @staticmethod
    def violated(member: SimulatedMember, what: str) -> NoReturn:
        """Stop the run: at this member something is wrong."""
        member.host.simulation.violated(f"{member.name}: {what}")


def key(member: SimulatedMember, name: str) -> Key:
    """What one life of a member thinks of another."""
    return (member.name, member.host.life, name)


class AcksAreForTheRightName(Invariant):
    """A member answers no ping that is for somebody else, such as one who had its address before."""

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        if isinstance(message, Ping) and message.node not in ("", member.name) and any(map(_is_ack, effects)):
            self.violated(member, f"answers a ping for {message.node}")


def _is_ack(effect: Effect) -> bool:
    return isinstance(effect, Send) and isinstance(decode_message(effect.messages[0]), Ack)


class AccusedMembersRefute(Invariant):
    """Who hears that it is suspected or dead lives on with a higher incarnation than the accusation's."""

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        if isinstance(message, Suspect | Dead) and message.node == member.name:
            self._look(member, message.incarnation)

    def merged(self, member: SimulatedMember, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        for line in push_pull.nodes:
            if line.name == member.name and line.state != NodeStatus.ALIVE:
                self._look(member, line.incarnation)

    def _look(self, member: SimulatedMember, accused: int) -> None:
        if not member.serf.swim.has_left and member.serf.swim.own.incarnation <= accused:
            self.violated(member, f"does not refute an accusation of its incarnation {accused}")


class IncarnationsRise(Invariant):
    """What a member knows of another's incarnation never goes back, as long as it knows it at all."""

    def __init__(self) -> None:
        self._known: dict[Key, int] = {}

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        if isinstance(message, Alive | Suspect | Dead):
            self._look(member, message.node)

    def merged(self, member: SimulatedMember, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        for line in push_pull.nodes:
            self._look(member, line.name)

    def _look(self, member: SimulatedMember, name: str) -> None:
        record = member.serf.swim.nodes.get(name)
        if record is None:
            self._known.pop(key(member, name), None)
            return
        before = self._known.get(key(member, name), 0)
        if record.incarnation < before and not self._changed_hands(member, record):
            self.violated(member, f"knew incarnation {before} of {name}, now {record.incarnation}")
        self._known[key(member, name)] = record.incarnation

    @staticmethod
    def _changed_hands(member: SimulatedMember, record: NodeRecord) -> bool:
        """Whether the name was just taken over by a host at another address, which begins at 1 again."""
        return record.status is NodeStatus.ALIVE and record.changed == member.host.clock.monotonic()


class TablesKillNobody(Invariant):
    """That another table holds a member for dead is no more than a suspicion; only what a member said itself counts at once."""

    def merged(self, member: SimulatedMember, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        failed = {effect.member.name for effect in effects if isinstance(effect, MemberFailed)}
        for line in push_pull.nodes:
            if line.name in failed and line.state != NodeStatus.LEFT:
                self.violated(member, f"takes {line.name} for failed because another's table says so")


class EventsComeOnce(Invariant):
    """No life of a member is told the same user event twice."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, int], set[tuple[int, str, bytes]]] = {}

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        self._look(member, effects)

    def merged(self, member: SimulatedMember, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        self._look(member, effects)

    def acted(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        self._look(member, effects)

    def _look(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, EventReceived):
                told = self.told.setdefault((member.name, member.host.life), set())
                event = (effect.time, effect.name, effect.payload)
                if event in told:
                    self.violated(member, f"is told of the event {effect.name} of time {effect.time} twice")
                told.add(event)


RESENT_LIMIT = 3
"""A message may come into a queue again after its subject was forgotten; more than so many times its limit is one without end."""
_BROADCAST_TYPES = frozenset((4, 5))  # alive, dead; suspicions also go straight to the suspect
_USER = 8
_SERF_BROADCAST_TYPES = frozenset((0, 1, 3, 4))  # intents, events, queries; responses go straight to who asked


class BroadcastsEnd(Invariant):
    """No member sends the same news more often than the retransmit limit of the whole pool allows."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, int], dict[bytes, int]] = {}

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        self._count(member, effects)

    def acted(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        self._count(member, effects)

    def _count(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if type(effect) is Send:
                for message in effect.messages:
                    if _is_broadcast(message):
                        self._count_one(member, message)

    def _count_one(self, member: SimulatedMember, message: bytes) -> None:
        sent = self._sent.setdefault((member.name, member.host.life), {})
        count = sent[message] = sent.get(message, 0) + 1
        settings, members = member.serf.settings, len(member.host.simulation.hosts)
        limit = settings.retransmit_multiplier * math.ceil(math.log10(members + 1))
        if count > RESENT_LIMIT * limit:
            self.violated(member, f"has sent the same message {count} times: {message!r}")


def _is_broadcast(message: bytes) -> bool:
    if message[0] == _USER:
        return message[1] in _SERF_BROADCAST_TYPES
    return message[0] in _BROADCAST_TYPES


class IntentsAreOrdered(Invariant):
    """Of all intents about a member that were heard, the one with the highest Lamport time counts, whatever the order of arrival."""

    def __init__(self) -> None:
        self._newest: dict[Key, tuple[int, bool]] = {}

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        if isinstance(message, User) and message.payload[:1] in (b"\0", b"\1"):
            intent = decode_serf(message.payload)
            if isinstance(intent, LeaveIntent | JoinIntent):
                self._hear(member, intent.node, intent.time, isinstance(intent, LeaveIntent))
                self._look(member, intent.node)
        self._forget(member, effects)

    def merged(self, member: SimulatedMember, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        state = _state(push_pull.user_state)
        if state is not None:
            left = frozenset(state.left_members)
            for name, time in state.status_times.items():
                self._hear(member, name, time, name in left)
        self._forget(member, effects)

    def acted(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        self._forget(member, effects)

    def _hear(self, member: SimulatedMember, name: str, time: int, leave: bool) -> None:
        newest = self._newest.get(key(member, name))
        if newest is None or time > newest[0]:
            self._newest[key(member, name)] = (time, leave)

    def _look(self, member: SimulatedMember, name: str) -> None:
        found = member.serf.member(name)
        newest = self._newest.get(key(member, name))
        if member.name == name or (member.name, name) in member.pool.operators:
            return  # its own word, which no message brought
        if found is not None and newest is not None and found.status is MemberStatus.LEAVING and not newest[1]:
            self.violated(member, f"takes {name} for leaving, though its newest intent (time {newest[0]}) is to stay")

    def _forget(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, MemberReaped):
                self._newest.pop(key(member, effect.member.name), None)


def _state(user_state: bytes) -> SerfState | None:
    try:
        state = decode_serf(user_state) if user_state else None
    except DecodeError:
        return None
    return state if isinstance(state, SerfState) else None


class Accused:
    """A suspicion as it shows from outside: since when, who accuses, and when the last word of it came.

    There were at least `fewest` and at most `most` members when it began: that number may change before and after it in the same step.
    """

    def __init__(self, member: SimulatedMember, record: NodeRecord, now: float, members_before: int) -> None:
        self.since = record.changed
        self.began = member.host.simulation.now
        self.fewest, self.most = sorted((members_before, len(member.serf.swim.nodes)))
        self.accusers: set[str] = set()
        self.heard = now


class SuspicionsLastTheirTime(Invariant):
    """A suspicion ripens when Lifeguard's formula says: counted from the first accusation, shortened by each other accuser once.

    Whether a member accuses by itself does not show; so the latest end is that without its word, and the earliest that with it.
    """

    TOLERANCE = 0.03  # seconds; the peers cut the logarithm to thousandths and the whole to milliseconds

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], dict[str, Accused]] = {}
        self._sizes: dict[tuple[str, int], int] = {}

    def received(self, member: SimulatedMember, message: Message, effects: Sequence[Effect]) -> None:
        if isinstance(message, Suspect | Alive | Dead):
            self._follow(member)
            if isinstance(message, Suspect):
                self._accuse(member, message)

    def merged(self, member: SimulatedMember, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        self._follow(member)

    def acted(self, member: SimulatedMember, effects: Sequence[Effect]) -> None:
        running = self._running.get((member.name, member.host.life), {})
        for effect in effects:
            if isinstance(effect, MemberFailed) and effect.member.name in running:
                self._look_whether_early(member, effect.member.name, running[effect.member.name])
        self._follow(member)
        for name, accused in self._running.get((member.name, member.host.life), {}).items():
            self._look_whether_late(member, name, accused)

    def _accuse(self, member: SimulatedMember, suspect: Suspect) -> None:
        record = member.serf.swim.nodes.get(suspect.node)
        accused = self._running.get((member.name, member.host.life), {}).get(suspect.node)
        if accused is not None and record is not None and suspect.incarnation >= record.incarnation:
            accused.accusers.add(suspect.accuser)
            accused.heard = member.host.clock.monotonic()

    def _follow(self, member: SimulatedMember) -> None:
        """Bring what is known of a member's suspicions up to date."""
        life, nodes = (member.name, member.host.life), member.serf.swim.nodes
        running, suspects, before = self._running.get(life, {}), member.suspects(), self._sizes.get(life, 1)
        self._sizes[life] = len(nodes)
        if not suspects and not running:
            return
        followed, now = {}, member.host.clock.monotonic()
        for name in sorted(suspects):
            record, accused = nodes.get(name), running.get(name)
            if record is not None:
                same = accused is not None and accused.since == record.changed
                followed[name] = accused if accused is not None and same else Accused(member, record, now, before)
        self._running[life] = followed

    def _look_whether_late(self, member: SimulatedMember, name: str, accused: Accused) -> None:
        if member.host.hindered_at >= accused.began:
            return  # what it could not hear in that time does not count against the suspect
        now = member.host.clock.monotonic()
        latest = accused.since + _suspicion_time(member, accused.most, len(accused.accusers) - 1)
        if now > max(latest, accused.heard) + self.TOLERANCE:
            self.violated(member, f"still suspects {name} after {now - accused.since:.3f} s, accused by {sorted(accused.accusers)}")

    def _look_whether_early(self, member: SimulatedMember, name: str, accused: Accused) -> None:
        now = member.host.clock.monotonic()
        earliest = accused.since + _suspicion_time(member, accused.fewest, len(accused.accusers - {member.name}))
        if now < earliest - self.TOLERANCE:
            self.violated(member, f"gives up {name} after {now - accused.since:.3f} s, accused by {sorted(accused.accusers)}")


def _suspicion_time(member: SimulatedMember, members: int, confirmations: int) -> float:
    """How long a suspicion lasts in a pool of so many members, by Lifeguard's formula, in seconds."""
    settings = member.serf.settings
    least = settings.suspicion_multiplier * max(1.0, math.log10(max(1, members))) * settings.probe_interval
    expected = settings.suspicion_multiplier - 2
    if expected < 1 or members - 2 < expected or not settings.dynamic_suspicion:
        return least
    share = math.log(max(0, min(confirmations, expected)) + 1) / math.log(expected + 1)
    return least + (settings.suspicion_maximum_multiplier - 1) * least * (1 - share)


def step_invariants() -> list[Watcher]:
    """One of each for one run, but for `EventsComeOnce`, whose record is also asked at the end."""
    kinds: Iterable[Callable[[], Watcher]] = (
        AcksAreForTheRightName,
        AccusedMembersRefute,
        IncarnationsRise,
        TablesKillNobody,
        BroadcastsEnd,
        IntentsAreOrdered,
        SuspicionsLastTheirTime,
    )
    return [make() for make in kinds]
