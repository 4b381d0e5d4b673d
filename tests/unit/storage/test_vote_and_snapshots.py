"""Term and vote, snapshots, and how they agree with the log after a crash."""

import logging
import random
from pathlib import Path

import pytest

from muster.model.errors import ConfigurationError, CorruptFile
from muster.raft.entries import COMMAND, Entry
from muster.raft.membership import Configuration, Member
from muster.storage import data_directory
from muster.storage.files import RealFiles
from muster.storage.raft_storage import open_on_disk
from muster.storage.snapshots import DiskSnapshots, SnapshotMeta
from muster.storage.vote import DiskVote
from muster.testing.disk import FaultyDisk, PowerCut

WHO = Configuration((Member("id-1", "127.0.0.1:8300"),))
HERE = "/data/raft/muster"


def meta(index: int, term: int = 1) -> SnapshotMeta:
    return SnapshotMeta(term, index, 1_600_000_000_000 + index, WHO, 1)


def taken(snapshots: DiskSnapshots, index: int, content: bytes, term: int = 1) -> SnapshotMeta:
    writer = snapshots.begin(meta(index, term))
    writer.write(content[:3])
    writer.write(content[3:])
    return writer.commit()


def storage(disk: FaultyDisk, through: int = 0):
    found = open_on_disk(disk, "/data", random.Random(1))
    if through > found.log.last_index:
        found.vote.save(1, "me")
        found.log.append([Entry(index, 1, COMMAND, b"x") for index in range(found.log.last_index + 1, through + 1)])
    return found


def damage(disk: FaultyDisk, path: str) -> None:
    disk.open(path).write(b"\xff\xff", 1)


def test_a_vote_is_kept():
    disk = FaultyDisk()
    disk.make_directory("/raft")
    assert (DiskVote(disk, "/raft").term, DiskVote(disk, "/raft").candidate) == (0, "")
    DiskVote(disk, "/raft").save(7, "10.0.0.1:8300")
    found = DiskVote(disk.crash(random.Random(1)), "/raft")
    assert (found.term, found.candidate) == (7, "10.0.0.1:8300")


@pytest.mark.parametrize("seed", range(60))
def test_a_vote_is_the_old_one_or_the_new_one_wherever_the_power_is_cut(seed):
    chance = random.Random(seed)
    disk = FaultyDisk()
    disk.make_directory("/raft")
    DiskVote(disk, "/raft").save(1, "old")
    disk.cut_at = disk.operations + chance.randrange(6)
    saved = True
    try:
        DiskVote(disk, "/raft").save(2, "new")
    except PowerCut:
        saved = False
    found = DiskVote(disk.crash(chance), "/raft")
    assert (found.term, found.candidate) in ([(2, "new")] if saved else [(1, "old"), (2, "new")])


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"term":3,"candidate":"x","sum":1}', b"\xff", b'{"term":"3"}'])
def test_a_damaged_vote_stops_the_start(content):
    disk = FaultyDisk()
    disk.make_directory("/raft")
    disk.open("/raft/vote.json", create=True).write(content, 0)
    with pytest.raises(CorruptFile, match=r"/raft/vote\.json: offset 0"):
        DiskVote(disk, "/raft")


def test_a_log_without_a_vote_stops_the_start():
    disk = FaultyDisk()
    storage(disk, through=3)
    disk.remove(f"{HERE}/vote.json")
    with pytest.raises(CorruptFile, match=r"vote\.json"):
        storage(disk)


@pytest.mark.parametrize("files", [FaultyDisk(), RealFiles()], ids=["faulty", "real"])
def test_the_newest_two_snapshots_are_kept_and_the_newest_is_read(files, tmp_path: Path):
    directory = str(tmp_path / "snapshots")
    snapshots = DiskSnapshots(files, directory)
    assert snapshots.newest(1) is None
    for index in (9, 100, 20_000):
        taken(snapshots, index, f"state at {index}".encode())
    found = DiskSnapshots(files, directory).newest(1)
    assert found == meta(20_000).finished(b"state at 20000")
    with snapshots.open(found) as stream:
        assert stream.read() == b"state at 20000"
    assert files.list(directory) == [meta(100).identity, meta(20_000).identity]


