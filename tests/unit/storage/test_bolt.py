"""BoltDB files: what a writer of our own and the real one wrote is read, damage is refused and never loops."""

import struct
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.model.errors import CorruptFile
from muster.storage.bolt import BoltFile, fnv1a
from muster.testing.disk import Content, FaultyDisk, FaultyFile

sys.path.insert(0, str(Path(__file__).parent))
from bolt_writer import BoltWriter

RECORDED = Path(__file__).parents[2] / "vectors" / "consul-data" / "server.tar.gz"


def opened(data: bytes) -> BoltFile:
    return BoltFile(FaultyFile(FaultyDisk(), "raft.db", Content(data)), "raft.db")


def all_of(data: bytes) -> dict[bytes, list[tuple[bytes, bytes]]]:
    file = opened(data)
    return {bucket: list(file.items(bucket)) for bucket in file.buckets()}


def recorded() -> bytes:
    with tarfile.open(RECORDED) as archive:
        return archive.extractfile("./raft/raft.db").read()


items = st.dictionaries(st.binary(min_size=1, max_size=40), st.binary(max_size=300), max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.binary(min_size=1, max_size=9), items, max_size=4), st.sampled_from([512, 1024, 4096, 16384]), st.integers(1, 9))
def test_what_was_written_is_read_in_order(buckets, page_size, transaction):
    data = BoltWriter(page_size).file(buckets, transaction=transaction)
    assert all_of(data) == {name: sorted(values.items()) for name, values in sorted(buckets.items())}


def test_small_buckets_stand_inside_their_parent():
    values = {b"CurrentTerm": bytes(8), b"LastVoteCand": b"10.0.0.1:8300"}
    assert all_of(BoltWriter().file({b"conf": values}, inline=True)) == {b"conf": sorted(values.items())}


def test_a_value_may_be_longer_than_a_page():
    values = {b"a": b"x" * 100_000, b"b": b"y"}
    assert all_of(BoltWriter(512).file({b"logs": values})) == {b"logs": sorted(values.items())}


@pytest.mark.parametrize("damaged", [0, 1])
def test_one_valid_meta_page_is_enough(damaged):
    data = bytearray(BoltWriter().file({b"b": {b"k": b"v"}}))
    data[damaged * 4096 + 40] ^= 1
    assert all_of(bytes(data)) == {b"b": [(b"k", b"v")]}


def test_the_newer_transaction_counts():
    for transaction in (8, 9):
        assert opened(BoltWriter().file({}, transaction=transaction)).meta.transaction == transaction


def test_the_log_of_a_real_server_is_read_to_its_end():
    file = opened(recorded())
    assert file.buckets() == [b"conf", b"logs"]
    assert dict(file.items(b"conf"))[b"LastVoteCand"] == b"127.0.9.20:8300"
    assert [int.from_bytes(key, "big") for key, _ in file.items(b"logs")] == list(range(1, 75))


def broken(offset: int, value: bytes) -> bytes:
    data = BoltWriter(512).file({b"logs": {b"%d" % number: b"x" * 200 for number in range(9)}})
    return data[:offset] + value + data[offset + len(value) :]


def root_offset() -> int:
    return opened(broken(0, b"")).meta.root * 512


DAMAGE = [
    pytest.param(b"", "no valid meta page", id="nothing"),
    pytest.param(b"SQLite format 3\0" * 512, "no valid meta page", id="another kind of file"),
    pytest.param(broken(0, b"")[:-512], "the file ends before its page", id="a file that was cut"),
    pytest.param(broken(1024, struct.pack("<Q", 99)), "not the head of page 2", id="a page in another's place"),
    pytest.param(broken(1024 + 8, struct.pack("<H", 16)), "page 2 has flags 16", id="a page of another kind"),
    pytest.param(broken(1024 + 10, struct.pack("<H", 60000)), "not the head of page 2", id="more elements than fit"),
    pytest.param(broken(1024 + 12, struct.pack("<I", 1 << 30)), "goes on for", id="more pages than there are"),
    pytest.param(broken(1024 + 28, struct.pack("<I", 1 << 30)), "reaches beyond its page", id="a value beyond its page"),
]


@pytest.mark.parametrize(("data", "complaint"), DAMAGE)
def test_damage_is_refused_with_its_place(data, complaint):
    with pytest.raises(CorruptFile, match=rf"raft\.db: offset \d+: .*{complaint}"):
        all_of(data)


def test_a_tree_that_bites_its_tail_is_refused():
    data = BoltWriter(512).file({b"logs": {b"%d" % number: b"x" * 200 for number in range(9)}})
    branch = next(at for at in range(1024, len(data), 512) if data[at + 8] == 1)
    circle = data[: branch + 24] + struct.pack("<Q", branch // 512) + data[branch + 32 :]
    with pytest.raises(CorruptFile, match="depth 64"):
        all_of(circle)


def test_a_bucket_that_is_not_there_is_named():
    with pytest.raises(CorruptFile, match="no bucket 'conf'"):
        list(opened(BoltWriter().file({})).items(b"conf"))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 131_071), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6))
def test_any_damage_to_a_real_file_is_read_or_refused(changes):
    data = bytearray(recorded())
    for offset, value in changes:
        data[offset : offset + len(value)] = value
    try:
        all_of(bytes(data[:131_072]))
    except CorruptFile:
        pass


def test_the_checksum_of_a_meta_page_is_fnv1a():
    assert [fnv1a(text) for text in (b"", b"a", b"foobar")] == [0xCBF29CE484222325, 0xAF63DC4C8601EC8C, 0x85944171F73967E8]
