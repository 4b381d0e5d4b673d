"""Agents in processes of their own, and the one process that all of them are forked off."""

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

TURN = 0.1  # seconds that one thread waits before others may
END_LIMIT = 10.0  # seconds for the process that forks to end, once its agents are killed


class ForkServer:
    """See `fork_server`. One per process is enough for all clusters; threads may share it."""

    _shared: ClassVar["ForkServer | None"] = None
    _sharing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        command = [sys.executable, "-m", "muster.testing.fork_server"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._lock = threading.Lock()
        self._rest = b""
        self._started: list[int] = []
        self._ended: dict[int, int] = {}
        self._died = False  # and with it all that it has started

    @classmethod
    def shared(cls) -> "ForkServer":
        """The one of this process; a new one if it has died."""
        with cls._sharing:
            if cls._shared is None or cls._shared._process.poll() is not None:
                if cls._shared is None:
                    atexit.register(cls.close_shared)
                else:
                    cls._shared.close()
                cls._shared = cls()
            return cls._shared

    @classmethod
    def close_shared(cls) -> None:
        """Ends it, and all agents that still run."""
        with cls._sharing:
            if cls._shared is not None:
                cls._shared.close()
                cls._shared = None

    def start(self, config_file: Path, output: Path) -> int:
        """Forks an agent; returns its process id. Raises RuntimeError if this process has died."""
        with self._lock:
            try:
                self._requests.write(json.dumps([str(config_file), str(output)]).encode() + b"\n")
                self._requests.flush()
            except BrokenPipeError as error:
                raise RuntimeError("the process that starts agents has died") from error
            while not self._started:
                self._read(None)
                if self._died:
                    raise RuntimeError("the process that starts agents has died")
            return self._started.pop()

    def wait(self, process: int, timeout: float) -> int | None:
        """The status of an agent that has ended, negative for a signal; None if it has not within `timeout` seconds."""
        until = time.monotonic() + timeout
        while True:
            with self._lock:
                if process not in self._ended and not self._died:
                    self._read(max(0.0, min(until - time.monotonic(), TURN)))
                if process in self._ended or self._died:
                    return self._ended.get(process, -signal.SIGKILL)
            if time.monotonic() >= until:
                return None

    def close(self) -> None:
        """Ends the agents too."""
        with self._lock:
            self._died = True
        try:
            self._requests.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def _read(self, timeout: float | None) -> None:
        """Takes what has been told within the time; waits for something if it is None."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if not selector.select(timeout):
                return
        data = os.read(self._answers.fileno(), 4096)
        if not data:
            self._died = True
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            process, value = json.loads(line)
            if process:
                self._ended[process] = value
            else:
                self._started.append(value)


class AgentProcess:
    """One agent's process; started any number of times, once at a time. Signals go only to a process that runs."""

    def __init__(self, config_file: Path, output: Path) -> None:
        self.pid = 0
        self.is_paused = False
        self._told_to_end = False
        self._config_file, self._output = config_file, output
        self._server: ForkServer

    def start(self) -> None:
        """Raises RuntimeError if it runs."""
        if self.is_running:
            raise RuntimeError(f"the agent of {self._config_file} runs already")
        self.is_paused = self._told_to_end = False
        self._server = ForkServer.shared()
        self.pid = self._server.start(self._config_file, self._output)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended; a paused one runs."""
        return self.pid != 0 and self._server.wait(self.pid, 0.0) is None

    @property
    def status(self) -> int | None:
        """How it ended, negative for a signal; None while it runs, or before it was started."""
        return self._server.wait(self.pid, 0.0) if self.pid else None

    @property
    def has_failed(self) -> bool:
        """Whether it has ended although nobody told it to; status 0 is how a `leave` ends it."""
        return self.status not in (None, 0) and not self._told_to_end

    def pause(self) -> None:
        """Stops it in its tracks, if it runs."""
        if self.is_running:
            os.kill(self.pid, signal.SIGSTOP)
            self.is_paused = True

    def resume(self) -> None:
        """Lets it go on, if it runs."""
        if self.is_running:
            os.kill(self.pid, signal.SIGCONT)
            self.is_paused = False

    def tell(self, number: signal.Signals) -> None:
        """Sends a signal that ends it, if it runs."""
        if self.is_running:
            self._told_to_end = True
            with contextlib.suppress(ProcessLookupError):  # it ended by itself a moment ago
                os.kill(self.pid, number)

    def end(self, number: signal.Signals, limit: float) -> int | None:
        """Sends a signal and waits; after `limit` seconds it is killed. Returns the status; None if it never ran."""
        if not self.pid:
            return None
        self.tell(number)
        status = self._server.wait(self.pid, limit)
        if status is None:
            os.kill(self.pid, signal.SIGKILL)
            status = self._server.wait(self.pid, END_LIMIT)
        return status
