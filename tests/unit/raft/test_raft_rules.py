"""Raft's finer rules, each as a conversation: pre-votes, leases, handing over, snapshots into a log, changes of membership."""

import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from raft_network import Network
from test_node import THREE, leader, node, replies

from muster.model.errors import DecodeError, NoLeader, Rejected
from muster.raft.effects import (
    Append,
    Apply,
    BecameLeader,
    InstallSnapshot,
    LostLeadership,
    ReadEntries,
    ReceiveSnapshot,
    SaveVote,
    Send,
    SendSnapshot,
    TransferFailed,
)
from muster.raft.entries import COMMAND, CONFIGURATION, NOOP, Entry, Proposal
from muster.raft.leadership import MAXIMUM_ENTRIES
from muster.raft.log import Log
from muster.raft.membership import Configuration, ConfigurationHistory, Member
from muster.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshotResponse,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from muster.raft.messages import InstallSnapshot as Head
from muster.raft.node import Node, Persisted
from muster.raft.roles import ROLE_TRANSITIONS, Event, Role
from muster.raft.timing import Timing

ALL = frozenset({"n1", "n2", "n3"})


def settled_leader(term: int = 2):
    """n1 leads, its first entry (index 2) is committed, and n2 answered a heartbeat of 100.0."""
    elected = leader()
    elected.persisted(100.0, 2)
    for name in ("n2", "n3"):
        answer(elected, name, 100.0, 0, 2)
        heartbeat = AppendEntries(term, "a1", sequence=1, sent_at=100.0)
        elected.receive(100.0, name, AppendEntriesResponse(term, 2, True, request=heartbeat))
    assert elected.commit_index == 2
    return elected


def answer(elected, name, sent_at, previous, last, *, commit=0, success=True, at=None):
    """`name` answers a request whose entries end at `last`."""
    entries = tuple(Entry(index, 2, COMMAND) for index in range(previous + 1, last + 1))
    request = AppendEntries(elected.term, "a1", previous, 2, commit, entries, 0, sent_at)
    response = AppendEntriesResponse(elected.term, last, success, request=request)
    return elected.receive(sent_at if at is None else at, name, response)


def sends(effects, kind):
    return [(effect.to, effect.message) for effect in effects if isinstance(effect, Send) and isinstance(effect.message, kind)]


# ---- pre-votes


def test_nobody_is_asked_for_a_pre_vote_unless_it_is_known_to_know_them():
    follower = node()
    assert sends(follower.tick(100.0), RequestPreVote) == []
    assert follower.role is Role.CANDIDATE


def test_a_pre_candidate_keeps_its_term_until_a_quorum_would_vote_for_it():
    follower = node()
    follower.pre_voters = ALL
    asked = follower.tick(100.0)
    assert sends(asked, RequestPreVote) == [(name, RequestPreVote(2, "a1", 1, 1)) for name in ("n2", "n3")]
    assert (follower.role, follower.term, [effect for effect in asked if isinstance(effect, SaveVote)]) == (Role.PRE_CANDIDATE, 1, [])
    assert follower.receive(100.1, "n2", RequestPreVoteResponse(1, False)) == []
    effects = follower.receive(100.2, "n3", RequestPreVoteResponse(1, True))
    assert effects[0] == SaveVote(2, "a1")
    assert (follower.role, follower.term) == (Role.CANDIDATE, 2)


def test_servers_that_cannot_be_asked_count_as_willing():
    five = Configuration(tuple(Member(f"n{n}", f"a{n}") for n in range(1, 6)))
    mixed = node(five)
    mixed.pre_voters = frozenset({"n1", "n2", "n3", "n4"})  # n5 is Consul's
    mixed.tick(100.0)
    assert mixed.role is Role.PRE_CANDIDATE  # itself and n5 are two of five
    mixed.receive(100.1, "n2", RequestPreVoteResponse(1, True))
    assert mixed.role is Role.CANDIDATE


