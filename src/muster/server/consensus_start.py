"""What a server's consensus begins with: its first configuration, or what its disk holds."""

import random

from muster.raft.entries import CONFIGURATION, Entry
from muster.raft.log import Log
from muster.raft.membership import Configuration, decode_configuration
from muster.raft.node import Node, Persisted
from muster.raft.timing import Timing
from muster.storage.raft_storage import RaftStorage


def found(storage: RaftStorage, configuration: Configuration) -> None:
    """Writes the first entry of a new datacenter: every first server writes the same one, as Consul's do."""
    storage.vote.save(1, "")
    storage.log.append([Entry(1, 1, CONFIGURATION, configuration.encode())])


def make_node(identity: str, address: str, timing: Timing, chance: random.Random, storage: RaftStorage) -> Node:
    """The core, with what the disk holds."""
    log, snapshot = storage.log, storage.newest
    index, term = (snapshot.index, snapshot.term) if snapshot else (0, 0)
    found = Log(index, term, log.runs(), log.first_index, log.last_index)
    latest, committed = _configurations(storage)
    return Node(identity, address, timing, chance, found, Persisted(storage.vote.term, storage.vote.candidate, *latest, *committed))


def _configurations(storage: RaftStorage) -> tuple[tuple[Configuration, int], tuple[Configuration, int]]:
    """The latest configuration and the latest known to be committed, each with its index.

    All but the last one in the log are committed: a change is refused until the one before it is.
    """
    snapshot = storage.newest
    known = [(snapshot.configuration, snapshot.configuration_index)] if snapshot else [(Configuration(), 0)]
    for index in storage.log.configurations()[-2:]:
        if index > known[-1][1]:
            entry = next(iter(storage.log.read(index, index)))
            known.append((decode_configuration(entry.data), index))
    return known[-1], known[-2] if len(known) > 1 else known[-1]
