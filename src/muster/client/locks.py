"""A lock on a key, held by a session: Consul's own protocol, so that its clients and these exclude each other.

Who wants the lock acquires the key with its session; the key's session is the holder. A key that is free and still refused is
under its lock delay. The holder watches the key and its session, and knows when it has lost them.
"""

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

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
from muster.client.queries import Query, next_index

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.model.kv import KVEntry

LOCK_FLAGS = 0x2DDCCBC058A50C18
"""The flags of a key that is a lock; keys with others are left alone. The number is that of Consul's clients."""
SESSION_TTL = "15s"
WAIT = 15.0  # seconds that one blocking query waits
DELAYED_RETRY = 5.0  # seconds between tries while the lock delay may be in force


class Lock:
    """Mutual exclusion on `key`. Use it in a `with` statement, or `acquire` and `release` it.

    `value` is written to the key by its holder. `timeout` bounds `acquire` in seconds (None: no bound). `monitor_retries` is how
    many failed looks at the key in a row, `monitor_retry_time` seconds apart, are borne before the lock counts as lost.
    """

    def __init__(
        self,
        client: "Client",
        key: str,
        *,
        value: bytes = b"",
        session_name: str = "Consul API Lock",
        session_ttl: str = SESSION_TTL,
        lock_delay: str = "",
        timeout: float | None = None,
        monitor_retries: int = 0,
        monitor_retry_time: float = 2.0,
    ) -> None:
        self._client = client
        self.key = key
        self._value = value
        self._session_options = {"name": session_name, "ttl": session_ttl, "lock_delay": lock_delay}
        self._timeout = timeout
        self._monitor_retries = monitor_retries
        self._monitor_retry_time = monitor_retry_time
        self._session: HeldSession | None = None
        self.held = False

    def acquire(self, stop: threading.Event | None = None) -> threading.Event:
        """Waits until the lock is held; the event that is given is set when it is lost.

        `LockTimeout` when the time is over or `stop` was set meanwhile, `LockConflict` if the key is used for something else,
        `LockAlreadyHeld` if this object holds it.
        """
        if self.held:
            raise LockAlreadyHeld("Lock already held")
        session = HeldSession(self._client, **self._session_options)
        try:
            self._wait_for(session, stop or threading.Event())
        except BaseException:
            session.end()
            raise
        self._session, self.held = session, True
        lost = session.lost
        threading.Thread(target=self._monitor, args=(session, lost), name=f"watches lock {self.key}", daemon=True).start()
        return lost

    def release(self) -> None:
        """Gives the lock back. `LockNotHeld` if this object does not hold it."""
        session, self._session = self._session, None
        if session is None:
            raise LockNotHeld("Lock not held")
        self.held = False
        try:
            self._client.kv.put(self.key, self._value, flags=LOCK_FLAGS, release=session.id)
        finally:
            session.end()

    def destroy(self) -> None:
        """Removes the key; `LockInUse` if somebody holds it."""
        if self.held:
            raise LockAlreadyHeld("Lock already held")
        entry = self._client.kv.get(self.key).value
        if entry is None:
            return
        self._require_lock(entry)
        if entry.session or not self._client.kv.delete(self.key, cas=entry.modify_index):
            raise LockInUse("Lock in use")

    def __enter__(self) -> threading.Event:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.held:
            self.release()

    def _wait_for(self, session: HeldSession, stop: threading.Event) -> None:
        """Returns when the session holds the key."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        index, first = 0, True
        while True:
            remaining = WAIT if deadline is None else deadline - time.monotonic()
            if stop.is_set() or (remaining <= 0 and not first):
                raise LockTimeout("lock not acquired in time")
            first = False
            answer = self._client.kv.get(self.key, Query(index=index, wait=f"{max(int(min(remaining, WAIT) * 1000), 1)}ms"))
            entry, index = answer.value, next_index(index, answer.index)
            if entry is not None:
                self._require_lock(entry)
            if entry is not None and entry.session == session.id:
                return
            if entry is not None and entry.session:
                continue
            if self._client.kv.put(self.key, self._value, flags=LOCK_FLAGS, acquire=session.id):
                return
            index = 0
            after = self._client.kv.get(self.key).value
            if after is None or not after.session:
                stop.wait(DELAYED_RETRY if deadline is None else max(min(DELAYED_RETRY, deadline - time.monotonic()), 0.0))

    def _require_lock(self, entry: "KVEntry") -> None:
        if entry.flags != LOCK_FLAGS:
            raise LockConflict("Existing key does not match lock use")

    def _monitor(self, session: HeldSession, lost: threading.Event) -> None:
        """Sets `lost` when the key is not the session's any more, or cannot be seen for too long."""
        index, failures = 0, 0
        while self._session is session:
            try:
                answer = self._client.kv.get(self.key, Query(index=index, consistent=True))
            except ClientError as error:
                failures += 1
                if failures > self._monitor_retries or (isinstance(error, RequestFailed) and error.status < 500):
                    break
                time.sleep(self._monitor_retry_time)
                continue
            failures, index = 0, next_index(index, answer.index)
            if answer.value is None or answer.value.session != session.id:
                break
        lost.set()
