"""Data on its way into and out of the command line: base 64, exports, tables, service files, snapshot files."""

import base64
import gzip
import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.cli.child import StartFailed, complaint, start
from muster.cli.columns import columns
from muster.cli.kv_exported import ExportedEntry, InvalidExport, entries
from muster.cli.service_files import InvalidServiceFile, api_name, services
from muster.cli.snapshot_file import InvalidSnapshot, verify
from muster.client.go_json import dumps
from muster.model.base64_text import InvalidBase64, decode


@given(st.binary())
def test_base_64_comes_back(data):
    assert decode(base64.b64encode(data)) == data
    assert decode(base64.encodebytes(data)) == data


@pytest.mark.parametrize(("text", "at"), [(b"!!!!", 0), (b"aGV!", 3), (b"aGVsb", 4), (b"aGk", 0)])
def test_bad_base_64_is_refused_with_its_place(text, at):
    with pytest.raises(InvalidBase64, match=f"illegal base64 data at input byte {at}$"):
        decode(text)


@given(st.lists(st.tuples(st.text(), st.integers(0, (1 << 64) - 1), st.binary())))
def test_an_export_is_imported_as_it_was(triples):
    exported = [{"key": key, "flags": flags, "value": base64.b64encode(value).decode()} for key, flags, value in triples]
    found = entries(dumps(exported, "\t").encode("utf-8", "replace"))
    assert found == [ExportedEntry(*triple) for triple in triples]


def test_the_key_of_a_folder_keeps_its_slash():
    assert entries(b'[{"key":"a/b/","value":""}]') == [ExportedEntry("a/b/", 0, b"")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("xx", "Cannot unmarshal data: invalid character 'x' looking for beginning of value", id="no JSON"),
        pytest.param("", "Cannot unmarshal data: unexpected end of JSON input", id="nothing"),
        pytest.param("[] x", "Cannot unmarshal data: invalid character 'x' after top-level value", id="more after it"),
        pytest.param("{}", "Cannot unmarshal data: json: cannot unmarshal object into Go value of type []*impexp.Entry", id="no list"),
        pytest.param("[1]", "Cannot unmarshal data: json: cannot unmarshal number into Go value of type impexp.Entry", id="no entry"),
        pytest.param(
            '[{"key":3}]', "Cannot unmarshal data: json: cannot unmarshal number into Go struct field Entry.key of type string", id="key"
        ),
        pytest.param(
            '[{"flags":-1}]',
            "Cannot unmarshal data: json: cannot unmarshal number -1 into Go struct field Entry.flags of type uint64",
            id="flags",
        ),
        pytest.param(
            '[{"key":"k","value":"!!"}]', "Error base 64 decoding value for key k: illegal base64 data at input byte 0", id="value"
        ),
        pytest.param("[" * 100_000, "Cannot unmarshal data: exceeded max depth", id="too deep"),
    ],
)
def test_what_is_no_export_is_refused(text, complaint):
    with pytest.raises(InvalidExport) as caught:
        entries(text.encode())
    assert str(caught.value) == complaint


@given(st.binary())
def test_any_bytes_are_an_export_or_are_refused(data):
    try:
        entries(data)
    except InvalidExport:
        return


def test_json_is_escaped_as_go_does():
    assert dumps({"a": "<&>\u2028\udcff"}) == '{"a":"\\u003c\\u0026\\u003e\\u2028\ufffd"}'
    assert dumps([], "\t") == "[]"
    assert dumps([{"a": []}], "\t") == '[\n\t{\n\t\t"a": []\n\t}\n]'


def test_columns_are_as_wide_as_their_widest_cell():
    assert columns([["Node", "Address", "DC"], ["a", "1.1.1.1:8301", ""]]) == "Node  Address       DC\na     1.1.1.1:8301  "


@pytest.mark.parametrize(("status", "text"), [(0, None), (7, "exit status 7"), (-15, "signal: terminated"), (-9, "signal: killed")])
def test_the_end_of_a_child_is_told_in_go_s_words(status, text):
    assert complaint(status) == text


@pytest.mark.parametrize("program", ["no-such-program", "/no/such/program"])
def test_a_child_that_is_not_there_is_told(program):
    with pytest.raises(StartFailed, match=r"not found|no such file"):
        start([program], shell=False, environment={})


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("id", "ID"),
        ("deregister_critical_service_after", "DeregisterCriticalServiceAfter"),
        ("tls_skip_verify", "TLSSkipVerify"),
        ("docker_container_id", "DockerContainerID"),
        ("grpc_use_tls", "GRPCUseTLS"),
        ("Name", "Name"),
        ("http", "HTTP"),
    ],
)
def test_keys_of_files_become_the_api_s(key, name):
    assert api_name(key) == name


