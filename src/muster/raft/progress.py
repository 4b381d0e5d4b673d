"""One follower as its leader sees it."""

from typing import Final

import msgspec

from muster.raft.messages import AppendEntries

FIRST_BACKOFF: Final = 0.010  # seconds
MAXIMUM_DOUBLINGS: Final = 10  # of the back-off; Consul's ends at the same 10 s
MAXIMUM_IN_FLIGHT: Final = 128  # requests to a follower that has matched once
MAXIMUM_BYTES_IN_FLIGHT: Final = 8 << 20  # of entries: what a follower that stopped may cost


class Progress(msgspec.Struct, gc=False):
    """How far one follower is and what is under way to it. Times are seconds on the leader's monotonic clock."""

    next: int
    contact: float  # when the newest answered request was sent; at first, when it was begun to be followed
    heartbeat_due: float
    promised: float = float("-inf")  # like `contact`, but by answers only: the lease counts from it
    match: int = 0
    in_flight: int = 0
    bytes_in_flight: int = 0
    pipelining: bool = False
    busy: bool = False  # its entries are being read, or a snapshot is on its way
    needs_fresh: bool = False  # it refuses what cannot be refused: only a snapshot of this term helps
    snapshot_index: int = 0  # of the snapshot on its way, 0 if there is none
    failures: int = 0
    retry_at: float = 0.0
    commit_due: float = 0.0
    departing: int = 0  # index of the configuration that removes it, 0 if it stays
    departs_at: float = 0.0

    def may_send(self, now: float) -> bool:
        """Whether one more request can go out."""
        if self.busy or now < self.retry_at:
            return False
        if not self.pipelining:
            return self.in_flight == 0
        return self.in_flight < MAXIMUM_IN_FLIGHT and self.bytes_in_flight < MAXIMUM_BYTES_IN_FLIGHT

    def sent(self, size: int) -> None:
        """A request with so many bytes of entries goes out."""
        self.in_flight += 1
        self.bytes_in_flight += size

    def settled(self, request: AppendEntries) -> None:
        """It was answered, or got lost."""
        self.in_flight = max(0, self.in_flight - 1)
        self.bytes_in_flight = max(0, self.bytes_in_flight - sum(len(entry.data) for entry in request.entries or ()))

    def matched(self, index: int) -> None:
        """The follower's log is the leader's up to `index`."""
        self.match = max(self.match, index)
        self.next = max(self.next, self.match + 1)
        self.pipelining, self.failures, self.retry_at = True, 0, 0.0

    def step_back(self) -> None:
        """What was sent ahead may be lost: one request at a time, from where the logs surely agree."""
        if self.pipelining:
            self.pipelining, self.next = False, self.match + 1

    def back_off(self, now: float) -> None:
        """Not again at once."""
        self.failures += 1
        self.retry_at = now + FIRST_BACKOFF * 2.0 ** max(0, min(self.failures - 2, MAXIMUM_DOUBLINGS))

    def alive(self) -> bool:
        """It answers: what was put off because it did not can go on. True if something was."""
        was_off, self.failures, self.retry_at = self.retry_at > 0.0, 0, 0.0
        return was_off
