"""The agents of `muster dev-cluster`: started, their lines written with their names, and all of them ended together."""

import http.client
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from muster.cli.child import complaint
from muster.testing.cluster_layout import Place
from muster.testing.forking import fork_agent

STOP_SECONDS = 15.0  # for all agents to stop after an interrupt; then they are killed
LOOK_SECONDS = 0.1  # between two questions for a leader
ASK_SECONDS = 0.5  # for an answer
READ_BYTES = 1 << 16
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # of the names, by ANSI numbers
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Agent:
    """One running agent, and what it has written of its last line."""

    def __init__(self, place: Place, pid: int, output: int, head: str) -> None:
        self.place, self.pid, self.output, self.head = place, pid, output, head
        self.rest = b""
        self.is_closed = False


class Agents:
    """All agents of one cluster, from the fork to their end. `run` once, in a process with one thread."""

    def __init__(self, places: Sequence[Place], config_files: Sequence[str], is_coloured: bool) -> None:
        self._places, self._config_files, self._is_coloured = places, config_files, is_coloured
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, Agent] = {}
        self._failed = False
        self._began = time.monotonic()
        self._has_led = False
        self._signals: list[int] = []
        self._kill_at = float("inf")
        self._hurried = False

    def run(self) -> int:
        """Returns the exit status once all have ended: 0 if they were told to, and did so in time."""
        with ExitStack() as stack:
            stack.enter_context(self._selector)
            self._catch_signals(stack)
            stack.callback(self._kill)
            width = max(len(place.name) for place in self._places)
            for number, place in enumerate(self._places):
                self._start(place, self._head(place.name.ljust(width), COLOURS[number % len(COLOURS)]))
            while self._running:
                self._turn()
        self._say("all agents have ended")
        return 1 if self._failed else 0

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            if isinstance(key.data, Agent):
                self._pass_on(key.data)
            else:
                key.fileobj.recv(4096)  # type: ignore[union-attr]  # a socket was registered
        self._follow_signals()
        self._bury()
        if not self._has_led and not self._is_ending:
            self._look_for_leader()
        if time.monotonic() >= self._kill_at:
            self._kill_at = float("inf")
            self._failed = True
            self._say(f"not all have stopped within {STOP_SECONDS:g} s: {', '.join(self._names())} killed")
            self._signal(signal.SIGKILL)

    @property
    def _is_ending(self) -> bool:
        return bool(self._signals)

    def _patience(self) -> float | None:
        if not self._has_led and not self._is_ending:
            return LOOK_SECONDS
        return max(0.0, self._kill_at - time.monotonic()) if self._is_ending and self._kill_at != float("inf") else None

    # ---- signals

    def _catch_signals(self, stack: ExitStack) -> None:
        waking, woken = socket.socketpair()
        for end in (waking, woken):
            end.setblocking(False)
            stack.enter_context(end)
        self._selector.register(woken, selectors.EVENT_READ)
        before = signal.set_wakeup_fd(waking.fileno())
        stack.callback(signal.set_wakeup_fd, before)
        for number in ENDING:
            stack.callback(signal.signal, number, signal.signal(number, lambda given, _frame: self._signals.append(given)))
        stack.callback(signal.signal, signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda _number, _frame: None))

    def _follow_signals(self) -> None:
        """The first one asks all to stop, the second one kills them. What comes last is hurried: there is nobody to hand over to."""
        if not self._signals:
            return
        if len(self._signals) > 1:
            self._kill_at = float("inf")
            self._signal(signal.SIGKILL)
        elif self._kill_at == float("inf"):
            self._say("stopping all agents; once more kills them")
            self._kill_at = time.monotonic() + STOP_SECONDS
            self._signal(signal.SIGTERM)
        elif len(self._running) == 1 and not self._hurried:
            self._hurried = True
            self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, number)

    def _kill(self) -> None:
        """Whatever ends this program, no agent stays behind."""
        self._signal(signal.SIGKILL)
        for pid in self._running:
            os.waitpid(pid, 0)

    # ---- agents

    def _start(self, place: Place, head: str) -> None:
        reading, writing = os.pipe()
        pid = fork_agent([str(place.config_file), *self._config_files], writing)
        os.close(writing)
        os.set_blocking(reading, False)
        agent = self._running[pid] = Agent(place, pid, reading, head)
        self._selector.register(reading, selectors.EVENT_READ, agent)

    def _bury(self) -> None:
        for pid, agent in [*self._running.items()]:
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self._running[pid]
            while self._pass_on(agent):
                pass
            self._close(agent)
            code = os.waitstatus_to_exitcode(status)
            if not self._is_ending:
                self._failed = True
                self._say(f"{agent.place.name} ended by itself: {complaint(code) or 'exit status 0'}; {len(self._running)} left")

    def _pass_on(self, agent: Agent) -> bool:
        """Writes the whole lines that have come; whether there may be more."""
        if agent.is_closed:
            return False
        try:
            data = os.read(agent.output, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._close(agent)
        *lines, agent.rest = (agent.rest + data).split(b"\n")
        for line in lines:
            self._write_line(agent, line)
        return bool(data)

    def _close(self, agent: Agent) -> None:
        """Nothing more is read, although a child that the agent left behind may still write."""
        if agent.is_closed:
            return
        agent.is_closed = True
        self._selector.unregister(agent.output)
        os.close(agent.output)
        if agent.rest:
            self._write_line(agent, agent.rest)

    def _write_line(self, agent: Agent, line: bytes) -> None:
        _write(agent.head + line.decode("utf-8", "replace").removeprefix("    "))

    def _look_for_leader(self) -> None:
        place = self._places[0]
        connection = http.client.HTTPConnection(place.address, place.ports.http, timeout=ASK_SECONDS)
        try:
            connection.request("GET", "/v1/status/leader")
            leader = connection.getresponse().read().decode().strip().strip('"')
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()
        name = next((place.name for place in self._places if f"{place.address}:{place.ports.server}" == leader), "")
        if name:
            self._has_led = True
            self._say(f"{name} leads; ready after {time.monotonic() - self._began:.1f} s")

    # ---- lines

    def _names(self) -> list[str]:
        return [agent.place.name for agent in self._running.values()]

    def _head(self, name: str, colour: int) -> str:
        return f"\x1b[{colour}m{name} |\x1b[0m " if self._is_coloured else f"{name} | "

    def _say(self, text: str) -> None:
        _write(f"\x1b[1m==> {text}\x1b[0m" if self._is_coloured else f"==> {text}")


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
