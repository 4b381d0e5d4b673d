"""How members stand: what Serf knows beyond the failure detector's table.

Who is alive is read from the failure detector's nodes. Kept here is only what differs from that: who is leaving, who failed or left
(the failure detector forgets them sooner), and the Lamport times of intents.

Source: reference of the gossip wire, section 3.
"""

import enum
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from muster.gossip.effects import Member, MemberStatus
from muster.gossip.node_table import MEMBER_LIMIT, NodeRecord
from muster.model.errors import DecodeError
from muster.wire.gossip import Endpoint
from muster.wire.serf_codec import decode_tags

STATUS_OF_STATE = (MemberStatus.ALIVE, MemberStatus.ALIVE, MemberStatus.FAILED, MemberStatus.LEFT)
"""By the states of a push-pull: alive, suspect, dead, left."""


class Cause(enum.StrEnum):
    """What changes how a member stands."""

    LIVES = "is heard to be alive"
    DIES = "is declared dead, or says so itself"
    LEAVE_INTENT = "a newer leave intent"
    JOIN_INTENT = "a newer join intent"
    FORGOTTEN = "pruned, or failed or left for long"


_ALIVE, _LEAVING, _LEFT, _FAILED = MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.LEFT, MemberStatus.FAILED

STATUS_TRANSITIONS: dict[tuple[MemberStatus | None, Cause], MemberStatus | None] = {
    (None, Cause.LIVES): _ALIVE,
    (_ALIVE, Cause.LEAVE_INTENT): _LEAVING,
    (_ALIVE, Cause.DIES): _FAILED,
    (_LEAVING, Cause.LIVES): _ALIVE,
    (_LEAVING, Cause.JOIN_INTENT): _ALIVE,
    (_LEAVING, Cause.DIES): _LEFT,
    (_FAILED, Cause.LIVES): _ALIVE,
    (_FAILED, Cause.LEAVE_INTENT): _LEFT,
    (_LEFT, Cause.LIVES): _ALIVE,
    (_LEAVING, Cause.FORGOTTEN): None,
    (_FAILED, Cause.FORGOTTEN): None,
    (_LEFT, Cause.FORGOTTEN): None,
}
"""How a member stands after a cause; None is a member that is not known. What is not in the table changes nothing."""


def next_status(status: MemberStatus | None, cause: Cause) -> MemberStatus | None:
    """How a member stands after `cause`."""
    return STATUS_TRANSITIONS.get((status, cause), status)


class Nodes(Protocol):
    """What is read of the failure detector's table."""

    up: int

    def get(self, name: str) -> NodeRecord | None: ...
    def records(self) -> Iterator[NodeRecord]: ...


class Departed(Struct, frozen=True, gc=False):
    """A member that failed or left, and since when (seconds)."""

    member: Member
    since: float