@pytest.mark.parametrize(
    ("heard_at", "request_", "granted"),
    [
        pytest.param(None, RequestPreVote(2, "a2", 3, 1), True, id="no leader"),
        pytest.param(9.0, RequestPreVote(2, "a2", 3, 1), False, id="a leader was just heard"),
        pytest.param(1.0, RequestPreVote(2, "a2", 3, 1), True, id="a leader was heard long ago"),
        pytest.param(None, RequestPreVote(2, "a2", 2, 1), False, id="a shorter log"),
        pytest.param(None, RequestPreVote(1, "a2", 3, 1), True, id="the same term, no vote given"),
        pytest.param(None, RequestPreVote(0, "a2", 3, 1), False, id="an old term"),
    ],
)
def test_whom_a_pre_vote_goes_to_without_changing_anything(heard_at, request_, granted):
    voter = node(entries=(1, 1, 1))
    if heard_at is not None:
        voter.receive(heard_at, "n3", AppendEntries(1, "a3"))
    assert voter.receive(10.0, "n2", request_) == [Send("n2", RequestPreVoteResponse(1, granted), request=request_)]
    assert voter.term == 1


def test_a_leader_grants_no_pre_vote():
    elected = settled_leader()
    assert replies(elected.receive(100.1, "n2", RequestPreVote(9, "a2", 9, 9))) == [RequestPreVoteResponse(2, False)]
    assert elected.role is Role.LEADER


def test_a_pre_candidate_that_hears_of_a_higher_term_takes_it():
    follower = node()
    follower.pre_voters = ALL
    follower.tick(100.0)
    assert follower.receive(100.1, "n2", RequestPreVoteResponse(7, False)) == [SaveVote(7, "")]
    assert (follower.role, follower.term) == (Role.FOLLOWER, 7)


def test_a_server_that_was_cut_off_does_not_raise_the_term_when_it_comes_back():
    network = Network(["n1", "n2", "n3"], pre_voters=ALL)
    network.run(5)
    elected = network.leader()
    lame = next(host for host in network.hosts.values() if host is not elected)
    network.isolate(lame.name)
    network.run(60)
    network.heal()
    network.run(5)
    assert network.leader() is elected
    assert {host.node.term for host in network.hosts.values()} == {elected.node.term}


def test_a_broken_connection_to_the_leader_brings_the_election_forward_to_the_end_of_the_promise():
    follower = node()
    follower.pre_voters = ALL
    follower.receive(10.0, "n2", AppendEntries(1, "a2"))
    follower.disconnected(10.1, "n3")
    assert follower.next_deadline() >= 15.0  # it was not the leader's
    follower.disconnected(10.1, "n2")
    assert 12.5 <= follower.next_deadline() <= 13.0  # lease timeout 2.5; spread over a tenth of the election timeout
    request = RequestPreVote(2, "a3", 1, 1)
    assert replies(follower.receive(12.4, "n3", request)) == [RequestPreVoteResponse(1, False)]
    assert replies(follower.receive(12.5, "n3", request)) == [RequestPreVoteResponse(1, True)]


def test_without_pre_votes_a_broken_connection_changes_nothing():
    follower = node()
    follower.receive(10.0, "n2", AppendEntries(1, "a2"))
    before = follower.next_deadline()
    follower.disconnected(10.1, "n2")
    assert follower.next_deadline() == before


def test_a_leader_that_is_heard_again_after_its_connection_broke_is_waited_for():
    follower = node()
    follower.pre_voters = ALL
    follower.receive(10.0, "n2", AppendEntries(1, "a2"))
    follower.disconnected(10.1, "n2")
    follower.receive(10.2, "n2", AppendEntries(1, "a2"))
    assert follower.next_deadline() >= 15.2
    assert replies(follower.receive(12.8, "n3", RequestPreVote(2, "a3", 1, 1))) == [RequestPreVoteResponse(1, False)]


# ---- leases


def test_a_lease_counts_from_when_its_heartbeat_was_sent_and_allows_for_drift():
    elected = settled_leader()  # lease timeout 2.5: 2.25 with a tenth taken off
    assert elected.lease_valid(102.24)
    assert not elected.lease_valid(102.26)
    heartbeat = AppendEntries(2, "a1", sequence=2, sent_at=101.0)
    elected.receive(102.9, "n2", AppendEntriesResponse(2, 2, True, request=heartbeat))
    assert elected.lease_valid(103.24)
    assert not elected.lease_valid(103.26)


def test_votes_alone_give_no_lease_and_neither_does_an_uncommitted_beginning():
    elected = leader()
    assert not elected.lease_valid(100.0)
    heartbeat = AppendEntries(2, "a1", sequence=1, sent_at=100.0)
    elected.receive(100.1, "n2", AppendEntriesResponse(2, 1, True, request=heartbeat))
    assert not elected.lease_valid(100.1)  # what the last leader committed may not be applied here


