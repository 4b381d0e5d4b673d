"""A segmented write-ahead log: one write and one sync per batch.

The bytes are described in `frames`. A directory holds segments `NUMBER.wal` (16 decimal digits). A batch goes to the
last segment; once that has passed its size the next one is begun. Compaction removes whole segments from the front.
"""

import logging
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Protocol

from muster.model.errors import CorruptFile
from muster.raft.entries import CONFIGURATION, Entry
from muster.storage import frames
from muster.storage.files import File, Files

SEGMENT_BYTES = 16 << 20  # small enough that compaction frees space soon, large enough that beginning one is rare
CLAIM_BYTES = 256 << 10  # zeros written ahead: a sync that leaves the file's length alone takes 2/3 of the time
REMEDY = "restore a snapshot into an empty data directory, or empty it and let this server join the others again"

logger = logging.getLogger("muster.storage")


class LogStorage(Protocol):
    """A durable log. What `append` was given is durable when it returns; every method may raise OSError."""

    first_index: int  # of the oldest entry held; last_index + 1 in an empty log
    last_index: int
    appended_bytes: int  # appended, or found at the start, by this object: to measure growth by

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds a batch; if it begins within the log, it replaces the suffix from there on."""
        ...

    def read(self, first: int, last: int) -> Iterator[Entry]:
        """The entries `first` to `last`, which are held."""
        ...

    def runs(self) -> list[tuple[int, int]]:
        """(first index, term) of every run of entries of one term."""
        ...

    def configurations(self) -> list[int]:
        """The indexes of all configuration entries held, in order."""
        ...

    def compact(self, through: int) -> None:
        """Entries up to `through` may go; some of them may be kept."""
        ...

    def restart(self, next_index: int) -> None:
        """Forgets all entries; the next one has `next_index`."""
        ...

    def close(self) -> None:
        """Gives back what the log holds open."""
        ...

    def held_bytes(self) -> int:
        """What the log takes on the disk. From any thread."""
        ...

    def first_index_within(self, size: int) -> int:
        """From which index on the entries take no more than `size` bytes; the newest may take more. From any thread."""
        ...


class Segment:
    """One open file of the log."""

    def __init__(self, path: str, file: File, head: frames.Head) -> None:
        self.path, self.file, self.head = path, file, head
        self.end = frames.HEAD_SIZE  # where the next frame goes
        self.last_frame = frames.HEAD_SIZE  # where the last one begins
        self.claimed = frames.HEAD_SIZE  # from `end` to here the file holds zeros
        self.highest_index = head.next_index - 1  # that any of its frames ever had


class DiskLog:
    """The log in one directory. Used from one thread at a time."""

    def __init__(self, files: Files, directory: str, chance: random.Random, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Opens the log, or begins one. Raises CorruptFile; a torn tail is cut off with a warning."""
        self._files, self._directory, self._random, self._segment_bytes = files, directory, chance, segment_bytes
        self._segments: list[Segment] = []
        # Frames that hold entries of the log, oldest first: first index, and where to read them. The entries of a
        # frame count up to the next frame's first index: a later frame may have replaced the rest.
        self._firsts: list[int] = []
        self._places: list[tuple[Segment, int, int]] = []
        self._run_starts: list[int] = []
        self._run_terms: list[int] = []
        self._configurations: list[int] = []
        self._broken: OSError | None = None
        self.first_index, self.last_index, self.appended_bytes = 1, 0, 0
        files.make_directory(directory)
        names = [name for name in files.list(directory) if name.endswith(".wal")]
        for name in names:
            self._load(f"{directory}/{name}", is_last=name == names[-1])
        if not self._segments:
            self._begin_segment()
        # A crash may have come between the creation of a file and the sync of its name.
        files.sync_directory(directory)
        self._make_durable(self._segments[-1])

    def append(self, entries: Sequence[Entry]) -> None:
        """See LogStorage."""
        first = entries[0].index
        if not self.first_index <= first <= self.last_index + 1:
            raise ValueError(f"entry {first} does not follow the log {self.first_index}..{self.last_index}")
        segment = self._writable()
        data = frames.encode_entries(entries, segment.head.salt)
        offset = self._write(segment, data)
        self._note(
            segment,
            frames.Frame(offset, len(data), frames.ENTRIES, first, len(entries)),
            [(entry.index, entry.term, entry.type) for entry in entries],
        )

    def read(self, first: int, last: int) -> Iterator[Entry]:
        """See LogStorage. One frame at a time is in memory."""
        for position in range(bisect_right(self._firsts, first) - 1, len(self._firsts)):
            segment, offset, size = self._places[position]
            stop = self._firsts[position + 1] if position + 1 < len(self._firsts) else self.last_index + 1
            for entry in frames.entries_of(segment.file.read(size, offset), 0):
                if entry.index >= stop or entry.index > last:
                    break
                if entry.index >= first:
                    yield entry
            if stop > last:
                return

    def runs(self) -> list[tuple[int, int]]:
        """See LogStorage."""
        return list(zip(self._run_starts, self._run_terms))

    def configurations(self) -> list[int]:
        """See LogStorage."""
        return self._configurations[bisect_left(self._configurations, self.first_index) :]

    def compact(self, through: int) -> None:
        """See LogStorage. Segments go from the oldest on, each name durably, so that a crash leaves no hole."""
        while len(self._segments) > 1 and self._segments[0].highest_index <= through:
            self._remove_oldest()
        gone = 0
        while gone < len(self._places) and self._places[gone][0].head.number < self._segments[0].head.number:
            gone += 1
        del self._firsts[:gone], self._places[:gone]
        self.first_index = self._firsts[0] if self._firsts else self.last_index + 1
        while len(self._run_starts) > 1 and self._run_starts[1] <= self.first_index:
            del self._run_starts[0], self._run_terms[0]

    def restart(self, next_index: int) -> None:
        """See LogStorage. What earlier segments hold is void once this frame is durable, so they can go."""
        segment = self._writable()
        self._write(segment, frames.encode_restart(next_index, segment.head.salt))
        self._restarted(segment, next_index)
        while len(self._segments) > 1:
            self._remove_oldest()

    def close(self) -> None:
        """See LogStorage."""
        for segment in self._segments:
            segment.file.close()
        self._segments.clear()

    def held_bytes(self) -> int:
        """See LogStorage. Whole segments, with the zeros that are written ahead."""
        return sum(segment.claimed for segment in [*self._segments])

    def first_index_within(self, size: int) -> int:
        """See LogStorage. Whole segments: they are what compaction can remove."""
        first = self.last_index + 1
        for segment in reversed([*self._segments]):
            size -= segment.claimed
            if size < 0 and first <= self.last_index:
                break
            first = min(first, segment.head.next_index)
        return max(first, self.first_index)

    def _note(self, segment: Segment, frame: frames.Frame, heads: list[tuple[int, int, int]]) -> None:
        """Takes a frame of entries, new or found, into account."""
        self._cut(frame.first_index)
        self._firsts.append(frame.first_index)
        self._places.append((segment, frame.offset, frame.size))
        for index, term, kind in heads:
            if not self._run_terms or self._run_terms[-1] != term:
                self._run_starts.append(index)
                self._run_terms.append(term)
            if kind == CONFIGURATION:
                self._configurations.append(index)
        self.last_index = frame.first_index + frame.entries - 1
        self.appended_bytes += frame.size
        segment.end = frame.offset + frame.size
        segment.highest_index = max(segment.highest_index, self.last_index)

    def _cut(self, index: int) -> None:
        """Forgets the entries from `index` on."""
        if index > self.last_index:
            return
        position = bisect_left(self._firsts, index)
        del self._firsts[position:], self._places[position:]
        position = bisect_left(self._run_starts, index)
        del self._run_starts[position:], self._run_terms[position:]
        del self._configurations[bisect_left(self._configurations, index) :]

    def _restarted(self, segment: Segment, next_index: int) -> None:
        self._firsts, self._places, self._run_starts, self._run_terms, self._configurations = [], [], [], [], []
        self.first_index, self.last_index = next_index, next_index - 1
        segment.end += frames.FRAME_SIZE
        segment.highest_index = max(segment.highest_index, self.last_index)

    def _write(self, segment: Segment, data: bytes) -> int:
        """Makes a frame durable at the end of a segment; returns its offset.

        After a failure nobody knows what the disk holds, and a second sync would wrongly succeed: the log stays broken.
        """
        if self._broken is not None:
            raise self._broken
        try:
            if segment.end + len(data) > segment.claimed:
                segment.claimed = (segment.end + len(data) + CLAIM_BYTES) // CLAIM_BYTES * CLAIM_BYTES
                padding = segment.claimed - segment.end - len(data)
                segment.file.write(data + bytes(padding), segment.end)
            else:
                segment.file.write(data, segment.end)
            segment.file.sync()
        except OSError as error:
            error.filename = error.filename or segment.path
            self._broken = error
            raise
        return segment.end

    def _writable(self) -> Segment:
        if self._segments[-1].end >= self._segment_bytes:
            self._begin_segment()
        return self._segments[-1]

    def _begin_segment(self) -> None:
        if self._broken is not None:
            raise self._broken
        number = self._segments[-1].head.number + 1 if self._segments else 1
        path = f"{self._directory}/{number:016d}.wal"
        head, content = frames.encode_head(number, self.last_index + 1, self._random)
        try:
            file = self._files.open(path, create=True)
            file.write(content, 0)
            file.sync()
            self._files.sync_directory(self._directory)
        except OSError as error:
            error.filename = error.filename or path
            self._broken = error
            raise
        self._segments.append(Segment(path, file, head))

    def _remove_oldest(self) -> None:
        segment = self._segments.pop(0)
        segment.file.close()
        self._files.remove(segment.path)
        self._files.sync_directory(self._directory)

    def _load(self, path: str, is_last: bool) -> None:
        file = self._files.open(path)
        content = file.read(file.size(), 0)
        head = frames.decode_head(content)
        if head is None:
            if not is_last or content[frames.HEAD_SIZE :].strip(b"\0"):
                raise CorruptFile(f"{path}: offset 0: not the head of a log segment; {REMEDY}")
            logger.warning("%s: was being created when the machine stopped: removed", path)
            file.close()
            self._files.remove(path)
            return
        self._check_order(path, head)
        segment = Segment(path, file, head)
        if not self._segments:
            self.first_index, self.last_index = head.next_index, head.next_index - 1
        self._segments.append(segment)
        while (frame := frames.decode_frame(content, segment.end, head.salt)) is not None:
            segment.last_frame = frame.offset
            if frame.kind == frames.RESTART:
                self._restarted(segment, frame.first_index)
            else:
                self._check_frame(path, frame)
                self._note(segment, frame, list(frames.heads_of(content, frame.offset)))
        segment.claimed = len(content)
        if content.count(0, segment.end) != len(content) - segment.end:
            self._cut_tail(segment, content, is_last)

    def _make_durable(self, segment: Segment) -> None:
        """Writes the last frame of the log again. A process that is killed before a sync leaves it in the system's cache only.

        It is written, and not only synced: after a sync that failed the system takes the cache for clean.
        """
        if segment.end > frames.HEAD_SIZE:
            offset = segment.last_frame
            segment.file.write(segment.file.read(segment.end - offset, offset), offset)
        segment.file.sync()

    def _check_order(self, path: str, head: frames.Head) -> None:
        if self._segments and head.number != self._segments[-1].head.number + 1:
            raise CorruptFile(f"{path}: offset 8: segment {self._segments[-1].head.number + 1} before it is missing; {REMEDY}")
        if self._segments and head.next_index != self.last_index + 1:
            raise CorruptFile(
                f"{self._segments[-1].path}: offset {self._segments[-1].end}: entries up to {head.next_index - 1} are missing; {REMEDY}"
            )

    def _check_frame(self, path: str, frame: frames.Frame) -> None:
        if frame.kind == frames.ENTRIES and 0 < frame.first_index < self.first_index:
            # It replaced entries that also stood in a segment which compaction has removed since.
            self.first_index = frame.first_index
        elif frame.kind != frames.ENTRIES or not self.first_index <= frame.first_index <= self.last_index + 1:
            raise CorruptFile(
                f"{path}: offset {frame.offset}: kind {frame.kind}, index {frame.first_index} after {self.last_index}; {REMEDY}"
            )

    def _cut_tail(self, segment: Segment, content: bytes, is_last: bool) -> None:
        behind = frames.good_frame_behind(content, segment.end, segment.head.salt) if is_last else segment.end
        if behind is not None:
            raise CorruptFile(f"{segment.path}: offset {segment.end}: damaged frame, checksum mismatch; {REMEDY}")
        logger.warning(
            "%s: offset %d: a batch was being written when the machine stopped: cut off, it was never acknowledged",
            segment.path,
            segment.end,
        )
        segment.file.truncate(segment.end)
        segment.file.sync()
        segment.claimed = segment.end
