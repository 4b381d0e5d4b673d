"""What a server knows of its leader: who it is, when it was heard, and until when no other may be voted for."""

import random
from typing import Final

from muster.raft.timing import Timing

SPREAD: Final = 0.1
"""Of the election timeout: within so much time after a broken connection followers stand, at random, so that votes rarely split."""


class LeaderContact:
    """Times are seconds on the server's own monotonic clock.

    A follower promises its leader not to vote for another server within the heartbeat timeout after it heard it, or
    within the lease timeout if the connection to it has broken since. The leader's lease is shorter than either, so a
    read by lease is never overtaken by another leader.
    """

    def __init__(self, timing: Timing, chance: random.Random) -> None:
        self.address = ""
        self.heard_at = float("-inf")
        self.election_at = float("inf")
        self._broken = False
        self._faithful_until = float("-inf")
        self._timing, self._random = timing, chance

    def started(self, now: float, may_have_promised: bool) -> None:
        """The server starts and has forgotten whom it heard: it keeps what it may have promised before."""
        if may_have_promised:
            self._faithful_until = now + self._timing.lease_timeout
        self.wait(now)

    def heard(self, now: float, address: str) -> None:
        """A message of the leader came."""
        self.address, self.heard_at, self._broken = address, now, False
        self._faithful_until = now + self._timing.heartbeat_timeout
        self.wait(now)

    def disconnected(self, now: float) -> bool:
        """The connection to the leader broke: its place is contested as soon as the promise to it ends. False if that is known."""
        if self._broken or not self.address:
            return False
        self._broken = True
        self._faithful_until = min(self._faithful_until, self.heard_at + self._timing.lease_timeout)
        spread = SPREAD * self._timing.election_timeout * self._random.random()
        self.election_at = min(self.election_at, max(now, self._faithful_until) + spread)
        return True

    def leads(self, address: str) -> None:
        """This server is the leader itself, and owes nobody anything."""
        self.address, self._broken = address, False
        self._faithful_until, self.election_at = float("-inf"), float("inf")

    def led(self, now: float) -> None:
        """This server was the leader until now: what it knows is no older."""
        self.heard_at = now

    def forget(self) -> None:
        """There is no leader; what was promised to the last one still holds."""
        self.address = ""

    def keeps_faith(self, now: float) -> bool:
        """Whether no other server may be voted for yet."""
        return now < self._faithful_until

    def wait(self, now: float) -> None:
        """Gives a leader, or a candidate that was voted for, its time."""
        self.election_at = now + self._timing.heartbeat_timeout * (1 + self._random.random())

    def hurry(self, now: float) -> None:
        """Nobody can lead yet: the first election comes soon."""
        self.election_at = now + self._timing.heartbeat_timeout / 2 * self._random.random()

    def retry(self, now: float) -> None:
        """An election is on; if it fails, the next one comes at a random time."""
        self.election_at = now + self._timing.election_timeout * (1 + self._random.random())