def test_whoever_was_told_to_take_over_may_do_so_at_any_time_so_the_lease_is_over():
    elected = settled_leader()
    assert sends(elected.transfer_leadership(100.0, "n2"), TimeoutNow) == [("n2", TimeoutNow(2))]
    assert not elected.lease_valid(100.0)
    elected.tick(101.0)
    for name in ("n2", "n3"):
        heartbeat = AppendEntries(2, "a1", sequence=9, sent_at=104.9)
        elected.receive(104.9, name, AppendEntriesResponse(2, 2, True, request=heartbeat))
    assert TransferFailed("n2") in elected.tick(105.0)
    assert not elected.lease_valid(105.0)


def test_within_its_promise_a_follower_votes_for_nobody_else_and_afterwards_does():
    follower = node()
    follower.receive(10.0, "n2", AppendEntries(1, "a2"))
    request = RequestVote(2, "a3", 1, 1)
    assert replies(follower.receive(14.9, "n3", request)) == [RequestVoteResponse(1, False)]
    assert replies(follower.receive(15.0, "n3", request)) == [RequestVoteResponse(2, True)]


def test_a_promise_outlives_a_restart():
    voter = node(term=5)  # started at 0.0; lease timeout 2.5
    request = RequestVote(6, "a3", 9, 5)
    assert replies(voter.receive(2.4, "n3", request)) == [RequestVoteResponse(5, False)]
    assert replies(voter.receive(2.5, "n3", request)) == [RequestVoteResponse(6, True)]


# ---- handing over


def test_a_target_that_lags_is_brought_up_to_date_first_and_nothing_is_proposed_meanwhile():
    elected = settled_leader()
    elected.propose(100.0, [Proposal(COMMAND, b"a")])
    assert sends(elected.transfer_leadership(100.0, "n2"), TimeoutNow) == []
    with pytest.raises(NoLeader):
        elected.propose(100.0, [Proposal(COMMAND, b"b")])
    with pytest.raises(NoLeader):
        elected.propose_configuration(100.0, THREE.without("n3"))
    assert sends(answer(elected, "n2", 100.0, 2, 3), TimeoutNow) == []  # not committed: the own disk lacks it
    assert sends(elected.persisted(100.0, 3), TimeoutNow) == [("n2", TimeoutNow(2))]
    assert sends(answer(elected, "n3", 100.0, 2, 3), TimeoutNow) == []  # once is enough


def test_a_transfer_that_nobody_takes_up_ends_after_an_election_timeout():
    elected = settled_leader()
    elected.transfer_leadership(100.0, "n2")
    with pytest.raises(Rejected, match="in progress"):
        elected.transfer_leadership(100.0, "n3")
    for name in ("n2", "n3"):
        answer(elected, name, 104.5, 2, 2)
    assert TransferFailed("n2") in elected.tick(105.0)
    assert elected.propose(105.0, [Proposal(COMMAND, b"b")])
    assert sends(elected.transfer_leadership(105.0, "n3"), TimeoutNow) == []
    elected.persisted(105.0, 3)
    assert sends(answer(elected, "n3", 105.0, 2, 3), TimeoutNow) == [("n3", TimeoutNow(2))]


@pytest.mark.parametrize(
    ("prepare", "stands"),
    [
        pytest.param(lambda follower: follower.receive(1.0, "n2", AppendEntries(1, "a2")), True, id="of its leader"),
        pytest.param(lambda follower: None, False, id="without a leader"),
        pytest.param(lambda follower: follower.receive(1.0, "n2", AppendEntries(2, "a2")), False, id="of an earlier term's leader"),
    ],
)
def test_who_is_told_to_take_over(prepare, stands):
    follower = node()
    prepare(follower)
    assert bool(follower.receive(1.0, "n2", TimeoutNow(1))) is stands


def test_who_is_level_but_does_not_answer_is_no_target():
    elected = settled_leader()
    heartbeat = AppendEntries(2, "a1", sequence=2, sent_at=103.0)
    elected.receive(103.0, "n2", AppendEntriesResponse(2, 2, True, request=heartbeat))
    elected.propose(103.0, [Proposal(COMMAND, b"a")])
    answer(elected, "n3", 100.0, 2, 3)
    assert elected.transfer_target(103.0) == "n2"


