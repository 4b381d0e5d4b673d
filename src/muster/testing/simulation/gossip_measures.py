"""What a pool of a given size does, in figures: how soon a crash is known, who is accused wrongly, what it costs.

All times are virtual seconds, all figures come from one seed and can be had again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from muster.gossip.effects import Effect, MemberFailed
from muster.gossip.settings import LAN, PoolSettings
from muster.testing.simulation import faults
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.gossip_member import SimulatedMember
from muster.testing.simulation.gossip_pool import SimulatedPool
from muster.testing.simulation.network import Link

WITHOUT_LIFEGUARD = msgspec.structs.replace(LAN, awareness=False, dynamic_suspicion=False, buddy_system=False)
"""SWIM as it was before: a fixed suspicion time, no self-awareness, no word to the suspect itself."""

WARM_UP = 10.0  # seconds before anything is measured


@dataclass(frozen=True)
class Detection:
    """One crash: seconds until a member held the crashed one for failed, and until all did."""

    first: float
    everywhere: float


class Failures:
    """Who was declared failed by whom, and when."""

    def __init__(self, pool: SimulatedPool) -> None:
        self.declared: list[tuple[float, str, str]] = []
        self._simulation = pool.simulation
        pool.listeners.append(self._told)

    def _told(self, member: SimulatedMember, effect: Effect) -> None:
        if isinstance(effect, MemberFailed):
            self.declared.append((self._simulation.now, member.name, effect.member.name))


def detections(size: int, crashes: int, seed: int, settings: PoolSettings = LAN, loss: float = 0.0) -> list[Detection]:
    """Crash members of a whole pool, one after another, each when all know of the one before."""
    simulation = Simulation(seed, Link(loss=loss))
    pool = SimulatedPool(simulation, settings)
    failures = Failures(pool)
    pool.form(size)
    found = []
    for number in range(crashes):
        simulation.run_until(simulation.now + WARM_UP + simulation.chance.uniform(0.0, settings.probe_interval))
        found.append(_detection(pool, failures, f"n{number}", size - number - 1))
    return found


def _detection(pool: SimulatedPool, failures: Failures, victim: str, others: int) -> Detection:
    """Crash one and wait until all others know."""
    began = pool.simulation.now
    failures.declared.clear()
    pool.crash(victim)
    pool.simulation.run_while(lambda: len(failures.declared) < others, began + 600.0)
    times = [time for time, _, name in failures.declared if name == victim]
    return Detection(times[0] - began, times[-1] - began if len(times) == others else math.inf)


@dataclass(frozen=True)
class FalseFailures:
    """How often a living member declared another living one failed: about members that were well, and about the slow ones.

    `by_the_well` are those about well members by well members; `members` the well members that anybody declared failed.
    """

    about_the_well: int
    by_the_well: int
    about_the_slow: int
    members: int


def false_failures(
    size: int, slow: int, loss: float, seconds: float, seed: int, settings: PoolSettings = LAN, stops: float = 16.0, runs: float = 1.0
) -> FalseFailures:
    """A pool in which the network of some members stops for `stops` seconds, then runs for `runs`, over and over, and packets get lost.

    Source of the experiment: Dadgar et al., "Lifeguard" (2018), section V.
    """
    simulation = Simulation(seed, Link(loss=loss))
    pool = SimulatedPool(simulation, settings)
    failures = Failures(pool)
    pool.form(size)
    slow_ones = {f"n{number}" for number in range(slow)}
    end = WARM_UP + seconds
    for name in sorted(slow_ones):
        begin = WARM_UP + simulation.chance.uniform(0.0, stops + runs)
        faults.plan(simulation, [faults.StutteringNetwork(begin, end, name, runs, stops)])
    simulation.run_until(end)
    well = [(by, about) for _, by, about in failures.declared if about not in slow_ones]
    return FalseFailures(
        about_the_well=len(well),
        by_the_well=sum(by not in slow_ones for by, _ in well),
        about_the_slow=len(failures.declared) - len(well),
        members=len({about for _, about in well}),
    )


@dataclass(frozen=True)
class Traffic:
    """What one member sends in a second, on average, and what the fullest and the emptiest of them send."""

    bytes_a_second: float
    packets_a_second: float
    most_bytes: float
    least_bytes: float


def traffic(size: int, seconds: float, seed: int, settings: PoolSettings = LAN) -> Traffic:
    """A pool in which nothing happens. Bytes are those of packets with their IPv4 and UDP headers, and of the contents of streams."""
    simulation = Simulation(seed)
    SimulatedPool(simulation, settings).form(size)
    hosts = simulation.hosts.values()
    simulation.run_until(WARM_UP)
    before = {host.name: (host.bytes_sent, host.packets_sent) for host in hosts}
    simulation.run_until(WARM_UP + seconds)
    sent = [(host.bytes_sent - before[host.name][0]) / seconds for host in hosts]
    packets = sum(host.packets_sent - before[host.name][1] for host in hosts)
    return Traffic(sum(sent) / size, packets / seconds / size, max(sent), min(sent))


@dataclass
class Restart:
    """A mass restart, seconds since its end: when the queues of all were empty, when all knew all, and what was declared failed when."""

    size: int
    drained: float = math.inf
    complete: float = math.inf
    last_failure: float = -math.inf
    failures: int = 0
    still_failed: int = 0
    depths: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds, the longest queue, members that do not know all."""


