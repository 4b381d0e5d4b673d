"""What a start does with a damaged log, and a running server with a disk that fails."""

import errno
import logging
import random

import pytest

from muster.model.errors import CorruptFile
from muster.raft.entries import COMMAND, Entry
from muster.storage import frames
from muster.storage.log import DiskLog
from muster.testing.disk import FaultyDisk

SEGMENT = "/log/0000000000000001.wal"


def opened(disk: FaultyDisk, segment_bytes: int = 1 << 20) -> DiskLog:
    return DiskLog(disk, "/log", random.Random(3), segment_bytes)


def batch(first: int, last: int, size: int = 50) -> list[Entry]:
    return [Entry(index, 1, COMMAND, bytes([index % 256]) * size) for index in range(first, last + 1)]


def flip(disk: FaultyDisk, path: str, offset: int) -> None:
    file = disk.open(path)
    file.write(bytes([file.read(1, offset)[0] ^ 0x10]), offset)
    file.sync()


def three_batches(segment_bytes: int = 1 << 20) -> tuple[FaultyDisk, list[int]]:
    """A disk with three batches and where each begins, and the end."""
    disk = FaultyDisk()
    log = opened(disk, segment_bytes)
    ends = [frames.HEAD_SIZE]
    for first in (1, 11, 21):
        log.append(batch(first, first + 9))
        ends.append(ends[-1] + frames.FRAME_SIZE + 10 * (17 + 50))
    return disk, ends


@pytest.mark.parametrize("into", [0, 4, 8, 20, 31, 32, 100, 700], ids=lambda into: f"byte {into} of the frame")
def test_a_bad_last_frame_is_a_torn_tail_and_is_cut_off_with_a_warning(into, caplog):
    disk, ends = three_batches()
    flip(disk, SEGMENT, ends[2] + into)
    with caplog.at_level(logging.WARNING):
        log = opened(disk)
    assert (log.first_index, log.last_index) == (1, 20)
    assert f"{SEGMENT}: offset {ends[2]}" in caplog.text
    log.append(batch(21, 22))
    caplog.clear()
    assert [entry.index for entry in opened(disk).read(1, 22)] == [*range(1, 23)]
    assert not caplog.records


@pytest.mark.parametrize("cut", range(0, 710, 37), ids=lambda cut: f"{cut} bytes")
def test_a_file_that_ends_within_the_last_frame_is_cut_back_to_the_frame_before(cut):
    disk, ends = three_batches()
    disk.open(SEGMENT).truncate(ends[2] + cut if ends[2] + cut < ends[3] else ends[3] - 1)
    assert opened(disk).last_index == 20


@pytest.mark.parametrize("frame", [0, 1])
@pytest.mark.parametrize("into", [0, 8, 16, 31, 32, 400], ids=lambda into: f"byte {into}")
def test_a_bad_frame_with_a_good_one_behind_it_stops_the_start(frame, into):
    disk, ends = three_batches()
    flip(disk, SEGMENT, ends[frame] + into)
    with pytest.raises(CorruptFile) as refusal:
        opened(disk)
    assert str(refusal.value).startswith(f"{SEGMENT}: offset {ends[frame]}: ")
    assert "restore a snapshot" in str(refusal.value)


def test_a_bad_last_frame_of_an_earlier_segment_stops_the_start():
    disk, ends = three_batches(segment_bytes=100)  # a segment for each batch
    flip(disk, SEGMENT, ends[0] + 50)
    with pytest.raises(CorruptFile, match=f"{SEGMENT}: offset {ends[0]}"):
        opened(disk)


def test_a_missing_segment_stops_the_start():
    disk, _ = three_batches(segment_bytes=100)
    disk.remove("/log/0000000000000002.wal")
    with pytest.raises(CorruptFile, match="segment 2 before it is missing"):
        opened(disk)


def test_a_segment_that_lost_its_end_stops_the_start():
    disk, ends = three_batches(segment_bytes=100)
    disk.open("/log/0000000000000002.wal").truncate(frames.HEAD_SIZE)
    with pytest.raises(CorruptFile, match="entries up to 20 are missing"):
        opened(disk)


def test_a_bad_head_stops_the_start_if_frames_follow():
    disk, _ = three_batches()
    flip(disk, SEGMENT, 25)
    with pytest.raises(CorruptFile, match=f"{SEGMENT}: offset 0"):
        opened(disk)


@pytest.mark.parametrize("content", [b"", b"MUST", bytes(4096)], ids=["empty", "torn", "zeros"])
def test_a_segment_whose_creation_was_cut_short_is_removed(content):
    disk, _ = three_batches()
    disk.open("/log/0000000000000002.wal", create=True).write(content, 0)
    log = opened(disk)
    assert log.last_index == 30
    assert disk.list("/log") == ["0000000000000001.wal"]


def test_a_value_that_holds_a_copy_of_a_log_is_not_taken_for_a_frame_behind_a_torn_one():
    disk, _ = three_batches()
    file = disk.open(SEGMENT)
    copy = file.read(file.size(), 0).rstrip(b"\0")
    other = FaultyDisk()
    log = DiskLog(other, "/log", random.Random(99))
    log.append(batch(1, 1))
    log.append([Entry(2, 1, COMMAND, copy)])
    flip(other, SEGMENT, frames.HEAD_SIZE + frames.FRAME_SIZE + 67 + 8)
    assert opened(other).last_index == 1


def test_a_failed_sync_leaves_the_log_broken_and_is_not_tried_again():
    disk, _ = three_batches()
    log = opened(disk)
    disk.fail_sync = True
    with pytest.raises(OSError, match="Input/output error") as failure:
        log.append(batch(31, 31))
    assert failure.value.filename == SEGMENT
    disk.fail_sync = False
    operations = disk.operations
    with pytest.raises(OSError, match="Input/output error"):
        log.append(batch(31, 31))
    assert disk.operations == operations
    assert log.last_index == 30
    assert len(list(log.read(1, 30))) == 30


def test_a_full_disk_is_reported_and_what_was_acknowledged_stays():
    disk, _ = three_batches()
    log = opened(disk, segment_bytes=100)
    disk.full_after = 40  # the next segment's head fits, its first frame does not
    with pytest.raises(OSError, match="No space left") as failure:
        log.append(batch(31, 40))
    assert failure.value.errno == errno.ENOSPC
    disk.full_after = None
    assert opened(disk.crash(random.Random(1)), segment_bytes=100).last_index == 30
