"""What one member knows of all: a record for each node, shared between tables where it is equal.

A host's table starts empty. In a simulation thousands of tables start from one `Roster` and keep only what differs from it.
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from muster.wire.gossip import Alive, Endpoint, NodeState

MEMBER_LIMIT = 1 << 17
"""The most nodes a table takes; twice what the largest pools known of hold. What comes beyond is a flood of made-up names."""

TRIES = 3000
"""The most places looked at for some random nodes; enough to find one in a hundred, and about a millisecond."""
CHECKSUM_PROTOCOL = 5  # the protocol that brought checksums


class NodeStatus(enum.IntEnum):
    """How a node stands; the numbers are those of a push-pull."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class NodeRecord(Struct, frozen=True, gc=False):
    """One node as last heard of; `changed` is when its status became what it is, in seconds."""

    name: str
    endpoint: Endpoint
    meta: bytes
    versions: bytes
    incarnation: int
    status: NodeStatus = NodeStatus.ALIVE
    changed: float = 0.0

    @property
    def is_up(self) -> bool:
        """Alive, or only suspected."""
        return self.status <= NodeStatus.SUSPECT

    @property
    def protocol_maximum(self) -> int:
        """The highest protocol it understands."""
        return self.versions[1]

    @property
    def reads_checksums(self) -> bool:
        """Whether packets to it may carry a checksum."""
        return self.versions[1] >= CHECKSUM_PROTOCOL

    def turned(self, now: float, status: NodeStatus, incarnation: int) -> "NodeRecord":
        """The record with another status."""
        return replace(self, status=status, incarnation=incarnation, changed=now)

    def alive_message(self) -> Alive:
        """What tells others that it lives."""
        address, port = self.endpoint
        return Alive(incarnation=self.incarnation, node=self.name, address=address, port=port, meta=self.meta, versions=self.versions)

    def line(self) -> NodeState:
        """Its line in a push-pull."""
        address, port = self.endpoint
        return NodeState(
            name=self.name,
            address=address,
            port=port,
            meta=self.meta,
            incarnation=self.incarnation,
            state=self.status.value,
            versions=self.versions,
        )


class Roster:
    """Nodes that tables start from, none of them under suspicion; it never changes."""

    __slots__ = ("names", "records", "up")

    def __init__(self, records: Iterable[NodeRecord] = ()) -> None:
        self.records: Mapping[str, NodeRecord] = {record.name: record for record in records}
        self.names = tuple(self.records)
        self.up = sum(record.is_up for record in self.records.values())


NOBODY = Roster()


class NodeTable:
    """The nodes of a pool, and an order of their names: first the roster's, then those that came later.

    A forgotten name keeps its place in the order until `compact`, so that places stay what they are during a round of probes.
    """

    __slots__ = ("_added", "_forgotten", "_own", "_roster", "up")

    def __init__(self, roster: Roster = NOBODY) -> None:
        self._roster = roster
        self._own: dict[str, NodeRecord] = {}
        self._added: list[str] = []
        self._forgotten: set[str] = set()
        self.up = roster.up
        """How many are alive or suspect."""

    def __len__(self) -> int:
        """How many are known, dead ones too."""
        return self.places - len(self._forgotten)

    def __iter__(self) -> Iterator[str]:
        forgotten = self._forgotten
        for names in (self._roster.names, self._added):
            yield from (names if not forgotten else (name for name in names if name not in forgotten))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    @property
    def places(self) -> int:
        """The length of the order, with the places of forgotten names."""
        return len(self._roster.names) + len(self._added)

    def get(self, name: str) -> NodeRecord | None:
        """What is known of this node."""
        record = self._own.get(name)
        if record is not None or name in self._forgotten:
            return record
        return self._roster.records.get(name)

    def at(self, place: int) -> NodeRecord | None:
        """Who stands at this place of the order; None if it was forgotten."""
        names = self._roster.names
        return self.get(names[place] if place < len(names) else self._added[place - len(names)])

    def records(self) -> Iterator[NodeRecord]:
        """All records."""
        for name in self:
            record = self.get(name)
            if record is not None:
                yield record

    def put(self, record: NodeRecord) -> None:
        """Keep this record, of a known node or of a new one."""
        name = record.name
        before = self.get(name)
        self.up += record.is_up - (before is not None and before.is_up)
        if before is None and name in self._forgotten:
            self._forgotten.discard(name)
        elif before is None:
            self._added.append(name)
        self._own[name] = record

    def forget(self, name: str) -> None:
        """Know nothing of this node any more."""
        before = self.get(name)
        if before is not None:
            self.up -= before.is_up
            self._own.pop(name, None)
            self._forgotten.add(name)

    def compact(self) -> None:
        """Close the places of forgotten names. The places of others change."""
        if not self._forgotten:
            return
        if self._forgotten.intersection(self._roster.records):
            self._leave_roster()
        else:
            self._added = [name for name in self._added if name not in self._forgotten]
        self._forgotten.clear()

    def random_nodes(self, count: int, chance: Random, is_wanted: Callable[[NodeRecord], bool]) -> list[NodeRecord]:
        """At most `count` different nodes that are wanted; fewer if they are hard to find, as with the peers after three tries a node."""
        found: list[NodeRecord] = []
        places = self.places
        for _ in range(min(3 * places, TRIES)):
            if len(found) == count:
                break
            record = self.at(int(chance.random() * places))
            if record is not None and record not in found and is_wanted(record):
                found.append(record)
        return found

    def _leave_roster(self) -> None:
        """Share nothing any more."""
        self._own = {record.name: record for record in self.records()}
        self._added = list(self._own)
        self._roster = NOBODY