def test_a_leader_that_steps_down_was_in_touch_until_then():
    elected = settled_leader()
    elected.tick(200.0)
    assert elected.role is Role.FOLLOWER
    assert elected.contact.heard_at == 200.0


def test_the_best_target_is_the_voter_that_is_most_level():
    elected = settled_leader()
    elected.propose(100.0, [Proposal(COMMAND, b"a")])
    answer(elected, "n3", 100.0, 2, 3)
    assert elected.transfer_target(100.0) == "n3"


def test_a_leader_that_resigns_tells_the_most_level_voter_to_take_over_at_once():
    elected = settled_leader()
    elected.propose(100.0, [Proposal(COMMAND, b"a")])
    assert not elected.is_replicated()
    answer(elected, "n3", 100.0, 2, 3)
    assert elected.is_replicated()
    effects = elected.resign(100.1, "the disk does not answer")
    assert effects == [LostLeadership(2, "the disk does not answer"), Send("n3", TimeoutNow(2), after_writes=False)]
    assert elected.role is Role.FOLLOWER
    assert elected.resign(100.2, "again") == []


# ---- snapshots into a log


def head(last_index: int, last_term: int = 1, term: int = 2) -> Head:
    return Head(term, "a2", last_index, last_term, THREE.encode(), 1, 100)


def test_a_snapshot_is_received_beside_everything_else_and_then_installed():
    follower = node(entries=(1,))
    assert follower.receive(1.0, "n2", head(9)) == [SaveVote(2, ""), ReceiveSnapshot("n2", head(9))]
    assert follower.receive(1.1, "n2", AppendEntries(2, "a2"))  # heartbeats are answered meanwhile
    assert follower.snapshot_received(2.0, "n2", head(9)) == [InstallSnapshot("n2", head(9))]
    refused = AppendEntries(2, "a2", 1, 1, 0, (Entry(2, 1, COMMAND),))
    assert not replies(follower.receive(2.1, "n2", refused))[-1].success  # the log is about to be replaced
    assert follower.tick(1000.0) == []
    answered = follower.snapshot_installed(3.0, "n2", head(9))
    assert answered == [Send("n2", InstallSnapshotResponse(2, True, 9), request=head(9))]
    assert (follower.commit_index, follower.log.last_index, follower.log.first_index) == (9, 9, 10)


def test_one_that_ends_within_the_uncommitted_entries_of_an_old_leader_replaces_them_all():
    follower = node(entries=(1, 1, 1, 1, 1))  # 2 to 5 were never committed; the snapshot's entry 3 is of term 2
    assert follower.receive(1.0, "n2", head(3, last_term=2))[-1] == ReceiveSnapshot("n2", head(3, last_term=2))
    follower.snapshot_received(1.0, "n2", head(3, last_term=2))
    follower.snapshot_installed(1.0, "n2", head(3, last_term=2))
    assert (follower.log.last_index, follower.log.last_term) == (3, 2)
    effects = follower.receive(1.1, "n2", AppendEntries(2, "a2", 3, 2, 4, (Entry(4, 2, COMMAND),)))
    assert [type(effect) for effect in effects] == [Append, Apply, Send]
    assert replies(effects)[-1].success


def test_one_that_agrees_with_the_log_is_not_installed_since_acknowledged_entries_would_go():
    follower = node(entries=(1, 1, 1, 1, 1))
    effects = follower.receive(1.0, "n2", head(3))
    assert effects == [SaveVote(2, ""), Apply(1, 3), Send("n2", InstallSnapshotResponse(2, True, 3), request=head(3))]
    assert follower.log.last_index == 5


def test_one_that_became_old_while_it_was_received_is_not_installed():
    follower = node(entries=(1,))
    follower.receive(1.0, "n2", head(3))
    follower.receive(1.1, "n2", AppendEntries(2, "a2", 1, 1, 4, tuple(Entry(index, 2, COMMAND) for index in (2, 3, 4))))
    effects = follower.snapshot_received(2.0, "n2", head(3))
    assert effects == [Send("n2", InstallSnapshotResponse(2, True, 3), request=head(3))]
    assert follower.commit_index == 4


def test_of_two_that_arrive_together_only_one_is_installed():
    follower = node(entries=(1,))
    for last in (8, 9):
        follower.receive(1.0, "n2", head(last))
    assert follower.snapshot_received(2.0, "n2", head(8)) == [InstallSnapshot("n2", head(8))]
    assert follower.snapshot_received(2.0, "n2", head(9)) == [Send("n2", InstallSnapshotResponse(2, False, 9), request=head(9))]