def mass_restart(size: int, within: float, watch: float, seed: int, settings: PoolSettings = LAN, servers: int = 3) -> Restart:
    """Restart every member at a random moment within some seconds, each with nothing in memory, joining by one of the first `servers`."""
    simulation = Simulation(seed)
    pool = SimulatedPool(simulation, settings)
    failures = Failures(pool)
    pool.form(size)
    seeds = [f"n{number}" for number in range(servers)]
    for name in list(simulation.hosts):
        others = [server for server in seeds if server != name]
        simulation.at(WARM_UP + simulation.chance.uniform(0.0, within), pool.restart, name, simulation.chance.choice(others))
    end = WARM_UP + within
    found = Restart(size)
    step = 1.0
    while simulation.now < end + watch:
        simulation.run_until(simulation.now + step)
        if simulation.now >= end:
            _look(pool, found, simulation.now - end)
    declared = [time - end for time, _, _ in failures.declared]
    found.failures, found.last_failure = len(declared), max(declared, default=-math.inf)
    found.still_failed = sum(1 for member in pool.living() for other in member.serf.members() if other.status != "alive")
    return found


def _look(pool: SimulatedPool, found: Restart, now: float) -> None:
    depth, ignorant = 0, 0
    for member in pool.living():
        depth = max(depth, queue_depth(member))
        ignorant += member.serf.swim.alive_count < found.size
    found.depths.append((now, depth, ignorant))
    found.drained = min(found.drained, now) if depth == 0 else math.inf
    found.complete = min(found.complete, now) if ignorant == 0 else math.inf


def queue_depth(member: SimulatedMember) -> int:
    """All that a member still has to tell."""
    statistics = member.serf.statistics()
    return member.serf.swim.queue_depth + sum(int(statistics[name]) for name in ("intent_queue", "event_queue", "query_queue"))


@dataclass(frozen=True)
class Sleeper:
    """A host that was suspended: seconds until it was held for failed by all, and after waking until it was alive for all again.

    `wrongly_failed` counts what it declared of others.
    """

    noticed: float
    back: float
    wrongly_failed: int


def suspended(size: int, seconds: float, seed: int, machine: bool, settings: PoolSettings = LAN) -> Sleeper:
    """Suspend one host for long: its whole machine with its monotonic clock, or only its process."""
    simulation = Simulation(seed)
    pool = SimulatedPool(simulation, settings)
    failures = Failures(pool)
    pool.form(size)
    simulation.run_until(WARM_UP)
    host = simulation.hosts["n0"]
    host.inbox_limit = 256
    host.pause(clock_stops=machine)
    simulation.run_while(lambda: len(failures.declared) < size - 1, WARM_UP + seconds)
    noticed = simulation.now - WARM_UP
    simulation.run_until(WARM_UP + seconds)
    host.resume()
    simulation.run_while(lambda: not _is_seen_by_all(pool, "n0"), simulation.now + 300.0)
    back = simulation.now - WARM_UP - seconds
    simulation.run_until(simulation.now + 60.0)
    return Sleeper(noticed, back, sum(by == "n0" for _, by, _ in failures.declared))


def _is_seen_by_all(pool: SimulatedPool, name: str) -> bool:
    return all(pool.status(member.name, name) == "alive" for member in pool.living())


@dataclass(frozen=True)
class Sick:
    """What a half-deaf and a slow member did to a pool: failures declared about the well, and about each of them by how many changes."""

    about_the_well: int
    about_the_deaf: int
    about_the_slow: int
    turns_of_the_deaf: int
    turns_of_the_slow: int


def sick_members(size: int, seconds: float, seed: int, settings: PoolSettings = LAN, share: float = 0.05) -> Sick:
    """One member sends but never receives, another gets only `share` of each second of its processor."""
    simulation = Simulation(seed)
    pool = SimulatedPool(simulation, settings)
    failures = Failures(pool)
    pool.form(size)
    end = WARM_UP + seconds
    faults.plan(simulation, [faults.Deaf(WARM_UP, end, "n0"), faults.Stutter(WARM_UP, end, "n1", share, 1.0 - share)])
    simulation.run_until(end)
    observer = failures_seen_by("n2", failures.declared)
    about = [name for _, by, name in failures.declared]
    return Sick(
        about_the_well=sum(name not in ("n0", "n1") for name in about),
        about_the_deaf=about.count("n0"),
        about_the_slow=about.count("n1"),
        turns_of_the_deaf=observer.count("n0"),
        turns_of_the_slow=observer.count("n1"),
    )


def failures_seen_by(observer: str, declared: Sequence[tuple[float, str, str]]) -> list[str]:
    """Whom one member declared failed, each time: what a leader would write to the catalog."""
    return [name for _, by, name in declared if by == observer]


def spread(samples: Sequence[float]) -> tuple[float, float]:
    """The median and the worst of some samples."""
    ordered = sorted(samples)
    return ordered[len(ordered) // 2], ordered[-1]
