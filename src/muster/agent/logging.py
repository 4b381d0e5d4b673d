"""Log lines in Consul's format, to standard output, a rotated file, syslog and the clients of `/v1/agent/monitor`.

    2026-11-24T11:32:00.799Z [WARN]  agent: Check is now critical: check=web

The name of a logger is the module in the line. Tokens are hidden here, in one place.
"""

import asyncio
import datetime
import json
import logging
import logging.handlers
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from muster.model.errors import BadRequest

TRACE = 5
LEVELS = {
    "TRACE": TRACE,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERR": logging.ERROR,
    "ERROR": logging.ERROR,
}
TAGS = {TRACE: "[TRACE]", logging.DEBUG: "[DEBUG]", logging.INFO: "[INFO] ", logging.WARNING: "[WARN] ", logging.ERROR: "[ERROR]"}
MONITOR_BUFFER = 512  # lines; a client that reads slower loses lines
_TOKEN = re.compile(r"([?&]token=)[^&\s]+")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`rotate_duration` is in seconds; 0 or less for the rotations is none, `max_files` 0 keeps all, -1 none."""

    level: str = "INFO"
    json: bool = False
    file: str = ""
    rotate_bytes: int = 0
    rotate_duration: float = 0.0
    max_files: int = 0
    syslog: bool = False
    facility: str = "LOCAL0"


def level_number(name: str) -> int:
    """The number of a level by Consul's name; `BadRequest` for another."""
    number = LEVELS.get(name.upper())
    if number is None:
        raise BadRequest(f"Unknown log level: {name}")
    return number


def redacted(text: str) -> str:
    """The text without the tokens of URLs in it."""
    return _TOKEN.sub(r"\1<hidden>", text) if "token=" in text else text


class LineFormatter(logging.Formatter):
    """One line of text; `indent` is put before it, as the peers do on standard output."""

    def __init__(self, indent: str = "") -> None:
        super().__init__()
        self.indent = indent

    def format(self, record: logging.LogRecord) -> str:
        head = f"{self.indent}{timestamp(record.created, 3)} {TAGS.get(record.levelno, '[INFO] ')}"
        line = f"{head} {module(record)}: {redacted(record.getMessage())}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        tag = TAGS.get(record.levelno, "[INFO]").strip("[] ").lower()
        fields = {
            "@level": tag,
            "@message": redacted(record.getMessage()),
            "@module": module(record),
            "@timestamp": timestamp(record.created, 6),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def module(record: logging.LogRecord) -> str:
    """`muster.http` is shown as `agent.http`."""
    name = record.name
    if name == "muster" or name.startswith("muster."):
        rest = name[7:]
        return rest if rest.startswith("agent") else f"agent.{rest}" if rest else "agent"
    return name


def timestamp(seconds: float, digits: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}"[: 20 + digits] + "Z"


class RotatedFile(logging.Handler):
    """A log file; when it is full or old it is closed and a new one begun.

    With rotation the files are called `name-NANOSECONDS.log`, as Consul calls them; without, just `name`.
    """

    def __init__(self, path: str, rotate_bytes: int = 0, rotate_duration: float = 0.0, max_files: int = 0) -> None:
        super().__init__()
        given = Path(path)
        self.directory = given if path.endswith("/") else given.parent
        self.name_part = "consul" if path.endswith("/") else given.stem
        self.suffix = (given.suffix or ".log") if not path.endswith("/") else ".log"
        self.rotate_bytes = rotate_bytes
        self.rotate_duration = rotate_duration or 86400.0
        self.max_files = max_files
        self._opened = 0.0
        self._size = 0
        self._open()

    def _open(self) -> None:
        self._opened = time.time()
        path = self.directory / f"{self.name_part}-{time.time_ns()}{self.suffix}"
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size
        self._prune()

    def _prune(self) -> None:
        if not self.max_files:
            return
        files = sorted(self.directory.glob(f"{self.name_part}-*{self.suffix}"))
        for old in files[: max(len(files) - max(self.max_files, 0) - 1, 0)]:
            old.unlink(missing_ok=True)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "replace")
            full = self.rotate_bytes > 0 and self._size >= self.rotate_bytes
            if full or time.time() - self._opened >= self.rotate_duration:
                self._file.close()
                self._open()
            self._file.write(line)
            self._size += len(line)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        self._file.close()
        super().close()


class Monitor(logging.Handler):
    """The log lines for one client, from now on."""

    def __init__(self, level: int, as_json: bool) -> None:
        super().__init__(level)
        self.setFormatter(JsonFormatter() if as_json else LineFormatter())
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(MONITOR_BUFFER)
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        line = (self.format(record) + "\n").encode("utf-8", "replace")
        self._loop.call_soon_threadsafe(self._put, line)

    def _put(self, line: bytes) -> None:
        if self._lines.full():
            self.dropped += 1
        else:
            self._lines.put_nowait(line)

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines as they come, without end; closing the iterator takes the client out."""
        root = logging.getLogger()
        before = root.level
        root.addHandler(self)
        root.setLevel(min(before, self.level))
        try:
            while True:
                yield await self._lines.get()
        finally:
            root.removeHandler(self)
            root.setLevel(min([_configured, *(handler.level for handler in root.handlers if isinstance(handler, Monitor))]))


_configured = logging.WARNING


def configure(settings: LogSettings) -> None:
    """Send the log where the settings say; what was set up before is closed."""
    global _configured
    level = level_number(settings.level)
    logging.addLevelName(TRACE, "TRACE")
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if not isinstance(handler, Monitor):
            root.removeHandler(handler)
            handler.close()
    for handler in _handlers(settings):
        handler.setLevel(level)
        root.addHandler(handler)
    root.setLevel(level)
    _configured = level


def set_level(name: str) -> None:
    """Another level from now on, as after a reload."""
    global _configured
    _configured = level_number(name)
    root = logging.getLogger()
    for handler in root.handlers:
        if not isinstance(handler, Monitor):
            handler.setLevel(_configured)
    root.setLevel(min([_configured, *(handler.level for handler in root.handlers if isinstance(handler, Monitor))]))


def _handlers(settings: LogSettings) -> list[logging.Handler]:
    import sys

    made: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    made[0].setFormatter(JsonFormatter() if settings.json else LineFormatter("    "))
    if settings.file:
        made.append(RotatedFile(settings.file, settings.rotate_bytes, settings.rotate_duration, settings.max_files))
    if settings.syslog:
        address = "/dev/log" if Path("/dev/log").exists() else ("localhost", 514)
        facility = logging.handlers.SysLogHandler.facility_names.get(settings.facility.lower(), logging.handlers.SysLogHandler.LOG_LOCAL0)
        made.append(logging.handlers.SysLogHandler(address, facility))
    for handler in made[1:]:
        handler.setFormatter(JsonFormatter() if settings.json else LineFormatter())
    return made
