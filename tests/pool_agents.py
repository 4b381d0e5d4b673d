"""Agents of a gossip pool, each on a host of its own, and what their logs say of one another."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from agents import MUSTER, AgentProcess
from namespaces import Host

DEFAULT_PORTS = (8500, 8600, 8300, 8301, 8302)
STATUS = {0: "none", 1: "alive", 2: "leaving", 3: "left", 4: "failed"}
TIES_LIFE_TO_THE_TEST = ("setpriv", "--pdeathsig", "KILL", "--")
"""A killed test takes its agents with it, and with them their namespaces."""

_SIGHTING = re.compile(rb"^\s*(\S+Z) \[INFO\].* serf: Event(Member\w+): (\S+) ", re.MULTILINE)


class Sighting(NamedTuple):
    """A line of an agent's log: what it saw of a member of the LAN pool, and when (seconds of the wall clock, to a millisecond)."""

    time: float
    what: str
    member: str


def sightings(log: bytes) -> Iterator[Sighting]:
    """What complete lines of a log say, of Muster's or of Consul's; members of the WAN pool are left out."""
    for match in _SIGHTING.finditer(log):
        if b"serf.wan" not in match[0]:
            yield Sighting(datetime.fromisoformat(match[1].decode()).timestamp(), match[2].decode(), match[3].decode())


class PoolAgent(AgentProcess):
    """An agent on a host, at the default ports; it joins nobody of itself."""

    def __init__(
        self, folder: Path, node: str, host: Host, *arguments: str, program: Path = MUSTER, config: dict | None = None, bind: str = ""
    ) -> None:
        """`bind`: an address of the host; its IPv4 address by default."""
        self.host = host
        self.address = bind or host.address
        self.program = program
        self.config = config or {}
        super().__init__(
            folder, f"-data-dir={folder / 'data'}", *arguments, program=program, config=self.config, node=node, bind=self.address,
            ports=DEFAULT_PORTS, log_level="info", inside=host.inside,
        )  # fmt: skip
        self.command = [*TIES_LIFE_TO_THE_TEST, *self.command]
        if program.name == "consul":
            self.command.append("-hcl=disable_update_check = true")

    def configure(self, **settings: object) -> None:
        """Holds from the next start on."""
        self.config |= settings
        (self.folder / "test.json").write_text(json.dumps(self.config))

    def until_answering(self) -> None:
        self.until(lambda: self.json("/v1/agent/self")["Member"], what=f"{self.node} answers")

    def run(self, *words: str) -> str:
        """What a command of this agent's own program says, asked of this agent; it must succeed."""
        with self.inside():
            done = subprocess.run([self.program, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{self.node}: {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def members(self) -> dict[str, str]:
        """What it holds of every member, by name: alive, leaving, left or failed."""
        return {member["Name"]: STATUS[member["Status"]] for member in self.json("/v1/agent/members")}

    def sightings(self) -> list[Sighting]:
        return list(sightings((self.folder / "log").read_bytes()))

    def saw(self, what: str, member: str, since: float = 0.0) -> float | None:
        """When it first saw that of the member, not before `since`."""
        return next((seen.time for seen in self.sightings() if (seen.what, seen.member) == (what, member) and seen.time >= since), None)

    def events(self) -> list[str]:
        """The names of the user events that reached it."""
        return [event["Name"] for event in self.json("/v1/event/list")]

    def keyring(self) -> list[str]:
        """The keys in its file, the primary one first."""
        return json.loads((self.folder / "data" / "serf" / "local.keyring").read_text())


def until_all(agents: Iterable[PoolAgent], condition: Callable[[PoolAgent], object], limit: float, what: str) -> None:
    """Every one of the agents comes to fulfil the condition; the limit in seconds is for all together."""
    deadline = time.monotonic() + limit
    for agent in agents:
        agent.until(lambda: condition(agent), max(0.1, deadline - time.monotonic()), what=f"{agent.node}: {what}")


def until_all_see(agents: Iterable[PoolAgent], status: str, names: Iterable[str], limit: float = 30) -> None:
    """Every one of the agents comes to hold all these members for `status` at one time; "gone" means that it knows none of them."""
    wanted = set(names)

    def sees(agent: PoolAgent) -> bool:
        held = agent.members()
        return all(held.get(name, "gone") == status for name in wanted)

    agents = list(agents)
    try:
        until_all(agents, sees, limit, f"sees {', '.join(sorted(wanted))} {status}")
    except AssertionError as error:
        held = "\n".join(f"{agent.node} holds {agent.members()}" for agent in agents)
        raise AssertionError(f"{error}\n{held}") from None
