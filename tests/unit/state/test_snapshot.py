"""The stream of a snapshot: what the real program wrote, round trips, and streams that are no good."""

import json
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from state_commands import histories, kvs

from muster.model.errors import DecodeError
from muster.model.kv import KVEntry
from muster.state import snapshot_reader, snapshot_writer
from muster.state.store import Store
from muster.wire import msgpack
from muster.wire.commands import config_entry_request, decode_command

VECTORS = Path(__file__).parents[2] / "vectors" / "snapshot"
NAMES = ["acl-rich", "kv-small", "python-made-accepted"]


def state_of(name):
    with tarfile.open(VECTORS / f"{name}.tgz") as tar:
        return tar.extractfile("state.bin").read()


def records(state):
    """The records of a stream, as (type, bytes of the value)."""
    reader = msgpack.stream()
    reader.feed(state)
    reader.unpack()
    found = []
    while (start := reader.tell()) < len(state):
        number = reader.unpack()
        reader.unpack()
        found.append((number, state[start + 1 : reader.tell()]))
    return found


def canonical(state):
    """A stream's records without the order of maps, which is random with the peers."""
    return Counter((number, json.dumps(readable(number, value), sort_keys=True)) for number, value in records(state))


def readable(number, value):
    found = msgpack.unpack(value)
    if number == 22:
        entry = config_entry_request(found).entry
        return [entry.kind, entry.name, entry.fields, entry.create_index, entry.modify_index]
    if number == 0 and found["Service"] and found["Service"]["Weights"] is None:
        found["Service"]["Weights"] = {"Passing": 1, "Warning": 1}  # means the same
    return found


def restored(state):
    made = Store()
    made.restore([state])
    return made


@pytest.mark.parametrize("name", NAMES)
def test_the_records_of_the_real_program_are_written_again_byte_for_byte(name):
    for number, value in records(state_of(name)):
        assert snapshot_writer.record_bytes(number, msgpack.unpack(value)) == bytes([number]) + value


@pytest.mark.parametrize("name", NAMES)
def test_a_store_restored_from_the_real_program_snapshots_to_the_same_records(name):
    state = state_of(name)
    made = restored(state)
    again = b"".join(made.snapshot())
    assert canonical(again) == canonical(state)
    assert again[:13] == state[:13]
    assert made.warnings == []


@pytest.mark.parametrize("name", NAMES[:2])
def test_records_stand_in_the_order_of_the_real_program(name):
    state = state_of(name)
    assert [number for number, _ in records(b"".join(restored(state).snapshot()))] == [number for number, _ in records(state)]


def test_the_log_of_a_real_server_applied_here_gives_the_snapshot_that_it_saved():
    entries = json.loads((VECTORS.parent / "fsm" / "log-entries-acl-server.json").read_text())["entries"]
    recorded = json.loads((VECTORS / "acl-rich.records.json").read_text())
    made = Store()
    for entry in entries:
        if entry["log_type"] == 0 and entry["index"] <= recorded["meta_json"]["Index"]:
            result = made.apply(entry["index"], decode_command(bytes.fromhex(entry["data_hex"]))).result
            assert not isinstance(result, Exception), entry
    assert canonical(b"".join(made.snapshot())) == canonical(state_of("acl-rich"))


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_counts_every_record_and_every_byte(name):
    state = state_of(name)
    parts = snapshot_reader.summary(snapshot_reader.read([state]))
    assert sum(part.count for part in parts) == len(records(state))
    assert sum(part.size for part in parts) == len(state) - len(snapshot_writer.header(14))


@given(histories)
def test_a_restored_store_reads_and_goes_on_like_the_first(history):
    first = Store()
    for index, command in enumerate(history, 1):
        first.apply(index, command)
    state = b"".join(first.snapshot())
    second = restored(state)
    assert b"".join(second.snapshot()) == state
    assert second.indexes.items() == first.indexes.items()
    assert second.kv.list("") == first.kv.list("")
    assert second.sessions.list() == first.sessions.list()
    assert second.catalog.node_dump() == first.catalog.node_dump()
    for index, command in enumerate(history, 100):
        assert repr(second.apply(index, command)) == repr(first.apply(index, command))
    assert b"".join(second.snapshot()) == b"".join(first.snapshot())


entries = st.builds(
    KVEntry,
    key=st.text(st.characters(codec="utf-8"), max_size=40) | st.binary(max_size=5).map(lambda key: key.decode("utf-8", "surrogateescape")),
    value=st.none() | st.binary(max_size=300) | st.sampled_from([b"x" * 1023, b"x" * 1024, b"x" * 70_000, b"\x02\x87\xabCreateIndex"]),
    flags=st.sampled_from([0, 1, 2**64 - 1]),
    lock_index=st.sampled_from([0, 3]),
    session=st.sampled_from(["", "00000000-0000-0000-0000-000000000001"]),
    create_index=st.sampled_from([0, 127, 128, 65535, 65536, 2**32 - 1, 2**32]),
    modify_index=st.sampled_from([5, 65536, 2**40]),
)


