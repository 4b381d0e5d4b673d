"""The store as consensus drives it, and what must happen the moment a command is applied."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from muster.model.errors import DecodeError, MusterError
from muster.server.chunking import ChunkMap
from muster.state.store import Applied, Store
from muster.state.watches import Ticket
from muster.wire.commands import Command, PreparedQueryRequest, decode_command
from muster.wire.replies import Reply

READ_BYTES = 1 << 16


class ReplicatedState:
    """A `StateMachine`. The result of a command is its `Reply`, ready for whoever waits for it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.on_applied: Callable[[int, Command, Applied], None] | None = None
        """Told of each command before its caller hears the result, so that no reader sees an answer of before."""
        self.on_restored: Callable[[list[Ticket]], None] | None = None
        self.now: Callable[[], float] | None = None
        """A monotonic clock, if `on_measured` is to be told how many seconds the store took for each command."""
        self.on_measured: Callable[[Command, float], None]

    def apply(self, index: int, data: bytes, command: object | None) -> object:
        """Applies the command at `index`; a MusterError is the result of one that failed."""
        try:
            decoded: Any = decode_command(data) if command is None else command
        except DecodeError as error:
            return error
        if self.now is None:
            applied = self.store.apply(index, decoded)
        else:
            began = self.now()
            applied = self.store.apply(index, decoded)
            self.on_measured(decoded, self.now() - began)
        if self.on_applied is not None:
            self.on_applied(index, decoded, applied)
        result = applied.result
        if isinstance(result, MusterError):
            return result
        if type(decoded) is PreparedQueryRequest and decoded.query is not None:
            result = decoded.query.id
        return Reply(value=result)

    def snapshot(self, chunks: ChunkMap) -> Iterator[bytes]:
        """The bytes of state.bin as of now."""
        return self.store.snapshot(chunks)

    def restore(self, stream: BinaryIO) -> ChunkMap:
        """Replaces everything by the content of a state.bin. Raises DecodeError, and then nothing was replaced."""
        woken = self.store.restore(iter(lambda: stream.read(READ_BYTES), b""))
        if self.on_restored is not None:
            self.on_restored(woken)
        return self.store.chunks