def test_a_snapshot_that_was_given_up_leaves_nothing():
    disk = FaultyDisk()
    snapshots = DiskSnapshots(disk, "/snapshots")
    writer = snapshots.begin(meta(5))
    writer.write(b"half")
    writer.discard()
    assert disk.list("/snapshots") == []


@pytest.mark.parametrize("part", ["state.bin", "meta.json"])
def test_a_damaged_newest_snapshot_is_passed_over_while_the_log_covers_the_gap(part, caplog):
    disk = FaultyDisk()
    found = storage(disk, through=40)
    taken(found.snapshots, 20, b"at twenty")
    taken(found.snapshots, 30, b"at thirty")
    damage(disk, f"{HERE}/snapshots/{meta(30).identity}/{part}")
    with caplog.at_level(logging.ERROR):
        assert storage(disk).newest == meta(20).finished(b"at twenty")
    assert "damaged snapshot" in caplog.text


def test_a_damaged_newest_snapshot_that_the_log_cannot_make_good_stops_the_start():
    disk = FaultyDisk()
    snapshots = DiskSnapshots(disk, "/snapshots")
    taken(snapshots, 20, b"at twenty")
    taken(snapshots, 30, b"at thirty")
    damage(disk, f"/snapshots/{meta(30).identity}/state.bin")
    with pytest.raises(CorruptFile, match=rf"/snapshots/{meta(30).identity}/state\.bin: offset 0: .*restore a snapshot"):
        snapshots.newest(log_first_index=22)


def test_a_log_that_begins_late_without_any_snapshot_stops_the_start():
    disk = FaultyDisk()
    storage(disk, through=3).log.restart(10)
    with pytest.raises(CorruptFile, match="there is no snapshot"):
        storage(disk)


def test_a_crash_between_a_replacing_snapshot_and_the_log_is_carried_on():
    disk = FaultyDisk()
    found = storage(disk, through=12)
    taken(found.snapshots, 500, b"restored", term=3)
    again = storage(disk)
    assert (again.log.first_index, again.log.last_index) == (501, 500)


@pytest.mark.parametrize("seed", range(120))
def test_wherever_the_power_is_cut_a_snapshot_is_whole_or_absent(seed):
    chance = random.Random(seed)
    disk = FaultyDisk()
    snapshots = DiskSnapshots(disk, "/snapshots")
    disk.cut_at = disk.operations + chance.randrange(1, 45)
    committed = 0
    try:
        for index in (10, 20, 30):
            taken(snapshots, index, b"%d" % index * 700)
            committed = index
    except PowerCut:
        pass
    found = DiskSnapshots(disk.crash(chance), "/snapshots").newest(1)
    assert (found.index if found else 0) in (committed, committed + 10)


def test_a_directory_that_lost_its_log_is_refused_with_the_ways_on():
    disk = FaultyDisk()
    disk.make_directory("/data")
    disk.open("/data/node-id", create=True)
    with pytest.raises(ConfigurationError, match=r"forgotten what it acknowledged.*empty the data directory and let.*snapshot restore"):
        data_directory.check(disk, "/data")


def test_a_directory_of_consuls_is_refused_with_the_ways_on():
    disk = FaultyDisk()
    disk.make_directory("/data/raft")
    disk.open("/data/raft/raft.db", create=True)
    with pytest.raises(ConfigurationError, match=r"raft/raft\.db.*muster migrate /data.*retry_join"):
        data_directory.check(disk, "/data")


def test_a_directory_in_which_consul_ran_after_muster_is_refused():
    disk = FaultyDisk()
    storage(disk)
    disk.open("/data/raft/raft.db", create=True)
    with pytest.raises(ConfigurationError, match=r"raft/muster.*raft/raft\.db.*empty the data directory"):
        data_directory.check(disk, "/data")


def test_a_directory_whose_migration_was_interrupted_is_refused_until_it_is_finished():
    disk = FaultyDisk()
    disk.make_directory("/data/raft/muster.new")
    disk.open("/data/node-id", create=True)
    with pytest.raises(ConfigurationError, match=r"muster migrate /data"):
        data_directory.check(disk, "/data")


def test_an_empty_directory_and_one_with_a_log_are_accepted():
    disk = FaultyDisk()
    data_directory.check(disk, "/data")
    storage(disk)
    disk.open("/data/node-id", create=True)
    data_directory.check(disk, "/data")
