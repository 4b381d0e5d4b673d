"""What a check found, and how much of its output is kept."""

from typing import NamedTuple

from muster.model.catalog import CRITICAL, PASSING, WARNING

DEFAULT_OUTPUT_LIMIT = 4096  # bytes


class Result(NamedTuple):
    """A status (`passing`, `warning`, `critical`) and a text for people."""

    status: str
    output: str


def passing(output: str) -> Result:
    return Result(PASSING, output)


def warning(output: str) -> Result:
    return Result(WARNING, output)


def critical(output: str) -> Result:
    return Result(CRITICAL, output)


def text(output: bytes) -> str:
    return output.decode("utf-8", "replace")


class Tail:
    """The last `limit` bytes of an output of any length."""

    __slots__ = ("_kept", "limit", "total")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self._kept = bytearray()

    def write(self, data: bytes) -> None:
        self.total += len(data)
        kept = self._kept
        kept += data[-self.limit :]
        if len(kept) > 2 * self.limit:  # cutting at every write would copy at every write
            del kept[: len(kept) - self.limit]

    def text(self) -> str:
        """What was kept, with a note if that is not all."""
        kept = text(bytes(self._kept[-self.limit :]))
        return kept if self.total <= self.limit else f"Captured {self.limit} of {self.total} bytes\n...\n{kept}"


def head(output: str, limit: int) -> str:
    """The first `limit` bytes of an output that its owner sent, with a note if that is not all."""
    data = output.encode("utf-8", "surrogateescape")
    if len(data) <= limit:
        return output
    return f"{text(data[:limit])} ... (captured {limit} of {len(data)} bytes)"
