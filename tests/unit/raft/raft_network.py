"""Several Raft nodes in one process: virtual time, a network that loses and delays, disks that are at once durable."""

import heapq
import random

from muster.model.errors import NoLeader
from muster.raft import effects as e
from muster.raft.entries import COMMAND, Entry, Proposal
from muster.raft.log import Log
from muster.raft.membership import Configuration, Member
from muster.raft.messages import AppendEntries, AppendEntriesResponse, InstallSnapshotResponse
from muster.raft.messages import InstallSnapshot as InstallSnapshotMessage
from muster.raft.node import Node, Persisted, Role
from muster.raft.timing import Timing


class Host:
    """What surrounds one node: its disk, its state machine (a list of data), its place in the network."""

    def __init__(self, network: "Network", name: str, members: tuple[Member, ...]) -> None:
        self.network, self.name = network, name
        self.log: list[Entry] = []
        self.first = 1
        self.vote = (1, "")
        self.members = members
        self.snapshot: tuple[int, int, list[bytes]] = (0, 0, [])
        self.installs = 0
        self.boot()

    def boot(self) -> None:
        """From what is on disk."""
        index, term, content = self.snapshot
        runs: list[tuple[int, int]] = []
        for entry in self.log:
            if not runs or runs[-1][1] != entry.term:
                runs.append((entry.index, entry.term))
        log = Log(index, term, runs, self.first, self.first + len(self.log) - 1)
        known = Configuration(self.members)
        self.applied, self.applied_index = list(content), index
        self.node = Node(self.name, self.name, Timing.scaled(1), self.network.chance, log, Persisted(*self.vote, known, 0, known, 0))
        self.node.pre_voters = self.network.pre_voters
        self.do(self.node.start(self.network.now))

    def do(self, effects: list[e.Effect]) -> None:
        for effect in effects:
            match effect:
                case e.Send(to, message):
                    self.network.send(self.name, to, message)
                case e.Append(entries):
                    del self.log[entries[0].index - self.first :]
                    self.log.extend(entries)
                    self.do(self.node.persisted(self.network.now, entries[-1].index))
                case e.SaveVote(term, candidate):
                    self.vote = (term, candidate)
                case e.Apply(first, last):
                    assert first == self.applied_index + 1
                    for entry in self.log[first - self.first : last - self.first + 1]:
                        self.network.committed(entry)
                        self.applied += [entry.data] if entry.type == COMMAND else []
                    self.applied_index = last
                    self.node.log.trim(last)
                case e.ReadEntries(peer, first, last):
                    found = self.log[first - self.first : last - self.first + 1] if first >= self.first else []
                    self.do(self.node.entries_read(self.network.now, peer, found))
                case e.SendSnapshot(peer):
                    index, term, _ = self.snapshot
                    head = InstallSnapshotMessage(self.node.term, self.name, index, term, self.node.configuration.encode(), 0, 0)
                    self.network.send(self.name, peer, (head, self.snapshot))
                case e.ReceiveSnapshot(sender, message):
                    self.do(self.node.snapshot_received(self.network.now, sender, message))
                case e.InstallSnapshot(sender, message):
                    self.installs += 1
                    self.snapshot = self.arrived
                    self.log, self.first = [], message.last_index + 1
                    self.applied, self.applied_index = list(self.snapshot[2]), message.last_index
                    self.do(self.node.snapshot_installed(self.network.now, sender, message))
                case e.BecameLeader(term):
                    self.network.elected(term, self.name)

    def compact(self) -> None:
        """A snapshot at the applied index; nothing before it is kept."""
        term = self.node.log.term(self.applied_index)
        self.snapshot = (self.applied_index, term, list(self.applied))
        del self.log[: self.applied_index - self.first + 1]
        self.first = self.applied_index + 1
        self.node.log.compacted(self.applied_index, term, self.first)


