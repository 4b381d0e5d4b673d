"""Big commands in pieces, as recorded from real servers."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import CommandFailed, DecodeError
from muster.raft.entries import COMMAND, Entry
from muster.server.chunking import Assembler, Chunk, decode_extensions, encode_extensions, split

RECORDED = json.loads((Path(__file__).parents[2] / "vectors/fsm/chunked-kv-entries.json").read_text())["entries"]


def entries(data: bytes, term: int = 1, seed: int = 1) -> list[Entry]:
    return [Entry(n, term, COMMAND, p.data, p.extensions, p.command) for n, p in enumerate(split(data, "object", random.Random(seed)), 1)]


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: f"piece {entry['extensions_decoded']['sequence_num(2)']}")
def test_the_extensions_are_consuls(entry):
    chunk = Chunk(*entry["extensions_decoded"].values())
    assert encode_extensions(chunk).hex() == entry["extensions_hex"]
    assert decode_extensions(bytes.fromhex(entry["extensions_hex"])) == chunk


def test_the_sizes_are_consuls():
    size = sum(entry["data_length"] for entry in RECORDED)
    assert [len(entry.data) for entry in entries(bytes(size))] == [entry["data_length"] for entry in RECORDED]


@given(st.integers(0, 2**64 - 1), st.integers(0, 500), st.integers(1, 500))
def test_extensions_come_back(operation, position, more):
    chunk = Chunk(operation, position, position + more)
    assert decode_extensions(encode_extensions(chunk)) == chunk


@given(st.binary(max_size=40))
def test_any_bytes_are_extensions_or_a_decode_error(data):
    try:
        decode_extensions(data)
    except DecodeError:
        pass


def test_a_command_is_whole_with_its_last_piece_also_beside_another():
    assembler = Assembler()
    data, other = bytes(range(256)) * 5000, b"other" * 200_000
    first, second = entries(data), entries(other, seed=2)
    results = [assembler.add(entry) for entry in [first[0], second[0], second[1], *first[1:]]]
    assert results == [None, None, other, None, data]
    assert first[-1].command == "object"
    assert assembler.state() == {}


def test_a_new_term_drops_what_was_incomplete():
    assembler = Assembler()
    first, second, third = entries(bytes(1_200_000))
    assembler.add(first)
    second.term = third.term = 2
    assert isinstance(assembler.add(second), CommandFailed)


def test_bad_extensions_fail_the_command():
    assert isinstance(Assembler().add(Entry(1, 1, COMMAND, b"x", b"\xff\xff")), CommandFailed)


def test_incomplete_pieces_go_on_from_a_snapshot():
    first, second, third = entries(bytes(1_200_000))
    assembler = Assembler()
    assembler.add(first)
    assembler.add(second)
    restored = Assembler()
    restored.restore(assembler.state())
    assert restored.add(third) == bytes(1_200_000)
