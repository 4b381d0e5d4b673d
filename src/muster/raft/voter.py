"""One server's term, its vote and its role: how it stands for election and whom it votes for.

Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), sections 3.4, 4.2.3, 6.4 and 9.6.
"""

import random

from muster.raft.ballot import Ballot
from muster.raft.contact import LeaderContact
from muster.raft.effects import Effect, SaveVote, Send
from muster.raft.log import Log
from muster.raft.membership import Configuration, ConfigurationHistory
from muster.raft.messages import RequestPreVote, RequestPreVoteResponse, RequestVote, RequestVoteResponse, TimeoutNow
from muster.raft.roles import ROLE_TRANSITIONS, Event, Role
from muster.raft.timing import Timing


class Voter:
    """The half of a `Node` that elects. The other half says what follows when office is taken or left."""

    def __init__(self, identity: str, address: str, timing: Timing, chance: random.Random, log: Log, term: int, voted_for: str) -> None:
        self.identity, self.address = identity, address
        self.role = Role.FOLLOWER
        self.term, self._voted_for = term, voted_for
        self.log = log
        self.configurations: ConfigurationHistory
        self.contact = LeaderContact(timing, chance)
        self.pre_voters: frozenset[str] = frozenset()
        """Ids of the servers that know pre-votes. By default nobody: Consul's servers do not."""
        self._timing, self._random = timing, chance
        self._ballot = Ballot(identity)
        self._installing = False  # a snapshot: neither state nor log can be relied on until it is done

    @property
    def configuration(self) -> Configuration:
        """Who takes part: the log's last configuration counts, committed or not."""
        return self.configurations.latest

    @property
    def leader_address(self) -> str:
        """The leader's "ip:port"; empty if there is none."""
        return self.contact.address

    def disconnected(self, now: float, peer: str) -> None:
        """The connection broke on which `peer` replicated to this server. If it leads, pre-votes show whether it still does: ask soon."""
        member = self.configuration.member(peer)
        known = self.pre_voters.intersection(self.configuration.voters()) - {self.identity}
        if self.role is Role.FOLLOWER and member is not None and member.address == self.leader_address and known:
            self.contact.disconnected(now)

    def _took_office(self, now: float) -> list[Effect]:
        """What a new leader does first."""
        raise NotImplementedError  # `Node` says it: it owns the office

    def _left_office(self, reason: str) -> list[Effect]:
        """What is left to do of a leader that is none any more."""
        raise NotImplementedError  # `Node` says it: it owns the office

    def _stand(self, now: float) -> list[Effect]:
        """Asks those who know pre-votes whether an election can be won; if they are not needed, it begins."""
        self._become(Event.ELECTION_TIMEOUT)
        self.contact.forget()
        self.contact.retry(now)
        voters = self.configuration.voters()
        self._ballot.open(name for name in voters if name not in self.pre_voters)
        if self._ballot.won(voters):
            return self._campaign(now, transfer=False)
        request = RequestPreVote(self.term + 1, self.address, self.log.last_index, self.log.last_term)
        return [Send(name, request) for name in voters if name in self.pre_voters and name != self.identity]

    def _campaign(self, now: float, transfer: bool) -> list[Effect]:
        if self.role is Role.FOLLOWER and not transfer:
            self._become(Event.ELECTION_TIMEOUT)
        self._become(Event.TIMEOUT_NOW if transfer else Event.PRE_VOTES)
        self.contact.forget()
        self.contact.retry(now)
        self.term += 1
        self._voted_for = self.address
        self._ballot.open()
        request = RequestVote(self.term, self.address, self.log.last_index, self.log.last_term, transfer)
        effects: list[Effect] = [SaveVote(self.term, self.address)]
        effects += [Send(name, request) for name in self.configuration.voters() if name != self.identity]
        return effects + self._count_votes(now)

    def _count_votes(self, now: float) -> list[Effect]:
        if not self._ballot.won(self.configuration.voters()):
            return []
        self._become(Event.VOTES)
        self.contact.leads(self.address)
        return self._took_office(now)

    def _keeps_faith(self, now: float, candidate: str) -> bool:
        """Whether this server owes it to its leader, maybe itself, not to vote for the candidate."""
        return self.role is Role.LEADER or (self.contact.keeps_faith(now) and candidate != self.leader_address)

    def _request_vote(self, now: float, sender: str, message: RequestVote) -> list[Effect]:
        refusal: list[Effect] = [Send(sender, RequestVoteResponse(self.term, False), request=message)]
        voted_already = message.term == self.term and self._voted_for == message.candidate
        may_vote = voted_already or message.leadership_transfer or not self._keeps_faith(now, message.candidate)
        if message.term < self.term or not may_vote:
            return refusal
        effects: list[Effect] = []
        if message.term > self.term:
            effects += self._step_down(now, Event.HIGHER_TERM, message.term, "a candidate has a higher term")
        stands = self.role in (Role.CANDIDATE, Role.LEADER)
        granted = self._up_to_date(message) and self._voted_for in ("", message.candidate) and not stands
        if granted:
            self._become(Event.VOTED)
            self._voted_for = message.candidate
            effects.append(SaveVote(self.term, message.candidate))
            self.contact.wait(now)
        return [*effects, Send(sender, RequestVoteResponse(self.term, granted), request=message)]

    def _request_pre_vote(self, now: float, sender: str, message: RequestPreVote) -> list[Effect]:
        free = message.term > self.term or (message.term == self.term and self._voted_for in ("", message.candidate))
        granted = free and self._up_to_date(message) and not self._keeps_faith(now, message.candidate)
        return [Send(sender, RequestPreVoteResponse(self.term, granted), request=message)]

    def _up_to_date(self, message: RequestVote | RequestPreVote) -> bool:
        return (message.last_term, message.last_index) >= (self.log.last_term, self.log.last_index)

    def _vote_answered(self, now: float, sender: str, message: RequestVoteResponse) -> list[Effect]:
        if message.term > self.term:
            return self._step_down(now, Event.HIGHER_TERM, message.term, "a voter has a higher term")
        if self.role is not Role.CANDIDATE or message.term < self.term or not message.granted:
            return []
        self._ballot.votes.add(sender)
        return self._count_votes(now)

    def _pre_vote_answered(self, now: float, sender: str, message: RequestPreVoteResponse) -> list[Effect]:
        if message.term > self.term and not message.granted:
            return self._step_down(now, Event.HIGHER_TERM, message.term, "a voter has a higher term")
        if self.role is not Role.PRE_CANDIDATE or not message.granted:
            return []
        self._ballot.votes.add(sender)
        return self._campaign(now, transfer=False) if self._ballot.won(self.configuration.voters()) else []

    def _take_over(self, now: float, message: TimeoutNow) -> list[Effect]:
        """A stale or forged call must not disturb a newer leader, nor make a non-voter stand. The wire carries no term: 0."""
        asked_by_leader = self.role is Role.FOLLOWER and self.leader_address and message.term in (0, self.term)
        if not asked_by_leader or self._installing or not self.configuration.is_voter(self.identity):
            return []
        return self._campaign(now, transfer=True)

    def _become(self, event: Event) -> None:
        assert (self.role, event) in ROLE_TRANSITIONS, f"{event} as {self.role}"
        self.role = ROLE_TRANSITIONS[self.role, event]

    def _step_down(self, now: float, event: Event, term: int, reason: str) -> list[Effect]:
        """Becomes a follower, in a higher term if `term` is higher."""
        effects: list[Effect] = []
        if self.role is Role.LEADER:
            effects += self._left_office(reason)
            self.contact.led(now)
            self.contact.wait(now)  # others keep their time: a candidate that cannot win must not hold up those who can
        self._become(event)
        self.contact.forget()
        if term > self.term:
            self.term, self._voted_for = term, ""
            effects.append(SaveVote(term, ""))
        return effects
