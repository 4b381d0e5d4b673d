"""What endpoints and the leader's duties ask of consensus."""

import asyncio
from collections.abc import Iterable
from typing import BinaryIO, Protocol

from muster.raft.membership import Configuration
from muster.storage.snapshots import SnapshotMeta


class Replication(Protocol):
    """The part of `server.consensus.Consensus` that the server uses."""

    @property
    def term(self) -> int: ...
    @property
    def last_index(self) -> int: ...
    @property
    def commit_index(self) -> int: ...
    @property
    def applied_index(self) -> int: ...
    @property
    def configuration(self) -> Configuration: ...
    @property
    def configuration_index(self) -> int: ...
    @property
    def disk_fault(self) -> str: ...

    def is_empty(self) -> bool:
        """Whether this server has no entry, no snapshot and no vote: only then may it found a datacenter."""
        ...

    def last_contact(self) -> float | None:
        """Seconds since a leader was last heard, by any AppendEntries; 0.0 on the leader itself, None if never since the start."""
        ...

    def bootstrap(self, configuration: Configuration) -> asyncio.Future[None]:
        """Writes the first configuration of a datacenter as entry 1 of term 1. Raises Rejected if this server is not empty."""
        ...

    def add_voter(self, identity: str, address: str) -> asyncio.Future[None]:
        """Adds a voter, promotes a non-voter, or gives a voter a new address; done when committed. Raises NoLeader or Rejected."""
        ...

    def add_nonvoter(self, identity: str, address: str) -> asyncio.Future[None]:
        """Adds a server that only listens, or gives a known one a new address. As `add_voter`."""
        ...

    def remove_server(self, identity: str) -> asyncio.Future[None]:
        """Removes a server; one that is unknown is no error. As `add_voter`."""
        ...

    def transfer_leadership(self, target: str) -> asyncio.Future[None]:
        """Hands over to the voter of that id; done when this server no longer leads. Raises NoLeader or Rejected if it stays."""
        ...

    def know_pre_votes(self, identities: Iterable[str]) -> None:
        """These servers, and no others, answer pre-votes."""
        ...

    def is_leader(self) -> bool:
        """Whether this server leads, as far as it knows."""
        ...

    def leader_address(self) -> str:
        """The leader's "ip:port"; empty if there is none."""
        ...

    def commit(self, message_type: int, data: bytes, command: object) -> asyncio.Future[object]:
        """Has a command written, committed and applied; the future is what `StateMachine.apply` returned."""
        ...

    def barrier(self) -> asyncio.Future[object]:
        """Completes when everything committed before it is applied here."""
        ...

    def verify_leader(self) -> asyncio.Future[None]:
        """Completes when a quorum has confirmed that this server leads."""
        ...

    def snapshot_now(self) -> asyncio.Future[SnapshotMeta]:
        """Takes a snapshot of what is applied now."""
        ...

    def open_snapshot(self, meta: SnapshotMeta) -> BinaryIO:
        """The state.bin of a snapshot."""
        ...

    def install(self, content: Iterable[bytes], index: int) -> asyncio.Future[int]:
        """Replaces the state by an operator's snapshot."""
        ...
