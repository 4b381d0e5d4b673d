"""Intents: who wants to leave, who is (still) here, ordered by Lamport time whatever the order of arrival.

Source: reference of the gossip wire, section 3.
"""

from msgspec import Struct

from muster.gossip.effects import Effect, MemberLeft, MemberStatus
from muster.gossip.lamport import LamportClock, is_plausible
from muster.gossip.member_table import MemberTable
from muster.wire.serf import JoinIntent, LeaveIntent

RECENT_LIMIT = 4096
"""Intents about unknown members that are kept at most; the oldest goes first."""


class RecentIntent(Struct, frozen=True, gc=False):
    """The newest intent about a member that is not known yet."""

    time: int
    leave: bool
    received: float


class RecentIntents:
    """Intents that came before the member they are about."""

    __slots__ = ("_by_name",)

    def __init__(self) -> None:
        self._by_name: dict[str, RecentIntent] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def keep(self, now: float, name: str, time: int, leave: bool) -> bool:
        """Whether this is newer than what was kept about the name."""
        known = self._by_name.get(name)
        if known is not None and time <= known.time:
            return False
        self._by_name.pop(name, None)
        if len(self._by_name) >= RECENT_LIMIT:
            del self._by_name[next(iter(self._by_name))]
        self._by_name[name] = RecentIntent(time, leave, now)
        return True

    def take(self, name: str) -> RecentIntent | None:
        """What was said of a member before it was known, once."""
        return self._by_name.pop(name, None)

    def expire(self, before: float) -> None:
        """Forget what came before this moment."""
        for name in [name for name, intent in self._by_name.items() if intent.received < before]:
            del self._by_name[name]


class Outcome(Struct, frozen=True):
    """What an intent did: whether others are to hear of it, whether we have to contradict it, what the host is told."""

    rebroadcast: bool = False
    refute: bool = False
    prune: bool = False
    effects: tuple[Effect, ...] = ()


NOTHING = Outcome()
PASS_ON = Outcome(rebroadcast=True)
REFUTE = Outcome(refute=True)


class Intents:
    """What intents do to the member table. `name` is our own."""

    __slots__ = ("_members", "_name", "clock", "recent", "staying")

    def __init__(self, name: str, members: MemberTable, clock: LamportClock) -> None:
        self._name = name
        self._members = members
        self.clock = clock
        self.recent = RecentIntents()
        self.staying = True
        """Whether we are alive and mean to stay: then nobody else's word makes us leave."""

    def leave(self, now: float, intent: LeaveIntent) -> Outcome:
        """A leave intent arrived, or is our own."""
        self.clock.witness(intent.time)
        name = intent.node
        if self._members.status(name) is None:
            return self._about_a_stranger(now, name, intent.time, leave=True)
        if not self._is_newer(name, intent.time):
            return NOTHING
        if name == self._name and self.staying:
            return REFUTE
        self._members.set_status_time(name, intent.time, leave=True)
        before, after = self._members.leave_intended(now, name)
        told: tuple[Effect, ...] = ()
        if before is MemberStatus.FAILED and after is MemberStatus.LEFT:
            member = self._members.member(name)
            told = () if member is None else (MemberLeft(member),)
        return Outcome(rebroadcast=True, prune=intent.prune, effects=told)

    def join(self, now: float, intent: JoinIntent) -> Outcome:
        """A join intent arrived, or is our own."""
        self.clock.witness(intent.time)
        name = intent.node
        if self._members.status(name) is None:
            return self._about_a_stranger(now, name, intent.time, leave=False)
        if not self._is_newer(name, intent.time):
            return NOTHING
        self._members.set_status_time(name, intent.time)
        self._members.join_intended(now, name)
        return PASS_ON

    def recall(self, now: float, name: str) -> None:
        """A member became known: what was said of it before counts now."""
        intent = self.recent.take(name)
        if intent is None:
            return
        self._members.set_status_time(name, intent.time, leave=intent.leave)
        if intent.leave:
            self._members.leave_intended(now, name)

    def _is_newer(self, name: str, time: int) -> bool:
        """Intents count in the order of their Lamport times."""
        return is_plausible(time) and time > self._members.status_time(name)

    def _about_a_stranger(self, now: float, name: str, time: int, leave: bool) -> Outcome:
        if is_plausible(time) and self.recent.keep(now, name, time, leave):
            return PASS_ON
        return NOTHING
