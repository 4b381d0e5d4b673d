"""One suite over every log: in memory, on a real disk, on the disk that forgets."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from muster.raft.entries import COMMAND, CONFIGURATION, Entry
from muster.storage.files import Files, RealFiles
from muster.storage.log import DiskLog, LogStorage
from muster.storage.memory import MemoryLog
from muster.testing.disk import FaultyDisk


def disk_log(files: Files, directory: str, segment_bytes: int = 2000) -> DiskLog:
    return DiskLog(files, directory, random.Random(1), segment_bytes)


def memory(_: Path) -> tuple[Callable[[], LogStorage], bool]:
    log = MemoryLog()
    return lambda: log, False


def real(path: Path) -> tuple[Callable[[], LogStorage], bool]:
    return lambda: disk_log(RealFiles(), str(path / "log")), True


def faulty(_: Path) -> tuple[Callable[[], LogStorage], bool]:
    disks = [FaultyDisk()]

    def reopen() -> LogStorage:
        disks.append(disks[-1].crash(random.Random(7)))
        return disk_log(disks[-1], "/log")

    return reopen, True


@pytest.fixture(params=[memory, real, faulty])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], LogStorage]]:
    """Opens the log anew, as after a restart, or on the faulty disk after a crash."""
    make, _ = request.param(tmp_path)
    opened: list[LogStorage] = []

    def anew() -> LogStorage:
        if opened:
            opened[-1].close()
        opened.append(make())
        return opened[-1]

    yield anew
    if opened:
        opened[-1].close()


def entries(first: int, last: int, term: int = 1, text: str = "value") -> list[Entry]:
    return [Entry(index, term, COMMAND, f"{text} {index}".encode(), b"ext" if index % 3 == 0 else b"") for index in range(first, last + 1)]


def held(log: LogStorage) -> list[Entry]:
    return list(log.read(log.first_index, log.last_index)) if log.last_index >= log.first_index else []


def test_a_new_log_is_empty_and_begins_at_one(reopen):
    log = reopen()
    assert (log.first_index, log.last_index, held(log), log.runs(), log.configurations()) == (1, 0, [], [], [])


def test_what_was_appended_is_there_after_a_restart(reopen):
    log = reopen()
    log.append(entries(1, 3))
    log.append(entries(4, 40))
    log.append([Entry(41, 2, CONFIGURATION, b"who")])
    log = reopen()
    assert held(log) == [*entries(1, 40), Entry(41, 2, CONFIGURATION, b"who")]
    assert (log.first_index, log.last_index, log.runs(), log.configurations()) == (1, 41, [(1, 1), (41, 2)], [41])


def test_a_range_is_read_from_the_middle_of_a_batch_to_the_middle_of_another(reopen):
    log = reopen()
    for first in range(1, 101, 10):
        log.append(entries(first, first + 9))
    assert list(log.read(17, 63)) == entries(17, 63)
    assert list(log.read(100, 100)) == entries(100, 100)


def test_many_segments_are_one_log(reopen):
    log = reopen()
    for first in range(1, 1001, 20):
        log.append(entries(first, first + 19))
    log = reopen()
    assert held(log) == entries(1, 1000)


@pytest.mark.parametrize("at", [1, 5, 6, 11, 25, 30], ids=lambda at: f"from {at}")
def test_a_batch_within_the_log_replaces_the_suffix(reopen, at):
    log = reopen()
    log.append(entries(1, 5))
    log.append(entries(6, 30, term=2))
    log.append(entries(at, at + 1, term=3, text="other"))
    wanted = [*entries(1, 5), *entries(6, 30, term=2)][: at - 1] + entries(at, at + 1, term=3, text="other")
    assert held(log) == wanted
    log = reopen()
    assert held(log) == wanted
    assert log.runs()[-1] == (at, 3)


def test_a_configuration_in_a_replaced_suffix_is_forgotten(reopen):
    log = reopen()
    log.append([*entries(1, 2), Entry(3, 1, CONFIGURATION, b"who")])
    log.append(entries(3, 3, term=2))
    assert log.configurations() == []
    assert reopen().configurations() == []


def test_compaction_keeps_all_later_entries(reopen):
    log = reopen()
    for first in range(1, 1001, 20):
        log.append(entries(first, first + 19, term=first // 500 + 1))
    log.compact(700)
    assert 1 < log.first_index <= 701
    assert (
        held(log)
        == [entry for first in range(1, 1001, 20) for entry in entries(first, first + 19, term=first // 500 + 1)][log.first_index - 1 :]
    )
    first = log.first_index
    log = reopen()
    assert (log.first_index, log.last_index) == (first, 1000)
    assert [(entry.index, entry.term) for entry in log.read(first, 1000)][-1] == (1000, 2)


def test_compaction_of_everything_lets_the_log_go_on(reopen):
    log = reopen()
    log.append(entries(1, 10))
    log.compact(10)
    log.append(entries(11, 12))
    log = reopen()
    assert log.last_index == 12
    assert list(log.read(11, 12)) == entries(11, 12)


def test_a_restart_forgets_all_and_goes_on_elsewhere(reopen):
    log = reopen()
    for first in range(1, 401, 20):
        log.append(entries(first, first + 19))
    log.restart(1000)
    assert (log.first_index, log.last_index, held(log), log.runs()) == (1000, 999, [], [])
    log.append(entries(1000, 1003, term=4))
    log = reopen()
    assert held(log) == entries(1000, 1003, term=4)
    assert log.runs() == [(1000, 4)]


@pytest.mark.parametrize("first", [0, 12, 100])
def test_a_batch_that_does_not_follow_is_refused(reopen, first):
    log = reopen()
    log.append(entries(1, 10))
    with pytest.raises(ValueError, match="does not follow"):
        log.append(entries(first, first))
    assert held(log) == entries(1, 10)


@pytest.mark.parametrize("seed", range(15))
def test_random_changes_leave_what_a_list_would_hold(reopen, seed):
    chance = random.Random(seed)
    log, model, first = reopen(), [], 1
    for step in range(60):
        match chance.randrange(10):
            case 0 if model:
                log.compact(chance.randint(first, first + len(model) - 1))
                model, first = model[log.first_index - first :], log.first_index
            case 1:
                first = first + len(model) + chance.randrange(5)
                model = []
                log.restart(first)
            case 2:
                log = reopen()
            case kind:
                start = chance.randint(first, first + len(model)) if kind == 3 else first + len(model)
                batch = entries(start, start + chance.randrange(12), term=step + 1)
                log.append(batch)
                model = model[: start - first] + batch
        assert (log.first_index, held(log)) == (first, model)


def test_so_many_of_the_newest_entries_as_fit_are_found_and_compaction_keeps_them(reopen):
    log = reopen()
    assert (log.first_index_within(0), log.first_index_within(1 << 30)) == (1, 1)
    for first in range(1, 401, 10):
        log.append(entries(first, first + 9, text="x" * 100))
    everything = log.held_bytes()
    assert log.first_index_within(everything) == 1
    assert 1 < log.first_index_within(0) <= 400, "the newest is always held"
    firsts = [log.first_index_within(size) for size in range(0, everything + 1, everything // 50)]
    assert firsts == sorted(firsts, reverse=True)
    half = everything // 2 + 1
    first = log.first_index_within(half)
    assert 1 < first < 400
    log.compact(first - 1)
    assert log.first_index <= first
    assert log.held_bytes() <= half
    assert [entry.index for entry in log.read(first, 400)] == list(range(first, 401))
