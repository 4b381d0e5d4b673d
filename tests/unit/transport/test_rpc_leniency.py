"""Every recorded reaction of a real server to unusual bytes (vectors/rpc/leniency.json), asked of ours over real sockets."""

import json
from pathlib import Path
from typing import Any

import pytest
from rpc_parts import connected, ping, serving

from muster.model.errors import NoPathToDatacenter
from muster.model.kv import KVEntry
from muster.wire.msgpack import pack, unpack
from muster.wire.replies import Reply
from muster.wire.rpc import encode_request

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "rpc" / "leniency.json").read_text())["cases"]


def get(body: bytes) -> bytes:
    return encode_request("KVS.Get", 1, body)


def header(method: bytes) -> bytes:
    """A request's header with the name as the msgpack that is given."""
    return b"\x82\xa3Seq\x01\xadServiceMethod" + method


ASKED = {"Datacenter": "dc1", "Key": "py/a"}
CALLS = {
    "str8_header": header(b"\xd9\x0dStatus.Leader") + b"\x80",
    "bin8_value": get(b"\x82\xaaDatacenter\xa3dc1\xa3Key\xc4\x04py/a"),
    "str8_value": get(b"\x82\xaaDatacenter\xa3dc1\xa3Key\xd9\x04py/a"),
    "lowercase_keys": get(pack({"datacenter": "dc1", "key": "py/a"})),
    "unknown_field": get(pack({**ASKED, "Zzz": {"x": [1]}})),
    "nil_for_string": get(pack({**ASKED, "Filter": None, "Token": None})),
    "nested_embedded": get(pack({**ASKED, "QueryOptions": {"AllowStale": True}})),
    "array_body": get(pack([False, "dc1", "", "py/a"])),
    "nil_body": header(b"\xadStatus.Leader") + b"\xc0",
    "empty_dc": get(pack({"Datacenter": "", "Key": "py/a"})),
    "string_for_uint": get(pack({**ASKED, "MinQueryIndex": "5"})),
    "float_duration": get(pack({**ASKED, "MaxQueryTime": 2e9})),
    "int_as_int64": get(b"\x83\xaaDatacenter\xa3dc1\xa3Key\xa4py/a\xadMinQueryIndex\xd3" + bytes(8)),
    "pipelined_two": ping(1) + encode_request("Status.Leader", 2, b"\x80"),
    "seq_echo_big": ping(1 << 40),
}
CLOSED = {"unknown_first_byte": b"\x09", "tls_hello_on_plain_server": b"\x16\x03\x01"}
ELSEWHERE = {
    "no_first_byte": "test_rpc_listener: a connection that says nothing",
    "one_stream_is_serial": "test_rpc_server: one call at a time on a stream",
}


def read(request: Any) -> Reply:
    if request.datacenter != "dc1":
        raise NoPathToDatacenter
    return Reply(value=KVEntry(key=request.key, value=b"new", create_index=20, modify_index=30), index=30, known_leader=True)


def test_every_recorded_case_is_asked() -> None:
    assert set(CASES) == {*CALLS, *CLOSED, *ELSEWHERE}


@pytest.mark.parametrize("name", CALLS)
async def test_unusual_bytes_are_answered_as_by_the_peers(name: str) -> None:
    async with serving() as server, connected(server, b"\x00") as connection:
        server.answers = {"KVS.Get": read, "Status.Leader": lambda _request: Reply(value="127.0.0.3:24044")}
        connection.writer.write(CALLS[name])
        recorded = CASES[name]
        for expected, body in zip(recorded[::2], recorded[1::2]):
            response = await connection.response()
            found = {"Error": response.error, "Seq": response.sequence, "ServiceMethod": response.method}
            assert (found, unpack(response.body)) == (expected, body)


@pytest.mark.parametrize("name", CLOSED)
async def test_a_first_byte_that_means_nothing_closes_the_connection(name: str) -> None:
    async with serving() as server, connected(server, CLOSED[name]) as connection:
        assert await connection.closed() == b""
        assert server.asked == []
