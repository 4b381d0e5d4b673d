"""Archives against those that the real program wrote, and against what it says of broken ones."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.errors import DecodeError
from muster.wire import archive
from muster.wire.archive import Metadata

VECTORS = Path(__file__).parents[2] / "vectors" / "snapshot"
NAMES = ["acl-rich", "kv-small", "python-made-accepted"]
TAIL = bytes(1024)


def files(name="kv-small"):
    with tarfile.open(VECTORS / f"{name}.tgz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def made(members, tail=TAIL):
    """A tar of (name, content) pairs, gzipped."""
    tar = b"".join(archive._member(name, content, 0) for name, content in members)
    return gzip.compress(tar + tail)


def sums(meta, state):
    return f"{hashlib.sha256(meta).hexdigest()}  meta.json\n{hashlib.sha256(state).hexdigest()}  state.bin\n".encode()


FILES = files()
META, STATE, SUMS = FILES["meta.json"], FILES["state.bin"], FILES["SHA256SUMS"]
GOOD = [("meta.json", META), ("state.bin", STATE), ("SHA256SUMS", SUMS)]
WHOLE = made(GOOD)
INTEGRITY = "failed to read snapshot file: failed checking integrity of snapshot: "


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_of_the_real_program_is_read(name):
    found = archive.read((VECTORS / f"{name}.tgz").read_bytes())
    recorded = json.loads((VECTORS / f"{name}.records.json").read_text())
    assert bytes(found.state) == files(name)["state.bin"] == b"".join(found.chunks())
    assert (found.metadata.id, found.metadata.index) == (recorded["meta_json"]["ID"], recorded["meta_json"]["Index"])


@pytest.mark.parametrize("name", NAMES[:2])
def test_what_is_written_unpacks_to_the_files_of_the_real_program(name):
    found = archive.read((VECTORS / f"{name}.tgz").read_bytes())
    written = b"".join(archive.write(found.metadata, found.chunks(), 1_700_000_000))
    tar = gzip.decompress(written)
    assert tar.endswith(TAIL) and not tar.endswith(bytes(1024 + 512))
    with tarfile.open(fileobj=io.BytesIO(tar)) as members:
        for member in members:
            expected = files(name)[member.name]
            assert (member.mode, member.uid, member.uname, member.mtime) == (0o600, 0, "", 1_700_000_000)
            assert members.extractfile(member).read() == expected


def test_an_archive_is_read_from_a_file_too():
    assert archive.read(io.BytesIO(WHOLE)).metadata.index == 14


@pytest.mark.parametrize("order", [[2, 1, 0], [1, 2, 0], [0, 2, 1]])
def test_members_may_come_in_any_order(order):
    assert bytes(archive.read(made([GOOD[place] for place in order])).state) == STATE


@pytest.mark.parametrize("tail", [b"", bytes(512), TAIL], ids=["none", "one", "two"])
def test_fewer_empty_blocks_at_the_end_are_no_fault(tail):
    assert bytes(archive.read(made(GOOD, tail)).state) == STATE


def replaced(meta):
    return made([("meta.json", meta), GOOD[1], ("SHA256SUMS", sums(meta, STATE))])


BROKEN = [  # as Consul 1.8.7 answered to each
    pytest.param(b"", "failed to decompress snapshot: EOF", id="empty"),
    pytest.param(b"this is no gzip", "failed to decompress snapshot: gzip: invalid header", id="not gzip"),
    pytest.param(WHOLE[:5], "failed to decompress snapshot: unexpected EOF", id="short gzip head"),
    pytest.param(
        gzip.compress(b"hello" * 300),
        "failed to read snapshot file: failed reading snapshot: archive/tar: invalid tar header",
        id="not tar",
    ),
    pytest.param(gzip.compress(b"hello"), "failed to read snapshot file: failed reading snapshot: unexpected EOF", id="short tar"),
    pytest.param(gzip.compress(b""), INTEGRITY + 'file missing for "meta.json"', id="no member"),
    pytest.param(made([*GOOD, ("x", b"1")]), 'failed to read snapshot file: unexpected file "x" in snapshot', id="another member"),
    pytest.param(made(GOOD, bytes(2048)), "1024 unread uncompressed bytes remain", id="more empty blocks"),
    pytest.param(made(GOOD, TAIL + b"x" * 300), "300 unread uncompressed bytes remain", id="something after the tar"),
    pytest.param(WHOLE + gzip.compress(b"abc"), "3 unread uncompressed bytes remain", id="another gzip member"),
    pytest.param(WHOLE + b"junk", "unexpected EOF", id="something after the gzip"),
    pytest.param(WHOLE[:-4], "unexpected EOF", id="cut in the trailer"),
    pytest.param(WHOLE[:-6] + b"\0\0" + WHOLE[-4:], "gzip: invalid checksum", id="wrong sum of the gzip"),
    pytest.param(made(GOOD[:2]), INTEGRITY + 'file missing for "meta.json"', id="no sums"),
    pytest.param(made([GOOD[0], GOOD[2]]), INTEGRITY + 'hash check failed for "state.bin"', id="no state"),
    pytest.param(made(GOOD[1:]), INTEGRITY + 'hash check failed for "meta.json"', id="no metadata"),
    pytest.param(made([GOOD[0], ("state.bin", STATE + b"x"), GOOD[2]]), INTEGRITY + 'hash check failed for "state.bin"', id="wrong state"),
    pytest.param(
        made([*GOOD[:2], ("SHA256SUMS", SUMS + b"ab  other\n")]), INTEGRITY + 'list missing hash for "other"', id="a sum of another file"
    ),
    pytest.param(
        made([*GOOD[:2], ("SHA256SUMS", SUMS.split(b"\n")[0] + b"\n")]), INTEGRITY + 'file missing for "state.bin"', id="a sum is missing"
    ),
    pytest.param(
        replaced(META.replace(b'"Size":2537', b'"Size":99')), "failed to write snapshot, size didn't match (2537 != 99)", id="wrong size"
    ),
    pytest.param(replaced(META.replace(b'"Version":1', b'"Version":7')), "unsupported snapshot version 7", id="another version"),
]


@pytest.mark.parametrize(("data", "text"), BROKEN)
def test_a_broken_archive_is_refused_with_the_words_of_the_real_program(data, text):
    with pytest.raises(DecodeError) as refused:
        archive.read(data)
    assert str(refused.value) == text


@pytest.mark.parametrize("meta", [b"{", b"[]", b'{"Size":"x"}', b"\xff"], ids=["cut off", "a list", "a text for a number", "not UTF-8"])
def test_metadata_that_is_not_what_it_should_be_is_refused(meta):
    with pytest.raises(DecodeError, match="failed to decode snapshot metadata"):
        archive.read(replaced(meta))


def test_writing_fewer_bytes_than_announced_is_an_error():
    with pytest.raises(DecodeError, match=r"\(3 != 4\)"):
        list(archive.write(Metadata(size=4), [b"abc"]))


def test_a_state_beyond_eight_gibibytes_has_its_size_in_binary():
    assert archive._size(archive._header("state.bin", 9 << 30, 0)) == 9 << 30


@given(st.lists(st.binary(max_size=3000), max_size=5), st.integers(0, 2**40))
def test_archives_round_trip(pieces, index):
    metadata = Metadata(index=index, size=sum(map(len, pieces)))
    found = archive.read(b"".join(archive.write(metadata, pieces)))
    assert (found.metadata, bytes(found.state)) == (metadata, b"".join(pieces))


@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_are_read_or_refused(data, packed):
    with pytest.raises(DecodeError):
        archive.read(gzip.compress(data) if packed else data)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_damaged_byte_is_noticed_or_harmless(place, change):
    damaged = bytearray(WHOLE)
    damaged[place] ^= change
    try:
        assert bytes(archive.read(bytes(damaged)).state) == STATE
    except DecodeError:
        pass
