"""The log and the vote of a Consul server, as they stand in its `raft/raft.db`.

Bucket `logs`: key 8 bytes, big-endian: the index; value: the entry in msgpack. Bucket `conf`: CurrentTerm and LastVoteTerm (8 bytes,
big-endian), LastVoteCand (the candidate's "ip:port").

Source: reference of the Raft wire, section 5; files that Consul 1.8.7 wrote.
"""

from collections.abc import Iterator

from muster.model.errors import CorruptFile, DecodeError
from muster.raft.entries import BARRIER, COMMAND, CONFIGURATION, NOOP, Entry
from muster.storage.bolt import BoltFile
from muster.storage.files import File
from muster.wire.raft_decoder import decode_entry

LOGS, CONF = b"logs", b"conf"
TYPES = (COMMAND, NOOP, BARRIER, CONFIGURATION)
NUMBER_SIZE = 8


class ConsulLog:
    """A `raft.db` that nobody writes to. Every method raises CorruptFile or OSError."""

    def __init__(self, file: File, path: str) -> None:
        """`path` is for messages."""
        self._file, self._bolt, self._path = file, BoltFile(file, path), path

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()

    def vote(self) -> tuple[int, str]:
        """The current term and the candidate that got this server's vote in it, or an empty text."""
        values = dict(self._bolt.items(CONF))
        term, voted = (self._number(values.get(name, bytes(NUMBER_SIZE)), name) for name in (b"CurrentTerm", b"LastVoteTerm"))
        if voted > term:
            raise CorruptFile(f"{self._path}: offset 0: it voted in term {voted} and knows but term {term}")
        return term, values.get(b"LastVoteCand", b"").decode("utf-8", "surrogateescape") if voted == term else ""

    def entries(self, first: int, last: int) -> Iterator[Entry]:
        """The entries `first` to `last`, in the order of their indexes, which may have gaps: see `last_run`."""
        for key, value in self._bolt.items(LOGS):
            index = self._number(key, b"logs")
            if first <= index <= last:
                yield self._entry(index, value)

    def last_run(self) -> tuple[int, int]:
        """The first and the last index of the newest entries without a gap; (1, 0) if there are none.

        A server that was sent a snapshot keeps what it had before, and goes on behind the snapshot.
        """
        first, last = 1, 0
        for key, _ in self._bolt.items(LOGS):
            index = self._number(key, b"logs")
            if index != last + 1 or not last:
                first = index
            last = index
        return first, last

    def _number(self, value: bytes, name: bytes) -> int:
        if len(value) != NUMBER_SIZE:
            raise CorruptFile(f"{self._path}: offset 0: {name.decode()}: {value.hex()} is no number of 8 bytes")
        return int.from_bytes(value, "big")

    def _entry(self, index: int, value: bytes) -> Entry:
        try:
            entry = decode_entry(value)
        except DecodeError as error:
            raise CorruptFile(f"{self._path}: offset 0: entry {index}: {error}") from error
        if entry.index != index:
            raise CorruptFile(f"{self._path}: offset 0: entry {index} calls itself {entry.index}")
        if entry.type not in TYPES:
            raise CorruptFile(
                f"{self._path}: offset 0: entry {index} has type {entry.type}, which Consul writes with raft_protocol 2 and before; "
                "start Consul with raft_protocol = 3 and let it write a snapshot first (`consul snapshot save`)"
            )
        return entry
