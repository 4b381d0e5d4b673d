"""The replicated state of one datacenter: commands in, results and woken tickets out; the one place that knows every table.

Deterministic: the same commands at the same indexes give the same state on every server. Nothing here reads a clock; ids and
times were decided before the command was logged.

Source: reference "FSM commands".
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from muster.model.errors import CommandFailed, MusterError
from muster.state import opaque, snapshot_reader
from muster.state import snapshot_writer as writer
from muster.state.autopilot import Autopilot
from muster.state.catalog import Catalog
from muster.state.config_entries import ConfigEntries
from muster.state.coordinates import Coordinates
from muster.state.indexes import Indexes
from muster.state.kv import KV
from muster.state.queries import PreparedQueries
from muster.state.sessions import Sessions
from muster.state.snapshot import Content
from muster.state.transactions import Transactions, TxnResponse
from muster.state.watches import Ticket, Watches
from muster.wire.commands import (
    IGNORE_UNKNOWN,
    AutopilotRequest,
    Command,
    ConfigEntryRequest,
    CoordinateBatch,
    DeregisterRequest,
    KVSRequest,
    MessageType,
    OpaqueRequest,
    PreparedQueryRequest,
    RegisterRequest,
    SessionRequest,
    TombstoneRequest,
    TxnOp,
    TxnRequest,
)


class UnknownCommand(MusterError):
    """The log holds a command that this release does not know and must not pass over: the server has to stop."""


class Applied(Struct, gc=False):
    """What a command did. `result` is a MusterError if it failed; then nothing changed but its index is used up.

    `lock_delays` names keys freed by the end of a session, each with the nanoseconds for which nobody may lock it.
    """

    result: object
    woken: list[Ticket]
    lock_delays: tuple[tuple[str, int], ...] = ()


class _CatalogChanges:
    """What the catalog tells of its changes. Made before the tables that are told, because they ask the catalog."""

    sessions: Sessions
    coordinates: Coordinates

    def check_changed(self, index: int, node: str, check_id: str, status: str | None) -> None:
        self.sessions.check_changed(index, node, check_id, status)

    def node_removed(self, index: int, node: str) -> None:
        self.sessions.node_removed(index, node)
        self.coordinates.node_removed(index, node)


class Store:
    """All tables, their indexes, and who waits for them."""

    def __init__(self) -> None:
        self.indexes = indexes = Indexes()
        self.watches = watches = Watches()
        self._journal = indexes.journal
        changes = _CatalogChanges()
        self.catalog = catalog = Catalog(indexes, watches, changes)
        self.queries = PreparedQueries(indexes, watches, lambda session_id: self.sessions.exists(session_id))
        self.kv = KV(indexes, watches, lambda session_id: self.sessions.exists(session_id))
        self.sessions = changes.sessions = Sessions(
            indexes, watches, self.kv, self._node_exists, self._check_status, self.queries.session_ended
        )
        self.coordinates = changes.coordinates = Coordinates(indexes, watches, self._node_exists)
        self.config_entries = ConfigEntries(indexes, watches)
        self.autopilot = Autopilot(indexes, watches)
        self.opaque = opaque.OpaqueTables(indexes, watches)
        self.transactions = Transactions(self.kv, catalog, self.sessions)
        self.chunks: dict[int, Any] = {}
        """Record 29 of the snapshot restored last: pieces of commands that were not complete."""
        self.warnings: list[str] = []
        """What was passed over when a snapshot was restored last."""
        self._handlers: dict[type, Callable[[int, Any], object]] = {
            RegisterRequest: catalog.register,
            DeregisterRequest: catalog.deregister,
            SessionRequest: self._apply_session,
            TombstoneRequest: self._apply_tombstone,
            CoordinateBatch: lambda index, command: self.coordinates.update(index, command.updates),
            PreparedQueryRequest: self.queries.apply,
            TxnRequest: self._apply_transaction,
            AutopilotRequest: self._apply_autopilot,
            ConfigEntryRequest: self._apply_config_entry,
            OpaqueRequest: self._apply_opaque,
        }

    def apply(self, index: int, command: Command) -> Applied:
        """Carries out the command of the log entry at `index`. Raises only `UnknownCommand`.

        Results: of KVS True or False where it was conditional, else None; of a session's creation its id; of a transaction
        a TxnResponse; of settings whether they were written.
        """
        result: object
        if type(command) is KVSRequest:
            if command.op == "set":
                self.kv.set(index, command.entry)
                return Applied(None, self.watches.take_woken())
            try:
                result = _KVS_OPERATIONS[command.op](self.kv, index, command.entry)
            except CommandFailed as error:
                result = error
            except KeyError:
                result = CommandFailed(f"Invalid KVS operation '{command.op}'")
            return Applied(result, self.watches.take_woken())
        journal = self._journal
        journal.begin()
        try:
            result = self._handlers[type(command)](index, command)
        except UnknownCommand:
            self._take_back()
            raise
        except MusterError as error:
            self._take_back()
            result = error
        journal.commit()
        return Applied(result, self.watches.take_woken(), self.sessions.take_lock_delays())

    def _take_back(self) -> None:
        self._journal.rollback()
        self.watches.forget_woken()
        self.sessions.forget_lock_delays()

    def _apply_session(self, index: int, command: SessionRequest) -> object:
        match command.op:
            case "create":
                return self.sessions.create(index, command.session)
            case "destroy":
                self.sessions.destroy(index, command.session.id)
                return None
            case operation:
                raise CommandFailed(f"Invalid Session operation '{operation}'")

    def _apply_tombstone(self, _index: int, command: TombstoneRequest) -> None:
        if command.op != "reap":
            raise CommandFailed(f"Invalid Tombstone operation '{command.op}'")
        self.kv.tombstones.reap(command.reap_index)

    def _apply_transaction(self, index: int, command: TxnRequest) -> TxnResponse:
        response = self.transactions.run(index, command.ops or ())
        if response.errors:
            self._take_back()
        return response

    def read_transaction(self, ops: Sequence[TxnOp]) -> TxnResponse:
        """A transaction that only reads, without a log entry. Should an operation write after all, it is taken back."""
        self._journal.begin()
        try:
            return self.transactions.run(self.indexes.highest(), ops)
        finally:
            self._take_back()

    def _apply_autopilot(self, index: int, command: AutopilotRequest) -> bool:
        write = self.autopilot.check_and_set if command.cas else self.autopilot.set
        return write(index, command.config)

    def _apply_config_entry(self, index: int, command: ConfigEntryRequest) -> object:
        match command.op:
            case "upsert":
                return self.config_entries.set(index, command.entry)
            case "upsert-cas":
                return self.config_entries.check_and_set(index, command.entry)
            case "delete":
                self.config_entries.delete(index, command.entry.kind, command.entry.name)
                return None
            case operation:
                raise CommandFailed(f"invalid config entry operation type: {operation}")

    def _apply_opaque(self, index: int, command: OpaqueRequest) -> object:
        number = command.type & ~IGNORE_UNKNOWN
        if self.opaque.knows(number):
            return self.opaque.apply(index, command)
        if number == MessageType.LEGACY_ACL:
            raise CommandFailed("access control lists of the kind before release 1.4 are not kept")
        if command.type & IGNORE_UNKNOWN:
            return None
        raise UnknownCommand(f"log entry {index} is a command of type {command.type}, which this release does not know")

    def _session_exists(self, session_id: str) -> bool:
        return self.sessions.exists(session_id)

    def _node_exists(self, node: str) -> bool:
        return self.catalog.find_node(node) is not None

    def _check_status(self, node: str, check_id: str) -> str | None:
        check = self.catalog.find_check(node, check_id)
        return None if check is None else check.status

    # ---- snapshots

    def snapshot(self, chunks: dict[int, Any] | None = None) -> Iterator[bytes]:
        """The stream of the state as of this call, in pieces of about 64 KiB that take a few milliseconds at most.

        `chunks` are commands of which not all pieces came, for record 29. Close the iterator, or read it to its end.
        """
        view = self.kv.view()
        next(view)
        tables = {table.name: [record.value for record in self.opaque.records(table)] for table in opaque.TABLES}
        entries = [ConfigEntryRequest(entry=entry, op="") for entry in self.config_entries.list()[1]]
        before = itertools.chain(
            writer.registrations(list(self.catalog.registrations())),
            writer.coordinates(self.coordinates.list()[1]),
            writer.sessions(self.sessions.list()[1]),
            writer.access_control(tables),
        )
        after = itertools.chain(
            writer.tombstones(self.kv.tombstones.items()),
            writer.queries(self.queries.list()[1]),
            writer.autopilot(self.autopilot.get()[1]),
            writer.mesh(tables),
            writer.config_entries(entries),
            writer.federation_states(tables),
            writer.indexes(self.indexes.items()),
            writer.chunks(chunks or {}),
        )
        header = writer.header(self.indexes.highest())
        return itertools.chain((header,), writer.packed(before), writer.packed_entries(view), writer.packed(after))

    def restore(self, chunks: Iterable[bytes]) -> list[Ticket]:
        """Replaces everything by the content of a stream, and wakes all. On a `DecodeError` nothing was replaced."""
        return self.replace(snapshot_reader.read(chunks))

    def replace(self, content: Content) -> list[Ticket]:
        """Replaces everything by a content that was read before, and wakes all."""
        self.catalog.replace(content.registrations)
        self.coordinates.replace(content.coordinates)
        self.kv.replace(content.entries)
        self.kv.tombstones.replace(content.tombstones)
        self.sessions.replace(content.sessions)
        self.queries.replace(content.queries)
        self.autopilot.replace(content.autopilot)
        self.config_entries.replace(content.config_entries)
        self.opaque.replace(content.opaque)
        self.indexes.replace({**_indexes_of(content), **content.indexes}.items())
        self.chunks, self.warnings = content.chunks, content.warnings
        self.watches.touch_all()
        return self.watches.take_woken()


def _indexes_of(content: Content) -> dict[str, int]:
    """Indexes that follow from the records, for a stream whose own table of indexes has gaps."""
    kv = max([entry.modify_index for entry in content.entries.values()], default=0) if "kvs" not in content.indexes else 0
    found = {
        "kvs": kv,
        "tombstones": max([index for _, index in content.tombstones], default=0),
        "nodes": max([record.modify_index for record in content.registrations], default=0),
        "services": max([record.service.modify_index for record in content.registrations if record.service], default=0),
        "checks": max([record.check.modify_index for record in content.registrations if record.check], default=0),
        "sessions": max([session.modify_index for session in content.sessions], default=0),
        "prepared-queries": max([query.modify_index for query in content.queries], default=0),
        "config-entries": max([entry.modify_index for entry in content.config_entries], default=0),
    }
    for table, value in content.opaque:
        found[table.index] = max(found.get(table.index, 0), int(value.get("ModifyIndex") or 0))
    return {name: index for name, index in found.items() if index}


_KVS_OPERATIONS: dict[str, Callable[[KV, int, Any], bool | None]] = {
    "cas": lambda kv, index, entry: kv.check_and_set(index, entry) is not None,
    "lock": lambda kv, index, entry: kv.lock(index, entry) is not None,
    "unlock": lambda kv, index, entry: kv.unlock(index, entry) is not None,
    "delete": lambda kv, index, entry: kv.delete(index, entry.key),
    "delete-cas": lambda kv, index, entry: kv.check_and_delete(index, entry.key, entry.modify_index),
    "delete-tree": lambda kv, index, entry: kv.delete_tree(index, entry.key),
}