def test_one_with_bad_content_leaves_everything_as_it_was():
    follower = node(entries=(1,))
    follower.receive(1.0, "n2", head(9))
    follower.snapshot_received(2.0, "n2", head(9))
    assert follower.snapshot_refused("n2", head(9)) == [Send("n2", InstallSnapshotResponse(2, False, 9), request=head(9))]
    assert (follower.commit_index, follower.log.last_index) == (0, 1)
    assert replies(follower.receive(2.1, "n2", AppendEntries(2, "a2", 1, 1, 0, (Entry(2, 2, COMMAND),))))[-1].success


def test_a_follower_with_uncommitted_entries_catches_up_with_exactly_one_install():
    """Incident 1 of docs/testing.md: the snapshot ends inside the uncommitted entries."""
    network = Network(["n1", "n2", "n3"], seed=3)
    network.run(5)
    old = network.leader()
    network.isolate(old.name)
    for n in range(50):
        old.do(old.node.propose(network.now, [Proposal(COMMAND, b"never committed %d" % n)]))
    network.run(5)
    for n in range(20):
        network.propose(f"{n}")
    network.run(1)
    for host in network.hosts.values():
        if host is not old:
            host.compact()  # ends within the old leader's own entries
    network.heal()
    network.run(20)
    assert old.applied == network.leader().applied == [b"%d" % n for n in range(20)]
    assert old.installs == 1


def test_what_a_living_follower_needs_next_is_known_also_while_a_snapshot_is_on_its_way():
    elected = settled_leader()
    for _ in range(3):
        elected.propose(100.0, [Proposal(COMMAND, b"x")])
    elected.persisted(100.0, 5)
    answer(elected, "n2", 100.0, 2, 5)
    elected.log.compacted(4, 2, 5)
    assert elected.needed_from() == 3  # n3 answers, if slowly
    for index in (3, 4, 5):
        elected.unreachable(100.0, "n3", AppendEntries(2, "a1", index - 1, 2, 0, (Entry(index, 2, COMMAND, b"x"),), 0, 100.0))
    assert SendSnapshot("n3") in elected.tick(100.5)
    assert elected.needed_from() == 5
    elected.receive(101.0, "n3", InstallSnapshotResponse(2, True, 4))
    assert elected.needed_from() == 5
    elected.unreachable(101.0, "n3", AppendEntries(2, "a1", 4, 2, 0, (Entry(5, 2, COMMAND),), 0, 101.0))
    assert elected.needed_from() == 6  # n2 has all; nothing is kept for who is away


# ---- following


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param((Entry(3, 1, COMMAND),), id="a gap"),
        pytest.param((Entry(2, 1, COMMAND), Entry(2, 1, COMMAND)), id="twice the same"),
        pytest.param((Entry(2, 9, COMMAND),), id="a term of the future"),
        pytest.param((Entry(2, 1, COMMAND), Entry(3, 0, COMMAND)), id="terms that fall"),
        pytest.param((Entry(2, 1, CONFIGURATION, b"\xc1"),), id="a configuration that is none"),
    ],
)
def test_entries_that_cannot_be_a_leaders_change_nothing(entries):
    follower = node()
    with pytest.raises(DecodeError):
        follower.receive(1.0, "n2", AppendEntries(2, "a2", 1, 1, 0, entries))
    assert (follower.term, follower.log.last_index) == (1, 1)


def test_what_is_committed_is_never_replaced():
    follower = node(term=2, entries=(1, 1, 2))
    follower.receive(1.0, "n2", AppendEntries(2, "a2", 3, 2, 3, ()))
    assert follower.commit_index == 3
    effects = follower.receive(1.1, "n3", AppendEntries(3, "a3", 2, 1, 0, (Entry(3, 3, COMMAND),)))
    assert not replies(effects)[-1].success
    assert not any(isinstance(effect, Append) for effect in effects)


def test_a_second_leader_of_the_same_term_is_refused():
    elected = settled_leader()
    assert not replies(elected.receive(100.1, "n2", AppendEntries(2, "a2")))[0].success
    assert elected.role is Role.LEADER


