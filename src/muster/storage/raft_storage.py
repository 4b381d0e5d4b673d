"""All that one server keeps for Raft, opened together and brought into agreement."""

import random

from muster.model.errors import CorruptFile
from muster.storage.files import Files
from muster.storage.log import REMEDY, SEGMENT_BYTES, DiskLog, LogStorage
from muster.storage.memory import MemoryLog, MemorySnapshots, MemoryVote
from muster.storage.snapshots import DiskSnapshots, SnapshotMeta, SnapshotStorage
from muster.storage.vote import DiskVote, VoteStorage

DIRECTORY = "raft/muster"  # within the data directory; beside Consul's raft/raft.db, never over it


class RaftStorage:
    """Log, vote and snapshots. `blocking`: its calls wait for a disk, so they belong in a thread of their own."""

    def __init__(self, log: LogStorage, vote: VoteStorage, snapshots: SnapshotStorage, blocking: bool) -> None:
        self.log, self.vote, self.snapshots, self.blocking = log, vote, snapshots, blocking
        self.newest: SnapshotMeta | None = snapshots.newest(log.first_index)
        self._agree()

    def is_empty(self) -> bool:
        """Whether this server has never taken part in anything.

        Term 1 without a vote is what a crash in the middle of founding a datacenter leaves.
        """
        return self.log.last_index == 0 and self.newest is None and self.vote.term <= 1 and not self.vote.candidate

    def _agree(self) -> None:
        """Carries on where a crash came between a snapshot that replaces the log and the log's restart."""
        snapshot, log = self.newest, self.log
        if snapshot is None:
            if log.first_index > 1:
                raise CorruptFile(f"the log begins at {log.first_index} and there is no snapshot of what was before; {REMEDY}")
            return
        if log.first_index > snapshot.index + 1:
            raise CorruptFile(f"the log begins at {log.first_index}, the newest snapshot ends at {snapshot.index}; {REMEDY}")
        if log.last_index < snapshot.index or self._term(snapshot.index) not in (None, snapshot.term):
            log.restart(snapshot.index + 1)

    def _term(self, index: int) -> int | None:
        if index < self.log.first_index:
            return None
        return max((run for run in self.log.runs() if run[0] <= index), default=(0, None))[1]


def open_on_disk(files: Files, data_directory: str, chance: random.Random, segment_bytes: int = SEGMENT_BYTES) -> RaftStorage:
    """Opens, or begins, what is under the data directory. Raises CorruptFile or OSError."""
    root = f"{data_directory}/{DIRECTORY}"
    files.make_directory(root)
    log = DiskLog(files, f"{root}/log", chance, segment_bytes)
    vote = DiskVote(files, root)
    if log.last_index and not vote.saved:
        raise CorruptFile(f"{root}/vote.json: offset 0: missing although there is a log; {REMEDY}")
    return RaftStorage(log, vote, DiskSnapshots(files, f"{root}/snapshots"), blocking=True)


def in_memory() -> RaftStorage:
    """Keeps everything in memory and forgets it with the process."""
    return RaftStorage(MemoryLog(), MemoryVote(), MemorySnapshots(), blocking=False)
