"""Transactions: many operations on keys, nodes, services, checks and sessions; all of them happen, or none.

Every operation is tried, also after one failed, so that the answer names all that is wrong.

Source: reference of the RPC wire, "Txn.Apply"; the recorded answers txn-*.json.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field

from muster.model.catalog import HealthCheck, Node, NodeService
from muster.model.errors import CommandFailed, MusterError
from muster.model.kv import KVEntry
from muster.state import uuids
from muster.state.contracts import CatalogTable
from muster.state.kv import KV
from muster.state.quoting import quoted
from muster.state.sessions import Sessions
from muster.wire.commands import TxnCheckOp, TxnKVOp, TxnNodeOp, TxnOp, TxnServiceOp, TxnSessionOp

READING_KV_VERBS = frozenset({"get", "get-tree", "check-index", "check-session", "check-not-exists"})
WRITING_KV_VERBS = frozenset({"set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"})


class TxnResult(Struct, frozen=True, gc=False, kw_only=True):
    """What one operation answers; exactly one field is given."""

    check: HealthCheck | None = field(name="Check", default=None)
    kv: KVEntry | None = field(name="KV", default=None)
    node: Node | None = field(name="Node", default=None)
    service: NodeService | None = field(name="Service", default=None)


class TxnError(Struct, frozen=True, gc=False, kw_only=True):
    """Why the operation at a place (from 0) failed."""

    op_index: int = field(name="OpIndex")
    what: str = field(name="What")


class TxnResponse(Struct, frozen=True, kw_only=True):
    """Results if all went well, else errors; the other is None."""

    errors: list[TxnError] | None = field(name="Errors", default=None)
    results: list[TxnResult] | None = field(name="Results", default=None)


def is_read_only(ops: Sequence[TxnOp]) -> bool:
    """No operation writes, so the transaction needs no log entry. Unknown verbs of keys count as reads, as with the peers."""
    for op in ops:
        other = op.node or op.service or op.check
        if op.session is not None or (other is not None and other.verb != "get"):
            return False
        if op.kv is not None and op.kv.verb in WRITING_KV_VERBS:
            return False
    return True


class Transactions:
    """Runs operations on the tables. Taking back what a failed transaction did is the caller's part."""

    def __init__(self, kv: KV, catalog: CatalogTable, sessions: Sessions) -> None:
        self._kv = kv
        self._catalog = catalog
        self._sessions = sessions

    def run(self, index: int, ops: Sequence[TxnOp]) -> TxnResponse:
        """Applies the operations at `index`, in order."""
        results: list[TxnResult] = []
        errors: list[TxnError] = []
        for number, op in enumerate(ops):
            try:
                if op.kv is not None:
                    self._run_kv(index, op.kv, results)
                elif op.node is not None:
                    self._run_node(index, op.node, results)
                elif op.service is not None:
                    self._run_service(index, op.service, results)
                elif op.check is not None:
                    self._run_check(index, op.check, results)
                elif op.session is not None:
                    self._run_session(index, op.session)
            except MusterError as error:
                errors.append(TxnError(op_index=number, what=error.wire_text))
        if errors:
            return TxnResponse(errors=errors)
        return TxnResponse(results=results)

    def _run_kv(self, index: int, op: TxnKVOp, results: list[TxnResult]) -> None:
        operate = _KV_OPERATIONS.get(op.verb)
        if operate is None:
            raise CommandFailed(f"unknown KV verb {quoted(op.verb)}")
        entry = operate(self._kv, index, op.entry)
        if entry is None:
            return
        if isinstance(entry, list):
            results.extend([TxnResult(kv=found) for found in entry])
        elif op.verb == "get":
            results.append(TxnResult(kv=entry))
        else:
            results.append(TxnResult(kv=_without_value(entry)))

    def _run_node(self, index: int, op: TxnNodeOp, results: list[TxnResult]) -> None:
        catalog, node, name = self._catalog, op.node, op.node.node
        match op.verb:
            case "get":
                if node.id:
                    uuids.check_node_id(node.id)
            case "set":
                catalog.set_node(index, node)
            case "cas":
                fresh = _despite_refusal(lambda: catalog.check_and_set_node(index, node))
                _require(fresh, f"failed to set node {quoted(name)}, index is stale")
            case "delete":
                return catalog.delete_node(index, name)
            case "delete-cas":
                deleted = catalog.check_and_delete_node(index, name, node.modify_index)
                return _require(deleted, f"failed to delete node {quoted(name)}, index is stale")
            case verb:
                raise CommandFailed(f"unknown Node verb {quoted(verb)}")
        found = catalog.find_node(name, node.id)
        _require(found is not None or op.verb == "cas", f"node {quoted(name)} doesn't exist")
        if found is not None:
            results.append(TxnResult(node=found))
        return None

    def _run_service(self, index: int, op: TxnServiceOp, results: list[TxnResult]) -> None:
        catalog, service, node = self._catalog, op.service, op.node
        what = f"service {quoted(service.id)} on node {quoted(node)}"
        match op.verb:
            case "get" | "set":
                if op.verb == "set":
                    catalog.set_service(index, node, service)
            case "cas":
                _require(catalog.check_and_set_service(index, node, service), f"failed to set {what}, index is stale")
            case "delete":
                return catalog.delete_service(index, node, service.id)
            case "delete-cas":
                deleted = catalog.check_and_delete_service(index, node, service.id, service.modify_index)
                return _require(deleted, f"failed to delete {what}, index is stale")
            case verb:
                raise CommandFailed(f"unknown Service verb {quoted(verb)}")
        found = catalog.find_service(node, service.id)
        _require(found is not None, f"{what} doesn't exist")
        results.append(TxnResult(service=found))
        return None

    def _run_check(self, index: int, op: TxnCheckOp, results: list[TxnResult]) -> None:
        catalog, check = self._catalog, op.check
        what = f"check {quoted(check.check_id)} on node {quoted(check.node)}"
        match op.verb:
            case "get" | "set":
                if op.verb == "set":
                    catalog.set_check(index, check)
            case "cas":
                fresh = _despite_refusal(lambda: catalog.check_and_set_check(index, check))
                _require(fresh, f"failed to set {what}, index is stale")
            case "delete":
                return catalog.delete_check(index, check.node, check.check_id)
            case "delete-cas":
                deleted = catalog.check_and_delete_check(index, check.node, check.check_id, check.modify_index)
                return _require(deleted, f"failed to delete {what}, index is stale")
            case verb:
                raise CommandFailed(f"unknown Check verb {quoted(verb)}")
        found = catalog.find_check(check.node, check.check_id)
        _require(found is not None or op.verb == "cas", f"{what} doesn't exist")
        if found is not None:
            results.append(TxnResult(check=found))
        return None

    def _run_session(self, index: int, op: TxnSessionOp) -> None:
        if op.verb != "delete":
            raise CommandFailed(f"unknown Session verb {quoted(op.verb)}")
        self._sessions.destroy(index, op.session.id)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise CommandFailed(otherwise)


