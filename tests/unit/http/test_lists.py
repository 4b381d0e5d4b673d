"""Long answers in slices are the bytes of short ones, made once for all who wait, and never all at once."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.encoding import encode
from muster.http.kv import ENTRIES, KEYS
from muster.http.lists import LONG_LIST, ListView, SharedParts
from muster.http.views import check_service_node, entry_json, kv_entry
from muster.http.writing import gzip_parts
from muster.model.catalog import CheckServiceNode, HealthCheck, HealthCheckDefinition, Node, NodeService
from muster.model.kv import KVEntry
from muster.wire.replies import Reply

KEY_TEXTS = st.binary(max_size=12).map(lambda data: data.decode("utf-8", "surrogateescape"))
ENTRY_RECORDS = st.builds(
    KVEntry,
    key=KEY_TEXTS,
    value=st.none() | st.binary(max_size=20),
    flags=st.integers(0, (1 << 64) - 1),
    session=st.sampled_from(["", "00000000-0000-0000-0000-000000000001"]),
    lock_index=st.integers(0, 5),
    create_index=st.integers(1, 9),
    modify_index=st.integers(1, 9),
)


@given(st.lists(ENTRY_RECORDS, min_size=1, max_size=5), st.booleans())
def test_the_hand_written_json_of_entries_is_the_encoders(entries: list[KVEntry], pretty: bool) -> None:
    assert b"".join(ENTRIES.parts(entries, pretty)) == encode([kv_entry(entry) for entry in entries], pretty)
    assert b"[" + entry_json(entries[0], False) + b"]" == encode([kv_entry(entries[0])], False)


@pytest.mark.parametrize("pretty", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_slices_join_to_the_whole(count: int, pretty: bool) -> None:
    view = ListView(lambda row: {"a": row, "b": []}, slice_rows=3)
    rows = list(range(count))
    assert b"".join(view.parts(rows, pretty)) == encode(view(rows), pretty)


def test_rows_that_are_left_out_leave_no_trace() -> None:
    view = ListView(lambda row: row, keep=lambda row: row % 2 == 0, slice_rows=2)
    assert b"".join(view.parts(range(7), False)) == b"[0,6,2,4]", "the last row takes the place of one that is left out"
    assert b"".join(view.parts([1, 3, 5], False)) == b"[]"


def test_shared_slices_are_made_once_whoever_asks() -> None:
    made = []

    def source() -> Iterator[bytes]:
        for number in range(4):
            made.append(number)
            yield b"%d" % number

    shared = SharedParts(source())
    first, second = iter(shared), iter(shared)
    assert next(first) == b"0"
    assert b"".join(second) == b"0123"
    assert b"".join(first) == b"123"
    assert made == [0, 1, 2, 3]


def test_a_stream_in_gzip_is_one_member() -> None:
    assert gzip.decompress(b"".join(gzip_parts(iter([b"a" * 1000, b"", b"b"])))) == b"a" * 1000 + b"b"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_long_list_is_sent_in_chunks(edge: Any, zipped: bool) -> None:
    entries = [KVEntry(key=f"k/{number}", value=b"v", create_index=1, modify_index=1) for number in range(LONG_LIST * 10)]
    edge.agent.answers["KVS.List"] = Reply(value=entries, index=9)
    answer = edge.get("/v1/kv/k/?recurse", *(["Accept-Encoding: gzip"] if zipped else []))
    head, _, chunks = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"X-Consul-Index: 9" in head
    content = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        content, chunks = content + chunks[: int(size, 16)], chunks[int(size, 16) + 2 :]
    assert (gzip.decompress(content) if zipped else content) == encode([kv_entry(entry) for entry in entries], False)


def test_the_list_that_is_sent_is_the_one_of_its_index(edge: Any) -> None:
    entries = [KVEntry(key=f"k/{number}", value=b"v") for number in range(LONG_LIST * 10)]
    edge.agent.answers["KVS.List"] = Reply(value=entries, index=9)
    answer = edge.ask(b"GET /v1/kv/k/?recurse HTTP/1.0\r\n\r\n", turns=0)
    edge.agent.answers["KVS.List"] = Reply(value=[], index=10)
    edge.run(lambda: None, turns=50)
    assert answer == b"" or answer.startswith(b"HTTP/1.0 200")
    assert edge.transport.written.endswith(b'"k/%d","Flags":0,"Value":"dg==","CreateIndex":0,"ModifyIndex":0}]' % (LONG_LIST * 10 - 1))
    assert edge.transport.closed


def test_goes_escapes() -> None:
    assert encode(["<a>&\u2028\u2029é\udcff"], False) == '["\\u003ca\\u003e\\u0026\\u2028\\u2029é\ufffd"]'.encode()
    assert encode({"a": [], "b": {}}, True) == b'{\n    "a": [],\n    "b": {}\n}\n'


def test_an_instance_shows_empty_fields_as_the_peers_do() -> None:
    definition = HealthCheckDefinition(http="http://x", interval=10_000_000_000, timeout=500_000_000)
    shown = check_service_node(
        CheckServiceNode(
            node=Node(node="n", address="1.2.3.4"),
            service=NodeService(id="w", service="web", kind="connect-proxy"),
            checks=[HealthCheck(node="n", check_id="c", definition=definition)],
        )
    )
    assert shown["Service"]["Kind"] == "connect-proxy"
    assert shown["Service"]["Tags"] == []
    assert shown["Service"]["Meta"] is None
    assert "TaggedAddresses" not in shown["Service"]
    assert shown["Service"]["Weights"] == {"Passing": 1, "Warning": 1}
    assert shown["Service"]["Proxy"] == {"MeshGateway": {}, "Expose": {}}
    assert shown["Checks"][0]["Definition"] == {"HTTP": "http://x", "Interval": "10s", "Timeout": "500ms"}
    assert shown["Checks"][0]["ServiceTags"] == []


def test_keys_are_a_list_of_texts() -> None:
    assert b"".join(KEYS.parts(["a", "b"], True)) == b'[\n    "a",\n    "b"\n]\n'
