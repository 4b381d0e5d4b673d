"""A process that is killed leaves what it wrote in the system's cache: the next one sees it, and must not take it for durable."""

import random

import pytest

from muster.raft.entries import COMMAND, Entry
from muster.raft.membership import Configuration
from muster.storage.log import DiskLog
from muster.storage.snapshots import DiskSnapshots, SnapshotMeta
from muster.storage.vote import DiskVote
from muster.testing.disk import FaultyDisk, PowerCut

SEEDS = range(20)
"""Of power cuts: with some of them all is lost that was not synced."""


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(index, 1, COMMAND, f"value {index}".encode()) for index in range(first, last + 1)]


def opened(disk: FaultyDisk) -> DiskLog:
    return DiskLog(disk, "/log", random.Random(1))


def killed_before_the_sync(disk: FaultyDisk, log: DiskLog) -> None:
    disk.cut_at = disk.operations + 1
    with pytest.raises(PowerCut):
        log.append(entries(3, 4))
    disk.cut_at = None


def refused_the_sync(disk: FaultyDisk, log: DiskLog) -> None:
    disk.fail_sync = True
    with pytest.raises(OSError, match="Input/output error"):
        log.append(entries(3, 4))
    disk.fail_sync = False


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("happened", [killed_before_the_sync, refused_the_sync])
def test_entries_that_a_restarted_process_holds_survive_a_power_cut(happened, seed):
    disk = FaultyDisk()
    log = opened(disk)
    log.append(entries(1, 2))
    happened(disk, log)
    held = opened(disk).last_index
    assert held == 4
    assert opened(disk.crash(random.Random(seed))).last_index == held


@pytest.mark.parametrize("seed", SEEDS)
def test_a_vote_that_a_restarted_process_knows_survives_a_power_cut(seed):
    disk = FaultyDisk()
    disk.make_directory("/raft")
    DiskVote(disk, "/raft").save(1, "a:1")
    disk.cut_at = disk.operations + 4  # made, written, synced, renamed
    with pytest.raises(PowerCut):
        DiskVote(disk, "/raft").save(2, "b:1")
    disk.cut_at = None
    known = DiskVote(disk, "/raft").term
    assert DiskVote(disk.crash(random.Random(seed)), "/raft").term == known


@pytest.mark.parametrize("seed", SEEDS)
def test_a_snapshot_that_a_restarted_process_knows_survives_a_power_cut(seed):
    disk = FaultyDisk()
    writer = DiskSnapshots(disk, "/snapshots").begin(SnapshotMeta(1, 7, 1, Configuration(), 1))
    writer.write(b"state")
    disk.cut_at = disk.operations + 5  # of the commit: synced, meta.json made, written and synced, its name synced; not the directory's
    with pytest.raises(PowerCut):
        writer.commit()
    disk.cut_at = None
    known = DiskSnapshots(disk, "/snapshots").newest(1)
    assert DiskSnapshots(disk.crash(random.Random(seed)), "/snapshots").newest(1) == known
