"""Raft's rules: one voter, several, and several over a bad network."""

import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from raft_network import Network

from muster.model.errors import DecodeError, NoLeader, Rejected
from muster.raft.effects import Append, Apply, BecameLeader, LostLeadership, SaveVote, Send, Verified
from muster.raft.entries import COMMAND, NOOP, Entry, Proposal
from muster.raft.log import CACHED_ENTRIES, Log
from muster.raft.membership import NONVOTER, Configuration, Member, decode_configuration
from muster.raft.messages import AppendEntries, AppendEntriesResponse, RequestVote, RequestVoteResponse, TimeoutNow
from muster.raft.node import Node, Persisted, Role
from muster.raft.timing import Timing

THREE = Configuration((Member("n1", "a1"), Member("n2", "a2"), Member("n3", "a3")))


def node(configuration: Configuration = THREE, term: int = 1, voted: str = "", entries: tuple[int, ...] = (1,)) -> Node:
    """A node n1 whose log holds entries of these terms."""
    runs = [(index, term) for index, term in enumerate(entries, 1) if index == 1 or entries[index - 2] != term]
    found = Node(
        "n1", "a1", Timing(), random.Random(1), Log(0, 0, runs, 1, len(entries)), Persisted(term, voted, configuration, 1, configuration, 1)
    )
    found.start(0.0)
    return found


def leader() -> Node:
    """n1 in term 2, elected by n2, its first entry (index 2) not yet on its own disk."""
    found = node()
    found.tick(100.0)
    found.receive(100.0, "n2", RequestVoteResponse(2, True))
    return found


def replies(effects: list) -> list:
    return [effect.message for effect in effects if isinstance(effect, Send)]


def test_a_sole_voter_elects_itself_and_commits_only_after_its_own_write():
    sole = Node(
        "n1", "a1", Timing(), random.Random(1), Log(0, 0, [(1, 1)], 1, 1), Persisted(1, "", Configuration((Member("n1", "a1"),)), 1)
    )
    assert sole.start(0.0) == [SaveVote(2, "a1"), BecameLeader(2), Append([Entry(2, 2, NOOP)])]
    assert (sole.commit_index, sole.next_deadline()) == (0, float("inf"))
    assert sole.persisted(0.0, 2) == [Apply(1, 2)]
    assert sole.propose(0.0, [Proposal(COMMAND, b"a"), Proposal(COMMAND, b"b")]) == [
        Append([Entry(3, 2, COMMAND, b"a"), Entry(4, 2, COMMAND, b"b")])
    ]
    assert sole.persisted(0.0, 4) == [Apply(3, 4)]
    assert sole.verify(0.0, 7) == [Verified(7)]


def test_without_a_configuration_nobody_stands_for_election():
    alone = node(Configuration(), entries=())
    assert alone.tick(1000.0) == []
    with pytest.raises(NoLeader):
        alone.propose(1000.0, [Proposal(COMMAND)])


def test_a_non_voter_does_not_stand():
    listener = node(Configuration((Member("n1", "a1", NONVOTER), Member("n2", "a2"))))
    assert listener.tick(100.0) == []
    assert listener.role is Role.FOLLOWER


def test_without_contact_a_follower_stands_after_one_to_two_times_the_timeout():
    follower = node()
    assert 5.0 <= follower.next_deadline() <= 10.0
    assert follower.tick(4.9) == []
    effects = follower.tick(10.0)
    assert effects[0] == SaveVote(2, "a1")
    assert replies(effects) == [RequestVote(2, "a1", 1, 1)] * 2


@pytest.mark.parametrize(
    ("request_", "granted"),
    [
        pytest.param(RequestVote(2, "a2", 3, 1), True, id="as long a log"),
        pytest.param(RequestVote(2, "a2", 2, 1), False, id="a shorter log"),
        pytest.param(RequestVote(2, "a2", 1, 2), True, id="a later last term"),
        pytest.param(RequestVote(1, "a2", 3, 1), False, id="a lower term"),
        pytest.param(RequestVote(2, "a2", 0, 0), False, id="an empty log"),
    ],
)
def test_whom_a_vote_goes_to(request_, granted):
    voter = node(term=2 if request_.term == 1 else 1, entries=(1, 1, 1))
    effects = voter.receive(1.0, "n2", request_)
    assert replies(effects)[-1].granted is granted
    assert (SaveVote(2, "a2") in effects) is granted


def test_one_vote_a_term_also_after_a_restart():
    voter = node(term=2, voted="a3")
    assert not replies(voter.receive(1.0, "n2", RequestVote(2, "a2", 9, 2)))[-1].granted
    assert replies(voter.receive(1.0, "n3", RequestVote(2, "a3", 9, 2)))[-1].granted


