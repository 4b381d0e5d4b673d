"""What only a leader has: how far each follower is, what to send it next, its lease, verified leadership."""

import random

import msgspec

from muster.raft.effects import Effect, ReadEntries, Send, SendSnapshot, Verified
from muster.raft.entries import Entry
from muster.raft.log import Log
from muster.raft.membership import Configuration
from muster.raft.messages import AppendEntries, AppendEntriesResponse, TimeoutNow
from muster.raft.timing import Timing

MAXIMUM_ENTRIES = 64  # per AppendEntries; as Consul's MaxAppendEntries
MAXIMUM_IN_FLIGHT = 128  # requests to a follower that has matched once
FIRST_BACKOFF = 0.010  # seconds
MAXIMUM_DOUBLINGS = 12


class Progress(msgspec.Struct, gc=False):
    """One follower as the leader sees it."""

    next: int
    contact: float  # when the newest answered request was sent
    heartbeat_due: float
    match: int = 0
    in_flight: int = 0
    pipelining: bool = False
    busy: bool = False  # its entries are being read, or a snapshot is on its way
    failures: int = 0
    retry_at: float = 0.0
    commit_due: float = 0.0


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
        self._identity, self._address = identity, address
        self._log, self._timing, self._random = log, timing, chance
        self._configuration = configuration
        self._sequence = 0
        self._tickets: list[Ticket] = []
        self.reconfigured(now, configuration)

    def reconfigured(self, now: float, configuration: Configuration) -> None:
        """Begins to follow new servers and forgets removed ones."""
        self._configuration = configuration
        others = {member.identity for member in configuration.members} - {self._identity}
        for gone in self.followers.keys() - others:
            del self.followers[gone]
        for new in sorted(others - self.followers.keys()):
            self.followers[new] = Progress(next=self._log.last_index + 1, contact=now, heartbeat_due=now)

    def quorum_index(self) -> int:
        """The highest index that a majority of voters has on disk."""
        voters = self._configuration.voters()
        matches = sorted(self.own_match if name == self._identity else self.followers[name].match for name in voters)
        return matches[(len(matches) - 1) // 2]

    def quorum_contact(self, now: float) -> float:
        """When a majority of voters, this server included, was last known to follow."""
        voters = self._configuration.voters()
        contacts = sorted(now if name == self._identity else self.followers[name].contact for name in voters)
        return contacts[(len(contacts) - 1) // 2]

    def replicate(self, now: float, commit_index: int) -> list[Effect]:
        """Everything the followers can be sent now."""
        effects: list[Effect] = []
        for name, progress in self.followers.items():
            effects += self._replicate_to(now, name, progress, commit_index)
        return effects

    def due(self, now: float, commit_index: int) -> list[Effect]:
        """Heartbeats and commit updates whose time has come, and what a transfer waits for."""
        effects: list[Effect] = []
        for name, progress in self.followers.items():
            if progress.heartbeat_due <= now:
                effects.append(self._heartbeat(now, name, progress))
            effects += self._replicate_to(now, name, progress, commit_index)
        if self.transfer_to and now >= self.transfer_until:
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
        if self._configuration.voters() == [self._identity]:
            return [Verified(number)]
        self._tickets.append(Ticket(number, self._sequence + 1, set()))
        return [self._heartbeat(now, name, progress) for name, progress in self.followers.items()]

    def answered(self, now: float, sender: str, response: AppendEntriesResponse, commit_index: int) -> list[Effect]:
        """A follower answered in this term. The caller looks at `quorum_index` afterwards."""
        progress, request = self.followers.get(sender), response.request
        if progress is None or request is None or request.term != self.term:
            return []
        progress.contact = max(progress.contact, request.sent_at)
        if request.entries is None:
            return self._verified_by(sender, request.sequence) if response.success else []
        progress.in_flight = max(0, progress.in_flight - 1)
        if response.success:
            self._matched(progress, request.previous_index + len(request.entries))
        else:
            self._refused(now, progress, request, response)
        effects = self._replicate_to(now, sender, progress, commit_index)
        if self.transfer_to == sender and progress.match == self._log.last_index:
            effects.append(Send(sender, TimeoutNow(self.term)))
        return effects

    def unreachable(self, now: float, peer: str, request: AppendEntries) -> None:
        """The transport could not deliver a request, or lost its answer."""
        progress = self.followers.get(peer)
        if progress is None or request.entries is None or request.term != self.term:
            return
        progress.in_flight = max(0, progress.in_flight - 1)
        self._step_back(progress)
        self._back_off(now, progress)

    def entries_read(self, now: float, peer: str, entries: list[Entry], commit_index: int) -> list[Effect]:
        """Entries that `ReadEntries` asked for; empty if they were compacted away meanwhile."""
        progress = self.followers.get(peer)
        if progress is None:
            return []
        progress.busy = False
        if entries and entries[0].index == progress.next:
            return self._append(now, peer, progress, entries, commit_index)
        return self._replicate_to(now, peer, progress, commit_index)

    def snapshot_sent(self, now: float, peer: str, last_index: int | None, commit_index: int) -> list[Effect]:
        """A follower has installed the snapshot that ends at `last_index`; None: it failed."""
        progress = self.followers.get(peer)
        if progress is None:
            return []
        progress.busy = False
        if last_index is None:
            self._back_off(now, progress)
        else:
            self._matched(progress, last_index)
            progress.contact = now
        return self._replicate_to(now, peer, progress, commit_index)

    def transfer(self, now: float, target: str) -> list[Effect]:
        """Hands over to a follower, as soon as it has every entry; given up after an election timeout."""
        self.transfer_to, self.transfer_until = target, now + self._timing.election_timeout
        if self.followers[target].match == self._log.last_index:
            return [Send(target, TimeoutNow(self.term))]
        return []

    def _replicate_to(self, now: float, name: str, progress: Progress, commit_index: int) -> list[Effect]:
        effects: list[Effect] = []
        limit = MAXIMUM_IN_FLIGHT if progress.pipelining else 1
        while not progress.busy and now >= progress.retry_at and progress.in_flight < limit:
            first, last = progress.next, min(self._log.last_index, progress.next + MAXIMUM_ENTRIES - 1)
            if self._log.term(first - 1) is None or (first < self._log.first_index and first <= last):
                progress.busy = True
                return [*effects, SendSnapshot(name)]
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
        previous = progress.next - 1
        message = AppendEntries(self.term, self._address, previous, self._log.term(previous) or 0, commit_index, tuple(entries), 0, now)
        progress.in_flight += 1
        if progress.pipelining:
            progress.next += len(entries)
        progress.commit_due = now + self._timing.commit_timeout * (1 + self._random.random())
        return [Send(name, message, after_writes=False)]

    def _heartbeat(self, now: float, name: str, progress: Progress) -> Send:
        self._sequence += 1
        progress.heartbeat_due = now + self._timing.heartbeat_timeout / 10 * (1 + self._random.random())
        return Send(name, AppendEntries(self.term, self._address, sequence=self._sequence, sent_at=now), after_writes=False)

    def _matched(self, progress: Progress, index: int) -> None:
        progress.match = max(progress.match, index)
        progress.next = max(progress.next, progress.match + 1)
        progress.pipelining, progress.failures, progress.retry_at = True, 0, 0.0

    def _refused(self, now: float, progress: Progress, request: AppendEntries, response: AppendEntriesResponse) -> None:
        self._step_back(progress)
        if request.previous_index > progress.match:  # otherwise a late refusal of something already settled
            progress.next = max(progress.match + 1, min(request.previous_index, response.last_index + 1))
        if not response.no_retry_backoff:
            self._back_off(now, progress)

    def _step_back(self, progress: Progress) -> None:
        if progress.pipelining:
            progress.pipelining, progress.next = False, progress.match + 1

    def _back_off(self, now: float, progress: Progress) -> None:
        progress.failures += 1
        progress.retry_at = now + FIRST_BACKOFF * 2.0 ** max(0, min(progress.failures - 2, MAXIMUM_DOUBLINGS))

    def _verified_by(self, sender: str, sequence: int) -> list[Effect]:
        done: list[Effect] = []
        voters = self._configuration.voters()
        if sender not in voters:
            return done
        for ticket in self._tickets[:]:
            if sequence >= ticket.sequence:
                ticket.confirmed.add(sender)
            if len(ticket.confirmed) + (self._identity in voters) > len(voters) // 2:
                self._tickets.remove(ticket)
                done.append(Verified(ticket.number))
        return done
