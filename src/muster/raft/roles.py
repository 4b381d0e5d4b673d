"""The roles of a server and every way from one to another. The diagram in the documents is drawn from this table."""

from enum import Enum
from typing import Final


class Role(Enum):
    """What a server is now."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"  # asks whether an election could be won, in the old term
    CANDIDATE = "candidate"
    LEADER = "leader"


class Event(Enum):
    """Why a role changes."""

    ELECTION_TIMEOUT = "no contact for the election time"
    PRE_VOTES = "a quorum would vote for it, or cannot be asked"
    TIMEOUT_NOW = "the leader hands over"
    VOTES = "a quorum's votes"
    VOTED = "it votes for another"
    LEADER_SEEN = "a leader's message"
    HIGHER_TERM = "a higher term"
    LEASE_LOST = "no quorum answered within the lease"
    REMOVED = "its removal is committed"
    RESIGNED = "it can no longer do a leader's work"


ROLE_TRANSITIONS: Final[dict[tuple[Role, Event], Role]] = {
    (Role.FOLLOWER, Event.ELECTION_TIMEOUT): Role.PRE_CANDIDATE,
    (Role.FOLLOWER, Event.TIMEOUT_NOW): Role.CANDIDATE,
    (Role.FOLLOWER, Event.VOTED): Role.FOLLOWER,
    (Role.FOLLOWER, Event.LEADER_SEEN): Role.FOLLOWER,
    (Role.FOLLOWER, Event.HIGHER_TERM): Role.FOLLOWER,
    (Role.PRE_CANDIDATE, Event.ELECTION_TIMEOUT): Role.PRE_CANDIDATE,
    (Role.PRE_CANDIDATE, Event.PRE_VOTES): Role.CANDIDATE,
    (Role.PRE_CANDIDATE, Event.VOTED): Role.FOLLOWER,
    (Role.PRE_CANDIDATE, Event.LEADER_SEEN): Role.FOLLOWER,
    (Role.PRE_CANDIDATE, Event.HIGHER_TERM): Role.FOLLOWER,
    (Role.CANDIDATE, Event.ELECTION_TIMEOUT): Role.PRE_CANDIDATE,
    (Role.CANDIDATE, Event.VOTES): Role.LEADER,
    (Role.CANDIDATE, Event.LEADER_SEEN): Role.FOLLOWER,
    (Role.CANDIDATE, Event.HIGHER_TERM): Role.FOLLOWER,
    (Role.LEADER, Event.HIGHER_TERM): Role.FOLLOWER,
    (Role.LEADER, Event.LEASE_LOST): Role.FOLLOWER,
    (Role.LEADER, Event.REMOVED): Role.FOLLOWER,
    (Role.LEADER, Event.RESIGNED): Role.FOLLOWER,
}
