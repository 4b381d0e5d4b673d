"""What Raft servers say to each other, and the entries of the log that they agree on.

Servers are named by their id in the core; the wire carries addresses, which are the transport's affair. Fields marked "local" do not
travel: an answer on the wire does not say which request it answers, only the order on the connection does, so the transport hands the
request back with its answer.

Source: reference of the Raft wire, section 1.
"""

from typing import Final

import msgspec

COMMAND: Final = 0  # a command for the state machine
NOOP: Final = 1  # a new leader's first entry: commits what earlier terms left behind
BARRIER: Final = 4  # reaches the state machine's driver and does nothing there
CONFIGURATION: Final = 5  # who votes and who listens


class Entry(msgspec.Struct, gc=False):
    """One entry of the log. Indexes start at 1 and have no gaps.

    `data` and `extensions` are what is written to disk and sent to peers. `command` is never written: the
    leader keeps the object it proposed there, so that applying it needs no decoding.
    """

    index: int
    term: int
    type: int
    data: bytes = b""
    extensions: bytes = b""
    command: object | None = None


class AppendEntries(msgspec.Struct, frozen=True):
    """Replication, or a heartbeat when `entries` is None (then the log fields are 0)."""

    term: int
    leader: str  # address of the leader
    previous_index: int = 0
    previous_term: int = 0
    commit_index: int = 0
    entries: tuple[Entry, ...] | None = None
    sequence: int = 0  # local: counts heartbeats, for verified leadership
    sent_at: float = 0.0  # local: seconds on the leader's monotonic clock, for the lease


class AppendEntriesResponse(msgspec.Struct, frozen=True):
    """`last_index` is the answerer's last index before it appended; it matters only in a refusal."""

    term: int
    last_index: int
    success: bool
    no_retry_backoff: bool = False
    request: AppendEntries | None = None  # local


class RequestVote(msgspec.Struct, frozen=True):
    """A candidate asks for a vote. `leadership_transfer`: the old leader asked for this election."""

    term: int
    candidate: str  # address of the candidate
    last_index: int
    last_term: int
    leadership_transfer: bool = False


class RequestVoteResponse(msgspec.Struct, frozen=True):
    """The answer to `RequestVote`."""

    term: int
    granted: bool


class RequestPreVote(msgspec.Struct, frozen=True):
    """Would the receiver vote for the sender in `term`? Nobody's term or vote changes by it.

    Only between servers that know it: Consul 1.8 closes the connection. Later versions of its Raft have it as type 4.
    """

    term: int
    candidate: str  # address of the candidate
    last_index: int
    last_term: int


class RequestPreVoteResponse(msgspec.Struct, frozen=True):
    """The answer to `RequestPreVote`."""

    term: int
    granted: bool


class InstallSnapshot(msgspec.Struct, frozen=True):
    """The head of a snapshot in transit; its `size` bytes follow it and are the transport's to store.

    `peers` is what servers read that know no configurations: the msgpack list of the voters' addresses.
    """

    term: int
    leader: str
    last_index: int
    last_term: int
    configuration: bytes
    configuration_index: int
    size: int
    peers: bytes = b""


class InstallSnapshotResponse(msgspec.Struct, frozen=True):
    """The answer to `InstallSnapshot`, once it is stored and restored. `last_index` is local: which one it was."""

    term: int
    success: bool
    last_index: int = 0


class TimeoutNow(msgspec.Struct, frozen=True):
    """The leader asks one follower to start an election at once: leadership transfer.

    The wire carries no term; a decoded message has 0, and the transport knows no better.
    """

    term: int = 0  # local


class TimeoutNowResponse(msgspec.Struct, frozen=True):
    """The answer to `TimeoutNow`; it says nothing."""


Request = AppendEntries | RequestVote | RequestPreVote | InstallSnapshot | TimeoutNow
Response = AppendEntriesResponse | RequestVoteResponse | RequestPreVoteResponse | InstallSnapshotResponse | TimeoutNowResponse
Message = (
    AppendEntries
    | AppendEntriesResponse
    | RequestVote
    | RequestVoteResponse
    | RequestPreVote
    | RequestPreVoteResponse
    | InstallSnapshot
    | InstallSnapshotResponse
    | TimeoutNow
)
