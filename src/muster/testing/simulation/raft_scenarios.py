"""Random lives of simulated Raft clusters: everything goes wrong for a minute, then nothing, and all must be well.

A scenario is wholly known from its seed. `run(seed)` returns what it came to, or raises what was violated.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

from muster.raft.roles import Role
from muster.raft.timing import Timing
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.raft_cluster import ClusterSettings, RaftCluster
from muster.testing.simulation.raft_faults import FAULTS, End, Fault
from muster.testing.simulation.raft_operator import Operator
from muster.testing.simulation.raft_server import SimulatedServer

TROUBLE: Final = 60.0  # seconds in which things go wrong
LOOK: Final = 0.05  # seconds between two looks whether a fault that is wanted can be had
QUOTA: Final = 5  # faults of each role and phase that a life aims at
GAP: Final = 0.25  # seconds between two faults, at least
DEEDS_EVERY: Final = 1.0  # seconds between two deeds of the operator, on average
DRIFT: Final = 0.05  # by which a clock runs faster or slower than the world's
PROGRESS_TIMEOUTS: Final = 12  # times heartbeat and election time-out, within which a healed cluster acknowledges a write
LEVEL: Final = 20.0  # seconds after that in which all servers have applied the same

Cell = tuple[str, str, str]
"""Fault, role of the server that it struck, and what the cluster was doing."""

TIMINGS: Final = (
    Timing(0.5, 0.5, 0.25, 0.1),
    Timing(1.0, 1.0, 0.5, 0.1),
    Timing(1.0, 1.0, 0.5, 0.2),
    Timing(10 / 3, 10 / 3, 5 / 3, 0.25),  # heartbeats every 500 ms
)
ROLES: Final = {Role.FOLLOWER: "follower", Role.PRE_CANDIDATE: "candidate", Role.CANDIDATE: "candidate", Role.LEADER: "leader"}
SELDOM: Final = (Role.PRE_CANDIDATE, Role.CANDIDATE)
PHASES: Final = ("electing", "quiet", "replicating", "changing", "installing")


class RandomCluster:
    """One cluster, its misfortune and its operator. `hits` counts the faults by cell."""

    def __init__(self, seed: int, replay: str, keep_trace: bool = False) -> None:
        self.simulation = Simulation(seed, replay=replay, keep_trace=keep_trace)
        self.chance = Random(self.simulation.chance.getrandbits(64))
        self.cluster = RaftCluster(self.simulation, _settings(self.chance))
        self.hits: Counter[Cell] = Counter()
        self._operator = Operator(self.cluster, Random(self.chance.getrandbits(64)))
        self._struck: Counter[tuple[str, str]] = Counter()
        self._ill: dict[str, list[End]] = {}
        self._next_strike = 2.0
        self._over = False

    def run(self) -> None:
        """From the beginning to the end."""
        for name in self.cluster.machines:
            self._drift(name)
        self.cluster.invariants.on_step = self._stepped
        self.simulation.at(2.0, self._look)
        self.simulation.at(1.0, self._act)
        self.simulation.run_until(TROUBLE)
        self._over = True
        self._heal()
        self._progress()
        self._level()
        self.cluster.invariants.check_end(self._members())
        self.cluster.check_history()

    # ---- trouble

    def _look(self) -> None:
        """Now and then: strikes a server whose role and the cluster's phase have not had their share."""
        if not self._over:
            self.simulation.schedule.after(LOOK, self._look)
            if self.simulation.now >= self._next_strike and self.chance.random() < 0.3:
                self._strike_wanted()

    def _stepped(self, _server: SimulatedServer) -> None:
        """After each step: what is seldom and soon over is struck at once."""
        if self.simulation.now < self._next_strike or self._over:
            return
        phase = self.phase()
        candidates = phase != "electing" and any(s.role in SELDOM for s in self.cluster.running())
        new = phase == "electing" and any(s.role is Role.LEADER for s in self.cluster.running())
        seldom = 0.7 if candidates or new or phase == "installing" else 0.2 if phase in ("replicating", "changing") else 0.0
        if seldom and self.chance.random() < seldom:
            self._next_strike = self.simulation.now + GAP
            self.simulation.schedule.after(0.0, self._strike_wanted)

    def _strike_wanted(self) -> None:
        """Of those whose role and phase want more, one of the rarest."""
        phase = self.phase()
        wanted = [server for server in self.cluster.running() if self._may_strike(server, phase)]
        if wanted and not self._over:
            rarest = min(self._struck[ROLES[server.role], phase] for server in wanted)
            self._strike(self.chance.choice([s for s in wanted if self._struck[ROLES[s.role], phase] == rarest]), phase)

    def _may_strike(self, server: SimulatedServer, phase: str) -> bool:
        """Mostly a majority stays well, so that something goes on that can be disturbed; who stands for election is rare enough."""
        role = ROLES[server.role]
        if self._struck[role, phase] >= QUOTA or server.machine.host.paused:
            return False
        few = server.name in self._ill or len(self._ill) < (self.cluster.settings.voters - 1) / 2
        return few or role == "candidate" or self.chance.random() < 0.05

    def _strike(self, server: SimulatedServer, phase: str) -> None:
        role, name = ROLES[server.role], server.name
        fault = self._next_fault(role, phase)
        self._struck[role, phase] += 1
        self.hits[fault.__name__, role, phase] += 1
        end = fault(self.cluster, name, self.chance)
        self._ill.setdefault(name, []).append(end)
        timeout = self.cluster.settings.timing.heartbeat_timeout
        lasts = timeout * self.chance.choice((0.1, 0.5, 1.0, 2.0, 4.0)) * self.chance.uniform(0.5, 1.5)
        self.simulation.schedule.after(min(lasts, 8.0), self._end, name, end)
        self._next_strike = self.simulation.now + GAP * self.chance.uniform(0.5, 2.0)

    def _next_fault(self, role: str, phase: str) -> Fault:
        """They take turns, from seed to seed too, so that each has its share in each role and phase."""
        turn = self.simulation.seed * QUOTA + self._struck[role, phase] + 4 * PHASES.index(phase)
        return FAULTS[turn % len(FAULTS)]

    def _end(self, name: str, end: End) -> None:
        ends = self._ill.get(name, [])
        if end not in ends:
            return
        ends.remove(end)
        if not ends:
            del self._ill[name]
        if name in self.cluster.machines:
            end()
            self._drift(name)

    def _drift(self, name: str) -> None:
        """The machine's clock runs at another rate from now on."""
        host = self.simulation.hosts[name]
        if not host.paused:
            host.clock.drift(1.0 + self.chance.uniform(-DRIFT, DRIFT))
            host.wait_anew()

    def _act(self) -> None:
        if self._over:
            return
        self.simulation.schedule.after(self.chance.expovariate(1.0 / DEEDS_EVERY), self._act)
        self._operator.act()
        self._operator.look()

    def phase(self) -> str:
        """What the cluster is doing."""
        leader = self.cluster.leader()
        if leader is None or not leader.ready:
            return "electing"
        if any(server.peers.installing for server in self.cluster.running()):
            return "installing"
        consensus = leader.consensus
        if consensus.configuration_index > consensus.commit_index or leader.changing:
            return "changing"
        return "replicating" if consensus.last_index > consensus.commit_index else "quiet"

    # ---- the end

    def _heal(self) -> None:
        """No fault is left, and who was struck by none that ended by itself starts anew if its disk had failed."""
        ill, self._ill = self._ill, {}
        for name, ends in ill.items():
            for end in ends if name in self.cluster.machines else ():
                end()
        self.simulation.network.heal()
        for name, machine in self.cluster.machines.items():
            machine.disk.recover()
            machine.host.resume()
            machine.host.unclog()
            server = self.cluster.server(name)
            if server is not None and server.consensus.failed is not None:
                self.cluster.kill(name)
            self.cluster.boot(name)

    def _progress(self) -> None:
        """A write is acknowledged soon."""
        timing = self.cluster.settings.timing
        acknowledged = self.cluster.invariants.acknowledged_values
        before = len(acknowledged)
        limit = self.simulation.now + PROGRESS_TIMEOUTS * (timing.heartbeat_timeout + timing.election_timeout)
        if not self.simulation.run_while(lambda: len(acknowledged) <= before, limit):
            self.simulation.violated(f"no write was acknowledged within {limit - TROUBLE:.1f} s after the faults: {self._describe()}")

    def _level(self) -> None:
        """The clients stop, and all servers come to the same state."""
        self.cluster.clients.until = self.simulation.now
        limit = self.simulation.now + LEVEL + PROGRESS_TIMEOUTS * self.cluster.settings.timing.heartbeat_timeout
        while self.simulation.now < limit:
            self.simulation.run_until(self.simulation.now + 0.5)
            self._operator.finish()
            if self._is_level():
                return
        self.simulation.violated(f"not level: {self._describe()}")

    def _is_level(self) -> bool:
        leader = self.cluster.leader()
        if leader is None or not leader.ready or leader.changing:
            return False
        members = self._members()
        here = {server.consensus.applied_index for server in members} == {leader.consensus.last_index}
        return here and len(members) >= len(leader.consensus.configuration.voters())

    def _members(self) -> list[SimulatedServer]:
        """Who takes part and runs."""
        leader = self.cluster.leader()
        members = [member.identity for member in leader.consensus.configuration.members] if leader is not None else []
        return [server for server in self.cluster.running() if server.name in members]

    def _describe(self) -> str:
        lines = []
        for name in self.cluster.machines:
            server = self.cluster.server(name)
            if server is None:
                process = self.simulation.hosts[name].process
                lines.append(f"{name} does not run: {getattr(process, 'failed_to_start', None)}")
            else:
                c = server.consensus
                voters = ",".join(c.configuration.voters())
                lines.append(f"{name} {server.role.value} term {c.term} last {c.last_index} commit {c.commit_index} of {voters}")
        return "; ".join(lines)


def run(seed: int, replay: str = "", keep_trace: bool = False) -> RandomCluster:
    """One life. Raises Violation."""
    with _silent():
        life = RandomCluster(seed, replay or f"scripts/simulate --raft --seed {seed}", keep_trace)
        try:
            life.run()
        finally:
            life.cluster.end()
    return life


@contextmanager
def _silent() -> Iterator[None]:
    """What servers log while everything goes wrong is of no use, and takes time."""
    loggers = [logging.getLogger(name) for name in ("muster.raft", "muster.storage")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def _settings(chance: Random) -> ClusterSettings:
    return ClusterSettings(voters=chance.choice((3, 3, 5)), timing=chance.choice(TIMINGS), pre_votes=chance.choice((1.0, 1.0, 0.7, 0.0)))
