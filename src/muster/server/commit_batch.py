"""Proposals that wait to be written together, and those that wait to be applied."""

import asyncio
from collections import deque

from muster.model.errors import MusterError
from muster.raft.entries import Proposal

MAXIMUM_ENTRIES = 512  # of one batch: they are applied in one turn of the loop, which must stay short
MAXIMUM_BYTES = 4 << 20

Waiter = asyncio.Future[object] | None


class LeadershipLost(MusterError):
    """This server ceased to lead before the command was committed: it may still be, or not. Not to be repeated blindly."""

    def __init__(self) -> None:
        super().__init__("leadership lost while committing log")


class CommitBatch:
    """A queue in two stages, both in order: not yet proposed; proposed, and waiting for its index to be applied."""

    def __init__(self) -> None:
        self.proposals: deque[Proposal] = deque()
        """Those not yet proposed."""
        self._waiters: deque[Waiter] = deque()
        self._size = 0  # bytes of the proposals
        self.waiting: deque[tuple[int, asyncio.Future[object]]] = deque()
        self._proposed: deque[tuple[int, int, float]] = deque()  # last index, entries, and when

    def add(self, proposal: Proposal, waiter: Waiter) -> None:
        """Queues one; `waiter` is completed when its entry is applied."""
        self.proposals.append(proposal)
        self._waiters.append(waiter)
        self._size += len(proposal.data)

    def take(self, next_index: int, now: float = 0.0) -> list[Proposal]:
        """The next batch, whose entries will have the indexes from `next_index` on. `now`: for `applied`."""
        if len(self.proposals) <= MAXIMUM_ENTRIES and self._size <= MAXIMUM_BYTES:
            batch, waiters = list(self.proposals), list(self._waiters)
            self._forget()
        else:
            batch, waiters = self._part()
        self._proposed.append((next_index + len(batch) - 1, len(batch), now))
        for index, waiter in enumerate(waiters, next_index):
            if waiter is not None:
                self.waiting.append((index, waiter))
        return batch

    def fail(self, error: Exception, proposed: Exception | None = None) -> None:
        """Ends everything with an error; what was proposed already with another one, if it is given."""
        for waiter in self._waiters:
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
        for _, future in self.waiting:
            if not future.done():
                future.set_exception(proposed or error)
        self._forget()
        self.waiting.clear()
        self._proposed.clear()

    def applied(self, index: int) -> tuple[int, float] | None:
        """Of the batches that are applied up to `index`: how many entries, and when the oldest was taken. None if there is none."""
        count, since = 0, 0.0
        while self._proposed and self._proposed[0][0] <= index:
            _, entries, when = self._proposed.popleft()
            count, since = count + entries, since if count else when
        return (count, since) if count else None

    def _forget(self) -> None:
        self.proposals.clear()
        self._waiters.clear()
        self._size = 0

    def _part(self) -> tuple[list[Proposal], list[Waiter]]:
        batch: list[Proposal] = []
        size = 0
        while self.proposals and len(batch) < MAXIMUM_ENTRIES and (not batch or size + len(self.proposals[0].data) <= MAXIMUM_BYTES):
            size += len(self.proposals[0].data)
            batch.append(self.proposals.popleft())
        self._size -= size
        return batch, [self._waiters.popleft() for _ in batch]
