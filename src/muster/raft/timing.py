"""The times of Raft, in seconds."""

import msgspec


class Timing(msgspec.Struct, frozen=True):
    """All times of one server. The defaults are those of `raft_multiplier` 5."""

    heartbeat_timeout: float = 5.0  # a follower without contact for 1 to 2 times this becomes a candidate
    election_timeout: float = 5.0  # a candidate tries again after 1 to 2 times this
    lease_timeout: float = 2.5  # a leader without a quorum's answers for this long steps down
    commit_timeout: float = 0.05  # idle time, 1 to 2 times this, after which followers are told the commit index

    @classmethod
    def scaled(cls, multiplier: int) -> "Timing":
        """The times for a `raft_multiplier` of 1 to 10; the commit timeout is not scaled."""
        return cls(1.0 * multiplier, 1.0 * multiplier, 0.5 * multiplier)
