"""Takes over a stopped Consul server's data directory: what its Raft keeps becomes Muster's log, vote and snapshot.

    raft/raft.db       -> raft/muster/log, raft/muster/vote.json       kept as raft/raft.db.migrated
    raft/snapshots     -> raft/muster/snapshots (the newest whole one) kept as raft/snapshots.migrated
    all else (node-id, serf/, services/, checks/) is the same for both programs and stays as it is

Everything is read first, and the state is built of it once, to see that all of it is understood. Then Muster's files are written
beside, as raft/muster.new, and made durable. Only then are names changed: Consul's first, so that at no moment both programs could
start on the directory and vote twice. A migration that was interrupted there is finished by the next call; one that was interrupted
before has changed nothing.
"""

import fcntl
import os
import random
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from muster.model.errors import ConfigurationError, CorruptFile, DecodeError
from muster.program.data_lock import DataLock
from muster.raft.entries import COMMAND, CONFIGURATION, Entry
from muster.raft.membership import Configuration, decode_configuration
from muster.server.chunking import Assembler
from muster.server.replicated_state import ReplicatedState
from muster.state.store import Store
from muster.storage.consul_log import ConsulLog
from muster.storage.consul_snapshots import ConsulMeta, ConsulSnapshots
from muster.storage.files import Files, RealFiles
from muster.storage.log import DiskLog
from muster.storage.snapshots import DiskSnapshots
from muster.storage.vote import DiskVote
from muster.transport.keyring_file import KeyringFile

BATCH_ENTRIES = 512
BATCH_BYTES = 1 << 20
KEPT = ".migrated"  # behind the name of what Consul wrote
KEYRINGS = ("serf/local.keyring", "serf/remote.keyring")
REJOIN = "let this server join the others with an empty data directory instead"


class Found(NamedTuple):
    """What a Consul server's directory holds. `first_index` to `last_index` are the entries that are taken over; none if they cross."""

    node_id: str
    term: int
    candidate: str
    snapshot: ConsulMeta | None
    damaged_snapshots: tuple[str, ...]
    first_index: int
    last_index: int
    configuration: Configuration


def migrate(data_directory: str, chance: random.Random, check_only: bool) -> Found | None:
    """Migrates a directory; None if there is nothing to do, because it is Muster's already.

    Raises ConfigurationError or CorruptFile, saying what would be right, and then nothing was changed; `check_only` changes nothing ever.
    """
    migration = Migration(RealFiles(), data_directory, chance)
    migration.require_directory()
    lock = DataLock(data_directory)
    try:
        if migration.is_interrupted() and not check_only:
            migration.finish()
        if migration.is_done():
            return None
        with consul_kept_out(f"{migration.raft}/raft.db"):
            found = migration.read()
            if not check_only:
                migration.write(found)
            return found
    finally:
        lock.release()


