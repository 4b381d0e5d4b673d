"""Random lives of gossip pools: members come and go, everything goes wrong, then nothing, and all must be well.

A scenario is wholly known from its seed. `run(seed)` returns the simulation, or raises what was violated.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import msgspec

from muster.gossip.settings import LAN, LOCAL, PoolSettings
from muster.testing.simulation import faults, settled
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.gossip_pool import SimulatedPool
from muster.testing.simulation.invariants import EventsComeOnce, step_invariants

TROUBLE = 60.0  # seconds in which things go wrong
QUIET = 150.0  # seconds after which all must be well again
NOTICE = 75.0  # seconds after which a crash must be known to all: more than the longest suspicion of 40 members, 6 × 4 × 1.61 s
LOOK = 15.0  # seconds between two looks whether all is well

Deed = Callable[["RandomPool"], None]


class Fired(NamedTuple):
    """A user event that a member fired, in which of its lives."""

    time: float
    event: str
    member: str
    life: int


class RandomPool:
    """One pool of 5 to 40 members, and what its operators and its misfortune do."""

    def __init__(self, seed: int, replay: str, keep_trace: bool = False) -> None:
        self.simulation = Simulation(seed, replay=replay, keep_trace=keep_trace)
        self.chance = Random(self.simulation.chance.getrandbits(64))
        self.events = EventsComeOnce()
        self.pool = SimulatedPool(self.simulation, _settings(self.chance), watchers=[*step_invariants(), self.events])
        self.fired: list[Fired] = []
        self._number = 0

    def run(self) -> None:
        """From the beginning to the end."""
        size = self.chance.choice((5, 6, 8, 12, 20, 30, 40))
        begin = self._form(size)
        end = begin + TROUBLE
        names = tuple(self.simulation.hosts)
        count = self.chance.randint(1, 4 + size // 2)
        faults.plan(self.simulation, faults.random_faults(self.chance, names, begin, end, count, _WITHOUT_CRASHES))
        for _ in range(self.chance.randint(1, 4 + size // 2)):
            self.simulation.at(self.chance.uniform(begin, end), self.chance.choice(DEEDS), self)
        self.simulation.run_until(end)
        self._calm()

    def _calm(self) -> None:
        """No fault is left: the pool settles. Then one more crashes and one more leaves, and it settles again."""
        faults.end_all(self.simulation)
        self._settle(QUIET)
        victim, leaver = self.chance.sample([member.name for member in self.pool.living()], 2)
        self.pool.crash(victim)
        self.pool.leave(leaver)
        self.pool.left_in_peace.add(leaver)
        self._settle(NOTICE)

    def _settle(self, limit: float) -> None:
        """Let the pool come to rest, at the latest in `limit` seconds."""
        end = self.simulation.now + limit
        while self.simulation.now < end:
            self.simulation.run_until(min(end, self.simulation.now + LOOK))
            complaints = settled.complaints(self.pool) + self._events_missed()
            if not complaints:
                return
        settled.complain(self.pool, complaints)

    def _form(self, size: int) -> float:
        """A pool that was always there, or one whose members join one after another; when it is whole."""
        if self.chance.random() < 0.5:
            self.pool.form(size)
            return 5.0
        self.pool.add("n0")
        for number in range(1, size):
            name = f"n{number}"
            self.pool.add(name, start=False)
            self.simulation.at(self.chance.uniform(0.0, 5.0), self.pool.restart, name, f"n{self.chance.randrange(number)}", "n0")
        return 10.0

    def _events_missed(self) -> list[str]:
        """Each event must reach each member that lived since, if who fired it lived to tell."""
        missed = []
        living = {member.name: member for member in self.pool.living()}
        for time, event, name, life in self.fired:
            if name not in living or living[name].host.life != life:
                continue
            for member in living.values():
                told = self.events.told.get((member.name, member.host.life), ())
                if member.started < time and all(event != heard for _, heard, _ in told):
                    missed.append(f"{member.name} was never told of {event}, fired at {time:.3f} s")
        return missed

    def someone(self) -> str | None:
        """A member that runs, means to stay and is not paused; None if there are too few to lose one."""
        found = [member.name for member in self.pool.living() if not member.host.paused]
        return self.chance.choice(found) if len(found) > 2 else None

    def seeds(self, name: str) -> list[str]:
        """Members to join by."""
        others = [member.name for member in self.pool.living() if member.name != name]
        return self.chance.sample(others, min(3, len(others)))

    def number(self) -> int:
        """A number that was not used before."""
        self._number += 1
        return self._number


def _settings(chance: Random) -> PoolSettings:
    """Those of a LAN or of one host, with exchanges and tries to reconnect so often that pools settle soon."""
    settings = chance.choice((LAN, LAN, LOCAL))
    return msgspec.structs.replace(settings, push_pull_interval=15.0, reconnect_interval=15.0)


def _crash(world: RandomPool) -> None:
    name = world.someone()
    if name is not None:
        world.pool.crash(name)


def _restart(world: RandomPool) -> None:
    """Start a member anew, sooner or later after its end."""
    name = world.someone()
    if name is not None:
        world.pool.crash(name)
        world.simulation.schedule.after(world.chance.choice((0.0, 0.5, 5.0, 40.0)), _come_back, world, name)


def _come_back(world: RandomPool, name: str) -> None:
    if world.simulation.hosts[name].process is None and name in world.pool.crashed:
        world.pool.restart(name, *world.seeds(name))


def _leave(world: RandomPool) -> None:
    name = world.someone()
    if name is not None:
        world.pool.leave(name)
        world.simulation.schedule.after(15.0, _stop, world, name, world.simulation.hosts[name].life)


def _stop(world: RandomPool, name: str, life: int) -> None:
    """End the process of a member that has left; some come back."""
    host = world.simulation.hosts[name]
    if host.life != life:
        return
    host.crash()
    if world.chance.random() < 0.5:
        world.simulation.schedule.after(world.chance.uniform(0.0, 10.0), _return_after_leave, world, name)


def _return_after_leave(world: RandomPool, name: str) -> None:
    if world.simulation.hosts[name].process is None:
        world.pool.restart(name, *world.seeds(name))


def _rename(world: RandomPool) -> None:
    """Another member starts at the address of one that has crashed."""
    name = world.someone()
    if name is not None:
        world.pool.crash(name)
        heir = f"{name}-{world.number()}"
        world.pool.add(heir, start=False)
        world.simulation.move(world.simulation.hosts[heir], world.pool.endpoint(name))
        world.pool.restart(heir, *world.seeds(heir))


def _fire(world: RandomPool) -> None:
    name = world.someone()
    if name is not None:
        event = f"event-{world.number()}"
        member = world.pool.member(name)
        world.fired.append(Fired(world.simulation.now, event, name, member.host.life))
        member.command(lambda now: member.serf.user_event(now, event, b"payload"))


def _retag(world: RandomPool) -> None:
    name = world.someone()
    if name is not None:
        member = world.pool.member(name)
        tags = {**member.serf.tags, "turn": str(world.number())}
        member.command(lambda now: member.serf.set_tags(now, tags))


def _force_leave(world: RandomPool) -> None:
    """An operator says that a crashed member has left."""
    crashed, name = sorted(world.pool.crashed), world.someone()
    if crashed and name is not None:
        gone = world.chance.choice(crashed)
        world.pool.force_leave(name, gone)


def _wrong_force_leave(world: RandomPool) -> None:
    """An operator says that a living member has left, which it will deny."""
    name, other = world.someone(), world.someone()
    if name is not None and other is not None and name != other:
        world.pool.force_leave(name, other)


DEEDS: tuple[Deed, ...] = (_crash, _restart, _restart, _leave, _leave, _rename, _fire, _fire, _retag, _force_leave, _wrong_force_leave)

_WITHOUT_CRASHES = tuple(kind for kind in faults.DRAWS if kind not in (faults.Crash, faults.Drift))


def run(seed: int, replay: str = "", keep_trace: bool = False) -> Simulation:
    """One random life of a pool; raises what was violated."""
    world = RandomPool(seed, replay or f"scripts/simulate --seed {seed}", keep_trace)
    world.run()
    return world.simulation
