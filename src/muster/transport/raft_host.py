"""What the Raft transport asks of the server that it serves; `server.consensus.Consensus` is one."""

from collections.abc import AsyncIterator
from typing import Protocol

from muster.raft.messages import AppendEntries, InstallSnapshot, Message


class OutgoingSnapshot(Protocol):
    """The newest snapshot, open to be sent."""

    head: InstallSnapshot

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises OSError."""
        ...

    def close(self) -> None:
        """Gives the file back."""
        ...


class RaftHost(Protocol):
    """One server's consensus. Peers are named by their ids."""

    def receive(self, sender: str, message: Message) -> None:
        """A message arrived. Raises DecodeError if its content is bad."""
        ...

    def unreachable(self, peer: str, request: AppendEntries) -> None:
        """A request could not be delivered, or its answer got lost."""
        ...

    def disconnected(self, peer: str) -> None:
        """A connection broke on which this peer replicated to this server."""
        ...

    def snapshot_to_send(self) -> OutgoingSnapshot | None:
        """The newest snapshot, if there is one. Raises OSError."""
        ...

    async def receive_snapshot(self, sender: str, head: InstallSnapshot, body: AsyncIterator[bytes]) -> None:
        """Stores what `body` gives and installs it; the answer is sent as a message. Raises what `body` raised, or a MusterError."""
        ...
