"""What only a leader has: how far each follower is, what to send it next, its lease, verified leadership."""

import random
from typing import Final

import msgspec

from muster.raft.effects import Effect, ReadEntries, Send, SendSnapshot, TransferFailed, Verified
from muster.raft.entries import Entry
from muster.raft.log import Log
from muster.raft.membership import Configuration
from muster.raft.messages import AppendEntries, AppendEntriesResponse, TimeoutNow
from muster.raft.progress import Progress
from muster.raft.timing import Timing

MAXIMUM_ENTRIES: Final = 512  # per AppendEntries. Consul's leaders send 64; its followers, and ours, take any number
MAXIMUM_BYTES: Final = 1 << 20  # per AppendEntries, unless one entry alone is longer
CLOCK_DRIFT: Final = 0.1  # by which a follower's clock may run faster than the leader's


class Ticket(msgspec.Struct, gc=False):
    """One request for verified leadership: answers to heartbeats from `sequence` on count."""

    number: int
    sequence: int
    confirmed: set[str]


class Leadership:
    """One term of office. Times are seconds on the caller's monotonic clock."""

    def __init__(
        self,
        now: float,
        term: int,
        identity: str,
        address: str,
        log: Log,
        configuration: Configuration,
        timing: Timing,
        chance: random.Random,
    ) -> None:
        self.term = term
        self.start_index = log.last_index + 1
        self.own_match = log.last_index
        self.followers: dict[str, Progress] = {}
        self.transfer_to = ""
        self.transfer_until = 0.0
        self._lease_given_up = False
        self._told_to_take_over = False
        self._identity, self._address = identity, address
        self._log, self._timing, self._random = log, timing, chance
        self.is_voter = True
        """Whether this leader counts itself. One that is not, is removed, and leads on until that is committed."""
        self._voters: list[str] = []
        self._sequence = 0
        self._tickets: list[Ticket] = []
        self.reconfigured(now, configuration, 0)

    def reconfigured(self, now: float, configuration: Configuration, index: int) -> None:
        """Begins to follow new servers. Removed ones are still told, for a while, that they are."""
        self._voters = configuration.voters()
        self.is_voter = self._identity in self._voters
        others = {member.identity for member in configuration.members} - {self._identity}
        for name, progress in self.followers.items():
            if name in others:
                progress.departing = 0
            elif not progress.departing:
                progress.departing, progress.departs_at = index, now + self._timing.election_timeout
        for new in sorted(others - self.followers.keys()):
            self.followers[new] = Progress(next=self._log.last_index + 1, contact=now, heartbeat_due=now)

    def quorum_index(self) -> int:
        """The highest index that a majority of voters has on disk."""
        if not self.followers:
            return self.own_match
        voters = self._voters
        return int(_of_majority([self.own_match if name == self._identity else self.followers[name].match for name in voters]))

    def quorum_contact(self, now: float) -> float:
        """When a majority of voters, this server included, was last known to follow: when what they answered was sent."""
        return _of_majority([now if name == self._identity else self.followers[name].contact for name in self._voters])

    def lease_valid(self, now: float) -> bool:
        """Whether surely no other server leads, so that a read needs no round of messages.

        Voters vote for nobody else within the lease timeout after they heard from this server, as measured by clocks
        that run at most 10 % faster. Whoever was told to take over need not wait for that, whenever it hears of it.
        """
        voters = self._voters
        promised = _of_majority([now if name == self._identity else self.followers[name].promised for name in voters])
        return not self._lease_given_up and now < promised + self._timing.lease_timeout * (1 - CLOCK_DRIFT)

    def needed_from(self) -> int | None:
        """The oldest index that a follower will ask for next which answers, or which a snapshot is on its way to; None without any."""
        needed = [
            max(progress.match, progress.snapshot_index) + 1
            for progress in self.followers.values()
            if (progress.snapshot_index or (progress.pipelining and not progress.failures)) and not progress.departing
        ]
        return min(needed, default=None)

    def replicate(self, now: float, commit_index: int) -> list[Effect]:
        """Everything the followers can be sent now."""
        effects: list[Effect] = []
        for name, progress in self.followers.items():
            effects += self._replicate_to(now, name, progress, commit_index)
        return effects

    def due(self, now: float, commit_index: int) -> list[Effect]:
        """Heartbeats and commit updates whose time has come; a transfer that nobody took up ends."""
        effects: list[Effect] = []
        for name, progress in [*self.followers.items()]:
            if progress.departing and progress.departs_at <= now:
                del self.followers[name]
                continue
            if progress.heartbeat_due <= now:
                effects.append(self._heartbeat(now, name, progress))
            effects += self._replicate_to(now, name, progress, commit_index)
        if self.transfer_to and now >= self.transfer_until:
            effects.append(TransferFailed(self.transfer_to))
            self.transfer_to = ""
        return effects

    def next_deadline(self, now: float) -> float:
        """When `due` must be called next, or the lease ends."""
        if not self.followers:
            return float("inf")
        deadline = self.quorum_contact(now) + self._timing.lease_timeout
        for progress in self.followers.values():
            deadline = min(deadline, progress.heartbeat_due)
            if not progress.busy and not progress.in_flight:
                deadline = min(deadline, max(progress.commit_due, progress.retry_at))
        return min(deadline, self.transfer_until) if self.transfer_to else deadline

    def verify(self, now: float, number: int) -> list[Effect]:
        """Asks every follower at once whether this server still leads."""
        if self._voters == [self._identity]:
            return [Verified(number)]
        self._tickets.append(Ticket(number, self._sequence + 1, set()))
        return [self._heartbeat(now, name, progress) for name, progress in self.followers.items()]

    def answered(self, now: float, sender: str, response: AppendEntriesResponse, commit_index: int) -> list[Effect]:
        """A follower answered in this term. The caller looks at `quorum_index` and `hand_over` afterwards."""
        progress, request = self.followers.get(sender), response.request
        if progress is None or request is None or request.term != self.term:
            return []
        progress.contact = max(progress.contact, request.sent_at)
        progress.promised = max(progress.promised, request.sent_at)
        if request.entries is None:
            done = self._verified_by(sender, request.sequence) if response.success else []
            return done + self._replicate_to(now, sender, progress, commit_index) if progress.alive() else done
        progress.settled(request)
        if response.success:
            progress.matched(request.previous_index + len(request.entries))
            if progress.departing and min(request.commit_index, progress.match) >= progress.departing:
                del self.followers[sender]  # it knows that its removal is committed
                return []
            if not progress.busy:
                progress.snapshot_index = 0
        else:
            self._refused(now, progress, request, response)
        return self._replicate_to(now, sender, progress, commit_index)

    def unreachable(self, now: float, peer: str, request: AppendEntries) -> None:
        """The transport could not deliver a request, or lost its answer."""
        progress = self.followers.get(peer)
        if progress is None or request.entries is None or request.term != self.term:
            return
        progress.settled(request)
        progress.step_back()
        progress.back_off(now)
        if not progress.busy:
            progress.snapshot_index = 0  # who is away for long may need another one: nothing is kept for it

    def entries_read(self, now: float, peer: str, entries: list[Entry], commit_index: int) -> list[Effect]:
        """Entries that `ReadEntries` asked for; empty if they were compacted away meanwhile."""
        progress = self.followers.get(peer)
        if progress is None:
            return []
        progress.busy = False
        if entries and entries[0].index == progress.next and progress.may_send(now):
            return self._append(now, peer, progress, entries, commit_index)
        return self._replicate_to(now, peer, progress, commit_index)

    def snapshot_sent(self, now: float, peer: str, last_index: int | None, refused: bool, commit_index: int) -> list[Effect]:
        """A follower has installed the snapshot that ends at `last_index`; None: it failed, or was `refused`."""
        progress = self.followers.get(peer)
        if progress is None:
            return []
        progress.busy = False
        if last_index is None:
            progress.snapshot_index = 0
            progress.needs_fresh = progress.needs_fresh or refused
            progress.back_off(now)
        else:
            progress.needs_fresh = False
            progress.matched(min(last_index, self._log.last_index))
        return self._replicate_to(now, peer, progress, commit_index)

    def transfer(self, now: float, target: str) -> None:
        """Hands over to a follower as soon as it has every entry and all are committed; given up after an election timeout."""
        self.transfer_to, self.transfer_until = target, now + self._timing.election_timeout
        self._told_to_take_over = False

    def hand_over(self, commit_index: int) -> list[Effect]:
        """Tells the transfer's target to take over, once everything is there."""
        target = self.followers.get(self.transfer_to)
        if target is None or self._told_to_take_over or not target.match == commit_index == self._log.last_index:
            return []
        self._told_to_take_over = self._lease_given_up = True
        return [Send(self.transfer_to, TimeoutNow(self.term))]

    def _replicate_to(self, now: float, name: str, progress: Progress, commit_index: int) -> list[Effect]:
        effects: list[Effect] = []
        while progress.may_send(now):
            first, last = progress.next, min(self._log.last_index, progress.next + MAXIMUM_ENTRIES - 1)
            if progress.needs_fresh or self._log.term(first - 1) is None or (first < self._log.first_index and first <= last):
                progress.busy, progress.snapshot_index = True, self._log.snapshot_index
                return [*effects, SendSnapshot(name, progress.needs_fresh)]
            if first > last:
                if now >= progress.commit_due and not progress.in_flight:
                    effects += self._append(now, name, progress, [], commit_index)
                break
            entries = self._log.recent(first, last)
            if entries is None:
                progress.busy = True
                return [*effects, ReadEntries(name, first, last)]
            effects += self._append(now, name, progress, entries, commit_index)
        return effects

    def _append(self, now: float, name: str, progress: Progress, entries: list[Entry], commit_index: int) -> list[Effect]:
        entries, size = _within_bytes(entries)
        previous = progress.next - 1
        message = AppendEntries(self.term, self._address, previous, self._log.term(previous) or 0, commit_index, tuple(entries), 0, now)
        progress.sent(size)
        if progress.pipelining:
            progress.next += len(entries)
        progress.commit_due = now + self._timing.commit_timeout * (1 + self._random.random())
        return [Send(name, message, after_writes=False)]

    def _heartbeat(self, now: float, name: str, progress: Progress) -> Send:
        self._sequence += 1
        progress.heartbeat_due = now + self._timing.heartbeat_timeout / 10 * (1 + self._random.random())
        return Send(name, AppendEntries(self.term, self._address, sequence=self._sequence, sent_at=now), after_writes=False)

    def _refused(self, now: float, progress: Progress, request: AppendEntries, response: AppendEntriesResponse) -> None:
        progress.step_back()
        if request.previous_index == 0 and response.last_index == 0:
            progress.needs_fresh = True  # nothing stands before the first entry: it has something that must be replaced
        if response.last_index < progress.match and not progress.in_flight:
            progress.match = response.last_index  # it lost what it had: a server set up anew under its old id, or an old refusal come late
            progress.next = progress.match + 1
        elif request.previous_index > progress.match:  # otherwise a late refusal of something already settled
            progress.next = max(progress.match + 1, min(request.previous_index, response.last_index + 1))
        if not response.no_retry_backoff:
            progress.back_off(now)

    def _verified_by(self, sender: str, sequence: int) -> list[Effect]:
        done: list[Effect] = []
        voters = self._voters
        if sender not in voters:
            return done
        for ticket in self._tickets[:]:
            if sequence >= ticket.sequence:
                ticket.confirmed.add(sender)
            if len(ticket.confirmed) + (self._identity in voters) > len(voters) // 2:
                self._tickets.remove(ticket)
                done.append(Verified(ticket.number))
        return done


def _of_majority(values: list[float]) -> float:
    """The highest value that a majority reaches."""
    return sorted(values)[(len(values) - 1) // 2]


def _within_bytes(entries: list[Entry]) -> tuple[list[Entry], int]:
    """As many of the first entries as one request may hold, at least one if there is one; and their bytes."""
    size = 0
    for count, entry in enumerate(entries):
        if size + len(entry.data) > MAXIMUM_BYTES and count:
            return entries[:count], size
        size += len(entry.data)
    return entries, size