def test_the_configuration_that_a_replaced_entry_brought_is_forgotten_and_earlier_ones_are_not():
    two, one = THREE.without("n3"), THREE.without("n3").without("n2")
    follower = node()
    entries = (Entry(2, 1, CONFIGURATION, two.encode()), Entry(3, 1, COMMAND), Entry(4, 1, CONFIGURATION, one.encode()))
    follower.receive(1.0, "n2", AppendEntries(1, "a2", 1, 1, 2, entries))
    assert (follower.configuration, follower.configurations.committed) == (one, two)
    follower.receive(9.0, "n3", AppendEntries(2, "a3", 3, 1, 2, (Entry(4, 2, COMMAND),)))
    assert (follower.configuration, follower.configuration_index) == (two, 2)


@given(st.lists(st.tuples(st.sampled_from(["append", "truncate", "commit"]), st.integers(1, 40)), max_size=40))
@settings(max_examples=100)
def test_the_history_of_configurations_is_that_of_the_log(steps):
    history, log, committed = ConfigurationHistory(THREE, 0), [], 0
    for kind, index in steps:
        match kind:
            case "append":
                log.append(len(log) % 3 == index % 3)
                if log[-1]:
                    history.appended(Configuration((Member(f"n{len(log)}", "a"),)), len(log))
            case "truncate" if index > committed:
                del log[index - 1 :]
                history.truncated(index)
            case "commit" if committed < index <= len(log):
                committed = index
                history.committed_up_to(index)
        known = [index for index, is_one in enumerate(log, 1) if is_one]
        assert history.latest_index == max(known, default=0)
        assert history.committed_index == max((index for index in known if index <= committed), default=0)


# ---- leading


def test_all_that_waits_goes_out_in_one_request():
    elected = settled_leader()
    effects = elected.propose(100.0, [Proposal(COMMAND, b"x")] * MAXIMUM_ENTRIES)
    assert [(to, len(message.entries)) for to, message in sends(effects, AppendEntries)] == [
        ("n2", MAXIMUM_ENTRIES),
        ("n3", MAXIMUM_ENTRIES),
    ]


def test_a_follower_that_was_set_up_anew_under_its_old_id_is_sent_everything_again():
    elected = settled_leader()
    elected.propose(100.0, [Proposal(COMMAND, b"a")])
    answer(elected, "n3", 100.0, 2, 3)
    answer(elected, "n3", 100.1, 3, 0, success=False, at=100.2)
    assert elected.tick(100.3) == [ReadEntries("n3", 1, 3)]


def test_a_follower_that_takes_nothing_is_sent_no_more_than_the_bound():
    elected = settled_leader()
    sent = 0
    for _ in range(100):
        effects = elected.propose(100.0, [Proposal(COMMAND, bytes(1 << 19))])
        sent += sum(len(message.entries) for to, message in sends(effects, AppendEntries) if to == "n3")
    assert sent == 16  # of 512 KiB each: 8 MiB


def test_a_follower_that_answers_heartbeats_again_is_replicated_to_at_once():
    elected = settled_leader()
    elected.propose(100.0, [Proposal(COMMAND, b"x")])
    for _ in range(12):
        elected.unreachable(100.0, "n3", AppendEntries(2, "a1", 2, 2, 0, (), 0, 100.0))
    heartbeat = AppendEntries(2, "a1", sequence=5, sent_at=100.0)
    effects = elected.receive(100.1, "n3", AppendEntriesResponse(2, 2, True, request=heartbeat))
    assert [to for to, _ in sends(effects, AppendEntries)] == ["n3"]


def test_a_removed_follower_is_told_until_it_knows_that_it_is_committed():
    elected = settled_leader()
    effects = elected.propose_configuration(100.0, THREE.without("n3"))
    assert [to for to, message in sends(effects, AppendEntries) if message.entries] == ["n2", "n3"]
    elected.persisted(100.0, 3)
    answer(elected, "n2", 100.0, 2, 3)
    assert elected.commit_index == 3
    answer(elected, "n3", 100.0, 2, 3)
    told = [message for to, message in sends(elected.tick(100.2), AppendEntries) if to == "n3" and message.entries is not None]
    assert [message.commit_index for message in told] == [3]
    elected.receive(100.3, "n3", AppendEntriesResponse(2, 3, True, request=told[0]))
    assert "n3" not in {to for to, _ in sends(elected.tick(102.0), AppendEntries)}


