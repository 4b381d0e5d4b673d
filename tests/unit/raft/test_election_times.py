"""When a server stands for election: who refuses a candidate keeps its time."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_node import node

from muster.raft.messages import RequestVote, RequestVoteResponse
from muster.raft.roles import Role


def candidate():
    """n1 stands for election."""
    standing = node()
    now = standing.next_deadline()
    standing.tick(now)
    assert standing.role is Role.CANDIDATE
    return standing, now


@pytest.mark.parametrize("term", [2, 9])
def test_a_candidate_that_cannot_win_does_not_hold_up_a_follower(term):
    follower = node()
    before = follower.next_deadline()
    effects = follower.receive(before - 0.1, "n2", RequestVote(term, "a2", 0, 0))
    assert [effect.message.granted for effect in effects if hasattr(effect, "message")] == [False]
    assert follower.term == term
    assert follower.next_deadline() == before


def test_a_follower_that_votes_gives_the_candidate_its_time():
    follower = node()
    before = follower.next_deadline()
    effects = follower.receive(before - 0.1, "n2", RequestVote(2, "a2", 100, 1))
    assert [effect.message.granted for effect in effects if hasattr(effect, "message")] == [True]
    assert follower.next_deadline() > before


def test_a_candidate_that_hears_of_a_higher_term_stands_again_when_it_would_have():
    standing, now = candidate()
    again = standing.next_deadline()
    standing.receive(now, "n2", RequestVoteResponse(9, False))
    assert standing.role is Role.FOLLOWER
    assert standing.next_deadline() == again