@contextmanager
def consul_kept_out(path: str) -> Iterator[None]:
    """No Consul runs on this file meanwhile: it locks it for as long as it runs. Raises ConfigurationError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigurationError(f"{path}: in use by a running Consul; stop it first (do not let it leave: `kill -INT`)") from error
    finally:
        os.close(descriptor)


class Migration:
    """One directory's."""

    def __init__(self, files: Files, data_directory: str, chance: random.Random) -> None:
        self._files, self._directory, self._chance = files, data_directory, chance
        self.raft = f"{data_directory}/raft"
        self._target, self._new = f"{self.raft}/muster", f"{self.raft}/muster.new"

    def require_directory(self) -> None:
        """Raises ConfigurationError for a directory that no Consul server has used."""
        if not self._files.list(self.raft):
            raise ConfigurationError(
                f"{self._directory!r} is no data directory of a Consul server: it has no raft/raft.db. Name the one of its configuration "
                "(data_dir). A client agent's directory needs no migration: start `muster agent` with it"
            )

    def is_interrupted(self) -> bool:
        """Whether a migration has written all and not yet given it its name; it need only be finished."""
        names = self._files.list(self.raft)
        return "raft.db" not in names and "muster.new" in names

    def is_done(self) -> bool:
        """Whether it is Muster's already, or will be with `finish`. Raises ConfigurationError for a log of both programs, or of none."""
        ours = any(name.endswith(".wal") for name in self._files.list(f"{self._target}/log"))
        consuls = "raft.db" in self._files.list(self.raft)
        if ours and consuls:
            raise ConfigurationError(
                f"{self.raft} holds Muster's log (muster) and one of Consul's (raft.db) that was begun beside it: nobody can tell "
                "which of them acknowledged what. Empty the data directory and let this server join the others"
            )
        if not ours and not consuls and not self.is_interrupted():
            raise ConfigurationError(f"{self.raft} holds neither Consul's log (raft.db) nor Muster's; {REJOIN}")
        return not consuls

    def finish(self) -> None:
        """Changes the names: each is durable before the next one changes."""
        for name in ("raft.db", "snapshots"):
            if name in self._files.list(self.raft):
                self._files.rename(f"{self.raft}/{name}", f"{self.raft}/{name}{KEPT}")
                self._files.sync_directory(self.raft)
        self._files.rename(self._new, self._target)
        self._files.sync_directory(self.raft)

    # ---- reading

    def read(self) -> Found:
        """Everything that Consul kept, understood. Raises CorruptFile or ConfigurationError."""
        for name in KEYRINGS:
            KeyringFile(f"{self._directory}/{name}").load()
        identity = self._node_id()
        snapshots = ConsulSnapshots(self._files, f"{self.raft}/snapshots")
        snapshot = snapshots.newest()
        with closing(self._log()) as log:
            term, candidate = log.vote()
            first, last = self._taken(log, snapshot)
            configuration = _Replay(log, snapshots, snapshot, (first, last), self.raft).configuration
        _check_members(configuration)
        return Found(identity, term, candidate, snapshot, tuple(snapshots.damaged), first, last, configuration)

    def _log(self) -> ConsulLog:
        path = f"{self.raft}/raft.db"
        return ConsulLog(self._files.open(path), path)

    def _node_id(self) -> str:
        """Empty if the configuration gives it."""
        if "node-id" not in self._files.list(self._directory):
            return ""
        path = f"{self._directory}/node-id"
        file = self._files.open(path)
        try:
            text = file.read(64, 0).decode("utf-8", "replace").strip()
        finally:
            file.close()
        try:
            return str(uuid.UUID(text))
        except ValueError as error:
            raise ConfigurationError(f"{path}: {text!r} is no UUID; {REJOIN}") from error

    def _taken(self, log: ConsulLog, snapshot: ConsulMeta | None) -> tuple[int, int]:
        """The first and last entry to take over: those of before the snapshot only if the snapshot was made of them."""
        first, last = log.last_run()
        through = snapshot.index if snapshot is not None else 0
        if first > through + 1:
            raise CorruptFile(
                f"{self.raft}/raft.db: offset 0: the log begins at {first}, the newest whole snapshot ends at {through}; {REJOIN}"
            )
        if snapshot is not None and first <= through:
            at_snapshot = next(log.entries(through, through), None) if last >= through else None
            if at_snapshot is None or at_snapshot.term != snapshot.term:
                return through + 1, through
        return first, last

    # ---- writing

    def write(self, found: Found) -> None:
        """Writes Muster's files and gives them their names. Raises ConfigurationError if the disk refuses."""
        try:
            self._clear()
            self._files.make_directory(self._new)
            self._write_snapshot(found)
            self._write_log(found)
            DiskVote(self._files, self._new).save(found.term, found.candidate)
            self._files.sync_directory(self._new)
        except OSError as error:
            self._clear()
            raise ConfigurationError(f"{self._new}: {error.strerror or error}; nothing was changed") from error
        self.finish()

    def _write_snapshot(self, found: Found) -> None:
        if found.snapshot is None:
            return
        source = ConsulSnapshots(self._files, f"{self.raft}/snapshots")
        writer = DiskSnapshots(self._files, f"{self._new}/snapshots").begin(found.snapshot.ours())
        for piece in source.pieces(found.snapshot):
            writer.write(piece)
        writer.commit()

    def _write_log(self, found: Found) -> None:
        with closing(self._log()) as source, closing(DiskLog(self._files, f"{self._new}/log", self._chance)) as log:
            if found.first_index > 1:
                log.restart(found.first_index)
            for batch in _batches(source.entries(found.first_index, found.last_index)):
                log.append(batch)

    def _clear(self) -> None:
        """Removes what an interrupted call has written."""
        names = self._files.list(self._new)
        for directory in {"log", "snapshots"} & set(names):
            for name in self._files.list(f"{self._new}/{directory}"):
                self._files.remove(f"{self._new}/{directory}/{name}")
            self._files.remove(f"{self._new}/{directory}")
        if "muster.new" in self._files.list(self.raft):
            self._files.remove(self._new)


class _Replay:
    """The state of a snapshot and all entries behind it, built to see that Muster understands every one of them."""

    def __init__(self, log: ConsulLog, snapshots: ConsulSnapshots, snapshot: ConsulMeta | None, run: tuple[int, int], raft: str) -> None:
        self.configuration = Configuration()
        self._raft, self._state, self._assembler = raft, ReplicatedState(Store()), Assembler()
        behind = 1
        if snapshot is not None:
            self.configuration, behind = snapshot.ours().configuration, snapshot.index + 1
            try:
                with snapshots.open(snapshot) as stream:
                    self._assembler.restore(self._state.restore(stream))
            except DecodeError as error:
                raise CorruptFile(f"{raft}/snapshots/{snapshot.identity}/state.bin: {error}; {REJOIN}") from error
        for entry in log.entries(max(run[0], behind), run[1]):
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        result: object = None
        if entry.type == CONFIGURATION:
            self.configuration = decode_configuration(entry.data)
        elif entry.type == COMMAND:
            data = self._assembler.add(entry) if entry.extensions else entry.data
            result = self._state.apply(entry.index, data, None) if isinstance(data, bytes) else data
        if isinstance(result, DecodeError):
            raise CorruptFile(f"{self._raft}/raft.db: offset 0: entry {entry.index}: {result}; {REJOIN}")


def _check_members(configuration: Configuration) -> None:
    named = [member for member in configuration.members if member.identity == member.address]
    if named:
        raise ConfigurationError(
            f"the servers are known by their addresses ({named[0].address}), which is raft_protocol 2: set raft_protocol = 3 in Consul's "
            "configuration and restart its servers one after another, then migrate"
        )


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(entry.data)
        if len(batch) == BATCH_ENTRIES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
