"""The file of a pool's known members, in Serf's form, so that a member that starts again finds the others.

A text file that grows by lines:

    alive: NAME ADDRESS:PORT        a member came
    not-alive: NAME                 it failed or left
    clock: N                        the highest time seen of the members' Lamport clock; event-clock and query-clock likewise
    leave                           this member left of its own will: what stands before is forgotten, unless it rejoins after a leave
    coordinate: ...                 of older versions, ignored, as lines are that begin with #

Lines are kept together and written every half second, in a thread, since a disk may hang. A file that grows beyond 128 KiB (or 256 bytes a
member) is written anew beside the old one and takes its place. A last line without its end is a torn write and is not read.
"""

import logging
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from threading import Lock

from muster.gossip.effects import (
    Effect,
    EventReceived,
    Member,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberUpdated,
    QueryReceived,
)
from muster.gossip.lamport import Clocks, is_plausible
from muster.transport.endpoints import text

logger = logging.getLogger("muster.gossip")

FLUSH_INTERVAL = 0.5  # seconds
SMALLEST_COMPACTION = 128 << 10  # bytes
BYTES_A_MEMBER = 256
LARGEST_FILE = 64 << 20
"""Bytes of the file that are read; more cannot come of the compactions."""


class MemberSnapshot:
    """One pool's file, read when made. `OSError` if it cannot be read or opened; a write that fails later is logged and given up."""

    def __init__(self, path: str, rejoin_after_leave: bool = False) -> None:
        self.path = Path(path)
        self.rejoin_after_leave = rejoin_after_leave
        self.alive: dict[str, str] = {}
        """Address texts of the members that are alive, by name."""
        self.clock = self.event_clock = self.query_clock = 0
        self._lines: list[str] = []
        self._left = False
        self._size = self._whole = 0
        self._file = -1
        self._writing = Lock()
        self._torn = False
        self._read()
        self.previous = dict(self.alive)
        """Whom to join again: those that were alive when the file was last written."""
        self._open()

    @property
    def clocks(self) -> Clocks:
        """The times the new member's clocks begin after."""
        return Clocks(self.clock, self.event_clock, self.query_clock)

    # ------------------------------------------------------------------ reading

    def _read(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(self.path, "rb") as file:
                data = file.read(LARGEST_FILE)
        except FileNotFoundError:
            return
        whole, end, _ = data.rpartition(b"\n")
        self._whole = len(whole) + len(end)
        for line in whole.decode("utf-8", "surrogateescape").split("\n"):
            self._take(line)

    def _take(self, line: str) -> None:
        kind, colon, rest = line.partition(": ")
        if line == "leave":
            if not self.rejoin_after_leave:
                self.alive.clear()
                self.clock = self.event_clock = self.query_clock = 0
        elif kind == "alive" and colon:
            name, _, address = rest.rpartition(" ")
            if name and address:
                self.alive[name] = address
        elif kind == "not-alive" and colon:
            self.alive.pop(rest, None)
        elif kind in _CLOCKS and rest.isascii() and rest.isdecimal() and len(rest) < 20 and is_plausible(int(rest)):
            setattr(self, _CLOCKS[kind], int(rest))
        elif line and kind != "coordinate" and not line.startswith("#"):
            logger.warning("the snapshot %s has a line that is not known: %r", self.path, line[:80])

    def _open(self) -> None:
        """Opens for appending, without the torn line: it would spoil the next one."""
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._file, self._whole)
        self._size = self._whole

    # ------------------------------------------------------------------ writing

    def note(self, effect: Effect) -> None:
        """Remember what an effect changes."""
        match effect:
            case MemberJoined(member) | MemberUpdated(member):
                self._came(member)
            case MemberLeft(member) | MemberFailed(member) | MemberReaped(member):
                self._went(member)
            case EventReceived(time=time):
                self.event_clock = self._advance("event-clock", self.event_clock, time)
            case QueryReceived(time=time):
                self.query_clock = self._advance("query-clock", self.query_clock, time)
            case _:
                pass

    def note_clock(self, time: int) -> None:
        """The highest time seen of the members' Lamport clock."""
        self.clock = self._advance("clock", self.clock, time)

    def left(self) -> None:
        """This member leaves: nothing of the others is to be remembered any more, whatever happens to them."""
        if not self.rejoin_after_leave:
            self.alive.clear()
        self._append("leave")
        self._left = True
        self.flush(durable=True)

    def flush(self, durable: bool = False) -> None:
        """Write what was noted."""
        self.pending(durable)()

    def pending(self, durable: bool = False) -> Callable[[], None]:
        """The writing of what was noted until now, which any thread may do."""
        data = "".join(self._lines).encode("utf-8", "surrogateescape")
        self._lines = []
        is_long = self._size + len(data) > max(SMALLEST_COMPACTION, BYTES_A_MEMBER * len(self.alive))
        whole = "".join(f"{line}\n" for line in self._state()).encode("utf-8", "surrogateescape") if is_long else b""
        return partial(self._write, data, whole, durable)

    def _write(self, data: bytes, whole: bytes, durable: bool) -> None:
        with self._writing:
            if self._file < 0:
                return
            try:
                data = b"\n" + data if self._torn else data
                _write_all(self._file, data)
                self._torn = False
                self._size += len(data)
                if durable:
                    os.fsync(self._file)
                if whole:
                    self._compact(whole)
            except OSError as error:
                logger.error("the snapshot %s cannot be written: %s", self.path, error)
                self._torn = True

    def close(self) -> None:
        """Write the rest and give the file back."""
        self.flush(durable=True)
        with self._writing:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _came(self, member: Member) -> None:
        address = text(member.endpoint)
        if self.alive.get(member.name) == address or self._left or "\n" in member.name:
            return  # a name with a newline could forge lines
        self.alive[member.name] = address
        self._append(f"alive: {member.name} {address}")

    def _went(self, member: Member) -> None:
        if not self._left and self.alive.pop(member.name, None) is not None:
            self._append(f"not-alive: {member.name}")

    def _advance(self, name: str, known: int, time: int) -> int:
        if time <= known:
            return known
        self._append(f"{name}: {time}")
        return time

    def _append(self, line: str) -> None:
        self._lines.append(line + "\n")

    def _compact(self, data: bytes) -> None:
        """The whole state into a new file that replaces the old one."""
        beside = self.path.with_name(self.path.name + ".compact")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
            beside.replace(self.path)
        except OSError:
            os.close(descriptor)
            raise
        os.close(self._file)
        self._file, self._size = descriptor, len(data)

    def _state(self) -> Iterable[str]:
        yield from (f"alive: {name} {address}" for name, address in self.alive.items())
        yield from (f"{name}: {getattr(self, attribute)}" for name, attribute in _CLOCKS.items())
        if self._left:
            yield "leave"


_CLOCKS = {"clock": "clock", "event-clock": "event_clock", "query-clock": "query_clock"}


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