def test_a_removed_follower_that_is_away_is_forgotten_after_an_election_timeout():
    elected = settled_leader()
    elected.propose_configuration(100.0, THREE.without("n3"))
    elected.persisted(100.0, 3)
    answer(elected, "n2", 104.9, 2, 3)
    assert "n3" not in {to for to, _ in sends(elected.tick(105.1), AppendEntries)}


def test_a_leader_that_removed_itself_steps_down_when_that_is_committed():
    elected = settled_leader()
    elected.propose_configuration(100.0, THREE.without("n1"))
    elected.persisted(100.0, 3)
    assert elected.role is Role.LEADER
    answer(elected, "n2", 100.0, 2, 3)
    effects = answer(elected, "n3", 100.0, 2, 3)
    assert effects[-2:] == [Apply(3, 3), LostLeadership(2, "removed from the configuration")]
    assert elected.tick(1000.0) == []  # it does not stand any more


def test_a_change_of_membership_waits_for_the_one_before_it():
    elected = settled_leader()
    elected.propose_configuration(100.0, THREE.without("n3"))
    assert not elected.may_reconfigure()
    with pytest.raises(Rejected, match="in progress"):
        elected.propose_configuration(100.0, THREE)
    elected.persisted(100.0, 3)
    answer(elected, "n2", 100.0, 2, 3)
    assert elected.may_reconfigure()


# ---- founding


def empty_node() -> Node:
    found = Node("n1", "a1", Timing(), random.Random(1), Log(0, 0, [], 1, 0), Persisted())
    found.start(0.0)
    return found


def test_founding_writes_entry_one_of_term_one_and_an_election_comes_soon():
    empty = empty_node()
    effects = empty.bootstrap(10.0, THREE)
    assert effects == [SaveVote(1, ""), Append([Entry(1, 1, CONFIGURATION, THREE.encode())])]
    assert 10.0 <= empty.next_deadline() <= 12.5
    with pytest.raises(Rejected, match="new clusters"):
        empty.bootstrap(10.0, THREE)


def test_a_single_founder_leads_at_once():
    empty = empty_node()
    effects = empty.bootstrap(10.0, Configuration((Member("n1", "a1"),)))
    assert BecameLeader(2) in effects
    assert effects[-1] == Append([Entry(2, 2, NOOP)])


# ---- the table


def test_every_role_can_be_reached_and_left():
    assert set(ROLE_TRANSITIONS.values()) == set(Role)
    assert {role for role, _ in ROLE_TRANSITIONS} == set(Role)
    assert {event for _, event in ROLE_TRANSITIONS} == set(Event)
    assert {role for (role, _), to in ROLE_TRANSITIONS.items() if to is Role.LEADER} == {Role.CANDIDATE}


@pytest.mark.slow
@pytest.mark.parametrize("pre_voters", [frozenset(), frozenset({"n1", "n2", "n3"}), frozenset({"n1", "n2", "n3", "n4", "n5"})], ids=len)
@pytest.mark.parametrize("seed", range(100, 108))
def test_leases_never_lie_over_a_bad_network_with_transfers_and_broken_connections(seed, pre_voters):
    names = ["n1", "n2", "n3", "n4", "n5"]
    network, chance, sent = Network(names, seed, 0.05, pre_voters), random.Random(seed), 0
    for _ in range(60):
        match chance.randrange(10):
            case 0:
                network.isolate(chance.choice(names))
            case 1:
                network.heal()
            case 2:
                network.hosts[chance.choice(names)].compact()
            case 3:
                _transfer(network, chance.choice(names))
            case 4:
                one, other = chance.sample(names, 2)
                network.hosts[one].node.disconnected(network.now, other)
            case _:
                sent += sum(network.propose(f"{n}") for n in range(chance.randrange(30)))
        network.run(chance.uniform(0, 2))
        valid = [host for host in network.hosts.values() if host.node.lease_valid(network.now)]
        assert len(valid) <= 1
        assert all(host.node.commit_index <= one.node.commit_index for one in valid for host in network.hosts.values())
    network.heal()
    network.loss = 0.0
    network.run(30)
    network.propose("last")
    network.run(5)
    assert len({tuple(host.applied) for host in network.hosts.values()}) == 1
    assert network.leader().applied[-1] == b"last"


def _transfer(network: Network, target: str) -> None:
    try:
        host = network.leader()
        host.do(host.node.transfer_leadership(network.now, target))
    except (NoLeader, Rejected, ValueError):
        pass