def test_a_service_file_becomes_a_registration(tmp_path):
    file = tmp_path / "web.hcl"
    file.write_text("""
        service {
          name = "web"
          token = "secret"
          meta { a_b = "c" }
          weights { passing = 3 warning = 2 }
          tagged_addresses { lan { address = "1.1.1.1" port = 5 } }
          check { ttl = "10s" }
          checks = [{ http = "http://x" header { X = ["y"] } }]
          connect { sidecar_service {} }
        }
    """)
    assert services([str(file)]) == [
        {
            "Name": "web",
            "Meta": {"a_b": "c"},
            "Weights": {"Passing": 3, "Warning": 2},
            "TaggedAddresses": {"lan": {"Address": "1.1.1.1", "Port": 5}},
            "Connect": {"SidecarService": {}},
            "Checks": [{"HTTP": "http://x", "Header": {"X": ["y"]}}, {"TTL": "10s"}],
        }
    ]


def test_a_directory_gives_the_services_of_its_files_in_order(tmp_path):
    (tmp_path / "b.json").write_text('{"service":{"name":"b"},"services":[{"name":"b2"}]}')
    (tmp_path / "a.hcl").write_text('service { name = "a" }')
    (tmp_path / "readme.txt").write_text("no configuration {")
    assert [service["Name"] for service in services([str(tmp_path)])] == ["a", "b2", "b"]


@pytest.mark.parametrize("content", ["foo {", '{"service": 3}', '{"service": {"name": "x"'])
def test_a_bad_service_file_is_named(tmp_path, content):
    file = tmp_path / "bad.hcl"
    file.write_text(content)
    with pytest.raises(InvalidServiceFile, match=f"failed to parse {file}: "):
        services([str(file)])


def _archive(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


META = json.dumps({"Version": 1, "ID": "2-56-1", "Index": 56, "Term": 2, "Size": 5}).encode()


def _sums(**contents: bytes) -> bytes:
    import hashlib

    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items()).encode()


GOOD_SUMS = _sums(**{"meta.json": META, "state.bin": b"state"})


def test_a_whole_snapshot_tells_of_itself():
    packed = _archive(("meta.json", META), ("state.bin", b"state"), ("SHA256SUMS", GOOD_SUMS))
    assert verify(io.BytesIO(packed)) == ("2-56-1", 5, 56, 2, 1)


@pytest.mark.parametrize(
    ("packed", "complaint"),
    [
        pytest.param(b"plain text", "failed to decompress snapshot: gzip: invalid header", id="no gzip"),
        pytest.param(b"", "failed to decompress snapshot: EOF", id="empty"),
        pytest.param(gzip.compress(b"hello" * 1000), "invalid tar header", id="no tar"),
        pytest.param(_archive(("meta.json", META), ("state.bin", b"stale"), ("SHA256SUMS", GOOD_SUMS)), 'hash check failed for "state.bin"', id="state"),
        pytest.param(_archive(("meta.json", b"{}"), ("state.bin", b"state"), ("SHA256SUMS", GOOD_SUMS)), 'hash check failed for "meta.json"', id="meta"),
        pytest.param(_archive(("meta.json", META), ("state.bin", b"state")), 'file missing for "meta.json"', id="no sums"),
        pytest.param(_archive(("meta.json", META), ("SHA256SUMS", GOOD_SUMS)), 'list missing for "state.bin"', id="no state"),
        pytest.param(_archive(("other", b"x")), 'unexpected file "other" in snapshot', id="another file"),
        pytest.param(_archive(("meta.json", META), ("state.bin", b"state"), ("SHA256SUMS", GOOD_SUMS))[:100], "failed", id="cut off"),
    ],
)  # fmt: skip
def test_what_is_no_whole_snapshot_is_refused(packed, complaint):
    with pytest.raises(InvalidSnapshot, match=complaint):
        verify(io.BytesIO(packed))


@given(st.binary())
def test_any_bytes_are_a_snapshot_or_are_refused(data):
    with pytest.raises(InvalidSnapshot):
        verify(io.BytesIO(gzip.compress(data)))
    with pytest.raises(InvalidSnapshot):
        verify(io.BytesIO(data))