def test_who_knows_a_leader_refuses_without_taking_the_term_unless_it_is_a_transfer():
    follower = node()
    follower.receive(1.0, "n2", AppendEntries(1, "a2"))
    assert replies(follower.receive(1.0, "n3", RequestVote(9, "a3", 9, 9))) == [RequestVoteResponse(1, False)]
    assert replies(follower.receive(1.0, "n3", RequestVote(9, "a3", 9, 9, True)))[-1] == RequestVoteResponse(9, True)


def test_a_heartbeat_is_answered_without_waiting_for_the_disk():
    follower = node()
    heartbeat = AppendEntries(1, "a2")
    assert follower.receive(1.0, "n2", heartbeat) == [Send("n2", AppendEntriesResponse(1, 1, True, request=heartbeat), after_writes=False)]
    assert follower.leader_address == "a2"


@pytest.mark.parametrize(
    ("message", "success", "last_index", "appended"),
    [
        pytest.param(AppendEntries(2, "a2", 3, 2, 0, (Entry(4, 2, COMMAND),)), True, 3, [4], id="follows"),
        pytest.param(AppendEntries(2, "a2", 3, 1, 0, (Entry(4, 2, COMMAND),)), False, 3, [], id="another term before it"),
        pytest.param(AppendEntries(2, "a2", 7, 2, 0, (Entry(8, 2, COMMAND),)), False, 3, [], id="a gap"),
        pytest.param(AppendEntries(2, "a2", 1, 1, 0, (Entry(2, 1, COMMAND), Entry(3, 2, COMMAND))), True, 3, [], id="known already"),
        pytest.param(
            AppendEntries(3, "a2", 1, 1, 0, (Entry(2, 3, COMMAND), Entry(3, 3, COMMAND))), True, 3, [2, 3], id="replaces a suffix"
        ),
        pytest.param(AppendEntries(2, "a2", 0, 0, 0, (Entry(1, 1, COMMAND), Entry(2, 1, COMMAND))), True, 3, [], id="from the beginning"),
        pytest.param(AppendEntries(1, "a2", 3, 2, 0, (Entry(4, 1, COMMAND),)), False, 3, [], id="an old leader"),
    ],
)
def test_what_a_follower_takes(message, success, last_index, appended):
    follower = node(term=2, entries=(1, 1, 2))
    effects = follower.receive(1.0, "n2", message)
    answer = replies(effects)[-1]
    assert (answer.success, answer.last_index) == (success, last_index)
    assert [entry.index for effect in effects if isinstance(effect, Append) for entry in effect.entries] == appended


def test_a_follower_commits_no_further_than_it_has_matched():
    follower = node(term=2, entries=(1, 1, 2))
    effects = follower.receive(1.0, "n2", AppendEntries(2, "a2", 1, 1, 99, (Entry(2, 1, COMMAND),)))
    assert Apply(1, 2) in effects


def test_an_entry_of_an_earlier_term_is_committed_only_with_one_of_this_term():
    elected = leader()
    request = AppendEntries(2, "a1", 0, 0, 0, (Entry(1, 1, COMMAND),), 0, 100.0)
    assert elected.receive(100.1, "n2", AppendEntriesResponse(2, 1, True, request=request)) is not None
    assert elected.commit_index == 0
    request = AppendEntries(2, "a1", 1, 1, 0, (Entry(2, 2, NOOP),), 0, 100.0)
    assert Apply(1, 2) in elected.receive(100.2, "n2", AppendEntriesResponse(2, 1, True, request=request)) + elected.persisted(100.2, 2)


def test_followers_are_sent_entries_before_the_own_disk_has_them():
    elected = leader()
    effects = elected.propose(100.0, [Proposal(COMMAND, b"a")])
    assert all(not effect.after_writes for effect in effects if isinstance(effect, Send))
    assert isinstance(effects[-1], Append)


def test_a_leader_without_answers_steps_down_when_its_lease_ends():
    elected = leader()
    assert elected.next_deadline() <= 102.5
    assert not any(isinstance(effect, LostLeadership) for effect in elected.tick(102.4))
    assert any(isinstance(effect, LostLeadership) for effect in elected.tick(102.6))
    assert (elected.role, elected.leader_address) == (Role.FOLLOWER, "")


def test_leadership_is_verified_by_answers_to_later_heartbeats_only():
    elected = leader()
    old = AppendEntries(2, "a1", sequence=1, sent_at=100.0)
    asked = replies(elected.verify(101.0, 5))
    assert elected.receive(101.0, "n2", AppendEntriesResponse(2, 1, True, request=old)) == []
    assert Verified(5) in elected.receive(101.1, "n2", AppendEntriesResponse(2, 1, True, request=asked[0]))


def test_a_higher_term_in_any_answer_ends_leadership():
    elected = leader()
    effects = elected.receive(101.0, "n2", AppendEntriesResponse(7, 1, False))
    assert effects == [LostLeadership(2, "a follower has a higher term"), SaveVote(7, "")]


