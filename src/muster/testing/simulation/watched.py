"""The log and the state machine of a simulated server, with a look at all that passes through them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from muster.raft.entries import Entry
from muster.server.chunking import ChunkMap
from muster.server.replicated_state import ReplicatedState
from muster.state.store import Store
from muster.storage.log import LogStorage

if TYPE_CHECKING:
    from muster.testing.simulation.raft_invariants import RaftInvariants


class WatchedLog:
    """See LogStorage: another one, whose durable writes are told to the invariants."""

    def __init__(self, log: LogStorage, name: str, invariants: "RaftInvariants") -> None:
        self._log, self._name, self._invariants = log, name, invariants

    @property
    def first_index(self) -> int:
        """See LogStorage."""
        return self._log.first_index

    @property
    def last_index(self) -> int:
        """See LogStorage."""
        return self._log.last_index

    @property
    def appended_bytes(self) -> int:
        """See LogStorage."""
        return self._log.appended_bytes

    def append(self, entries: Sequence[Entry]) -> None:
        """See LogStorage."""
        self._log.append(entries)
        self._invariants.appended(self._name, entries, self._term(entries[0].index - 1))

    def read(self, first: int, last: int) -> Iterator[Entry]:
        """See LogStorage."""
        return self._log.read(first, last)

    def runs(self) -> list[tuple[int, int]]:
        """See LogStorage."""
        return self._log.runs()

    def configurations(self) -> list[int]:
        """See LogStorage."""
        return self._log.configurations()

    def held_bytes(self) -> int:
        """See LogStorage."""
        return self._log.held_bytes()

    def first_index_within(self, size: int) -> int:
        """See LogStorage."""
        return self._log.first_index_within(size)

    def compact(self, through: int) -> None:
        """See LogStorage."""
        self._log.compact(through)

    def restart(self, next_index: int) -> None:
        """See LogStorage."""
        self._log.restart(next_index)
        self._invariants.restarted(self._name, next_index)

    def close(self) -> None:
        """See LogStorage."""
        self._log.close()

    def _term(self, index: int) -> int | None:
        """The term of an entry that is held."""
        if index < self._log.first_index:
            return None
        return max(run for run in self._log.runs() if run[0] <= index)[1]


class WatchedState:
    """See StateMachine: the server's own, whose applied commands and restored contents are told to the invariants."""

    def __init__(self, state: ReplicatedState, name: str, invariants: "RaftInvariants", starts_at: int) -> None:
        """`starts_at`: the index of the snapshot from which it starts, 0 without one."""
        self._state, self._name, self._invariants = state, name, invariants
        self._last = 0  # index of the last command applied in this life, or of the snapshot
        self._starts_at = starts_at
        self._restored = False

    def apply(self, index: int, data: bytes, command: object | None) -> object:
        """See StateMachine."""
        assert not self._restored, "commands came between a snapshot and the word of its index"
        result = self._state.apply(index, data, command)
        self._invariants.applied(self._name, self._last, index, data, self._state.store)
        self._last = index
        return result

    def snapshot(self, chunks: ChunkMap) -> Iterator[bytes]:
        """See StateMachine."""
        return self._state.snapshot(chunks)

    def restore(self, stream: BinaryIO) -> ChunkMap:
        """See StateMachine."""
        chunks = self._state.restore(stream)
        self._restored = True
        if self._starts_at:
            self.reached(self._starts_at)
            self._starts_at = 0
        return chunks

    def reached(self, index: int) -> None:
        """All up to `index` is applied: if a snapshot was restored just now, that is its index."""
        if self._restored:
            self._restored, self._last = False, index
            self._invariants.restored(self._name, index, self._state.store)

    @property
    def store(self) -> Store:
        """What the commands made."""
        return self._state.store

    def value(self, key: str) -> tuple[str, int] | None:
        """A key's value and the index at which it was last written; None if it is not there."""
        _, entry = self._state.store.kv.get(key)
        return None if entry is None else ((entry.value or b"").decode(), entry.modify_index)
