"""The simulation: hosts, network, clock and chance, all from one seed."""

import random
from collections.abc import Callable
from typing import Any, NoReturn

from muster.testing.simulation.host import Host, MakeProcess
from muster.testing.simulation.network import Link, Network
from muster.testing.simulation.process import Address
from muster.testing.simulation.schedule import Schedule
from muster.testing.simulation.trace import Trace


class Violation(AssertionError):
    """Something that must always hold did not. Says when, with which seed, and how to see it again."""

    def __init__(self, seed: int, time: float, what: str, replay: str) -> None:
        super().__init__(f"seed {seed}, at {time:.3f} s: {what}\n  replay: {replay}")
        self.seed = seed
        self.time = time
        self.what = what


class Simulation:
    """A world that is wholly known from its seed.

    `replay` is the command that runs it again, shown with each violation.
    """

    def __init__(self, seed: int, link: Link | None = None, replay: str = "", keep_trace: bool = False) -> None:
        self.seed = seed
        self.replay = replay or f"Simulation(seed={seed})"
        self.chance = random.Random(seed)
        self.schedule = Schedule()
        self.network = Network(self.schedule, random.Random(self.chance.getrandbits(64)), link or Link())
        self.trace = Trace(keep_trace)
        self.hosts: dict[str, Host] = {}

    @property
    def now(self) -> float:
        """The world's time in seconds since the beginning."""
        return self.schedule.now

    def add_host(self, name: str, address: Address, make: MakeProcess, start: bool = True) -> Host:
        """A host with a process of its own, which `make` makes at each start."""
        host = Host(self, len(self.hosts), name, address, make)
        self.hosts[name] = host
        self.network.hosts[address] = host
        if start:
            host.start()
        return host

    def move(self, host: Host, address: Address) -> None:
        """Give a host another address; packets to the old one are lost from now on."""
        if self.network.hosts.get(host.address) is host:
            del self.network.hosts[host.address]
        host.address = address
        self.network.hosts[address] = host

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        """Do something at a time of the world."""
        self.schedule.at(time, action, *arguments)

    def run_until(self, end: float) -> None:
        """Let the world go on until a time. What is raised in it carries the command that replays it."""
        try:
            self.schedule.run_until(end)
        except Exception as error:
            if not isinstance(error, Violation):
                error.add_note(f"seed {self.seed}, at {self.now:.3f} s\n  replay: {self.replay}")
            raise

    def run_while(self, condition: Callable[[], bool], end: float) -> bool:
        """Let the world go on as long as `condition` holds after each step; False if it still does at `end`."""
        while condition():
            if self.schedule.next_time() > end:
                self.run_until(end)
                return not condition()
            self.run_until(self.schedule.next_time())
        return True

    def violated(self, what: str) -> NoReturn:
        """Stop: something that must always hold does not."""
        raise Violation(self.seed, self.now, what, self.replay)