def _despite_refusal(check_and_set: Callable[[], bool]) -> bool:
    """Whether the index was right. The peers lose the refusal of such a write: the operation then only reads, and succeeds."""
    try:
        return check_and_set()
    except CommandFailed:
        return True


def _without_value(entry: KVEntry) -> KVEntry:
    """Results of writes do not repeat the value."""
    if entry.value is None:
        return entry
    return KVEntry(
        lock_index=entry.lock_index,
        key=entry.key,
        flags=entry.flags,
        session=entry.session,
        create_index=entry.create_index,
        modify_index=entry.modify_index,
    )


# Texts of failures are made only when there is one: these run 64 times in a transaction.


def _check_and_set(kv: KV, index: int, entry: KVEntry) -> KVEntry:
    written = kv.check_and_set(index, entry)
    if written is None:
        raise CommandFailed(f"failed to set key {quoted(entry.key)}, index is stale")
    return written


def _lock(kv: KV, index: int, entry: KVEntry) -> KVEntry:
    written = kv.lock(index, entry)
    if written is None:
        raise CommandFailed(f"failed to lock key {quoted(entry.key)}, lock is already held")
    return written


def _unlock(kv: KV, index: int, entry: KVEntry) -> KVEntry:
    written = kv.unlock(index, entry)
    if written is None:
        raise CommandFailed(f"failed to unlock key {quoted(entry.key)}, lock isn't held, or is held by another session")
    return written


def _check_and_delete(kv: KV, index: int, entry: KVEntry) -> None:
    if not kv.check_and_delete(index, entry.key, entry.modify_index):
        raise CommandFailed(f"failed to delete key {quoted(entry.key)}, index is stale")


def _get(kv: KV, _index: int, entry: KVEntry) -> KVEntry:
    found = kv.get(entry.key)[1]
    if found is None:
        raise CommandFailed(f"key {quoted(entry.key)} doesn't exist")
    return found


def _check_session(kv: KV, _index: int, entry: KVEntry) -> KVEntry:
    found = kv.get(entry.key)[1]
    if found is None:
        raise CommandFailed(f"failed to check session, key {quoted(entry.key)} doesn't exist")
    if found.session != entry.session:
        holders = f"current session {quoted(found.session)} != {quoted(entry.session)}"
        raise CommandFailed(f"failed session check for key {quoted(entry.key)}, {holders}")
    return found


def _check_index(kv: KV, _index: int, entry: KVEntry) -> KVEntry:
    found = kv.get(entry.key)[1]
    if found is None:
        raise CommandFailed(f"failed to check index, key {quoted(entry.key)} doesn't exist")
    if found.modify_index != entry.modify_index:
        indexes = f"current modify index {found.modify_index} != {entry.modify_index}"
        raise CommandFailed(f"failed index check for key {quoted(entry.key)}, {indexes}")
    return found


def _check_not_exists(kv: KV, _index: int, entry: KVEntry) -> None:
    if kv.get(entry.key)[1] is not None:
        raise CommandFailed(f"key {quoted(entry.key)} exists")


_KV_OPERATIONS: dict[str, Callable[[KV, int, KVEntry], Any]] = {
    "set": KV.set,
    "cas": _check_and_set,
    "lock": _lock,
    "unlock": _unlock,
    "delete": lambda kv, index, entry: kv.delete(index, entry.key),
    "delete-cas": _check_and_delete,
    "delete-tree": lambda kv, index, entry: kv.delete_tree(index, entry.key),
    "get": _get,
    "get-tree": lambda kv, _index, entry: kv.list(entry.key)[1],
    "check-session": _check_session,
    "check-index": _check_index,
    "check-not-exists": _check_not_exists,
}
