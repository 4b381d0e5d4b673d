"""One server's part in Raft: its log as a follower and as a leader. Elections are in `voter`, the roles in `roles`.

Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), chapters 3, 4, 6 and 9; the exact rules are those of
the raft library 1.1.2, protocol version 3, so that Muster and Consul servers vote in one cluster.
"""

import random

import msgspec

from muster.model.errors import NoLeader, Rejected
from muster.raft.effects import Append, Apply, BecameLeader, Effect, InstallSnapshot, LostLeadership, ReceiveSnapshot, SaveVote, Send
from muster.raft.entries import CONFIGURATION, NOOP, Entry, Proposal
from muster.raft.incoming import check, contradicts, first_new, follows
from muster.raft.leadership import Leadership
from muster.raft.log import Log
from muster.raft.membership import Configuration, ConfigurationHistory, decode_configuration
from muster.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshotResponse,
    Message,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from muster.raft.messages import InstallSnapshot as InstallSnapshotMessage
from muster.raft.roles import Event, Role
from muster.raft.timing import Timing
from muster.raft.voter import Voter

__all__ = ["Node", "Persisted", "Role"]


class Persisted(msgspec.Struct, frozen=True):
    """What a server finds on its disk: term and vote, and the configuration as of its last entry."""

    term: int = 0
    candidate: str = ""
    configuration: Configuration = Configuration()
    configuration_index: int = 0
    committed_configuration: Configuration = Configuration()
    committed_configuration_index: int = 0


