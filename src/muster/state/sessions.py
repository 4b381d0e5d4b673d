"""Sessions: leases of nodes on which locks hang, and what ends with them.

A session ends when it is destroyed, when one of its checks turns critical or vanishes, or when its node does. Then the keys
it holds are freed or deleted, and the prepared queries tied to it go.

Source: reference "FSM commands", section 2.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from muster.model.catalog import CRITICAL
from muster.model.errors import CommandFailed, Rejected
from muster.model.sessions import DELETE, MAXIMUM_LOCK_DELAY, RELEASE, Session
from muster.state import uuids
from muster.state.indexes import Indexes
from muster.state.watches import Watches, WatchSet

K = TypeVar("K")

TABLE = "sessions"
Rows = list[Session]  # by this name, because the class has a method `list`
SESSION = "session"
NODE_SESSIONS = "node sessions"


class HeldKeys(Protocol):
    """What ending a session needs of the key/value store."""

    def held_by(self, session: str) -> Sequence[str]: ...
    def release(self, index: int, key: str) -> None: ...
    def delete(self, index: int, key: str) -> None: ...


class Sessions:
    """Sessions by id, by node and by check.

    `check_status(node, check_id)` gives the status of a check, or None without one; `end_queries(index, session id)`
    deletes the prepared queries that are tied to a session.
    """

    def __init__(
        self,
        indexes: Indexes,
        watches: Watches,
        keys: HeldKeys,
        node_exists: Callable[[str], bool],
        check_status: Callable[[str, str], str | None],
        end_queries: Callable[[int, str], object],
    ) -> None:
        self._indexes = indexes
        self._journal = indexes.journal
        self._watches = watches
        self._keys = keys
        self._node_exists = node_exists
        self._check_status = check_status
        self._end_queries = end_queries
        self._sessions: dict[str, Session] = {}
        self._of_node: dict[str, dict[str, None]] = {}
        self._of_check: dict[tuple[str, str], dict[str, None]] = {}
        self._lock_delays: list[tuple[str, int]] = []

    # ---- reads

    def exists(self, session_id: str) -> bool:
        """A session with the id exists; `Rejected` if the text is no UUID."""
        return session_id in self._sessions or uuids.normal(session_id) in self._sessions

    def get(self, session_id: str, watch: WatchSet | None = None) -> tuple[int, Session | None]:
        """One session; `Rejected` if the text is no UUID."""
        try:
            normal = uuids.normal(session_id)
        except Rejected as error:
            raise Rejected(f"failed session lookup: {error}") from error
        if watch is not None:
            watch.append((SESSION, normal))
        return self._indexes.get(TABLE), self._sessions.get(normal)

    def list(self, watch: WatchSet | None = None) -> tuple[int, list[Session]]:
        """All sessions, in the order of their ids."""
        if watch is not None:
            watch.append(("table", TABLE))
        return self._indexes.get(TABLE), [session for _, session in sorted(self._sessions.items())]

    def of_node(self, node: str, watch: WatchSet | None = None) -> tuple[int, Rows]:
        """The sessions of a node, in the order of their ids."""
        if watch is not None:
            watch.append((NODE_SESSIONS, node.lower()))
        return self._indexes.get(TABLE), [self._sessions[name] for name in sorted(self._of_node.get(node.lower(), ()))]

    def take_lock_delays(self) -> tuple[tuple[str, int], ...]:
        """Keys freed since the last call, with the nanoseconds for which nobody may lock them."""
        if not self._lock_delays:
            return ()
        delays = tuple(self._lock_delays)
        self._lock_delays = []
        return delays

    # ---- writes

    def create(self, index: int, session: Session) -> str:
        """Adds a session and returns its id. Its node and checks must exist, and no check be critical."""
        if not session.id:
            raise CommandFailed("Missing session ID")
        if session.behavior not in ("", RELEASE, DELETE):
            raise CommandFailed(f"Invalid session behavior: {session.behavior}")
        if not self._node_exists(session.node):
            raise CommandFailed("Missing node registration")
        for check_id in check_ids(session):
            status = self._check_status(session.node, check_id)
            if status is None:
                raise CommandFailed(f"Missing check '{check_id}' registration")
            if status == CRITICAL:
                raise CommandFailed(f"Check '{check_id}' is in {status} state")
        made = _with(session, session.behavior or RELEASE, index)
        known = self._sessions.get(session.id.lower())
        if known is not None:  # no leader writes an id twice; if one did, reads must not fail
            self._remove(known)
            self._journal.record(lambda: self._insert(known))
        self._insert(made)
        self._journal.record(lambda: self._remove(made))
        self._changed(index, made)
        return session.id

    def destroy(self, index: int, session_id: str) -> None:
        """Ends a session; nothing happens if there is none."""
        try:
            normal = uuids.normal(session_id)
        except Rejected as error:
            raise CommandFailed(f"failed session lookup: {error}") from error
        session = self._sessions.get(normal)
        if session is None:
            return
        self._remove(session)
        self._journal.record(lambda: self._insert(session))
        self._changed(index, session)
        delay = min(session.lock_delay, MAXIMUM_LOCK_DELAY)
        end = self._keys.delete if session.behavior == DELETE else self._keys.release
        for key in self._keys.held_by(session.id):
            end(index, key)
            if delay > 0:
                self._lock_delays.append((key, delay))
        self._end_queries(index, session.id)

    def check_changed(self, index: int, node: str, check_id: str, status: str | None) -> None:
        """The catalog wrote a check, or deleted it (status None): sessions end whose check is not there or critical."""
        if status is not None and status != CRITICAL:
            return
        for session_id in list(self._of_check.get((node.lower(), check_id), ())):
            self.destroy(index, session_id)

    def node_removed(self, index: int, node: str) -> None:
        """The catalog deleted a node: its sessions end."""
        for session_id in sorted(self._of_node.get(node.lower(), ())):
            self.destroy(index, session_id)

    def _changed(self, index: int, session: Session) -> None:
        self._indexes.bump(TABLE, index)
        self._watches.touch((SESSION, session.id.lower()))
        self._watches.touch((NODE_SESSIONS, session.node.lower()))
        self._watches.touch(("table", TABLE))

    def _insert(self, session: Session) -> None:
        name, node = session.id.lower(), session.node.lower()
        self._sessions[name] = session
        self._of_node.setdefault(node, {})[name] = None
        for check_id in check_ids(session):
            self._of_check.setdefault((node, check_id), {})[name] = None

    def _remove(self, session: Session) -> None:
        name, node = session.id.lower(), session.node.lower()
        del self._sessions[name]
        _discard(self._of_node, node, name)
        for check_id in check_ids(session):
            _discard(self._of_check, (node, check_id), name)

    def forget_lock_delays(self) -> None:
        """The command failed: nothing was freed."""
        self._lock_delays = []

    # ---- snapshots

    def replace(self, sessions: Iterable[Session]) -> None:
        """Takes exactly these sessions."""
        self._sessions, self._of_node, self._of_check = {}, {}, {}
        for session in sessions:
            self._insert(session)


def check_ids(session: Session) -> list[str]:
    """The checks whose failure ends the session."""
    services = [check.id for check in session.service_checks or ()]
    return [*(session.checks or ()), *(session.node_checks or ()), *services]


def _with(session: Session, behavior: str, index: int) -> Session:
    return Session(
        id=session.id,
        name=session.name,
        node=session.node,
        lock_delay=session.lock_delay,
        behavior=behavior,
        ttl=session.ttl,
        node_checks=session.node_checks,
        service_checks=session.service_checks,
        checks=session.checks,
        create_index=index,
        modify_index=index,
    )


def _discard(table: dict[K, dict[str, None]], key: K, name: str) -> None:
    names = table.get(key)
    if names is None:
        return
    names.pop(name, None)
    if not names:
        del table[key]