def test_timeout_now_starts_an_election_that_says_why():
    follower = node()
    follower.receive(1.0, "n2", AppendEntries(1, "a2"))
    assert RequestVote(2, "a1", 1, 1, True) in replies(follower.receive(1.0, "n2", TimeoutNow(1)))


def test_one_change_of_configuration_at_a_time():
    elected = leader()
    with pytest.raises(Rejected, match="in progress"):
        elected.propose_configuration(100.0, THREE.with_nonvoter("n4", "a4"))
    with pytest.raises(Rejected, match="at least one voter"):
        Configuration((Member("n1", "a1"),)).without("n1")
    with pytest.raises(Rejected, match="duplicate address"):
        THREE.with_voter("n5", "a1")


def test_a_cluster_elects_replicates_and_changes_leaders():
    network = Network(["n1", "n2", "n3"])
    network.run(5)
    first = network.leader()
    for n in range(200):
        network.propose(f"a{n}")
    network.run(1)
    assert all(host.applied == [b"a%d" % n for n in range(200)] for host in network.hosts.values())
    network.isolate(first.name)
    network.run(5)
    assert network.leader() is not first
    assert first.node.role is not Role.LEADER
    network.propose("b")
    network.run(1)
    network.heal()
    network.run(3)
    assert all(host.applied[-1] == b"b" for host in network.hosts.values())


def test_a_follower_far_behind_gets_a_snapshot_and_then_entries():
    network = Network(["n1", "n2", "n3"])
    network.run(5)
    lame = next(host for host in network.hosts.values() if host is not network.leader())
    network.isolate(lame.name)
    for n in range(100):
        network.propose(f"a{n}")
    network.run(1)
    for host in network.hosts.values():
        if host is not lame:  # whose election, at a higher term, may make the other one the leader
            host.compact()
    for n in range(100):
        network.propose(f"b{n}")
    network.run(1)
    network.heal()
    network.run(12)
    assert lame.applied == network.leader().applied
    assert lame.snapshot[0] > 0


def test_a_follower_that_missed_more_than_memory_holds_is_served_from_the_disk():
    network = Network(["n1", "n2", "n3"])
    network.run(5)
    lame = next(host for host in network.hosts.values() if host is not network.leader())
    network.isolate(lame.name)
    for n in range(3 * CACHED_ENTRIES):
        network.propose(f"a{n}")
        network.run(0.01)
    network.heal()
    network.run(15)
    assert lame.applied == network.leader().applied
    assert len(lame.applied) == 3 * CACHED_ENTRIES


def test_leadership_is_handed_over():
    network = Network(["n1", "n2", "n3"])
    network.run(5)
    first = network.leader()
    target = next(name for name in network.hosts if name != first.name)
    first.do(first.node.transfer_leadership(network.now, target))
    network.run(0.5)
    assert network.leader().name == target


def test_servers_join_and_leave():
    network = Network(["n1", "n2", "n3"])
    network.run(5)
    first = network.leader()
    gone = next(name for name in network.hosts if name != first.name)
    first.do(first.node.propose_configuration(network.now, first.node.configuration.without(gone)))
    network.run(1)
    assert first.node.configuration.voters() == [name for name in network.hosts if name != gone]
    assert first.node.commit_index == first.node.log.last_index
    first.do(first.node.propose_configuration(network.now, first.node.configuration.without(first.name)))
    network.run(8)
    assert first.node.role is not Role.LEADER
    assert network.leader().name not in (first.name, gone)


@pytest.mark.parametrize("seed", range(12))
def test_over_a_bad_network_with_restarts_no_committed_entry_changes(seed):
    network = Network(["n1", "n2", "n3", "n4", "n5"], seed, loss=0.05)
    chance = random.Random(seed)
    sent = 0
    for _ in range(60):
        match chance.randrange(8):
            case 0:
                network.isolate(chance.choice(list(network.hosts)))
            case 1:
                network.heal()
            case 2:
                network.hosts[chance.choice(list(network.hosts))].boot()
            case 3:
                network.hosts[chance.choice(list(network.hosts))].compact()
            case _:
                for _ in range(chance.randrange(30)):
                    sent += network.propose(f"{sent}")
        network.run(chance.uniform(0, 2))
    network.heal()
    network.loss = 0.0
    network.run(30)
    network.propose("last")
    network.run(5)
    applied = [host.applied for host in network.hosts.values()]
    assert all(one == applied[0] for one in applied)
    assert applied[0][-1] == b"last"


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.sampled_from([0, 1, 2])), max_size=5))
def test_a_configuration_comes_back(members):
    configuration = Configuration(tuple(Member(*member) for member in members))
    assert decode_configuration(configuration.encode()) == configuration


@given(st.binary(max_size=60))
def test_any_bytes_are_a_configuration_or_a_decode_error(data):
    try:
        decode_configuration(data)
    except DecodeError:
        pass