class Network:
    """Checks as it goes that a term has one leader and that an index is committed with one entry only."""

    def __init__(self, names: list[str], seed: int = 1, loss: float = 0.0, pre_voters: frozenset[str] = frozenset()) -> None:
        self.pre_voters = pre_voters
        self.chance, self.now, self.loss = random.Random(seed), 0.0, loss
        self.cut: set[tuple[str, str]] = set()
        self.down: set[str] = set()
        self._queue: list[tuple[float, int, str, str, object]] = []
        self._count = 0
        self._leaders: dict[int, str] = {}
        self._entries: dict[int, tuple[int, bytes]] = {}
        members = tuple(Member(name, name) for name in names)
        self.hosts: dict[str, Host] = {}
        for name in names:
            self.hosts[name] = Host(self, name, members)

    def send(self, sender: str, to: str, message: object) -> None:
        self._count += 1
        lost = (sender, to) in self.cut or to in self.down or self.chance.random() < self.loss
        delay = self.chance.uniform(0.001, 0.02)
        if lost and isinstance(message, AppendEntries):
            heapq.heappush(self._queue, (self.now + 0.2, self._count, to, sender, ("unreachable", message)))
        elif lost and isinstance(message, AppendEntriesResponse):
            heapq.heappush(self._queue, (self.now + 0.2, self._count, sender, to, ("unreachable", message.request)))
        elif lost and isinstance(message, tuple):
            heapq.heappush(self._queue, (self.now + 0.2, self._count, to, sender, InstallSnapshotResponse(message[0].term, False)))
        elif lost and isinstance(message, InstallSnapshotResponse):  # the connection broke: the sender knows
            heapq.heappush(self._queue, (self.now + 0.2, self._count, sender, to, InstallSnapshotResponse(0, False)))
        elif not lost:
            heapq.heappush(self._queue, (self.now + delay, self._count, sender, to, message))

    def run(self, seconds: float) -> None:
        """Lets virtual time pass."""
        end = self.now + seconds
        while True:
            live = [host for name, host in self.hosts.items() if name not in self.down]
            due = min(live, key=lambda host: host.node.next_deadline())
            message_at = self._queue[0][0] if self._queue else float("inf")
            at = min(message_at, due.node.next_deadline())
            if at > end:
                self.now = end
                return
            self.now = max(self.now, at)
            if message_at <= due.node.next_deadline():
                _, _, sender, to, message = heapq.heappop(self._queue)
                if to not in self.down:
                    self._deliver(self.hosts[to], sender, message)
            else:
                due.do(due.node.tick(self.now))

    def leader(self) -> Host:
        """The leader of the highest term."""
        leaders = [host for name, host in self.hosts.items() if host.node.role is Role.LEADER and name not in self.down]
        return max(leaders, key=lambda host: host.node.term)

    def propose(self, text: str) -> bool:
        try:
            host = self.leader()
            host.do(host.node.propose(self.now, [Proposal(COMMAND, text.encode())]))
        except (ValueError, NoLeader):
            return False
        return True

    def isolate(self, name: str) -> None:
        self.cut |= {(name, other) for other in self.hosts} | {(other, name) for other in self.hosts}

    def heal(self) -> None:
        self.cut.clear()

    def elected(self, term: int, name: str) -> None:
        assert self._leaders.setdefault(term, name) == name, f"two leaders in term {term}"

    def committed(self, entry: Entry) -> None:
        found = self._entries.setdefault(entry.index, (entry.term, entry.data))
        assert found == (entry.term, entry.data), f"two entries committed at {entry.index}"

    def _deliver(self, host: Host, sender: str, message: object) -> None:
        if isinstance(message, tuple) and message[0] == "unreachable":
            host.node.unreachable(self.now, sender, message[1])
        elif isinstance(message, tuple):
            host.arrived = message[1]
            host.do(host.node.receive(self.now, sender, message[0]))
        else:
            host.do(host.node.receive(self.now, sender, message))
