"""What goes wrong, and when: faults of hosts and of the network, by plan or by chance.

Every fault begins at `at` and ends at `until`, both in seconds of the world. A plan can be printed, so that a failure can be read.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.host import Host
from muster.testing.simulation.network import Link


@dataclass(frozen=True)
class Fault:
    """Something that is wrong for a while. `begin` and `end` do it to a simulation."""

    at: float
    until: float

    def begin(self, simulation: Simulation) -> None:
        """It goes wrong."""
        raise NotImplementedError

    def end(self, simulation: Simulation) -> None:
        """It is well again."""
        raise NotImplementedError


@dataclass(frozen=True)
class Crash(Fault):
    """A host's process ends, and starts anew with nothing in memory."""

    host: str

    def begin(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].crash()

    def end(self, simulation: Simulation) -> None:
        host = simulation.hosts[self.host]
        if host.process is None:
            host.start()


@dataclass(frozen=True)
class Pause(Fault):
    """A host's process is stopped; `machine`: the whole machine is, with its clock."""

    host: str
    machine: bool = False

    def begin(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].pause(clock_stops=self.machine)

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].resume()


@dataclass(frozen=True)
class Clog(Fault):
    """What a host sends and receives waits; its timers go on."""

    host: str

    def begin(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].clog()

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].unclog()


@dataclass(frozen=True)
class Stutter(Fault):
    """A host runs for `runs` seconds, then is stopped for `stops`, over and over: a processor that others use."""

    host: str
    runs: float
    stops: float

    def begin(self, simulation: Simulation) -> None:
        self._stop(simulation.hosts[self.host])
        simulation.schedule.after(self.stops, self._run, simulation)

    def _run(self, simulation: Simulation) -> None:
        self.end(simulation)
        if simulation.now + self.runs < self.until:
            simulation.schedule.after(self.runs, self.begin, simulation)

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].resume()

    @staticmethod
    def _stop(host: Host) -> None:
        host.pause()


@dataclass(frozen=True)
class StutteringNetwork(Stutter):
    """The same, but what stops is only what a host sends and receives: the slow members of Lifeguard's experiments."""

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].unclog()

    @staticmethod
    def _stop(host: Host) -> None:
        host.clog()


@dataclass(frozen=True)
class Slow(Fault):
    """A host takes `service_time` seconds for everything."""

    host: str
    service_time: float

    def begin(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].service_time = self.service_time

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].service_time = 0.0


@dataclass(frozen=True)
class Deaf(Fault):
    """A host sends but receives nothing."""

    host: str

    def begin(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].deaf = True

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].deaf = False


@dataclass(frozen=True)
class Mute(Fault):
    """A host receives but sends nothing."""

    host: str

    def begin(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].mute = True

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].mute = False


@dataclass(frozen=True)
class OneWayCut(Fault):
    """Nothing gets from the sources to the targets."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def begin(self, simulation: Simulation) -> None:
        simulation.network.cut(self.sources, self.targets, self.until)

    def end(self, simulation: Simulation) -> None:
        """The network does it."""


@dataclass(frozen=True)
class Partition(Fault):
    """Nothing gets from one group to another."""

    groups: tuple[tuple[str, ...], ...]

    def begin(self, simulation: Simulation) -> None:
        simulation.network.partition(*self.groups, until=self.until)

    def end(self, simulation: Simulation) -> None:
        """The network does it."""


@dataclass(frozen=True)
class BadNetwork(Fault):
    """All links are like this one."""

    link: Link

    def begin(self, simulation: Simulation) -> None:
        simulation.network.link = self.link

    def end(self, simulation: Simulation) -> None:
        simulation.network.link = Link()


@dataclass(frozen=True)
class BadCable(Fault):
    """All that a host sends and receives goes by this link."""

    host: str
    link: Link

    def begin(self, simulation: Simulation) -> None:
        simulation.network.links |= {(self.host, None): self.link, (None, self.host): self.link}

    def end(self, simulation: Simulation) -> None:
        for pair in ((self.host, None), (None, self.host)):
            simulation.network.links.pop(pair, None)


@dataclass(frozen=True)
class WallJump(Fault):
    """A host's wall clock is wrong by so many seconds."""

    host: str
    seconds: float

    def begin(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].clock.jump_wall(self.seconds)

    def end(self, simulation: Simulation) -> None:
        simulation.hosts[self.host].clock.jump_wall(-self.seconds)


