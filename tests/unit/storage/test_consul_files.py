"""What Consul keeps for Raft: log, vote, snapshots and their checksum."""

import io
import json
import os
import struct
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import CorruptFile
from muster.raft.membership import Configuration, Member
from muster.storage.consul_log import ConsulLog
from muster.storage.consul_snapshots import ConsulSnapshots
from muster.storage.crc64 import CHUNK_BYTES, matches
from muster.storage.files import RealFiles
from muster.testing.disk import Content, FaultyDisk, FaultyFile
from muster.wire.msgpack import pack

sys.path.insert(0, str(Path(__file__).parent))
from bolt_writer import BoltWriter

RECORDED = Path(__file__).parents[2] / "vectors" / "consul-data" / "server.tar.gz"
NEWEST = "2-52-1795545867447"


def number(value: int) -> bytes:
    return struct.pack(">Q", value)


def entry(index: int, term: int = 1, kind: int = 0, **more) -> bytes:
    return pack({"Data": b"x", "Extensions": None, "Index": index, "Term": term, "Type": kind, **more})


def log(entries: dict[int, bytes], **conf: int | str) -> ConsulLog:
    values = {name.encode(): number(value) if isinstance(value, int) else value.encode() for name, value in conf.items()}
    data = BoltWriter().file({b"conf": values, b"logs": {number(index): value for index, value in entries.items()}})
    return ConsulLog(FaultyFile(FaultyDisk(), "raft.db", Content(data)), "raft.db")


VOTES = [
    pytest.param({}, (0, ""), id="never taken part"),
    pytest.param({"CurrentTerm": 3}, (3, ""), id="never voted"),
    pytest.param({"CurrentTerm": 3, "LastVoteTerm": 3, "LastVoteCand": "10.0.0.1:8300"}, (3, "10.0.0.1:8300"), id="voted in this term"),
    pytest.param({"CurrentTerm": 4, "LastVoteTerm": 3, "LastVoteCand": "10.0.0.1:8300"}, (4, ""), id="voted in an earlier term"),
]


@pytest.mark.parametrize(("conf", "expected"), VOTES)
def test_the_vote_counts_in_the_term_in_which_it_was_given(conf, expected):
    assert log({}, **conf).vote() == expected


def test_a_vote_in_a_term_to_come_is_damage():
    with pytest.raises(CorruptFile, match="voted in term 5 and knows but term 4"):
        log({}, CurrentTerm=4, LastVoteTerm=5).vote()


RUNS = [
    pytest.param([], (1, 0), id="empty"),
    pytest.param([1, 2, 3], (1, 3), id="whole"),
    pytest.param([7, 8], (7, 8), id="compacted"),
    pytest.param([1, 2, 3, 90, 91], (90, 91), id="older entries before an installed snapshot"),
    pytest.param([1, 5, 9], (9, 9), id="two gaps"),
]


@pytest.mark.parametrize(("indexes", "expected"), RUNS)
def test_the_newest_entries_without_a_gap_are_found(indexes, expected):
    assert log({index: entry(index) for index in indexes}).last_run() == expected


def test_entries_are_read_from_an_index_on():
    found = log({index: entry(index, term=index // 2, kind=index % 2) for index in (1, 2, 3)})
    assert [(one.index, one.term, one.type, one.data) for one in found.entries(2, 3)] == [(2, 1, 0, b"x"), (3, 1, 1, b"x")]


WRONG = [
    pytest.param({1: entry(2)}, "entry 1 calls itself 2", id="another's place"),
    pytest.param({1: b"\xc1"}, "entry 1: msgpack", id="no entry"),
    pytest.param({1: entry(1, kind=2)}, "raft_protocol 2 and before", id="of an old protocol"),
]


@pytest.mark.parametrize(("entries", "complaint"), WRONG)
def test_a_wrong_entry_is_named(entries, complaint):
    with pytest.raises(CorruptFile, match=complaint):
        list(log(entries).entries(1, 1))


@pytest.fixture
def snapshots(tmp_path):
    with tarfile.open(RECORDED) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "raft" / "snapshots"


def newest(directory: Path):
    return ConsulSnapshots(RealFiles(), str(directory)).newest()


def test_a_recorded_snapshot_is_whole(snapshots):
    found = newest(snapshots)
    assert (found.identity, found.index, found.term) == (NEWEST, 52, 2)
    server = Member("f660703c-a921-f5dd-2c03-1d8e5723758b", "127.0.9.20:8300")
    ours = found.ours()
    assert (ours.identity, ours.configuration, ours.configuration_index) == (NEWEST, Configuration((server,)), 1)
    assert b"".join(ConsulSnapshots(RealFiles(), str(snapshots)).pieces(found)) == (snapshots / NEWEST / "state.bin").read_bytes()


def test_no_directory_holds_no_snapshot(tmp_path):
    assert newest(tmp_path / "absent") is None


def changed(path: Path, **fields) -> None:
    (path / "meta.json").write_text(json.dumps({**json.loads((path / "meta.json").read_text()), **fields}))


DAMAGE = [
    pytest.param(lambda path: (path / "state.bin").write_bytes(b""), id="nothing in it"),
    pytest.param(lambda path: os.truncate(path / "state.bin", 17_409), id="a byte more"),
    pytest.param(lambda path: (path / "state.bin").write_bytes(bytes(17_408)), id="another byte"),
    pytest.param(lambda path: (path / "state.bin").unlink(), id="no state"),
    pytest.param(lambda path: (path / "meta.json").unlink(), id="no meta"),
    pytest.param(lambda path: (path / "meta.json").write_text("{}"), id="another meta"),
    pytest.param(lambda path: changed(path, Version=0), id="another version"),
    pytest.param(lambda path: changed(path, Size=5), id="another size"),
    pytest.param(lambda path: changed(path, CRC="AAAA"), id="a short checksum"),
    pytest.param(lambda path: changed(path, ID="2-53-1"), id="another name"),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_snapshot_is_passed_over_for_an_older_one(snapshots, damage):
    older = "2-40-1795545860000"
    (snapshots / older).mkdir()
    for name in ("meta.json", "state.bin"):
        (snapshots / older / name).write_bytes((snapshots / NEWEST / name).read_bytes())
    changed(snapshots / older, ID=older, Index=40)
    damage(snapshots / NEWEST)
    found = ConsulSnapshots(RealFiles(), str(snapshots))
    meta = found.newest()
    assert meta is not None
    assert meta.identity == older
    assert found.damaged == [NEWEST]


def slow_crc64(data: bytes) -> int:
    value = (1 << 64) - 1
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xC96C5795D7870F42 if value & 1 else 0)
    return value ^ ((1 << 64) - 1)


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(0, 63))
def test_the_checksum_is_that_of_the_polynomial(pieces, bit):
    checksum = slow_crc64(b"".join(pieces))
    assert matches(pieces, checksum)
    assert not matches(pieces, checksum ^ 1 << bit)


def test_the_checksum_of_more_than_a_chunk():
    data = bytes(range(256)) * 300
    assert len(data) > CHUNK_BYTES
    stream = io.BytesIO(data)
    assert matches(iter(lambda: stream.read(70_000), b""), slow_crc64(data))
    assert slow_crc64(b"123456789") == 0x995DC9BBDF1939FA
