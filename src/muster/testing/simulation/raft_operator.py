"""What the operators of a simulated cluster do, by its leader: change who takes part, hand leadership over, take snapshots, move house."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from muster.model.errors import MusterError
from muster.raft.membership import VOTER, Member
from muster.testing.simulation.raft_cluster import RaftCluster
from muster.testing.simulation.raft_server import SimulatedServer

Work = Coroutine[Any, Any, Any]


class Operator:
    """One thing at a time is asked of a leader; what it comes to, time will show."""

    def __init__(self, cluster: RaftCluster, chance: random.Random) -> None:
        self._cluster, self._chance = cluster, chance
        self._leaving: set[str] = set()

    def act(self) -> None:
        """Does one thing by chance, if there is a leader."""
        leader = self._cluster.leader()
        if leader is not None and not leader.machine.host.paused:
            self._chance.choice(DEEDS)(self, leader)

    def look(self) -> None:
        """What the leader's duties would do: servers that moved are entered under their new addresses; who is removed makes room."""
        leader = self._cluster.leader()
        if leader is None or leader.machine.host.paused:
            return
        for member in leader.consensus.configuration.members:
            machine = self._cluster.machines.get(member.identity)
            if machine is not None and machine.address != member.address:
                self._ask(leader, partial(_re_enter, member=member, address=machine.address))
                return
        self._recycle()

    def snapshot(self, leader: SimulatedServer) -> None:
        """Some server takes one."""
        members = [server for server in self._cluster.running() if server.consensus.applied_index]
        if members:
            self._ask(self._chance.choice(members), lambda server: server.consensus.snapshot_now())

    def transfer(self, leader: SimulatedServer) -> None:
        """Leadership is handed over, to the best or to any."""
        others = [name for name in leader.consensus.configuration.voters() if name != leader.name]
        if others:
            target = self._chance.choice(["", *others])
            self._ask(leader, lambda server: server.consensus.transfer_leadership(target))

    def add(self, leader: SimulatedServer) -> None:
        """An empty machine is added, first as one that listens, or at once as a voter; or one that listens is promoted."""
        configuration = leader.consensus.configuration
        listening = [member for member in configuration.members if member.suffrage != VOTER]
        if listening and self._chance.random() < 0.6:
            promoted = self._chance.choice(listening)
            self._ask(leader, lambda server: server.consensus.add_voter(promoted.identity, promoted.address))
            return
        spare = [name for name in self._cluster.machines if configuration.member(name) is None and name not in self._leaving]
        if spare and len(configuration.members) < self._cluster.settings.voters + 2:
            machine = self._cluster.machines[self._chance.choice(spare)]
            add = leader.consensus.add_nonvoter if self._chance.random() < 0.6 else leader.consensus.add_voter
            self._ask(leader, lambda server: add(machine.name, machine.address))

    def remove(self, leader: SimulatedServer) -> None:
        """A server is removed, maybe the leader itself."""
        configuration = leader.consensus.configuration
        if len(configuration.voters()) > 3:
            name = self._chance.choice(configuration.members).identity
            self._ask(leader, lambda server: server.consensus.remove_server(name))

    def replace(self, leader: SimulatedServer) -> None:
        """A machine is thrown away before anybody is told; a new one takes its place at once."""
        cluster, configuration = self._cluster, leader.consensus.configuration
        gone = [name for name in configuration.voters() if cluster.server(name) is None]
        if gone or self._leaving or len(configuration.voters()) < 3:
            return
        name = self._chance.choice([name for name in configuration.voters() if name != leader.name])
        self._leaving.add(name)
        new = cluster.replace(name)
        self._ask(leader, lambda server: self._replace(server, name, new))

    def move(self, leader: SimulatedServer) -> None:
        """All machines get new addresses at once."""
        if self._chance.random() < 0.2:
            self._cluster.move_all()

    def two_at_once(self, leader: SimulatedServer) -> None:
        """Two operators add and remove at the same time."""
        self.add(leader)
        self.remove(leader)

    def finish(self) -> None:
        """At the end: who was thrown away, also one that an earlier wish has added since, is removed."""
        leader = self._cluster.leader()
        members = leader.consensus.configuration.members if leader is not None else ()
        gone = [member.identity for member in members if member.identity not in self._cluster.machines]
        if leader is not None and gone:
            self._ask(leader, lambda server: server.consensus.remove_server(gone[0]))

    # ----

    async def _replace(self, server: SimulatedServer, old: str, new: str) -> None:
        await server.consensus.remove_server(old)
        await server.consensus.add_voter(new, self._cluster.machines[new].address)

    def _recycle(self) -> None:
        """Machines of servers whose removal all agree on come back empty, under new names."""
        members = [{member.identity for member in server.consensus.configuration.members} for server in self._cluster.running()]
        known = set().union(*members) if members else set()
        self._leaving = {name for name in self._leaving if name in known}
        for name in [*self._cluster.machines]:
            server = self._cluster.server(name)
            if server is not None and name not in known and server.consensus.last_index:
                self._cluster.replace(name)
                return

    def _ask(self, server: SimulatedServer, work: Callable[[SimulatedServer], Any]) -> None:
        async def done() -> None:
            server.changing += 1
            try:
                await work(server)
            except (MusterError, asyncio.CancelledError):
                pass  # refused, or in doubt: an operator looks at the outcome
            finally:
                server.changing -= 1

        server.do(lambda: server.loop.create_task(done()))


async def _re_enter(server: SimulatedServer, *, member: Member, address: str) -> None:
    if member.suffrage == VOTER:
        await server.consensus.add_voter(member.identity, address)
    else:
        await server.consensus.add_nonvoter(member.identity, address)


DEEDS: Final = (
    Operator.snapshot,
    Operator.transfer,
    Operator.transfer,
    Operator.add,
    Operator.add,
    Operator.remove,
    Operator.replace,
    Operator.move,
    Operator.two_at_once,
)
