"""Snapshot files: a gzipped tar of `meta.json`, `state.bin` and `SHA256SUMS`, read piece by piece.

Source: archives that Consul 1.8.7 writes.
"""

import gzip
import hashlib
import json
import tarfile
import zlib
from typing import IO, Any, NamedTuple

PIECE = 1 << 20  # bytes
_NOT_TAR = "failed to read snapshot file: failed reading snapshot: archive/tar: invalid tar header"
_BROKEN = "failed to read snapshot file: failed checking integrity of snapshot"
META, STATE, SUMS = "meta.json", "state.bin", "SHA256SUMS"


class SnapshotMetadata(NamedTuple):
    """What a snapshot says of itself; `size` is that of the state in bytes."""

    id: str
    size: int
    index: int  # type: ignore[assignment]  # the log's word; nobody searches this tuple
    term: int
    version: int


class InvalidSnapshot(Exception):
    """The file is no whole snapshot; the message says what is wrong."""


def verify(file: IO[bytes]) -> SnapshotMetadata:
    """Reads the file to its end, checks the sums, and gives the metadata."""
    try:
        with tarfile.open(fileobj=gzip.GzipFile(fileobj=file), mode="r|") as archive:
            contents, sums = _read(archive)
    except gzip.BadGzipFile as error:
        raise InvalidSnapshot("failed to decompress snapshot: gzip: invalid header") from error
    except tarfile.ReadError as error:
        reason = "failed to decompress snapshot: EOF" if not file.tell() else _NOT_TAR
        raise InvalidSnapshot(reason) from error
    except EOFError as error:
        raise InvalidSnapshot("failed to read snapshot file: failed reading snapshot: unexpected EOF") from error
    except (tarfile.TarError, zlib.error) as error:
        raise InvalidSnapshot(_NOT_TAR) from error
    _check(contents, sums)
    return _metadata(contents[META])


def _read(archive: tarfile.TarFile) -> tuple[dict[str, bytes], dict[str, str]]:
    """The small files' contents, and the real sums of the two that are listed."""
    contents: dict[str, bytes] = {}
    sums: dict[str, str] = {}
    for member in archive:
        file = archive.extractfile(member)
        if file is None or member.name not in (META, STATE, SUMS):
            raise InvalidSnapshot(f'failed to read snapshot file: unexpected file "{member.name}" in snapshot')
        digest, kept = hashlib.sha256(), []
        while piece := file.read(PIECE):
            digest.update(piece)
            if member.name != STATE:
                kept.append(piece)
        contents[member.name] = b"".join(kept)
        sums[member.name] = digest.hexdigest()
    return contents, sums


def _check(contents: dict[str, bytes], sums: dict[str, str]) -> None:
    listed = {}
    for line in contents.get(SUMS, b"").decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    for name in (META, STATE):
        if name not in listed:
            raise InvalidSnapshot(f'{_BROKEN}: file missing for "{name}"')
        if name not in sums:
            raise InvalidSnapshot(f'{_BROKEN}: list missing for "{name}"')
        if listed[name] != sums[name]:
            raise InvalidSnapshot(f'{_BROKEN}: hash check failed for "{name}"')


def _metadata(text: bytes) -> SnapshotMetadata:
    try:
        document: dict[str, Any] = json.loads(text)
        numbers = [int(document.get(name, 0)) for name in ("Size", "Index", "Term", "Version")]
        return SnapshotMetadata(str(document.get("ID", "")), *numbers)
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidSnapshot(f"failed to read snapshot file: failed to decode snapshot metadata: {error}") from error
