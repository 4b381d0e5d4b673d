"""Gives committed entries to the state machine, and their results to those who wait."""

import asyncio
import logging
from collections.abc import Sequence

from muster.model.clock import Clock
from muster.model.errors import CommandFailed, MusterError
from muster.raft.entries import COMMAND, Entry
from muster.server.chunking import Assembler, ChunkMap
from muster.server.commit_batch import CommitBatch
from muster.server.state_machine import StateMachine
from muster.storage.log import LogStorage

REPLAY_SLICE = 0.005  # seconds of applying between two turns of the loop

logger = logging.getLogger("muster.raft")


class Applier:
    """`applied_index`: the last entry that the state machine holds."""

    def __init__(self, state: StateMachine, batch: CommitBatch, clock: Clock, applied_index: int) -> None:
        self.applied_index = applied_index
        self.assembler = Assembler()
        self._state, self._batch, self._clock = state, batch, clock

    def apply(self, entries: Sequence[Entry]) -> None:
        """These follow what is applied."""
        assert entries[0].index == self.applied_index + 1
        apply, waiting = self._state.apply, self._batch.waiting
        for entry in entries:
            result: object = None
            if entry.type == COMMAND:
                try:
                    result = apply(entry.index, entry.data, entry.command) if not entry.extensions else self._apply_piece(entry)
                except Exception as error:
                    # It fails alike on every server, so the log goes on; stopping would fail again at every start.
                    logger.exception("applying entry %d", entry.index)
                    result = CommandFailed(f"internal error: {error!r}")
                entry.command = None  # the state has what it keeps of it
            if waiting and waiting[0][0] == entry.index:
                future = waiting.popleft()[1]
                if not future.done():
                    if isinstance(result, MusterError):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        self.applied_index = entries[-1].index

    async def replay(self, log: LogStorage, first: int, last: int) -> None:
        """A start's backlog, in slices. Nothing else uses the log meanwhile. Raises OSError."""
        until = self._clock.monotonic() + REPLAY_SLICE
        some: list[Entry] = []
        for entry in log.read(first, last):
            some.append(entry)
            if len(some) >= 64 or len(entry.data) > 4096:
                self.apply(some)
                some.clear()
                if self._clock.monotonic() >= until:
                    await asyncio.sleep(0)
                    until = self._clock.monotonic() + REPLAY_SLICE
        if some:
            self.apply(some)

    def replaced(self, index: int, chunks: ChunkMap) -> None:
        """The state machine holds a snapshot's content."""
        self.assembler.restore(chunks)
        self.applied_index = index

    def _apply_piece(self, entry: Entry) -> object:
        data = self.assembler.add(entry)
        return self._state.apply(entry.index, data, entry.command) if isinstance(data, bytes) else data
