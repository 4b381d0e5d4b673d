"""Log entries against what the real servers wrote."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError
from muster.model.kv import KVEntry
from muster.raft.entries import CONFIGURATION
from muster.raft.membership import decode_configuration
from muster.wire.commands import KVSRequest, TxnKVOp, TxnOp, TxnRequest, decode_command, encode_command

VECTORS = Path(__file__).parents[2] / "vectors" / "fsm"


def entries():
    for name in ("log-entries-cluster.json", "log-entries-acl-server.json"):
        for number, entry in enumerate(json.loads((VECTORS / name).read_text())["entries"]):
            if entry.get("data_hex") and entry.get("log_type", 0) == 0:
                yield pytest.param(bytes.fromhex(entry["data_hex"]), id=f"{name}-{number}-{entry.get('name', 'x')}")


def configurations():
    for name in ("log-entries-cluster.json", "log-entries-acl-server.json"):
        for number, entry in enumerate(json.loads((VECTORS / name).read_text())["entries"]):
            if entry.get("log_type", 0) == CONFIGURATION:
                yield pytest.param(bytes.fromhex(entry["data_hex"]), entry["configuration"]["Servers"], id=f"{name}-{number}")


@pytest.mark.parametrize(("data", "servers"), list(configurations()))
def test_a_configuration_of_the_real_log_is_written_again_byte_for_byte(data, servers):
    found = decode_configuration(data)
    assert [(one.identity, one.address, one.suffrage) for one in found.members] == [
        (one["ID"], one["Address"], one["Suffrage"]) for one in servers
    ]
    assert found.encode() == data


@pytest.mark.parametrize("data", list(entries()))
def test_an_entry_of_the_real_log_is_written_again_byte_for_byte(data):
    assert encode_command(decode_command(data)) == data


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_the_documented_error(data):
    try:
        decode_command(data)
    except DecodeError:
        pass


@given(st.binary(max_size=20), st.none() | st.binary(max_size=300), st.integers(0, 2**64 - 1))
def test_kv_commands_survive_the_wire(key, value, flags):
    entry = KVEntry(key=key.decode("utf-8", "surrogateescape"), value=value, flags=flags)
    for command in (KVSRequest(datacenter="dc1", entry=entry, op="set"), TxnRequest(ops=[TxnOp(kv=TxnKVOp(entry=entry, verb="set"))])):
        assert decode_command(encode_command(command)) == command
