"""The room that log and snapshots take, and the warning before the disk is full."""

import random
from pathlib import Path

import pytest

from muster.raft.entries import COMMAND, Entry
from muster.raft.membership import Configuration
from muster.storage.budget import Level, SpaceWatch, Usage, default_limit, measure
from muster.storage.files import Files, RealFiles
from muster.storage.log import SEGMENT_BYTES
from muster.storage.raft_storage import in_memory, open_on_disk
from muster.storage.snapshots import SnapshotMeta
from muster.testing.disk import SIZE, FaultyDisk

MIB, GIB = 1 << 20, 1 << 30
SEGMENTS = 2 * SEGMENT_BYTES


def usage(free: int, total: int = 100 * GIB, snapshot: int = 0) -> Usage:
    return Usage(log=0, snapshots=0, newest_snapshot=snapshot, free=free, total=total)


@pytest.mark.parametrize(
    ("total", "snapshot", "limit"),
    [
        pytest.param(5 * GIB, 0, 512 * MIB + 0, id="a tenth of the disk"),
        pytest.param(1000 * GIB, 0, GIB, id="up to a gibibyte"),
        pytest.param(64 * MIB, 0, SEGMENTS, id="but two segments"),
        pytest.param(1000 * GIB, 3 * GIB, 6 * GIB + SEGMENTS, id="and two snapshots"),
    ],
)
def test_by_default_so_much_is_to_stay_free(total: int, snapshot: int, limit: int):
    assert default_limit(usage(0, total, snapshot)) == limit


def told(limit: int, *free: int) -> list[tuple[int, Level]]:
    """What is said while the free bytes go this way."""
    watch = SpaceWatch(limit)
    return [(one, watch.level) for one in free if watch.look(usage(one))]


@pytest.mark.parametrize(
    ("free", "said"),
    [
        pytest.param([2000, 1000], [], id="at the limit there is enough"),
        pytest.param([2000, 999, 500, 998], [(999, Level.SHORT)], id="below it is said once"),
        pytest.param([999, 1001, 998, 1249, 990], [(999, Level.SHORT)], id="a little above it is not above"),
        pytest.param([999, 1250, 999], [(999, Level.SHORT), (1250, Level.ENOUGH), (999, Level.SHORT)], id="a quarter above is"),
        pytest.param([999, 249, 100, 300], [(999, Level.SHORT), (249, Level.SEVERE)], id="below a quarter is said again"),
        pytest.param([100], [(100, Level.SEVERE)], id="at once in strong words"),
        pytest.param(
            [100, 999, 249, 1300, 249], [(100, Level.SEVERE), (1300, Level.ENOUGH), (249, Level.SEVERE)], id="both are taken back"
        ),
    ],
)
def test_each_step_down_is_said_once_and_taken_back_with_some_delay(free: list[int], said: list[tuple[int, Level]]):
    assert told(1000, *free) == said


def test_the_limit_grows_with_the_snapshots():
    watch = SpaceWatch()
    assert not watch.look(usage(2 * GIB))
    assert watch.look(usage(2 * GIB, snapshot=GIB))
    assert watch.limit == 2 * GIB + SEGMENTS


def filled(files: Files, path: str):
    storage = open_on_disk(files, path, random.Random(1), segment_bytes=50_000)
    storage.vote.save(1, "")
    for index in range(1, 101):
        storage.log.append([Entry(index, 1, COMMAND, bytes(4000))])
    for index in (50, 60):
        writer = storage.snapshots.begin(SnapshotMeta(1, index, 1000 + index, Configuration(), 0))
        writer.write(bytes(10_000 + index))
        storage.newest = writer.commit()
    storage.snapshots.begin(SnapshotMeta(1, 70, 1, Configuration(), 0)).write(bytes(7000))
    return storage


@pytest.mark.parametrize("kind", ["real", "faulty"])
def test_log_and_all_snapshots_are_counted_and_what_is_free(kind: str, tmp_path: Path):
    files: Files = RealFiles() if kind == "real" else FaultyDisk()
    path = str(tmp_path) if kind == "real" else "/data"
    storage = filled(files, path)
    found = measure(files, path, storage)
    held = sum(file.size() for file in (files.open(f"{path}/raft/muster/log/{name}") for name in files.list(f"{path}/raft/muster/log")))
    assert found.log == held > 400_000
    assert (found.snapshots, found.newest_snapshot) == (10_050 + 10_060 + 7000, 10_060)
    assert 0 < found.free <= found.total
    if kind == "faulty":
        assert (found.free, found.total) == (SIZE, SIZE)
        files.full_after = 12  # type: ignore[attr-defined]
        assert measure(files, path, storage).free == 12
    storage.log.close()


def test_what_memory_holds_is_counted_too():
    storage = in_memory()
    storage.log.append([Entry(1, 1, COMMAND, bytes(100)), Entry(2, 1, COMMAND, bytes(50))])
    assert storage.log.held_bytes() == 150
    assert storage.snapshots.held_bytes() == 0
    writer = storage.snapshots.begin(SnapshotMeta(1, 2, 1, Configuration(), 0))
    writer.write(bytes(70))
    writer.commit()
    assert storage.snapshots.held_bytes() == 70
