"""The snapshot file: what Serf writes is read, what is written is Serf's, and nothing in the file can hurt."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.gossip.effects import (
    EventReceived,
    Member,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberStatus,
    MemberUpdated,
    QueryReceived,
)
from muster.gossip.lamport import Clocks
from muster.transport import member_snapshot
from muster.transport.member_snapshot import MemberSnapshot

OF_SERF = (
    "alive: s2 127.0.77.2:21001\nalive: s1 127.0.77.1:21001\nevent-clock: 1\nclock: 3\nnot-alive: s1\n"
    "coordinate: {}\n# a remark\nalive: s3 [fd00::3]:21001\nquery-clock: 7\n"
)


def member(name: str, number: int = 1) -> Member:
    return Member(name, (bytes([10, 0, 0, number]), 8301), {}, MemberStatus.ALIVE, b"\x01\x05\x02\x02\x05\x04")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serf" / "local.snapshot"


def written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_serf_writes_is_read(path: Path) -> None:
    snapshot = MemberSnapshot(str(written(path, OF_SERF)))
    assert snapshot.previous == {"s2": "127.0.77.2:21001", "s3": "[fd00::3]:21001"}
    assert snapshot.clocks == Clocks(3, 1, 7)
    snapshot.close()


def test_after_a_leave_nobody_is_joined_again_unless_it_is_wanted(path: Path) -> None:
    text = OF_SERF + "leave\nclock: 4\n"
    forgetting = MemberSnapshot(str(written(path, text)))
    assert (forgetting.previous, forgetting.clocks) == ({}, Clocks(4, 0, 0))
    forgetting.close()
    rejoining = MemberSnapshot(str(written(path, text)), rejoin_after_leave=True)
    assert (sorted(rejoining.previous), rejoining.clocks) == (["s2", "s3"], Clocks(4, 1, 7))
    rejoining.close()


def test_what_happens_is_written_as_serf_writes_it(path: Path) -> None:
    snapshot = MemberSnapshot(str(path))
    for effect in (
        MemberJoined(member("n1")),
        MemberJoined(member("two words", 2)),
        MemberJoined(member("n3", 3)),
        MemberUpdated(member("n1", 9)),
        MemberUpdated(member("n1", 9)),
        MemberFailed(member("two words", 2)),
        MemberReaped(member("two words", 2)),
        MemberLeft(member("n3", 3)),
        EventReceived(5, "deploy", b"", False),
        EventReceived(4, "older", b"", False),
        QueryReceived(6, 1, "q", b"", "n1", 1.0),
    ):
        snapshot.note(effect)
    snapshot.note_clock(8)
    snapshot.flush()
    assert path.read_text() == (
        "alive: n1 10.0.0.1:8301\nalive: two words 10.0.0.2:8301\nalive: n3 10.0.0.3:8301\nalive: n1 10.0.0.9:8301\n"
        "not-alive: two words\nnot-alive: n3\nevent-clock: 5\nquery-clock: 6\nclock: 8\n"
    )
    snapshot.close()
    again = MemberSnapshot(str(path))
    assert (again.previous, again.clocks) == ({"n1": "10.0.0.9:8301"}, Clocks(8, 5, 6))
    again.close()


def test_what_happens_to_others_while_this_member_leaves_is_not_written(path: Path) -> None:
    snapshot = MemberSnapshot(str(path), rejoin_after_leave=True)
    snapshot.note(MemberJoined(member("n1")))
    snapshot.left()
    snapshot.note(MemberFailed(member("n1")))
    snapshot.note(MemberJoined(member("n2", 2)))
    snapshot.close()
    assert path.read_text() == "alive: n1 10.0.0.1:8301\nleave\n"
    again = MemberSnapshot(str(path), rejoin_after_leave=True)
    assert again.previous == {"n1": "10.0.0.1:8301"}
    again.close()


def test_a_torn_last_line_is_cut_off_so_that_it_spoils_nothing(path: Path) -> None:
    snapshot = MemberSnapshot(str(written(path, "alive: n1 10.0.0.1:8301\nalive: n2 10.0.")))
    assert snapshot.previous == {"n1": "10.0.0.1:8301"}
    snapshot.note(MemberJoined(member("n3", 3)))
    snapshot.close()
    assert path.read_text() == "alive: n1 10.0.0.1:8301\nalive: n3 10.0.0.3:8301\n"


def test_a_file_that_has_grown_is_written_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_snapshot, "SMALLEST_COMPACTION", 2000)
    snapshot = MemberSnapshot(str(path))
    snapshot.note(MemberJoined(member("n1")))
    for time in range(1, 400):
        snapshot.note_clock(time)
        snapshot.flush()
    assert path.stat().st_size <= 2000 + 20
    snapshot.note(MemberJoined(member("n2", 2)))
    snapshot.close()
    assert [one.name for one in path.parent.iterdir()] == ["local.snapshot"]
    again = MemberSnapshot(str(path))
    assert (sorted(again.previous), again.clocks.member) == (["n1", "n2"], 399)
    again.close()


def test_a_name_cannot_forge_a_line(path: Path) -> None:
    snapshot = MemberSnapshot(str(path))
    snapshot.note(MemberJoined(member("x\nleave")))
    snapshot.note(MemberJoined(member("n1")))
    snapshot.close()
    assert path.read_text() == "alive: n1 10.0.0.1:8301\n"


def test_a_disk_that_refuses_is_survived(path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = MemberSnapshot(str(path))
    snapshot.note(MemberJoined(member("n1")))

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(member_snapshot.os, "write", full)
        snapshot.flush()
    assert "No space left on device" in caplog.text
    snapshot.note(MemberJoined(member("n2", 2)))
    snapshot.close()
    again = MemberSnapshot(str(path))
    assert again.previous == {"n2": "10.0.0.2:8301"}
    again.close()


@settings(deadline=None)  # it waits for the disk
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_read_without_a_fault(tmp_path_factory: pytest.TempPathFactory, data: bytes, rejoin: bool) -> None:
    path = written(tmp_path_factory.mktemp("any") / "snapshot", data)
    snapshot = MemberSnapshot(str(path), rejoin)
    snapshot.note(MemberJoined(member("n1")))
    snapshot.close()
    again = MemberSnapshot(str(path), rejoin)
    assert again.previous["n1"] == "10.0.0.1:8301"
    again.close()


@pytest.mark.parametrize("number", ["-1", "x", "9" * 30, "1e3", "٣", str(2**63)])
def test_a_clock_that_cannot_be_is_not_believed(path: Path, number: str) -> None:
    snapshot = MemberSnapshot(str(written(path, f"clock: 5\nclock: {number}\n")))
    assert snapshot.clocks.member == 5
    snapshot.close()


def test_what_is_noted_while_the_disk_hangs_is_written_after_it_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = MemberSnapshot(str(path))
    hanging, thaw = threading.Event(), threading.Event()
    write = os.write

    def hang(descriptor: int, data: bytes) -> int:
        hanging.set()
        assert thaw.wait(30)
        return write(descriptor, data)

    snapshot.note(MemberJoined(member("n1")))
    with monkeypatch.context() as patched:
        patched.setattr(member_snapshot.os, "write", hang)
        writer = threading.Thread(target=snapshot.pending())
        writer.start()
        assert hanging.wait(30)
        snapshot.note(MemberFailed(member("n1")))
        snapshot.note(MemberJoined(member("n2", 2)))
        later = snapshot.pending()
        thaw.set()
        writer.join(30)
    later()
    snapshot.close()
    assert path.read_text() == "alive: n1 10.0.0.1:8301\nnot-alive: n1\nalive: n2 10.0.0.2:8301\n"
