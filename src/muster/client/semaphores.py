"""A semaphore under a prefix, by Consul's own protocol: at most so many holders at a time.

Each contender has a key of its own, `PREFIX/SESSION`, which ends with its session. The key `PREFIX/.lock` holds the limit and
the holders as JSON and changes only by check-and-set, so no two contenders take the same place.
"""

import json
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from muster.client.errors import (
    ClientError,
    LockAlreadyHeld,
    LockConflict,
    LockInUse,
    LockNotHeld,
    LockTimeout,
    RequestFailed,
)
from muster.client.held_sessions import HeldSession
from muster.client.locks import SESSION_TTL, WAIT
from muster.client.queries import Query, next_index

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.model.kv import KVEntry

SEMAPHORE_FLAGS = 0xE0F69A2BAA414DE0
"""The flags of keys that belong to a semaphore. The number is that of Consul's clients."""


class _State(NamedTuple):
    """The semaphore as it stands: the limit in force, the living holders, and what the next check-and-set must find."""

    limit: int
    holders: frozenset[str]
    modify_index: int


class Semaphore:
    """At most `limit` holders under `prefix`. The options are those of `Lock`."""

    def __init__(
        self,
        client: "Client",
        prefix: str,
        limit: int,
        *,
        value: bytes = b"",
        session_name: str = "Consul API Semaphore",
        session_ttl: str = SESSION_TTL,
        timeout: float | None = None,
        monitor_retries: int = 0,
        monitor_retry_time: float = 2.0,
    ) -> None:
        if limit <= 0:
            raise LockConflict("semaphore limit must be positive")
        self._client = client
        self._prefix = prefix.rstrip("/")
        self._limit = limit
        self._value = value
        self._session_options = {"name": session_name, "ttl": session_ttl, "behavior": "delete"}
        self._timeout = timeout
        self._monitor_retries = monitor_retries
        self._monitor_retry_time = monitor_retry_time
        self._session: HeldSession | None = None
        self.held = False

    @property
    def lock_key(self) -> str:
        """The key that holds limit and holders."""
        return f"{self._prefix}/.lock"

    def acquire(self, stop: threading.Event | None = None) -> threading.Event:
        """Waits for a place; the event that is given is set when it is lost. Errors are those of `Lock.acquire`."""
        if self.held:
            raise LockAlreadyHeld("Semaphore already held")
        session = HeldSession(self._client, **self._session_options)
        try:
            self._client.kv.put(f"{self._prefix}/{session.id}", self._value, flags=SEMAPHORE_FLAGS, acquire=session.id)
            self._wait_for(session.id, stop or threading.Event())
        except BaseException:
            session.end()
            raise
        self._session, self.held = session, True
        threading.Thread(target=self._monitor, args=(session,), name=f"watches {self.lock_key}", daemon=True).start()
        return session.lost

    def release(self) -> None:
        """Gives the place back. `LockNotHeld` if this object has none."""
        session, self._session = self._session, None
        if session is None:
            raise LockNotHeld("Semaphore not held")
        self.held = False
        try:
            while True:
                state = self._state(self._client.kv.list(self._prefix + "/").value)
                if session.id not in state.holders or self._write(state, state.holders - {session.id}):
                    break
            self._client.kv.delete(f"{self._prefix}/{session.id}")
        finally:
            session.end()

    def destroy(self) -> None:
        """Removes the key of the holders; `LockInUse` if there are any."""
        if self.held:
            raise LockAlreadyHeld("Semaphore already held")
        state = self._state(self._client.kv.list(self._prefix + "/").value)
        if not state.modify_index:
            return
        if state.holders or not self._client.kv.delete(self.lock_key, cas=state.modify_index):
            raise LockInUse("Semaphore in use")

    def __enter__(self) -> threading.Event:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.held:
            self.release()

    def _wait_for(self, session_id: str, stop: threading.Event) -> None:
        """Returns when the session is among the holders."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        index, first = 0, True
        while True:
            remaining = WAIT if deadline is None else deadline - time.monotonic()
            if stop.is_set() or (remaining <= 0 and not first):
                raise LockTimeout("semaphore not acquired in time")
            first = False
            wait = f"{max(int(min(remaining, WAIT) * 1000), 1)}ms"
            answer = self._client.kv.list(self._prefix + "/", Query(index=index, wait=wait))
            state = self._state(answer.value)
            if state.limit != self._limit:
                raise LockConflict(f"semaphore limit conflict (lock: {state.limit}, local: {self._limit})")
            if len(state.holders) >= state.limit:
                index = next_index(index, answer.index)
                continue
            if self._write(state, state.holders | {session_id}):
                return
            index = 0

    def _state(self, entries: "list[KVEntry]") -> _State:
        """Limit and holders; those whose own key is gone with their session are left out."""
        lock = next((entry for entry in entries if entry.key == self.lock_key), None)
        if lock is None:
            return _State(self._limit, frozenset(), 0)
        if lock.flags != SEMAPHORE_FLAGS:
            raise LockConflict("Existing key does not match semaphore use")
        alive = {entry.session for entry in entries if entry.session and entry.key != self.lock_key}
        try:
            document = json.loads(lock.value or b"{}")
            named = frozenset(name for name in (document.get("Holders") or {}) if name in alive)
            return _State(int(document.get("Limit") or self._limit), named, lock.modify_index)
        except (ValueError, AttributeError, TypeError) as error:
            raise LockConflict("Existing key does not match semaphore use") from error

    def _write(self, state: _State, holders: frozenset[str]) -> bool:
        document = {"Limit": state.limit, "Holders": dict.fromkeys(sorted(holders), True)}
        value = json.dumps(document, separators=(",", ":")).encode()
        return self._client.kv.put(self.lock_key, value, flags=SEMAPHORE_FLAGS, cas=state.modify_index)

    def _monitor(self, session: HeldSession) -> None:
        """Sets `lost` when the session is not among the holders any more, or that cannot be seen for too long."""
        index, failures = 0, 0
        while self._session is session:
            try:
                answer = self._client.kv.list(self._prefix + "/", Query(index=index, consistent=True))
                holders = self._state(answer.value).holders
            except ClientError as error:
                failures += 1
                if failures > self._monitor_retries or (isinstance(error, RequestFailed) and error.status < 500):
                    break
                time.sleep(self._monitor_retry_time)
                continue
            failures, index = 0, next_index(index, answer.index)
            if session.id not in holders:
                break
        session.lost.set()