class MemberTable:
    """The members of a pool as one of them sees them."""

    __slots__ = ("_leaving", "_nodes", "_said_to_leave", "_status_times", "departed", "failed")

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._leaving: set[str] = set()
        self._said_to_leave: set[str] = set()
        """Of whom the newest intent is to leave."""
        self._status_times: dict[str, int] = {}
        self.departed: dict[str, Departed] = {}
        """Who failed or left, in the order in which they did."""
        self.failed: dict[str, None] = {}
        """Who of them failed."""

    def status(self, name: str) -> MemberStatus | None:
        """How a member stands; None if it is not known."""
        departed = self.departed.get(name)
        if departed is not None:
            return departed.member.status
        record = self._nodes.get(name)
        if record is None or not record.is_up:
            return None
        return MemberStatus.LEAVING if name in self._leaving else MemberStatus.ALIVE

    def member(self, name: str) -> Member | None:
        """A member as the host sees it."""
        departed = self.departed.get(name)
        if departed is not None:
            return departed.member
        status = self.status(name)
        record = self._nodes.get(name)
        return None if status is None or record is None else member_of(record, status)

    def members(self) -> list[Member]:
        """All members, those that failed or left too."""
        departed, leaving = self.departed, self._leaving
        up = [
            member_of(record, _LEAVING if record.name in leaving else _ALIVE)
            for record in self._nodes.records()
            if record.is_up and record.name not in departed
        ]
        return up + [gone.member for gone in departed.values()]

    def __len__(self) -> int:
        return self._nodes.up + len(self.departed)

    def left(self) -> list[str]:
        """Who has left or is leaving, by the newest intent about it.

        In an exchange of tables all other intents are taken for intents to stay. So who is still leaving belongs here, and who has left but
        said since that it is back does not.
        """
        left = [name for name in self.departed if name not in self.failed and name in self._said_to_leave]
        return left + sorted(self._leaving)

    def status_time(self, name: str) -> int:
        """The Lamport time of the newest intent about a member."""
        return self._status_times.get(name, 0)

    def status_times(self) -> dict[str, int]:
        """The same of all members."""
        time_of = self._status_times.get
        times = {record.name: time_of(record.name, 0) for record in self._nodes.records() if record.is_up}
        times.update((name, time_of(name, 0)) for name in self.departed)
        return times

    def set_status_time(self, name: str, time: int, *, leave: bool = False) -> None:
        """An intent of this time, to stay or to leave, counts now."""
        if time:
            self._status_times[name] = time
            (self._said_to_leave.add if leave else self._said_to_leave.discard)(name)

    def lives(self, name: str) -> MemberStatus | None:
        """A member is heard to be alive; how it stood before."""
        before = self.status(name) if name in self.departed or name in self._leaving else None
        if self._after(before, Cause.LIVES) is _ALIVE:
            self._settle(name)
        return before

    def leave_intended(self, now: float, name: str) -> tuple[MemberStatus | None, MemberStatus | None]:
        """A leave intent counts: the status before and after."""
        return self._change(now, name, Cause.LEAVE_INTENT)

    def join_intended(self, now: float, name: str) -> tuple[MemberStatus | None, MemberStatus | None]:
        """A join intent counts: the status before and after."""
        return self._change(now, name, Cause.JOIN_INTENT)

    def dies(self, now: float, name: str) -> tuple[MemberStatus | None, MemberStatus | None]:
        """The failure detector took a member for dead: the status before and after.

        That a member said so itself does not make it one that left: only its intent does, as with the peers.
        """
        record = self._nodes.get(name)
        known = name in self.departed or record is not None
        before = self._standing(name) if known else None
        after = self._after(before, Cause.DIES)
        if record is not None and before is not after and after is not None:
            self._depart(now, member_of(record, after))
        return before, after

    def forget(self, name: str) -> Member | None:
        """Know nothing of a member any more; what was known."""
        member = self.member(name)
        if member is None or self._after(member.status, Cause.FORGOTTEN) is not None:
            return None
        self._settle(name)
        self._status_times.pop(name, None)
        self._said_to_leave.discard(name)
        return member

    def _standing(self, name: str) -> MemberStatus:
        """The status of a member, whatever the failure detector says of it by now."""
        departed = self.departed.get(name)
        if departed is not None:
            return departed.member.status
        return MemberStatus.LEAVING if name in self._leaving else MemberStatus.ALIVE

    def _change(self, now: float, name: str, cause: Cause) -> tuple[MemberStatus | None, MemberStatus | None]:
        before = self.status(name)
        after = self._after(before, cause)
        if before is not after:
            if after is _LEAVING:
                self._leaving.add(name)
            elif after is _ALIVE:
                self._settle(name)
            elif after is _LEFT:
                self._depart(now, replace(self.departed[name].member, status=_LEFT))
        return before, after

    @staticmethod
    def _after(status: MemberStatus | None, cause: Cause) -> MemberStatus | None:
        return next_status(status, cause)

    def _depart(self, now: float, member: Member) -> None:
        """Keep a member that the failure detector may forget; a failed one that is said to have left keeps its time."""
        name = member.name
        before = self.departed.pop(name, None)
        since = now if before is None else before.since
        self._leaving.discard(name)
        self.failed.pop(name, None)
        self.departed[name] = Departed(member, since)
        if member.status is _FAILED:
            self.failed[name] = None

    def _settle(self, name: str) -> None:
        """Keep nothing special of a member."""
        self.departed.pop(name, None)
        self.failed.pop(name, None)
        self._leaving.discard(name)

    def overflowing(self) -> list[str]:
        """The names beyond what is kept of members that are gone, the oldest first."""
        excess = len(self.departed) - MEMBER_LIMIT
        return [name for name, _ in zip(self.departed, range(excess))] if excess > 0 else []


def member_of(record: NodeRecord, status: MemberStatus) -> Member:
    """A node of the failure detector as the host sees it."""
    return Member(record.name, record.endpoint, tags_of(record.meta), status, record.versions)


def member_at(name: str, endpoint: Endpoint, meta: bytes, state: int, versions: bytes) -> Member:
    """A line of another member's table as the host sees it."""
    status = STATUS_OF_STATE[state] if 0 <= state < len(STATUS_OF_STATE) else MemberStatus.FAILED
    return Member(name, endpoint, tags_of(meta), status, versions)


@lru_cache(maxsize=1 << 14)
def tags_of(meta: bytes) -> dict[str, str]:
    """The tags of a member, shared by all who look; none where its meta cannot be read."""
    try:
        return decode_tags(meta)
    except DecodeError:
        return {}