@dataclass(frozen=True)
class Drift(Fault):
    """A host's clock runs at another rate."""

    host: str
    rate: float

    def begin(self, simulation: Simulation) -> None:
        self._set(simulation, self.rate)

    def end(self, simulation: Simulation) -> None:
        self._set(simulation, 1.0)

    def _set(self, simulation: Simulation, rate: float) -> None:
        host = simulation.hosts[self.host]
        host.clock.drift(rate)
        host.wait_anew()


def plan(simulation: Simulation, faults: Iterable[Fault]) -> None:
    """Let these faults happen."""
    for fault in faults:
        simulation.at(fault.at, fault.begin, simulation)
        simulation.at(fault.until, fault.end, simulation)


def end_all(simulation: Simulation) -> None:
    """No fault is left; crashed hosts stay so."""
    simulation.network.heal()
    for host in simulation.hosts.values():
        host.service_time = 0.0
        host.deaf = host.mute = False
        host.unclog()
        host.resume()


Draw = Callable[[random.Random, Sequence[str], float, float], Fault]


def _host(chance: random.Random, names: Sequence[str]) -> str:
    return names[int(chance.random() * len(names))]


def _some(chance: random.Random, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(chance.sample(names, chance.randint(1, max(1, len(names) // 2))))


def _halves(chance: random.Random, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    some = _some(chance, names)
    return some, tuple(name for name in names if name not in some)


def _bad_link(chance: random.Random) -> Link:
    bad = Link(delay=chance.choice((0.0005, 0.02, 0.1)), jitter=chance.choice((0.0005, 0.01, 0.2)), loss=chance.choice((0.02, 0.1, 0.3)))
    return replace(bad, duplication=chance.choice((0.0, 0.2)), reordering=chance.choice((0.0, 0.3)), reordered_by=chance.choice((0.5, 3.0)))


DRAWS: dict[type[Fault], Draw] = {
    Crash: lambda chance, names, at, until: Crash(at, until, _host(chance, names)),
    Pause: lambda chance, names, at, until: Pause(at, until, _host(chance, names), chance.random() < 0.5),
    Stutter: lambda chance, names, at, until: Stutter(at, until, _host(chance, names), chance.uniform(0.01, 1.0), chance.uniform(0.1, 8.0)),
    Clog: lambda chance, names, at, until: Clog(at, until, _host(chance, names)),
    StutteringNetwork: lambda chance, names, at, until: StutteringNetwork(
        at, until, _host(chance, names), chance.uniform(0.01, 1.0), chance.uniform(0.1, 8.0)
    ),
    Slow: lambda chance, names, at, until: Slow(at, until, _host(chance, names), chance.choice((0.005, 0.05, 0.3))),
    Deaf: lambda chance, names, at, until: Deaf(at, until, _host(chance, names)),
    Mute: lambda chance, names, at, until: Mute(at, until, _host(chance, names)),
    OneWayCut: lambda chance, names, at, until: OneWayCut(at, until, *_halves(chance, names)),
    Partition: lambda chance, names, at, until: Partition(at, until, _halves(chance, names)),
    BadNetwork: lambda chance, names, at, until: BadNetwork(at, until, _bad_link(chance)),
    BadCable: lambda chance, names, at, until: BadCable(at, until, _host(chance, names), _bad_link(chance)),
    WallJump: lambda chance, names, at, until: WallJump(at, until, _host(chance, names), chance.choice((-3600.0, 3600.0))),
    Drift: lambda chance, names, at, until: Drift(at, until, _host(chance, names), chance.choice((0.9, 1.1))),
}
"""How a fault of each kind is drawn."""


def random_faults(
    chance: random.Random, names: Sequence[str], begin: float, end: float, count: int, kinds: Sequence[type[Fault]] = tuple(DRAWS)
) -> list[Fault]:
    """So many faults of these kinds between two times, in the order of their beginning."""
    faults = []
    for _ in range(count):
        at, until = sorted((chance.uniform(begin, end), chance.uniform(begin, end)))
        kind = kinds[int(chance.random() * len(kinds))]
        faults.append(DRAWS[kind](chance, names, at, until))
    return sorted(faults, key=lambda fault: fault.at)
