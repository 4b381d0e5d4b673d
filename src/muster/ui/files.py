"""The files of the web page, as a folder holds them: `static/` beside this module, or the one that the configuration names.

A file is read when it is first asked for, and again when it has changed, so that a folder being worked on is served as it is.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

BUILT = Path(__file__).with_name("static")
INDEX = "index.html"
HASHED = "assets"
"""The folder of files whose names hold a hash of their content: they never change."""
LARGEST = 16 * 1024 * 1024  # bytes; the page's own files have some 100 kB
_COMPRESSED = frozenset((".css", ".html", ".js", ".json", ".map", ".svg", ".txt"))
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class File:
    """One file: `packed` is its content in gzip, empty where that saves nothing. `etag` stands in quotes, as in its header."""

    content: bytes
    packed: bytes
    media_type: str
    etag: str
    is_forever: bool


class Files:
    """The files below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[tuple[int, int], File]] = {}

    def find(self, path: str) -> File | None:
        """The file of a path with `/` between its parts, relative to the folder; None if there is none, or none that may be served."""
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
            return None
        try:
            place = self.folder.joinpath(*parts)
            status = place.stat()
            if not place.is_file() or status.st_size > LARGEST:
                return None
            version = (status.st_mtime_ns, status.st_size)
            known = self._read.get(path)
            if known is None or known[0] != version:
                known = self._read[path] = (version, make_file(place.name, place.read_bytes(), parts[0] == HASHED))
        except (OSError, ValueError):  # not there, not readable, or a name that no file can have
            return None
        return known[1]

    @property
    def exist(self) -> bool:
        """Whether there is a page at all."""
        return self.find(INDEX) is not None


def make_file(name: str, content: bytes, is_forever: bool = False) -> File:
    """A file by its name and content."""
    suffix = Path(name).suffix.lower()
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(content, 6, mtime=0) if suffix in _COMPRESSED else b""
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return File(content, packed if len(packed) < len(content) else b"", media_type, etag, is_forever)
