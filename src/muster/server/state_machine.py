"""What consensus drives: the replicated state, as it sees it."""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from muster.server.chunking import ChunkMap


class StateMachine(Protocol):
    """Deterministic: the same commands at the same indexes give the same state on every server."""

    def apply(self, index: int, data: bytes, command: object | None) -> object:
        """Applies the command at `index` and returns its result; a MusterError is the result of one that failed.

        `data` is the message type's byte and the msgpack body; `command` the decoded object, if this server proposed it.
        """
        ...

    def snapshot(self, chunks: ChunkMap) -> Iterator[bytes]:
        """The bytes of state.bin as of now, in pieces that take little time each; stays valid while writes go on.

        `chunks` is the content of record 29.
        """
        ...

    def restore(self, stream: BinaryIO) -> ChunkMap:
        """Replaces everything by the content of a state.bin, and returns that of its record 29.

        Raises DecodeError, and then nothing was replaced.
        """
        ...
