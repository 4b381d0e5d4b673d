"""A pool of simulated members: formed, watched, broken, counted.

simulation = Simulation(seed=7)
pool = SimulatedPool(simulation)
pool.form(32)
simulation.at(10.0, pool.crash, "n5")
simulation.run_until(60.0)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from muster.gossip.effects import Effect, MemberStatus
from muster.gossip.node_table import NOBODY, NodeRecord, Roster
from muster.gossip.serf import Serf
from muster.gossip.settings import LAN, PoolSettings
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.gossip_member import Decoder, SimulatedMember, Watcher
from muster.testing.simulation.host import Host
from muster.wire.gossip import Endpoint
from muster.wire.serf_codec import encode_tags

PORT = 8301
VERSIONS = b"\x01\x05\x02\x02\x05\x04"
TAGS: Mapping[str, str] = {"role": "node", "dc": "dc1", "segment": "", "vsn": "2", "build": "1.8.7:", "acls": "0"}
"""Tags of about the length of a Consul client's."""

Listener = Callable[[SimulatedMember, Effect], None]
"""Told each effect that is not for the network."""


def endpoint_of_number(number: int) -> Endpoint:
    """An address in 10.0.0.0/8 for each member."""
    return (bytes((10, number >> 16 & 255, number >> 8 & 255, number & 255)), PORT)


class SimulatedPool:
    """All members, living and dead.

    `left` are those that were told to leave, `left_in_peace` those of them that did so when nothing was wrong; `crashed` are those that
    were killed, `said_to_leave` those of whom anybody said that they leave.
    """

    def __init__(
        self, simulation: Simulation, settings: PoolSettings = LAN, tags: Mapping[str, str] = TAGS, watchers: Sequence[Watcher] = ()
    ) -> None:
        self.simulation = simulation
        self.settings = settings
        self.tags = dict(tags)
        self.watchers = list(watchers)
        self.decode = Decoder()
        self.listeners: list[Listener] = []
        self.left: set[str] = set()
        self.left_in_peace: set[str] = set()
        self.crashed: set[str] = set()
        self.said_to_leave: set[str] = set()
        self.operators: set[tuple[str, str]] = set()
        """Who was made to say of whom that it leaves."""
        self._roster = NOBODY

    def form(self, count: int) -> None:
        """So many members, who all know all from the beginning, as if they had been together for long."""
        names = [f"n{number}" for number in range(count)]
        meta = encode_tags(self.tags)
        self._roster = Roster(
            NodeRecord(name, endpoint_of_number(number + 1), meta, VERSIONS, incarnation=1) for number, name in enumerate(names)
        )
        for number, name in enumerate(names):
            self.simulation.add_host(name, endpoint_of_number(number + 1), self._make)
        self._roster = NOBODY

    def add(self, name: str, start: bool = True) -> Host:
        """Another host, whose member knows nobody yet."""
        return self.simulation.add_host(name, endpoint_of_number(len(self.simulation.hosts) + 1), self._make, start)

    def _make(self, host: Host) -> SimulatedMember:
        now = host.clock.monotonic()
        endpoint = host.address
        assert isinstance(endpoint, tuple), "members live at endpoints"
        serf = Serf(now, host.name, endpoint, dict(self.tags), self.settings, host.chance, versions=VERSIONS, roster=self._roster)
        return SimulatedMember(self, host, serf)

    def told(self, member: SimulatedMember, effect: Effect) -> None:
        """A member told its host something."""
        for listener in self.listeners:
            listener(member, effect)

    def member(self, name: str) -> SimulatedMember:
        """The member that runs on a host."""
        process = self.simulation.hosts[name].process
        assert isinstance(process, SimulatedMember), f"{name} does not run"
        return process

    def running(self) -> Iterator[SimulatedMember]:
        """All members whose process lives, also those that have left."""
        for host in self.simulation.hosts.values():
            if isinstance(host.process, SimulatedMember):
                yield host.process

    def living(self) -> list[SimulatedMember]:
        """The members that run and mean to stay."""
        return [member for member in self.running() if member.name not in self.left]

    def join(self, name: str, *seeds: str) -> None:
        """Let a member join by one or more others."""
        self.member(name).join([self.endpoint(seed) for seed in seeds])

    def endpoint(self, name: str) -> Endpoint:
        """Where a host is."""
        address = self.simulation.hosts[name].address
        assert isinstance(address, tuple), "members live at endpoints"
        return address

    def crash(self, name: str) -> None:
        """Kill a member."""
        self.simulation.hosts[name].crash()
        if name not in self.left:
            self.crashed.add(name)

    def restart(self, name: str, *seeds: str) -> None:
        """Kill a member, if it lives, and start it with nothing in memory."""
        host = self.simulation.hosts[name]
        host.crash()
        host.start()
        self.left.discard(name)
        self.crashed.discard(name)
        if seeds:
            self.join(name, *seeds)

    def leave(self, name: str) -> None:
        """Let a member leave. Its process stays."""
        self.left.add(name)
        self.said_to_leave.add(name)
        member = self.member(name)
        member.command(lambda now: member.serf.leave(now))

    def force_leave(self, operator: str, name: str) -> None:
        """Let an operator at one member say that another has left."""
        self.said_to_leave.add(name)
        self.operators.add((operator, name))
        member = self.member(operator)
        member.command(lambda now: member.serf.force_leave(now, name))

    def status(self, observer: str, name: str) -> MemberStatus | None:
        """How a member stands in the eyes of another; None if it is not known there."""
        found = self.member(observer).serf.member(name)
        return None if found is None else found.status
