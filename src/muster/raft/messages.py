"""What Raft servers say to each other: the types of the wire, under the names that the core knows them by."""

from muster.wire.raft import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)

__all__ = [
    "AppendEntries",
    "AppendEntriesResponse",
    "InstallSnapshot",
    "InstallSnapshotResponse",
    "Message",
    "RequestPreVote",
    "RequestPreVoteResponse",
    "RequestVote",
    "RequestVoteResponse",
    "TimeoutNow",
]
