"""A simulated Raft cluster: machines that start, die, lose power and move, and the clients that use them."""

import random

import msgspec

from muster.raft.membership import Configuration, Member
from muster.raft.timing import Timing
from muster.server.raft_snapshots import SnapshotPolicy
from muster.testing.linearizability import violations
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.host import Host
from muster.testing.simulation.process import Address
from muster.testing.simulation.raft_clients import Clients
from muster.testing.simulation.raft_invariants import RaftInvariants
from muster.testing.simulation.raft_network import Post
from muster.testing.simulation.raft_server import Machine, SimulatedServer

PORT = 8300
CLIENTS = "clients"
DISCONNECTED = 0.001  # seconds until peers notice that a process died: their connections to it break


class ClusterSettings(msgspec.Struct, frozen=True):
    """How a cluster is set up. `pre_votes`: the part of the servers that know them; `rate`: operations a second."""

    voters: int = 5
    spares: int = 2
    timing: Timing = Timing(0.5, 0.5, 0.25, 0.1)
    policy: SnapshotPolicy = SnapshotPolicy(interval=1.0, threshold=20, trailing=5)
    pre_votes: float = 1.0
    rate: float = 10.0


class RaftCluster:
    """Servers s0, s1, … of which the first are the founders; spares are empty machines that wait to be added."""

    def __init__(self, simulation: Simulation, settings: ClusterSettings) -> None:
        self.simulation, self.settings = simulation, settings
        self.chance = random.Random(simulation.chance.getrandbits(64))
        self.post = Post()
        self.invariants = RaftInvariants(simulation)
        self.machines: dict[str, Machine] = {}
        names = [f"s{number}" for number in range(settings.voters + settings.spares)]
        founders = Configuration(tuple(Member(name, f"10.0.0.{number}:{PORT}") for number, name in enumerate(names[: settings.voters], 1)))
        for number, name in enumerate(names, 1):
            self._build(name, (f"10.0.0.{number}", PORT), founders if number <= settings.voters else None)
        self._pre_voters = [name for name in names if self.chance.random() < settings.pre_votes]
        for name in names:
            self.boot(name)
        host = simulation.add_host(CLIENTS, ("10.0.1.1", 1), self._make_clients)
        assert isinstance(host.process, Clients)
        self.clients = host.process

    # ---- who is there

    def server(self, name: str) -> SimulatedServer | None:
        """The running server of that name."""
        process = self.simulation.hosts[name].process
        return process if isinstance(process, SimulatedServer) and process.started else None

    def running(self) -> list[SimulatedServer]:
        """All servers that run."""
        return [server for name in self.machines if (server := self.server(name)) is not None]

    def leader(self) -> SimulatedServer | None:
        """The one that leads the highest term."""
        leaders = [server for server in self.running() if server.consensus.is_leader()]
        return max(leaders, key=lambda server: server.consensus.term, default=None)

    def servers_by_name(self) -> list[str]:
        """The names that a client may ask."""
        return list(self.machines)

    def address_of(self, name: str) -> Address | None:
        """Where a host is now, as gossip would know."""
        host = self.simulation.hosts.get(name)
        return host.address if host is not None else None

    def name_at(self, address: str) -> str:
        """The server at an "ip:port"; empty if there is none."""
        return next((name for name, machine in self.machines.items() if machine.address == address), "")

    # ---- what happens to machines

    def boot(self, name: str) -> None:
        """Starts a server's process, if it does not run. Its disk may refuse; then it can be tried again."""
        host = self.simulation.hosts[name]
        if self.server(name) is None:
            host.start()

    def kill(self, name: str, power: bool = False) -> None:
        """The process ends at once; with `power` the whole machine, and its disk forgets what was not synced."""
        machine, server = self.machines[name], self.simulation.hosts[name].process
        if not isinstance(server, SimulatedServer):
            return
        if power:
            machine.disk.cut_power()
        else:
            machine.disk.stop_process()
        machine.host.mute = True
        server.end()
        machine.host.crash()
        machine.host.mute = False
        if not power:
            for other in self.running():
                self.simulation.schedule.after(DISCONNECTED, self._disconnected, other, other.machine.host.life, name)

    def move_all(self) -> None:
        """Every machine gets another address and its process begins anew there."""
        for name in self.machines:
            self.kill(name)
        for machine in self.machines.values():
            old = machine.host.address
            assert isinstance(old, tuple)
            net = int(old[0].split(".")[1]) + 1
            self.simulation.move(machine.host, (f"10.{net}.{old[0].split('.', 2)[2]}", PORT))
        for name in self.machines:
            self.boot(name)

    def replace(self, name: str) -> str:
        """A machine is thrown away; an empty one with a new name stands in its place. Returns that."""
        self.kill(name, power=True)
        number = len(self.simulation.hosts)
        new = f"s{number}"
        del self.machines[name]
        self.simulation.network.hosts.pop(self.simulation.hosts[name].address, None)
        self._build(new, (f"10.0.0.{number + 1}", PORT), None)
        self._pre_voters.append(new)
        self.boot(new)
        return new

    def end(self) -> None:
        """Nothing runs any more: what still waits is ended in order, not when memory is cleared."""
        for name in [*self.machines]:
            self.kill(name)
        self.clients.loop.end()

    # ----

    def check_history(self) -> None:
        """The clients' history must be linearizable."""
        wrong = violations(self.clients.history)
        if wrong:
            self.simulation.violated("; ".join(wrong))

    def _build(self, name: str, address: Address, founders: Configuration | None) -> None:
        host = self.simulation.add_host(name, address, self._make_server, start=False)
        machine = Machine(host, random.Random(self.chance.getrandbits(64)), self.settings.timing, self.settings.policy)
        machine.founders = founders
        self.machines[name] = machine

    def _make_server(self, host: Host) -> SimulatedServer:
        return SimulatedServer(self.machines[host.name], self.post, self.invariants, self.address_of, lambda: self._pre_voters)

    def _make_clients(self, host: Host) -> Clients:
        return Clients(host, self, self.post, random.Random(self.chance.getrandbits(64)), self.settings.rate)

    def _disconnected(self, server: SimulatedServer, life: int, peer: str) -> None:
        host = server.machine.host
        if host.life == life and not host.paused and not self.simulation.network.is_cut(self.simulation.hosts[peer], host):
            server.do(server.consensus.disconnected, peer)