class Node(Voter):
    """The consensus core of one server. It sends and writes nothing: every call returns effects, in order.

    Times are seconds on one monotonic clock that the caller owns. `receive` takes messages from the server whose id
    is `sender`; the transport pairs answers with requests (see `messages`).
    """

    def __init__(self, identity: str, address: str, timing: Timing, chance: random.Random, log: Log, persisted: Persisted) -> None:
        super().__init__(identity, address, timing, chance, log, persisted.term, persisted.candidate)
        self.commit_index = log.snapshot_index
        self.configurations = ConfigurationHistory(persisted.committed_configuration, persisted.committed_configuration_index)
        if persisted.configuration_index > persisted.committed_configuration_index:
            self.configurations.appended(persisted.configuration, persisted.configuration_index)
        self._office: Leadership | None = None
        self._superseded = False  # an operator's snapshot that a later leader does not know: any of its own replaces it
        self._now = 0.0

    @property
    def configuration_index(self) -> int:
        """The index of that configuration."""
        return self.configurations.latest_index

    def start(self, now: float) -> list[Effect]:
        """A sole voter elects itself at once; others wait for a leader's word."""
        # In term 1 nobody has ever led: that is the term of the first configuration.
        self.contact.started(now, may_have_promised=self.term > 1)
        if self.configuration.voters() == [self.identity]:
            return self._campaign(now, transfer=False)
        return []

    def bootstrap(self, now: float, configuration: Configuration) -> list[Effect]:
        """Founds a datacenter: entry 1 is this configuration, and every first server writes the same. Rejected if not empty."""
        if self.log.last_index or self.term > 1 or self._voted_for or self._installing:
            raise Rejected("bootstrap only works on new clusters")
        entry = Entry(1, 1, CONFIGURATION, configuration.checked().encode())
        self.term = 1
        self.log.append([entry])
        self.configurations.appended(configuration, 1)
        effects: list[Effect] = [SaveVote(1, ""), Append([entry])]
        if configuration.voters() == [self.identity]:
            return [*effects, *self._campaign(now, transfer=False)]
        self.contact.hurry(now)
        return effects

    def next_deadline(self) -> float:
        """When `tick` must be called next; infinity if only a message can change anything."""
        if self._office is not None:
            return self._office.next_deadline(self._now)
        return self.contact.election_at

    def tick(self, now: float) -> list[Effect]:
        """Everything that is due by `now`: an election, heartbeats, the end of a lease."""
        self._now = now
        if self._office is not None:
            if self._office.quorum_contact(now) + self._timing.lease_timeout <= now:
                return self._step_down(now, Event.LEASE_LOST, self.term, "no quorum answered within the lease")
            return self._office.due(now, self.commit_index)
        if now < self.contact.election_at:
            return []
        if not self.configuration.is_voter(self.identity) or self._installing:
            self.contact.wait(now)
            return []
        return self._stand(now)

    def takes_proposals(self) -> bool:
        """Whether this server leads and is not handing over."""
        return self._office is not None and not self._office.transfer_to

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
        if self._office is None or self._office.transfer_to:
            raise NoLeader
        if not self.may_reconfigure():
            raise Rejected("a configuration change is already in progress")
        index = self.log.last_index + 1
        self.configurations.appended(configuration.checked(), index)
        self._office.reconfigured(now, configuration, index)
        return self.propose(now, [Proposal(CONFIGURATION, configuration.encode())])

    def may_reconfigure(self) -> bool:
        """Whether the last change is committed, and an entry of this leader's own term."""
        return self._office is not None and self.configuration_index <= self.commit_index and self.commit_index >= self._office.start_index

    def persisted(self, now: float, index: int) -> list[Effect]:
        """The log is durable up to `index` on this server's own disk."""
        if self._office is None:
            return []
        self._office.own_match = index
        return self._commit_by_quorum(now)

    def receive(self, now: float, sender: str, message: Message) -> list[Effect]:
        """A message from another server. Raises DecodeError, and then nothing has changed, if its content is no message's."""
        match message:
            case AppendEntries():
                return self._append_entries(now, sender, message)
            case AppendEntriesResponse():
                return self._append_answered(now, sender, message)
            case RequestVote():
                return self._request_vote(now, sender, message)
            case RequestVoteResponse():
                return self._vote_answered(now, sender, message)
            case RequestPreVote():
                return self._request_pre_vote(now, sender, message)
            case RequestPreVoteResponse():
                return self._pre_vote_answered(now, sender, message)
            case InstallSnapshotMessage():
                return self._install(now, sender, message)
            case InstallSnapshotResponse():
                return self._install_answered(now, sender, message)
            case TimeoutNow():
                return self._take_over(now, message)

    def unreachable(self, now: float, peer: str, request: AppendEntries) -> None:
        """The transport could not deliver this request."""
        if self._office is not None:
            self._office.unreachable(now, peer, request)

    def entries_read(self, now: float, peer: str, entries: list[Entry]) -> list[Effect]:
        """Answers `ReadEntries`."""
        return self._office.entries_read(now, peer, entries, self.commit_index) if self._office else []

    def snapshot_received(self, now: float, sender: str, message: InstallSnapshotMessage) -> list[Effect]:
        """Answers `ReceiveSnapshot`: all its bytes are there. Time has passed: it is installed only if it is still news."""
        if message.term < self.term or self._office is not None or self._installing:
            return [Send(sender, InstallSnapshotResponse(self.term, False, message.last_index), request=message)]
        effects = self._follow(now, message.term, message.leader)
        if self._holds(message):
            return [*effects, *self._covered(sender, message)]
        self._installing = True
        return [*effects, InstallSnapshot(sender, message)]

    def snapshot_installed(self, now: float, sender: str, message: InstallSnapshotMessage) -> list[Effect]:
        """Answers `InstallSnapshot`: its content is durable and the state machine holds it."""
        assert self._installing and self._office is None
        self._installing = False
        self.restored(message.last_index, message.last_term)
        self.configurations.replaced(decode_configuration(message.configuration), message.configuration_index)
        self.contact.wait(now)
        return [Send(sender, InstallSnapshotResponse(self.term, True, message.last_index), request=message)]

    def snapshot_refused(self, sender: str, message: InstallSnapshotMessage) -> list[Effect]:
        """Answers `InstallSnapshot`: its content was no state, and nothing was replaced."""
        self._installing = False
        return [Send(sender, InstallSnapshotResponse(self.term, False, message.last_index), request=message)]

    def restored(self, index: int, term: int) -> None:
        """A snapshot at `index` replaced log and state, from a leader or by an operator."""
        assert index > self.commit_index or self._superseded
        self._superseded = False
        self.log.reset(index, term)
        self.commit_index = index
        if self._office is not None:
            self._office.own_match = index

    def verify(self, now: float, ticket: int) -> list[Effect]:
        """Asks whether this server still leads; `Verified(ticket)` follows if so. Raises NoLeader if it does not."""
        if self._office is None:
            raise NoLeader
        return self._office.verify(now, ticket)

    def lease_valid(self, now: float) -> bool:
        """Whether a read of what is applied here is a read of the newest: no other server can lead by now."""
        office = self._office
        return office is not None and self.commit_index >= office.start_index and office.lease_valid(now)

    def needed_from(self) -> int | None:
        """The oldest log index that must be kept, lest a follower that answers needs a snapshot; None if none does."""
        return self._office.needed_from() if self._office is not None else None

    def transfer_leadership(self, now: float, target: str) -> list[Effect]:
        """Hands leadership to the voter `target`: until it takes over, or `TransferFailed`, nothing is proposed."""
        office = self._office
        if office is None:
            raise NoLeader
        if target == self.identity or not self.configuration.is_voter(target):
            raise Rejected(f"cannot transfer leadership to {target!r}: not another voter")
        if office.transfer_to:
            raise Rejected("leadership transfer already in progress")
        office.transfer(now, target)
        return [*office.replicate(now, self.commit_index), *office.hand_over(self.commit_index)]

    def transfer_target(self, now: float) -> str:
        """The voter that is most level with this leader, of those that answered within the lease if any did; empty without another."""
        office = self._office
        if office is None:
            return ""
        others = [(name, office.followers[name]) for name in self.configuration.voters() if name != self.identity]
        answering = [one for one in others if one[1].promised + self._timing.lease_timeout > now and not one[1].failures]
        return max(answering or others, key=lambda one: (one[1].match, one[1].contact), default=("", None))[0]

    def is_replicated(self) -> bool:
        """Whether some follower holds all that this leader proposed."""
        return self._office is not None and any(follower.match == self.log.last_index for follower in self._office.followers.values())

    def resign(self, now: float, reason: str) -> list[Effect]:
        """Stops leading, and tells the best follower to take over: this server can no longer do a leader's work."""
        if self._office is None:
            return []
        target, term = self.transfer_target(now), self.term
        effects = self._step_down(now, Event.RESIGNED, self.term, reason)
        return [*effects, Send(target, TimeoutNow(term), after_writes=False)] if target else effects

    # ---- following

    def _append_entries(self, now: float, sender: str, message: AppendEntries) -> list[Effect]:
        last_index = self.log.last_index
        if message.term < self.term or (self._office is not None and message.term == self.term):
            return [Send(sender, AppendEntriesResponse(self.term, last_index, False, request=message), after_writes=False)]
        configurations = check(message) if message.entries else []
        new_term = message.term > self.term
        effects = self._follow(now, message.term, message.leader)
        if message.entries is None:
            return [*effects, Send(sender, AppendEntriesResponse(self.term, last_index, True, request=message), after_writes=new_term)]
        if self._superseded or contradicts(self.log, message):
            self._superseded = True
            return [*effects, Send(sender, AppendEntriesResponse(self.term, 0, False, request=message))]
        if self._installing or not follows(self.log, message):
            backoff = not self._installing
            return [*effects, Send(sender, AppendEntriesResponse(self.term, last_index, False, backoff, request=message))]
        new = first_new(self.log, message)
        if new < len(message.entries) and message.entries[new].index <= self.commit_index:
            # What is committed is never replaced: this is no leader that was elected by the rules.
            return [*effects, Send(sender, AppendEntriesResponse(self.term, last_index, False, request=message))]
        if new < len(message.entries):
            effects += self._store([*message.entries[new:]], configurations)
        effects += self._commit(min(message.commit_index, message.previous_index + len(message.entries)))
        return [*effects, Send(sender, AppendEntriesResponse(self.term, last_index, True, request=message))]

    def _store(self, entries: list[Entry], configurations: list[tuple[int, Configuration]]) -> list[Effect]:
        """Appends a leader's entries; the first that differs from the own log replaces all from there on."""
        first = entries[0].index
        assert self.commit_index < first <= self.log.last_index + 1 and self._office is None
        self.configurations.truncated(first)
        self.log.append(entries)
        for index, configuration in configurations:
            if index >= first:
                self.configurations.appended(configuration, index)
        return [Append(entries)]

    def _install(self, now: float, sender: str, message: InstallSnapshotMessage) -> list[Effect]:
        decode_configuration(message.configuration)
        if message.term < self.term or (self._office is not None and message.term == self.term):
            return [Send(sender, InstallSnapshotResponse(self.term, False, message.last_index), request=message)]
        effects = self._follow(now, message.term, message.leader)
        if self._holds(message):
            return [*effects, *self._covered(sender, message)]
        if self._superseded and message.last_term <= self.log.snapshot_term:
            # It may end before that other leader's term: what was restored here would stand beside it on the disk as the newer one.
            return [*effects, Send(sender, InstallSnapshotResponse(self.term, False, message.last_index), request=message)]
        return [*effects, ReceiveSnapshot(sender, message)]

    def _holds(self, message: InstallSnapshotMessage) -> bool:
        """Whether this log reaches beyond the snapshot and agrees with it: logs that agree at an index agree before it."""
        if message.last_index <= self.log.snapshot_index and message.last_term > self.log.snapshot_term:
            self._superseded = True
        if self._superseded:
            return False
        return message.last_index <= self.commit_index or self.log.term(message.last_index) == message.last_term

    def _covered(self, sender: str, message: InstallSnapshotMessage) -> list[Effect]:
        """Installing it would throw entries away that this server may have acknowledged."""
        answer = InstallSnapshotResponse(self.term, True, message.last_index)
        return [*self._commit(message.last_index), Send(sender, answer, request=message)]

    # ---- leading

    def _append_answered(self, now: float, sender: str, message: AppendEntriesResponse) -> list[Effect]:
        if message.term > self.term:
            return self._step_down(now, Event.HIGHER_TERM, message.term, "a follower has a higher term")
        if self._office is None:
            return []
        return self._office.answered(now, sender, message, self.commit_index) + self._commit_by_quorum(now)

    def _install_answered(self, now: float, sender: str, message: InstallSnapshotResponse) -> list[Effect]:
        if message.term > self.term:
            return self._step_down(now, Event.HIGHER_TERM, message.term, "a follower has a higher term")
        if self._office is None:
            return []
        installed, refused = message.last_index if message.success else None, not message.success and message.term == self.term
        effects = self._office.snapshot_sent(now, sender, installed, refused, self.commit_index)
        return effects + self._commit_by_quorum(now)

    def _commit_by_quorum(self, now: float) -> list[Effect]:
        """Commits what a majority has; an entry of an earlier term only together with one of this term."""
        office = self._office
        if office is None:
            return []
        effects: list[Effect] = []
        if (index := office.quorum_index()) >= office.start_index:
            effects = self._commit(index)
            if effects and not office.is_voter and self.configuration_index <= self.commit_index:
                return effects + self._step_down(now, Event.REMOVED, self.term, "removed from the configuration")
        return effects + office.hand_over(self.commit_index) if office.transfer_to else effects

    def _took_office(self, now: float) -> list[Effect]:
        self._now = now
        self._office = Leadership(now, self.term, self.identity, self.address, self.log, self.configuration, self._timing, self._random)
        return [BecameLeader(self.term), *self._office.due(now, self.commit_index), *self.propose(now, [Proposal(NOOP)])]

    def _left_office(self, reason: str) -> list[Effect]:
        self._office = None
        return [LostLeadership(self.term, reason)]

    # ---- all

    def _commit(self, index: int) -> list[Effect]:
        index = min(index, self.log.last_index)
        if index <= self.commit_index:
            return []
        first, self.commit_index = self.commit_index + 1, index
        self.configurations.committed_up_to(index)
        return [Apply(first, index)]

    def _follow(self, now: float, term: int, leader: str) -> list[Effect]:
        """Takes `leader` for the leader of `term`, which is not lower than the own."""
        effects = self._step_down(now, Event.HIGHER_TERM, term, "another leader has a higher term") if term > self.term else []
        if self.role is not Role.FOLLOWER:
            self._become(Event.LEADER_SEEN)
        self.contact.heard(now, leader)
        return effects
