"""A pool of many agents on one machine, and how long it takes them all to notice a death.

All stand in one namespace, each at a loopback address of its own with the default ports. What is measured is the protocol, in which packets take
no time; fifty hosts on a bridge would spend the machine's few cores on moving packets between kernels, and slow both programs by that.
"""

import math
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from namespaces import Namespace
from pool_agents import TIES_LIFE_TO_THE_TEST, Sighting, sightings

STARTING_AT_ONCE = 4
POLL = 0.05  # seconds between two looks at the logs; the times in the figures are those that stand in them


class Detection(NamedTuple):
    """Seconds from the SIGKILL of a member until the first and until the last of the others called it failed."""

    first: float
    last: float


class LoggedAgent:
    """A client agent that is known by its log alone: asking fifty over HTTP would load the machine that is measured."""

    def __init__(self, folder: Path, program: Path, number: int, namespace: Namespace) -> None:
        self.node = f"node-{number}"
        address = f"127.0.1.{number}"
        self._namespace, self._log = namespace, folder / f"{self.node}.log"
        self._command = [
            *TIES_LIFE_TO_THE_TEST, str(program), "agent", f"-node={self.node}", f"-bind={address}", f"-client={address}",
            f"-data-dir={folder / self.node}", "-dns-port=-1", "-log-level=info", "-retry-join=127.0.1.1", "-retry-interval=1s",
            *(["-hcl=disable_update_check = true"] if program.name == "consul" else []),
        ]  # fmt: skip
        self.process: subprocess.Popen | None = None
        self._read = 0
        self.seen: list[Sighting] = []
        self.is_running = False

    def start(self) -> None:
        self.is_running = False
        with self._log.open("ab") as log, self._namespace.inside():
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def look(self) -> None:
        """Take in the lines that are new."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        self.is_running = self.is_running or b"agent running!" in new or b"is running" in new
        self.seen += sightings(new)
        assert self.process is None or self.process.poll() is None, f"{self.node} ended: {self._log.read_text()[-2000:]}"

    def saw(self, what: str, member: str, since: float) -> float | None:
        """When it first saw that, not before `since` (seconds of the wall clock)."""
        return next((seen.time for seen in self.seen if (seen.what, seen.member) == (what, member) and seen.time >= since), None)

    def processor_time(self) -> float:
        """Seconds of CPU that it used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident MB of its own, with its share of what several have in common."""
        rows = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1024


class ManyAgents:
    """A pool of client agents without a server. A context manager: all run and know one another inside."""

    def __init__(self, folder: Path, program: Path, count: int) -> None:
        self._namespace = Namespace()
        folder.mkdir(parents=True, exist_ok=True)
        self.agents = [LoggedAgent(folder, program, number, self._namespace) for number in range(1, count + 1)]
        self._outages: list[tuple[str, float, float]] = []
        """Who was dead, from when until when; the last one until further notice."""

    def __enter__(self) -> "ManyAgents":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for agent in self.living():
            agent.kill()
        self._namespace.close()

    def living(self) -> list[LoggedAgent]:
        return [agent for agent in self.agents if agent.process is not None and agent.process.poll() is None]

    def _start(self) -> None:
        for number, agent in enumerate(self.agents):
            agent.start()
            self.until(lambda: self._starting() < (STARTING_AT_ONCE if number else 1), 60, "agents start")
        self.until(lambda: not self._missing(0.0), 180, "everyone sees everyone")

    def _starting(self) -> int:
        return sum(not agent.is_running for agent in self.living())

    def _missing(self, since: float, names: set[str] | None = None) -> list[tuple[str, str]]:
        """Who has not seen whom join."""
        living = self.living()
        names = names or {agent.node for agent in living}
        found = []
        for agent in living:
            joined = {seen.member for seen in agent.seen if seen.what == "MemberJoin" and seen.time >= since}
            found += [(agent.node, name) for name in names - joined - {agent.node}]
        return found

    def detect(self, victim: LoggedAgent, limit: float = 120.0) -> Detection:
        """Kills a member and waits until all others have called it failed."""
        killed = time.time()
        victim.kill()
        self._outages.append((victim.node, killed, math.inf))
        others = self.living()
        self.until(lambda: all(agent.saw("MemberFailed", victim.node, killed) for agent in others), limit, f"all see {victim.node} failed")
        times = [agent.saw("MemberFailed", victim.node, killed) or 0.0 for agent in others]
        return Detection(min(times) - killed, max(times) - killed)

    def revive(self, victim: LoggedAgent) -> None:
        """Starts a dead member again and waits until all others have seen it."""
        begun = time.time()
        self._outages = [(node, since, min(until, begun) if node == victim.node else until) for node, since, until in self._outages]
        victim.start()
        self.until(lambda: not self._missing(begun, {victim.node}), 300, f"all see {victim.node} again")

    def false_accusations(self) -> list[tuple[str, Sighting]]:
        """Where a member was called failed while it lived, and by whom."""
        return [
            (agent.node, seen)
            for agent in self.living()
            for seen in agent.seen
            if seen.what == "MemberFailed"
            and not any(node == seen.member and since <= seen.time <= until for node, since, until in self._outages)
        ]

    def until(self, condition: Callable[[], object], limit: float, what: str) -> None:
        """Reads the logs until it holds."""
        deadline = time.monotonic() + limit
        while True:
            for agent in self.living():
                agent.look()
            if condition():
                return
            assert time.monotonic() < deadline, f"not within {limit} s: {what}"
            time.sleep(POLL)
