"""`raft/peers.json`: an operator's word on who takes part, for a datacenter that has lost its quorum for good.

    [{"id": "40e4a748-…", "address": "10.0.0.1:8300", "non_voter": false}, …]      or, as in old releases,
    ["10.0.0.1:8300", …]                                                        whose ids are those of the log

It is laid beside every remaining server while all are stopped. At the start everything that the log holds, committed or
not, becomes a snapshot with this configuration, and the file is removed: a mere entry at the end of the log could stand
where another server has a different one.

Source: reference of the Raft wire, section 5.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from muster.model.clock import Clock
from muster.model.errors import ConfigurationError
from muster.raft.entries import COMMAND, CONFIGURATION, Entry
from muster.raft.membership import NONVOTER, VOTER, Configuration, Member, decode_configuration
from muster.server.chunking import Assembler
from muster.server.state_machine import StateMachine
from muster.storage.files import Files
from muster.storage.raft_storage import RaftStorage
from muster.storage.snapshots import SnapshotMeta

DIRECTORY = "raft"
NAME = "peers.json"
RIGHT = 'right would be [{"id": "NODE-ID", "address": "IP:PORT", "non_voter": false}, …]'

logger = logging.getLogger("muster.server")


class NamedPeer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server of the file. `id` is empty in the old form."""

    id: str = ""
    address: str = ""
    non_voter: bool = False


def recover_if_asked(files: Files, data_directory: str, storage: RaftStorage, state: StateMachine, clock: Clock) -> bool:
    """Follows the file if there is one; to be called before consensus starts, with a state that is used for nothing else.

    Raises ConfigurationError for a file that means nothing, and then leaves everything as it was; OSError, CorruptFile.
    """
    directory = f"{data_directory}/{DIRECTORY}"
    path = f"{directory}/{NAME}"
    if NAME not in files.list(directory):
        return False
    file = files.open(path)
    try:
        data = file.read(file.size(), 0)
    finally:
        file.close()
    try:
        configuration = recover(storage, state, parse(data), clock)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    files.remove(path)
    files.sync_directory(directory)
    logger.warning("Recovered by peers.json, which is removed: servers=%s", ",".join(one.address for one in configuration.members))
    return True


def parse(data: bytes) -> list[NamedPeer]:
    """What the file says. Raises ConfigurationError."""
    try:
        content: Any = msgspec.json.decode(data)
        if isinstance(content, list) and content and all(isinstance(one, str) for one in content):
            return [NamedPeer(address=one) for one in content]
        peers = msgspec.convert(content, list[NamedPeer])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{error}; {RIGHT}") from error
    for peer in peers:
        if not peer.id or not peer.address:
            raise ConfigurationError(f"a server without id or address; {RIGHT}")
    return peers


def recover(storage: RaftStorage, state: StateMachine, peers: Sequence[NamedPeer], clock: Clock) -> Configuration:
    """Makes of all that the storage holds a snapshot with these servers, and an empty log behind it."""
    replay = _Replay(storage, state)
    if not replay.index:
        raise ConfigurationError("this server has no data to recover from; start it without the file, so that another one adds it")
    configuration = _resolved(peers, replay.configuration)
    meta = SnapshotMeta(replay.term, replay.index, int(clock.wall() * 1000), configuration, replay.index)
    writer = storage.snapshots.begin(meta)
    try:
        for piece in state.snapshot(replay.assembler.state()):
            writer.write(piece)
    except BaseException:  # whatever ends it, no half snapshot stays behind
        writer.discard()
        raise
    storage.newest = writer.commit()
    storage.log.restart(replay.index + 1)
    return configuration


class _Replay:
    """The state with everything applied that snapshot and log hold."""

    def __init__(self, storage: RaftStorage, state: StateMachine) -> None:
        self.index = self.term = 0
        self.configuration = Configuration()
        self.assembler = Assembler()
        self._state = state
        snapshot, log = storage.newest, storage.log
        if snapshot is not None:
            self.index, self.term, self.configuration = snapshot.index, snapshot.term, snapshot.configuration
            with storage.snapshots.open(snapshot) as stream:
                self.assembler.restore(state.restore(stream))
        if log.last_index > self.index:
            for entry in log.read(self.index + 1, log.last_index):
                self._add(entry)

    def _add(self, entry: Entry) -> None:
        self.index, self.term = entry.index, entry.term
        if entry.type == CONFIGURATION:
            self.configuration = decode_configuration(entry.data)
        elif entry.type == COMMAND:
            data = self.assembler.add(entry) if entry.extensions else entry.data
            if isinstance(data, bytes):
                self._state.apply(entry.index, data, None)


def _resolved(peers: Sequence[NamedPeer], known: Configuration) -> Configuration:
    """The servers with their ids. Raises ConfigurationError for an address that the log does not know, and if nobody votes."""
    ids = {member.address: member.identity for member in known.members}
    members = []
    for peer in peers:
        identity = peer.id or ids.get(peer.address, "")
        if not identity:
            raise ConfigurationError(f"the log knows no server at {peer.address}; {RIGHT}")
        members.append(Member(identity, peer.address, NONVOTER if peer.non_voter else VOTER))
    configuration = Configuration(tuple(members))
    if len({one.identity for one in members}) < len(members) or len({one.address for one in members}) < len(members):
        raise ConfigurationError("a server stands in it twice")
    if not configuration.voters():
        raise ConfigurationError("nobody votes: at least one server must have non_voter false")
    return configuration
