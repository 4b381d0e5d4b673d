"""What a Raft server wants done. The driver carries effects out in the order in which they were returned.

An effect that follows `Append`, `SaveVote` or `InstallSnapshot` is carried out only once those are durable. The
exceptions are a `Send` with `after_writes` false, which the driver may send at once (a heartbeat's answer must not
wait for a disk, and followers may write an entry before the leader's own disk has it), and `Apply`, which need not
wait for `Append` and `SaveVote`: what is committed stays so whether or not this server's disk has it yet.
"""

import msgspec

from muster.raft.entries import Entry
from muster.raft.messages import InstallSnapshot as InstallSnapshotMessage
from muster.raft.messages import Message, RequestPreVote, RequestVote


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send `message` to the server whose id is `to`. `request`: what it answers, for votes and snapshots."""

    to: str
    message: Message
    after_writes: bool = True
    request: RequestVote | RequestPreVote | InstallSnapshotMessage | None = None


class Append(msgspec.Struct, frozen=True, gc=False):
    """Write these entries in one batch and make them durable, then call `Node.persisted` with the last index.

    If the first index is not past the log's last one, the entries from there on are replaced.
    """

    entries: list[Entry]


class SaveVote(msgspec.Struct, frozen=True, gc=False):
    """Make the current term durable, and the server (its address) voted for in it; empty for no vote."""

    term: int
    candidate: str


class Apply(msgspec.Struct, frozen=True, gc=False):
    """The entries `first` to `last`, both included, are committed: give them to the state machine in order."""

    first: int
    last: int


class ReadEntries(msgspec.Struct, frozen=True, gc=False):
    """Follower `peer` needs these older entries: read them from the log and call `Node.entries_read`."""

    peer: str
    first: int
    last: int


class SendSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Follower `peer` needs entries that are gone: send it the newest snapshot. `fresh`: it accepts none that is older than this term."""

    peer: str
    fresh: bool = False


class ReceiveSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Store the bytes that follow this head, and call `Node.snapshot_received`. Nothing waits for it: it may take long, or fail."""

    sender: str
    message: InstallSnapshotMessage


class InstallSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Replace state and log by the snapshot that was received, and call `Node.snapshot_installed`, or `snapshot_refused`."""

    sender: str
    message: InstallSnapshotMessage


class BecameLeader(msgspec.Struct, frozen=True, gc=False):
    """This server leads `term`; its first entry is proposed but not yet committed."""

    term: int


class LostLeadership(msgspec.Struct, frozen=True, gc=False):
    """This server no longer leads: what was proposed and not yet applied may or may not survive."""

    term: int
    reason: str


class Verified(msgspec.Struct, frozen=True, gc=False):
    """A quorum confirmed, after it was asked, that this server leads: answers `Node.verify` with the same ticket."""

    ticket: int


class TransferFailed(msgspec.Struct, frozen=True, gc=False):
    """`target` did not take over within an election timeout: this server goes on leading, and proposals are taken again."""

    target: str


Effect = (
    Send
    | Append
    | SaveVote
    | Apply
    | ReadEntries
    | SendSnapshot
    | ReceiveSnapshot
    | InstallSnapshot
    | BecameLeader
    | LostLeadership
    | Verified
    | TransferFailed
)