@given(st.lists(entries, max_size=30, unique_by=lambda entry: entry.key))
def test_entries_are_written_as_the_packer_writes_them_and_read_back(found):
    encode = snapshot_writer.encoder(KVEntry)
    packed = b"".join(snapshot_writer.packed_entries(iter([found])))
    assert packed == b"".join(snapshot_writer.record_bytes(2, encode(entry)) for entry in found)
    content = snapshot_reader.read([snapshot_writer.header(1), packed])
    assert list(content.entries.values()) == found
    assert content.counts.get(2, 0) == len(found)
    assert content.sizes.get(2, 0) == len(packed)


@pytest.mark.parametrize("odd", [b"plain", b"\xff", b"\x02\x87\xabCreateIndex" * 3], ids=["plain", "not UTF-8", "looks like an entry"])
def test_many_entries_are_read_by_windows(odd):
    found = {f"k{number:05}": KVEntry(key=f"k{number:05}", value=odd * (number % 50), modify_index=70_000) for number in range(5000)}
    packed = b"".join(snapshot_writer.packed_entries(iter([list(found.values())])))
    assert len(packed) > 3 * snapshot_reader.WINDOW_BYTES
    tail = snapshot_writer.record_bytes(5, snapshot_writer.encoder(KVEntry)(KVEntry(key="gone", modify_index=3)))
    content = snapshot_reader.read([snapshot_writer.header(1), packed, tail])
    assert content.entries == found
    assert content.tombstones == [("gone", 3)]


def test_the_snapshot_is_of_the_moment_of_the_call():
    made = Store()
    for index in range(1, 3000):
        made.apply(index, kvs("set", f"k{index % 1500}", b"%d" % index))
    expected = b"".join(made.snapshot())
    pieces = made.snapshot()
    seen = []
    for index, piece in enumerate(pieces, 5000):
        seen.append(piece)
        made.apply(index * 2, kvs("set", f"k{index % 1500}", b"late"))
        made.apply(index * 2 + 1, kvs("delete", f"k{(index * 7) % 1500}"))
    assert canonical(b"".join(seen)) == canonical(expected)


def test_a_record_of_an_unknown_type_is_passed_over_with_a_warning():
    made = restored(
        snapshot_writer.header(9)
        + snapshot_writer.record_bytes(31, {"Key": [1]})
        + snapshot_writer.record_bytes(16, {"Key": "kvs", "Value": 9})
    )
    assert made.indexes.get("kvs") == 9
    assert made.warnings == ["snapshot: byte 12: passed over a record of the unknown type 31"]


def test_chunks_of_unfinished_commands_are_kept():
    chunks = {7: [{"Data": "x", "OpNum": 7}, None]}
    made = restored(b"".join(Store().snapshot(chunks)))
    assert made.chunks == chunks


def test_indexes_that_the_stream_does_not_tell_follow_from_its_records():
    entry = {"Key": "a", "ModifyIndex": 7, "CreateIndex": 5}
    state = (
        snapshot_writer.header(7)
        + snapshot_writer.record_bytes(2, entry)
        + snapshot_writer.record_bytes(17, {"AccessorID": "x", "ModifyIndex": 4})
    )
    assert restored(state).indexes.items() == [("acl-tokens", 4), ("kvs", 7)]


def test_restoring_wakes_every_waiter():
    made = Store()
    made.watches.park("t", [("key", "a")])
    assert made.restore([snapshot_writer.header(0)]) == ["t"]


BAD = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\x93\x01\x02\x03", id="no header"),
    pytest.param(snapshot_writer.header(1) + b"\x02", id="a type without a value"),
    pytest.param(snapshot_writer.header(1) + b"\x02\x87\xabCreateIndex", id="an entry cut off"),
    pytest.param(snapshot_writer.header(1) + b"\x02\x93\x01\x02\x03", id="an entry that is a list of integers"),
    pytest.param(snapshot_writer.header(1) + b"\xa1x\x80", id="a text for the type"),
    pytest.param(snapshot_writer.header(1) + snapshot_writer.record_bytes(2, {"Key": 5}), id="a number for the key"),
    pytest.param(snapshot_writer.header(1) + snapshot_writer.record_bytes(16, {"Key": "x"}), id="an index without a value"),
    pytest.param(snapshot_writer.header(1) + snapshot_writer.record_bytes(6, {}), id="a map for the coordinates"),
    pytest.param(snapshot_writer.header(1) + snapshot_writer.record_bytes(17, []), id="a list for a token"),
    pytest.param(snapshot_writer.header(1) + snapshot_writer.record_bytes(22, b"x"), id="no config entry"),
]  # fmt: skip


@pytest.mark.parametrize("state", BAD)
def test_a_stream_that_is_no_good_changes_nothing(state):
    made = Store()
    made.apply(5, kvs("set", "a"))
    before = b"".join(made.snapshot())
    with pytest.raises(DecodeError, match="snapshot"):
        made.restore([state])
    assert b"".join(made.snapshot()) == before


RICH = state_of("acl-rich")


@given(st.integers(0, len(RICH) - 1), st.integers(1, 255))
def test_a_damaged_stream_is_read_or_refused_and_never_half_taken(place, change):
    damaged = bytearray(RICH)
    damaged[place] ^= change
    made = Store()
    try:
        made.restore([bytes(damaged)])
    except DecodeError:
        assert b"".join(made.snapshot()) == b"".join(Store().snapshot())
