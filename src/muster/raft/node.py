"""One server's part in Raft: follower, candidate or leader.

    follower ──no contact for the election time──▶ candidate ──a quorum's votes──▶ leader
       ▲                                              │                              │
       └────────── a higher term, or a leader ────────┴── a higher term, lost lease ─┘

Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), chapters 3, 4 and 6; the exact rules are those of
the raft library 1.1.2, protocol version 3, so that Muster and Consul servers vote in one cluster.
"""

import random
from enum import Enum

import msgspec

from muster.model.errors import NoLeader, Rejected
from muster.raft.effects import Append, Apply, BecameLeader, Effect, InstallSnapshot, LostLeadership, SaveVote, Send
from muster.raft.entries import CONFIGURATION, NOOP, Entry, Proposal
from muster.raft.leadership import Leadership
from muster.raft.log import Log
from muster.raft.membership import Configuration, decode_configuration
from muster.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshotResponse,
    Message,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from muster.raft.messages import InstallSnapshot as InstallSnapshotMessage
from muster.raft.timing import Timing


class Role(Enum):
    """What a server is now."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Persisted(msgspec.Struct, frozen=True):
    """What a server finds on its disk: term and vote, and the configuration as of its last entry."""

    term: int = 0
    candidate: str = ""
    configuration: Configuration = Configuration()
    configuration_index: int = 0
    committed_configuration: Configuration = Configuration()
    committed_configuration_index: int = 0


class Node:
    """The consensus core of one server. It sends and writes nothing: every call returns effects, in order.

    Times are seconds on one monotonic clock that the caller owns. `receive` takes messages from the server whose id
    is `sender`; the transport pairs answers with requests (see `messages`).
    """

    def __init__(self, identity: str, address: str, timing: Timing, chance: random.Random, log: Log, persisted: Persisted) -> None:
        self.identity, self.address = identity, address
        self.role = Role.FOLLOWER
        self.term, self._voted_for = persisted.term, persisted.candidate
        self.log = log
        self.commit_index = log.snapshot_index
        self.leader_address = ""
        self.configuration, self.configuration_index = persisted.configuration, persisted.configuration_index
        self.committed_configuration = persisted.committed_configuration
        self.committed_configuration_index = persisted.committed_configuration_index
        self.last_contact = 0.0
        self._timing, self._random = timing, chance
        self._office: Leadership | None = None
        self._votes: set[str] = set()
        self._election_at = float("inf")

    def start(self, now: float) -> list[Effect]:
        """A sole voter elects itself at once; others wait for a leader's word."""
        self._await_leader(now)
        if self.configuration.voters() == [self.identity]:
            return self._campaign(now, transfer=False)
        return []

    def next_deadline(self) -> float:
        """When `tick` must be called next; infinity if only a message can change anything."""
        if self._office is not None:
            return self._office.next_deadline(self.last_contact)
        return self._election_at

    def tick(self, now: float) -> list[Effect]:
        """Everything that is due by `now`: an election, heartbeats, the end of a lease."""
        if self._office is not None:
            self.last_contact = now
            if self._office.quorum_contact(now) + self._timing.lease_timeout <= now:
                return self._step_down(now, self.term, "no quorum answered within the lease")
            return self._office.due(now, self.commit_index)
        if now < self._election_at:
            return []
        if not self.configuration.is_voter(self.identity):
            self._await_leader(now)
            return []
        return self._campaign(now, transfer=False)

    def propose(self, now: float, proposals: list[Proposal]) -> list[Effect]:
        """Appends entries for these, in one batch. Raises NoLeader on a server that does not lead, or hands over."""
        office = self._office
        if office is None or office.transfer_to:
            raise NoLeader
        index, term = self.log.last_index, self.term
        entries = [Entry(index + n, term, p.type, p.data, p.extensions, p.command) for n, p in enumerate(proposals, 1)]
        self.log.append(entries)
        if office.followers:
            return [*office.replicate(now, self.commit_index), Append(entries)]
        return [Append(entries)]

    def propose_configuration(self, now: float, configuration: Configuration) -> list[Effect]:
        """Appends a changed configuration, which counts from now on. One change at a time: otherwise raises Rejected."""
        if self._office is None:
            raise NoLeader
        if self.configuration_index > self.commit_index or self.commit_index < self._office.start_index:
            raise Rejected("a configuration change is already in progress")
        self._adopt(configuration.checked(), self.log.last_index + 1)
        self._office.reconfigured(now, configuration)
        return self.propose(now, [Proposal(CONFIGURATION, configuration.encode())])

    def persisted(self, now: float, index: int) -> list[Effect]:
        """The log is durable up to `index` on this server's own disk."""
        if self._office is None:
            return []
        self._office.own_match = index
        return self._commit_by_quorum(now)

    def receive(self, now: float, sender: str, message: Message) -> list[Effect]:
        """A message from another server."""
        match message:
            case AppendEntries():
                return self._append_entries(now, sender, message)
            case AppendEntriesResponse():
                return self._append_answered(now, sender, message)
            case RequestVote():
                return self._request_vote(now, sender, message)
            case RequestVoteResponse():
                return self._vote_answered(now, sender, message)
            case InstallSnapshotMessage():
                return self._install(now, sender, message)
            case InstallSnapshotResponse():
                return self._install_answered(now, sender, message)
            case TimeoutNow():
                # A stale or forged call must not disturb a newer leader, nor make a non-voter stand.
                return (
                    self._campaign(now, transfer=True) if message.term >= self.term and self.configuration.is_voter(self.identity) else []
                )

    def unreachable(self, now: float, peer: str, request: AppendEntries) -> None:
        """The transport could not deliver this request."""
        if self._office is not None:
            self._office.unreachable(now, peer, request)

    def entries_read(self, now: float, peer: str, entries: list[Entry]) -> list[Effect]:
        """Answers `ReadEntries`."""
        return self._office.entries_read(now, peer, entries, self.commit_index) if self._office else []

    def snapshot_installed(self, now: float, sender: str, message: InstallSnapshotMessage) -> list[Effect]:
        """Answers `InstallSnapshot`: its content is durable and the state machine holds it."""
        self.restored(message.last_index, message.last_term)
        self._adopt(decode_configuration(message.configuration), message.configuration_index)
        self.committed_configuration, self.committed_configuration_index = self.configuration, self.configuration_index
        self._await_leader(now)
        return [Send(sender, InstallSnapshotResponse(self.term, True, message.last_index))]

    def restored(self, index: int, term: int) -> None:
        """A snapshot at `index` replaced log and state, from a leader or by an operator."""
        self.log.reset(index, term)
        self.commit_index = index
        if self._office is not None:
            self._office.own_match = index

    def verify(self, now: float, ticket: int) -> list[Effect]:
        """Asks whether this server still leads; `Verified(ticket)` follows if so. Raises NoLeader if it does not."""
        if self._office is None:
            raise NoLeader
        return self._office.verify(now, ticket)

    def transfer_leadership(self, now: float, target: str) -> list[Effect]:
        """Hands leadership to the voter `target`."""
        if self._office is None:
            raise NoLeader
        if target == self.identity or not self.configuration.is_voter(target):
            raise Rejected(f"cannot transfer leadership to {target!r}: not another voter")
        return self._office.transfer(now, target)

    def resign(self, now: float, reason: str) -> list[Effect]:
        """Stops leading, so that another server can: this one can no longer do a leader's work."""
        return self._step_down(now, self.term, reason) if self._office is not None else []

    def _campaign(self, now: float, transfer: bool) -> list[Effect]:
        effects = self._leave_office("new election")
        self.role, self.leader_address = Role.CANDIDATE, ""
        self.term += 1
        self._voted_for, self._votes = self.address, {self.identity}
        self._election_at = now + self._timing.election_timeout * (1 + self._random.random())
        effects.append(SaveVote(self.term, self.address))
        request = RequestVote(self.term, self.address, self.log.last_index, self.log.last_term, transfer)
        effects += [Send(name, request) for name in self.configuration.voters() if name != self.identity]
        return effects + self._count_votes(now)

    def _count_votes(self, now: float) -> list[Effect]:
        voters = self.configuration.voters()
        if len(self._votes.intersection(voters)) <= len(voters) // 2:
            return []
        self.role, self.leader_address, self.last_contact = Role.LEADER, self.address, now
        self._election_at = float("inf")
        self._office = Leadership(now, self.term, self.identity, self.address, self.log, self.configuration, self._timing, self._random)
        return [BecameLeader(self.term), *self._office.due(now, self.commit_index), *self.propose(now, [Proposal(NOOP)])]

    def _request_vote(self, now: float, sender: str, message: RequestVote) -> list[Effect]:
        refusal: list[Effect] = [Send(sender, RequestVoteResponse(self.term, False))]
        if self.leader_address and self.leader_address != message.candidate and not message.leadership_transfer:
            return refusal
        if message.term < self.term:
            return refusal
        effects: list[Effect] = []
        if message.term > self.term:
            effects += self._step_down(now, message.term, "a candidate has a higher term")
        upto_date = (message.last_term, message.last_index) >= (self.log.last_term, self.log.last_index)
        granted = upto_date and self._voted_for in ("", message.candidate) and self.role is Role.FOLLOWER
        if granted:
            self._voted_for = message.candidate
            effects.append(SaveVote(self.term, message.candidate))
            self._await_leader(now)
        return [*effects, Send(sender, RequestVoteResponse(self.term, granted))]

    def _vote_answered(self, now: float, sender: str, message: RequestVoteResponse) -> list[Effect]:
        if message.term > self.term:
            return self._step_down(now, message.term, "a voter has a higher term")
        if self.role is not Role.CANDIDATE or message.term < self.term or not message.granted:
            return []
        self._votes.add(sender)
        return self._count_votes(now)

    def _append_entries(self, now: float, sender: str, message: AppendEntries) -> list[Effect]:
        last_index = self.log.last_index
        if message.term < self.term:
            return [Send(sender, AppendEntriesResponse(self.term, last_index, False, request=message), after_writes=False)]
        new_term = message.term > self.term
        effects = self._step_down(now, message.term, "another leader has a higher term") if new_term else []
        self.role, self.leader_address = Role.FOLLOWER, message.leader
        self._await_leader(now)
        if message.entries is None:
            return [*effects, Send(sender, AppendEntriesResponse(self.term, last_index, True, request=message), after_writes=new_term)]
        if (
            message.previous_index
            and self.log.term(message.previous_index) != message.previous_term
            and message.previous_index > self.log.snapshot_index
        ):
            return [*effects, Send(sender, AppendEntriesResponse(self.term, last_index, False, True, request=message))]
        effects += self._store(
            now, [entry for entry in message.entries if self.log.term(entry.index) != entry.term and entry.index > self.commit_index]
        )
        matched = message.previous_index + len(message.entries)
        effects += self._commit(now, min(message.commit_index, matched))
        return [*effects, Send(sender, AppendEntriesResponse(self.term, last_index, True, request=message))]

    def _store(self, now: float, entries: list[Entry]) -> list[Effect]:
        """Appends a leader's entries; the first that differs from the own log replaces all from there on."""
        if not entries:
            return []
        if entries[0].index <= self.configuration_index:
            self.configuration, self.configuration_index = self.committed_configuration, self.committed_configuration_index
        self.log.append(entries)
        for entry in entries:
            if entry.type == CONFIGURATION:
                self._adopt(decode_configuration(entry.data), entry.index)
        return [Append(entries)]

    def _append_answered(self, now: float, sender: str, message: AppendEntriesResponse) -> list[Effect]:
        if message.term > self.term:
            return self._step_down(now, message.term, "a follower has a higher term")
        if self._office is None:
            return []
        effects = self._office.answered(now, sender, message, self.commit_index)
        return effects + self._commit_by_quorum(now)

    def _install(self, now: float, sender: str, message: InstallSnapshotMessage) -> list[Effect]:
        if message.term < self.term:
            return [Send(sender, InstallSnapshotResponse(self.term, False, message.last_index))]
        effects = self._step_down(now, message.term, "another leader has a higher term") if message.term > self.term else []
        self.role, self.leader_address = Role.FOLLOWER, message.leader
        self._await_leader(now)
        return [*effects, InstallSnapshot(sender, message)]

    def _install_answered(self, now: float, sender: str, message: InstallSnapshotResponse) -> list[Effect]:
        if message.term > self.term:
            return self._step_down(now, message.term, "a follower has a higher term")
        if self._office is None:
            return []
        effects = self._office.snapshot_sent(now, sender, message.last_index if message.success else None, self.commit_index)
        return effects + self._commit_by_quorum(now)

    def _commit_by_quorum(self, now: float) -> list[Effect]:
        """Commits what a majority has; an entry of an earlier term only together with one of this term."""
        office = self._office
        if office is None or (index := office.quorum_index()) < office.start_index:
            return []
        effects = self._commit(now, index)
        if effects and self.configuration_index <= self.commit_index and not self.configuration.is_voter(self.identity):
            effects += self._step_down(now, self.term, "removed from the configuration")
        return effects

    def _commit(self, now: float, index: int) -> list[Effect]:
        index = min(index, self.log.last_index)
        if index <= self.commit_index:
            return []
        first, self.commit_index = self.commit_index + 1, index
        if self.committed_configuration_index < self.configuration_index <= index:
            self.committed_configuration, self.committed_configuration_index = self.configuration, self.configuration_index
        return [Apply(first, index)]

    def _adopt(self, configuration: Configuration, index: int) -> None:
        self.configuration, self.configuration_index = configuration, index

    def _await_leader(self, now: float) -> None:
        self.last_contact = now
        self._election_at = now + self._timing.heartbeat_timeout * (1 + self._random.random())

    def _step_down(self, now: float, term: int, reason: str) -> list[Effect]:
        """Becomes a follower, in a higher term if `term` is higher."""
        effects = self._leave_office(reason)
        self.role, self.leader_address = Role.FOLLOWER, ""
        self._await_leader(now)
        if term > self.term:
            self.term, self._voted_for = term, ""
            effects.append(SaveVote(term, ""))
        return effects

    def _leave_office(self, reason: str) -> list[Effect]:
        if self._office is None:
            return []
        self._office = None
        return [LostLeadership(self.term, reason)]
