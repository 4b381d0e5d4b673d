"""The current term and the vote given in it: what a server must never forget once it has told anyone.

The file `vote.json` is one JSON object {"term": n, "candidate": "ip:port", "sum": CRC-32 of 'TERM CANDIDATE'}. It is replaced as a whole:
a new file is written and synced, renamed over the old one, and the directory synced.
"""

import json
from typing import Protocol
from zlib import crc32

from muster.model.errors import CorruptFile
from muster.storage.files import Files


class VoteStorage(Protocol):
    """Term and vote; durable when `save` returns."""

    term: int
    candidate: str

    def save(self, term: int, candidate: str) -> None:
        """Replaces both. May raise OSError."""
        ...


class DiskVote:
    """Term and vote in a directory that exists."""

    def __init__(self, files: Files, directory: str) -> None:
        """Loads them; term 0 if none was ever saved. Raises CorruptFile."""
        self._files, self._directory, self._path = files, directory, f"{directory}/vote.json"
        files.sync_directory(directory)  # the last process may have been killed between a rename and its sync
        self.saved = "vote.json" in files.list(directory)
        self.term, self.candidate = self._load() if self.saved else (0, "")

    def save(self, term: int, candidate: str) -> None:
        """See VoteStorage."""
        content = json.dumps({"term": term, "candidate": candidate, "sum": _checksum(term, candidate)}).encode()
        file = self._files.open(f"{self._path}.new", create=True)
        try:
            file.write(content, 0)
            file.sync()
        finally:
            file.close()
        self._files.rename(f"{self._path}.new", self._path)
        self._files.sync_directory(self._directory)
        self.saved, self.term, self.candidate = True, term, candidate

    def _load(self) -> tuple[int, str]:
        file = self._files.open(self._path)
        try:
            content = json.loads(file.read(file.size(), 0))
            term, candidate = content["term"], content["candidate"]
            if isinstance(term, int) and isinstance(candidate, str) and content["sum"] == _checksum(term, candidate):
                return term, candidate
        except (ValueError, KeyError, TypeError):
            pass  # the same damage in another guise
        finally:
            file.close()
        raise CorruptFile(
            f"{self._path}: offset 0: damaged; a server that forgot its vote must not vote: empty the data directory and join again"
        )


def _checksum(term: int, candidate: str) -> int:
    return crc32(f"{term} {candidate}".encode("utf-8", "surrogateescape"))
