"""What Raft promises, checked whenever a step of the simulation changes something that it speaks of.

Election safety, log matching, leader completeness, state machine safety (Ongaro's thesis, figure 3.2); a vote is given once in a term; what
commits is on the disks of a majority; what a disk acknowledged is there after a crash; what a client was told is in the log.
"""

from collections.abc import Callable, Sequence

import msgspec

from muster.raft.entries import CONFIGURATION, Entry
from muster.raft.messages import RequestVote, RequestVoteResponse
from muster.raft.roles import Role
from muster.state.store import Store
from muster.storage.raft_storage import RaftStorage
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.raft_server import SimulatedServer
from muster.wire.commands import KVSRequest, decode_command

Row = tuple[bytes | None, int, str]
"""A key's value, the index of its last write, and who holds it."""


class Disk(msgspec.Struct):
    """What one server's disk surely holds: the terms of entries, from `first` on, behind a snapshot."""

    first: int = 1
    terms: list[int] = []

    def last(self) -> int:
        """The last index."""
        return self.first + len(self.terms) - 1

    def holds(self, index: int, term: int) -> bool:
        """Whether the entry is there, or a snapshot in its place."""
        return index < self.first or (index <= self.last() and self.terms[index - self.first] == term)


class RaftInvariants:
    """Sees everything and forgets nothing. Every method may raise Violation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.leaders: dict[int, str] = {}
        self.committed: list[int] = [0]
        """The term of each committed entry, by index."""
        self.acknowledged_values: dict[bytes, float] = {}
        self.commits_seen = 0
        self.on_step: Callable[[SimulatedServer], None] | None = None
        """Told after each step of a server."""
        self._committed_in = 0  # the term in which the last of them was seen committed
        self._entries: dict[tuple[int, int], tuple[int, int, bytes]] = {}
        self._disks: dict[str, Disk] = {}
        self._votes: dict[tuple[str, int], str] = {}
        self._commit_indexes: dict[str, int] = {}
        self._commands: dict[int, bytes] = {}
        self._command_before: dict[int, int] = {}
        self._last_command = 0
        self._rows: dict[str, list[tuple[int, Row]]] = {}
        self._values: set[bytes] = set()
        self._configured = [0]  # indexes of the committed configurations
        self._broken = ""  # what was violated where the program catches all that a state machine raises

    # ---- disks

    def opened(self, name: str, storage: RaftStorage) -> None:
        """A server opened what is on its disk: all that its disk acknowledged must be there."""
        disk = self._disks.setdefault(name, Disk())
        snapshot = storage.newest.index if storage.newest is not None else 0
        log = storage.log
        terms = _terms(log.runs(), log.first_index, log.last_index)
        for index, term in enumerate(disk.terms, disk.first):
            if index > snapshot and (index > log.last_index or terms[index - log.first_index] != term):
                self._violated(f"{name} lost entry {index} of term {term} that its disk had acknowledged")
        disk.first, disk.terms = log.first_index, terms
        self._commit_indexes[name] = 0

    def emptied(self, name: str) -> None:
        """A server's disk was replaced by an empty one; it must come back under another id."""
        self._disks.pop(name, None)

    def appended(self, name: str, entries: Sequence[Entry], term_before: int | None) -> None:
        """A disk holds these entries: log matching."""
        disk, start = self._disks[name], entries[0]
        if disk.first <= start.index <= disk.last() and disk.terms[start.index - disk.first] == start.term:
            self._violated(f"{name} replaces entry {start.index} of term {start.term} by itself, and loses what is behind it")
        for entry in entries:
            known = self._entries.setdefault((entry.index, entry.term), (term_before or 0, entry.type, entry.data))
            if known[1:] != (entry.type, entry.data) or (term_before is not None and known[0] not in (0, term_before)):
                self._violated(f"{name} holds another entry {entry.index} of term {entry.term} than another server")
            del disk.terms[max(0, entry.index - disk.first) :]
            disk.terms.append(entry.term)
            term_before = entry.term

    def restarted(self, name: str, next_index: int) -> None:
        """A snapshot replaced a server's log."""
        self._disks[name].first, self._disks[name].terms = next_index, []

    # ---- elections

    def answered(self, server: SimulatedServer, to: str, request: object, response: object) -> None:
        """A server answers a request: it votes once in a term."""
        if isinstance(response, RequestVoteResponse) and isinstance(request, RequestVote) and response.granted:
            self._voted(server.name, request.term, to)

    def elected(self, server: SimulatedServer) -> None:
        """A server leads: nobody else does in its term, and it has all that was committed in earlier ones."""
        term, log = server.consensus.term, server.consensus._node.log
        if self.leaders.setdefault(term, server.name) != server.name:
            self._violated(f"{server.name} and {self.leaders[term]} lead term {term}")
        self._voted(server.name, term, server.name)
        last = len(self.committed) - 1
        if term > self._committed_in and last > log.snapshot_index and log.term(last) != self.committed[last]:
            self._violated(f"{server.name} leads term {term} without entry {last} of term {self.committed[last]}, which is committed")

    def _voted(self, name: str, term: int, candidate: str) -> None:
        if self._votes.setdefault((name, term), candidate) != candidate:
            self._violated(f"{name} votes for {candidate} and for {self._votes[name, term]} in term {term}")

    # ---- commits

    def started(self, server: SimulatedServer) -> None:
        """A server runs; what it knows to be committed may be less than before."""
        self._commit_indexes[server.name] = server.consensus.commit_index

    def stepped(self, server: SimulatedServer) -> None:
        """A server did something: look whether it committed more."""
        if self._broken:
            self._simulation.violated(self._broken)
        index = server.consensus.commit_index
        if index > self._commit_indexes[server.name]:
            self._commit(server, self._commit_indexes[server.name] + 1, index)
            self._commit_indexes[server.name] = index
            self._knows_configuration(server, index)
        elif index < self._commit_indexes[server.name]:
            self._violated(f"{server.name} takes back what it knew to be committed")
        if server.consensus._node.log.term(index) not in (None, self.committed[index]):
            self._violated(f"{server.name} replaces entry {index}, which is committed")
        if server.consensus.is_leader():
            self._one_change(server)
        if self.on_step is not None:
            self.on_step(server)

    def _knows_configuration(self, server: SimulatedServer, index: int) -> None:
        """Whoever knows so much to be committed knows the configuration as of then."""
        expected = next(at for at in reversed(self._configured) if at <= index)
        if server.consensus._node.configurations.committed_index < expected:
            self._violated(f"{server.name} has committed {index} and does not know the configuration of {expected}")

    def _one_change(self, server: SimulatedServer) -> None:
        """A leader begins a change of the configuration only when the one before it is committed."""
        node = server.consensus._node
        pending, office = node.configurations._pending, node._office
        if office is not None and len(pending) > 1 and pending[-1][0] >= office.start_index and pending[-2][0] > node.commit_index:
            self._violated(f"{server.name} has begun two changes of the configuration, at {pending[-2][0]} and {pending[-1][0]}")

    def _commit(self, server: SimulatedServer, first: int, last: int) -> None:
        log = server.consensus._node.log
        if server.role is Role.LEADER and log.term(last) != server.consensus.term:
            self._violated(
                f"{server.name} commits entry {last} of term {log.term(last)} by count, as leader of term {server.consensus.term}"
            )
        for index in range(max(first, log.first_index), last + 1):
            term = log.term(index)
            if term is None:
                continue
            if index == len(self.committed):
                self._newly_committed(server, index, term)
            elif index > len(self.committed):
                self._violated(f"{server.name} commits entry {index} before {len(self.committed)}")
            elif self.committed[index] != term:
                self._violated(f"{server.name} commits entry {index} of term {term}, another server one of term {self.committed[index]}")

    def _newly_committed(self, server: SimulatedServer, index: int, term: int) -> None:
        """The first server that commits it is its leader, and a majority of the voters has it on disk."""
        self.committed.append(term)
        if self._entries.get((index, term), (0, 0))[1] == CONFIGURATION:
            self._configured.append(index)
        self.commits_seen += 1
        self._committed_in = max(self._committed_in, server.consensus.term)
        if not server.consensus.is_leader():
            return
        # A change of the configuration may have followed in the same step: what commits was counted by the one before it.
        known = server.consensus._node.configurations
        if not any(self._on_majority(configuration.voters(), index, term) for configuration in (known.latest, known.committed)):
            holders = [name for name, disk in self._disks.items() if disk.holds(index, term)]
            self._violated(
                f"{server.name} commits entry {index} of term {term}, which only {holders} have on disk, of {known.latest.voters()}"
            )

    def _on_majority(self, voters: list[str], index: int, term: int) -> bool:
        holders = [name for name in voters if name in self._disks and self._disks[name].holds(index, term)]
        return len(holders) > len(voters) // 2

    # ---- state machines

    def applied(self, name: str, last: int, index: int, data: bytes, store: Store) -> None:
        """A state machine applied a command: every server the same ones, in order, once."""
        known = self._commands.setdefault(index, data)
        if known != data:
            self._violated(f"{name} applies another command at {index} than another server")
        if index > self._last_command:
            self._command_before[index], self._last_command = self._last_command, index
            self._remember(index, data, store)
        if last >= index or self._command_before[index] > last:
            self._violated(f"{name} applies command {index} after {last}, and {self._command_before[index]} is before it")

    def restored(self, name: str, index: int, store: Store) -> None:
        """A state machine holds a snapshot of the state at `index`: it is the one that the commands give."""
        for key, rows in self._rows.items():
            expected = next((row for at, row in reversed(rows) if at <= index), None)
            if _row(store, key) != expected:
                self._violated(f"{name} restores {key}={_row(store, key)} at {index}, not {expected}")

    def acknowledged(self, server: SimulatedServer, command: object, result: object) -> None:
        """A leader tells a client that its write succeeded."""
        if isinstance(command, KVSRequest) and result in (None, True):
            value = command.entry.value or b""
            self.acknowledged_values[value] = self._simulation.now
            if value not in self._values:
                self._violated(f"{server.name} acknowledges {value!r}, which it has not applied")

    def check_end(self, servers: list[SimulatedServer]) -> None:
        """When all is over every server that takes part has the same state, with all that was acknowledged."""
        for server in servers:
            self.restored(server.name, self._last_command, server.state.store)
        lost = [value for value in self.acknowledged_values if value not in self._values]
        if lost:
            self._violated(f"acknowledged and lost: {lost}")

    def _remember(self, index: int, data: bytes, store: Store) -> None:
        command = decode_command(data)
        if isinstance(command, KVSRequest):
            self._values.add(command.entry.value or b"")
            row = _row(store, command.entry.key)
            if row is not None:
                self._rows.setdefault(command.entry.key, []).append((index, row))

    def _violated(self, what: str) -> None:
        self._broken = self._broken or what
        self._simulation.violated(what)


def _row(store: Store, key: str) -> Row | None:
    _, entry = store.kv.get(key)
    return None if entry is None else (entry.value, entry.modify_index, entry.session)


def _terms(runs: list[tuple[int, int]], first: int, last: int) -> list[int]:
    """The term of each entry from `first` to `last`."""
    found: list[int] = []
    for place, (start, term) in enumerate(runs):
        end = runs[place + 1][0] if place + 1 < len(runs) else last + 1
        found += [term] * (end - max(start, first))
    return found
