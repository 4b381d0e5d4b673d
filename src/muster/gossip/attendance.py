"""Who is here: what the failure detector and the intents say of members, and who is forgotten.

Source: reference of the gossip wire, section 3; behaviour where that is silent as of Serf 0.10.1.
"""

from random import Random

from muster.gossip.effects import (
    Effect,
    MemberConflict,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberStatus,
    MemberUpdated,
)
from muster.gossip.intents import Intents, Outcome
from muster.gossip.lamport import LamportClock
from muster.gossip.member_table import MemberTable
from muster.gossip.reaping import Reaper, Reconnector
from muster.gossip.serf_broadcasts import SerfBroadcasts
from muster.gossip.settings import PoolSettings
from muster.gossip.swim import Swim
from muster.gossip.swim_effects import NodeConflict, NodeDied, NodeJoined, NodeUpdated, SwimEffect
from muster.gossip.whereabouts import Whereabouts
from muster.wire.serf import JoinIntent, LeaveIntent, SerfState
from muster.wire.serf_codec import encode_serf


class Attendance:
    """The members as one of them sees them, and what it has to say about them."""

    __slots__ = ("_name", "_reaper", "_reconnector", "_spread", "_swim", "_whereabouts", "intents", "table")

    def __init__(
        self, swim: Swim, settings: PoolSettings, chance: Random, clock: LamportClock, spread: SerfBroadcasts, whereabouts: Whereabouts
    ) -> None:
        self._whereabouts = whereabouts
        self._name = swim.name
        self._swim = swim
        self._spread = spread
        self.table = MemberTable(swim.nodes)
        self.intents = Intents(swim.name, self.table, clock)
        self._reaper = Reaper(settings, self.table, self.intents.recent)
        self._reconnector = Reconnector(settings, self.table, chance)

    def next_deadline(self) -> float:
        """When somebody is to be forgotten or tried again."""
        return min(self._reaper.deadline, self._reconnector.deadline)

    def joined(self, now: float, node: NodeJoined) -> list[Effect]:
        """The failure detector heard of a new member, or of one that is back."""
        if self.table.lives(node.name) is None:
            self.intents.recall(now, node.name)
        member = self.table.member(node.name)
        return [] if member is None else [MemberJoined(member)]

    def updated(self, now: float, node: NodeUpdated) -> list[Effect]:
        """A member says other tags or another address of itself."""
        member = self.table.member(node.name)
        return [] if member is None else [MemberUpdated(member)]

    def died(self, now: float, node: NodeDied) -> list[Effect]:
        """The failure detector took a member for dead, or it said so itself: it left if it had meant to, and failed otherwise."""
        before, after = self.table.dies(now, node.name)
        member = self.table.member(node.name)
        if before is after or member is None:
            return []
        self._reaper.watch(now)
        if after is MemberStatus.LEFT:
            return [MemberLeft(member)]
        self._reconnector.watch(now)
        return [MemberFailed(member)]

    def conflict(self, now: float, node: NodeConflict) -> list[Effect]:
        """Somebody else claims a member's name."""
        member = self.table.member(node.name)
        return [] if member is None else [MemberConflict(member, node.claimed_from)]

    def heard_leave(self, now: float, intent: LeaveIntent, encoded: bytes) -> list[Effect]:
        """A leave intent arrived."""
        return self._follow(now, intent.node, self.intents.leave(now, intent), encoded)

    def heard_join(self, now: float, intent: JoinIntent, encoded: bytes) -> list[Effect]:
        """A join intent arrived."""
        return self._follow(now, intent.node, self.intents.join(now, intent), encoded)

    def merge(self, now: float, state: SerfState) -> list[Effect]:
        """What another member knows of intents. Who left comes first, so that no clock runs ahead of it; nothing is passed on."""
        if state.time > 0:
            self.intents.clock.witness(state.time - 1)
        effects: list[Effect] = []
        for name in state.left_members:
            if name != self._name:
                intent = LeaveIntent(time=state.status_times.get(name, 0), node=name)
                effects += self._follow(now, name, self.intents.leave(now, intent), b"")
        status_time = self.table.status_time
        for name, time in state.status_times.items():
            if time > status_time(name) and name != self._name:
                self.intents.join(now, JoinIntent(time=time, node=name))
        self._contradict(now, state)
        self._watch_recent(now)
        return effects

    def _contradict(self, now: float, state: SerfState) -> None:
        """Say that we are here if the other member heard something of us that we did not say: it may have been that we leave."""
        said, ours = state.status_times.get(self._name, 0), self.table.status_time(self._name)
        if self.intents.staying and (said > ours or (said == ours > 0 and self._name in state.left_members)):
            self.intents.clock.witness(said)
            self.announce(now)

    def announce(self, now: float) -> None:
        """Say to all that we are here, later than anything that was said of us."""
        intent = JoinIntent(time=self.intents.clock.time, node=self._name)
        self.intents.join(now, intent)
        self._tell(now, self._name, encode_serf(intent))

    def intend_to_leave(self, now: float, name: str, prune: bool) -> list[Effect]:
        """Say of ourselves that we leave, or of a failed member that it has left."""
        intent = LeaveIntent(time=self.intents.clock.increment(), node=name, prune=prune)
        return self.heard_leave(now, intent, encode_serf(intent))

    def is_leave_told(self) -> bool:
        """Whether our intent went out as often as it should, or there is nobody to tell."""
        return self._name not in self._spread.intents or not self.anybody_else()

    def anybody_else(self) -> bool:
        """Whether another member lives, as far as we know."""
        return self._swim.alive_count > (self.table.status(self._name) in (MemberStatus.ALIVE, MemberStatus.LEAVING))

    def forget_due(self, now: float) -> list[Effect]:
        """Forget who is gone for long enough, or is to be pruned by now."""
        return self._forget(self._reaper.due(now))

    def reconnect(self, now: float) -> list[SwimEffect]:
        """Try a failed member again, if it is time."""
        member = self._reconnector.choose(now)
        return [] if member is None else self._swim.join(now, [member.endpoint], ticket=0)

    def _follow(self, now: float, name: str, outcome: Outcome, encoded: bytes) -> list[Effect]:
        """Do what an intent demands."""
        if outcome.refute:
            self.announce(now)
        if outcome.rebroadcast and encoded:
            self._tell(now, name, encoded)
        elif encoded:
            self._spread.hear_intent(name, encoded, len(self.table))
        self._watch_recent(now)
        effects = list(outcome.effects)
        return effects + self._forget(self._reaper.prune(now, name)) if outcome.prune else effects

    def _watch_recent(self, now: float) -> None:
        """Intents about strangers are to be forgotten some day."""
        if len(self.intents.recent):
            self._reaper.watch(now)

    def _tell(self, now: float, name: str, encoded: bytes) -> None:
        self._spread.spread_intent(name, encoded, len(self.table))
        self._swim.gossip_soon(now)

    def _forget(self, names: list[str]) -> list[Effect]:
        effects: list[Effect] = []
        for name in names:
            member = None if name == self._name else self.table.forget(name)
            if member is not None:
                self._swim.forget(name)
                self._whereabouts.forget(name)
                effects.append(MemberReaped(member))
        return effects
