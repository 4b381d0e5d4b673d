"""Members that are gone: forgotten after a while, tried again until then.

Source: reference of the gossip wire, section 3.
"""

import math
from random import Random

from muster.gossip.effects import Member, MemberStatus
from muster.gossip.intents import RecentIntents
from muster.gossip.member_table import Departed, MemberTable
from muster.gossip.settings import PoolSettings
from muster.model.durations import InvalidDuration, parse_duration

RECONNECT_TIMEOUT_TAG = "rc_tm"
"""A member's tag that says how long it is waited for after it failed or left."""


class Reaper:
    """Decides who is to be forgotten. Looks every reap interval, as long as there is something to look at."""

    __slots__ = ("_members", "_next", "_prunes", "_recent", "_settings")

    def __init__(self, settings: PoolSettings, members: MemberTable, recent: RecentIntents) -> None:
        self._settings = settings
        self._members = members
        self._recent = recent
        self._next = math.inf
        self._prunes: dict[str, float] = {}
        """When which leaving member is pruned: after the time that its leave takes."""

    @property
    def deadline(self) -> float:
        """When to look next."""
        return min(self._next, min(self._prunes.values(), default=math.inf))

    def watch(self, now: float) -> None:
        """Something will have to be forgotten."""
        if self._next == math.inf:
            self._next = now + self._settings.reap_interval

    def prune(self, now: float, name: str) -> list[str]:
        """Who is to be forgotten at once; a member that is still leaving is so later."""
        if self._members.status(name) is MemberStatus.LEAVING:
            self._prunes[name] = now + self._settings.leave_broadcast_timeout + self._settings.leave_propagate_delay
            return []
        return [name]

    def due(self, now: float) -> list[str]:
        """Who is to be forgotten by now, unless it is alive again."""
        names = self._due_prunes(now)
        if now >= self._next:
            names += [name for name, gone in self._members.departed.items() if self._is_over(now, gone) and name not in names]
            names += [name for name in self._members.overflowing() if name not in names]
            self._recent.expire(now - self._settings.recent_intent_timeout)
            busy = len(self._members.departed) > len(names) or len(self._recent)
            self._next = now + self._settings.reap_interval if busy else math.inf
        return names

    def _due_prunes(self, now: float) -> list[str]:
        names = [name for name, due in self._prunes.items() if due <= now]
        for name in names:
            del self._prunes[name]
        return names

    def _is_over(self, now: float, gone: Departed) -> bool:
        """Whether a member was gone for long enough."""
        return now - gone.since > self._patience(gone.member)

    def _patience(self, member: Member) -> float:
        """Seconds for which a member that is gone is remembered."""
        said = _duration(member.tags.get(RECONNECT_TIMEOUT_TAG, ""))
        if said is not None:
            return said
        failed = member.status is MemberStatus.FAILED
        return self._settings.reconnect_timeout if failed else self._settings.tombstone_timeout


class Reconnector:
    """Decides which failed member is tried again: on average each one once an interval by somebody."""

    __slots__ = ("_chance", "_members", "_settings", "deadline")

    def __init__(self, settings: PoolSettings, members: MemberTable, chance: Random) -> None:
        self._settings = settings
        self._members = members
        self._chance = chance
        self.deadline = math.inf

    def watch(self, now: float) -> None:
        """A member has failed. The first try comes at a random moment of the interval, so that a pool does not try as one."""
        if self.deadline == math.inf:
            self.deadline = now + self._chance.random() * self._settings.reconnect_interval

    def choose(self, now: float) -> Member | None:
        """Whom to try, if it is time and chance wants it."""
        if now < self.deadline:
            return None
        failed = self._members.failed
        if not failed:
            self.deadline = math.inf
            return None
        self.deadline = now + self._settings.reconnect_interval
        up = max(len(self._members) - len(self._members.departed), 1)
        if self._chance.random() > len(failed) / up:
            return None
        names = list(failed)
        return self._members.member(names[int(self._chance.random() * len(names))])


def _duration(text: str) -> float | None:
    """Seconds, or None where there is no duration."""
    if not text:
        return None
    try:
        nanoseconds = parse_duration(text)
    except InvalidDuration:
        return None
    return nanoseconds / 1e9 if nanoseconds > 0 else None
