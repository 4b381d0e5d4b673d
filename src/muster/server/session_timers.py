"""When sessions with a TTL end: twice their TTL after they were last renewed. Runs on the leader only.

Source: reference of the RPC wire, section 5: expiry, re-armed on renewal and on a change of leadership.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from muster.model.clock import Clock
from muster.model.durations import InvalidDuration, parse_duration, seconds
from muster.model.sessions import TTL_MULTIPLIER, Session
from muster.server.deadlines import Deadlines

EXPIRED_PER_TURN = 200  # of the loop; each is a command to encode and commit
RETRY_SECONDS = 1.0  # doubles with each attempt
ATTEMPTS = 6


class SessionTimers:
    """Calls `end(session id)` for each session whose time is over; its future tells whether that was committed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, end: Callable[[str], "asyncio.Future[object]"]) -> None:
        self._loop = loop
        self._clock = clock
        self._end = end
        self._slots: dict[str, int] = {}
        self._deadlines: Deadlines[str] = Deadlines(loop, clock, self._expired)
        self._due: deque[tuple[str, int]] = deque()
        self.active = False

    def start(self, sessions: Iterable[Session]) -> None:
        """This server leads now: every session gets its full time."""
        self.active = True
        for session in sessions:
            self.renew(session)

    def stop(self) -> None:
        """Another server counts from now on."""
        self.active = False
        self._deadlines.close()
        self._slots.clear()
        self._due.clear()

    def renew(self, session: Session) -> None:
        """The session lives for twice its TTL from now; does nothing for one without a TTL."""
        ttl = _ttl(session)
        if not self.active or ttl <= 0:
            return
        self.forget(session.id)
        self._slots[session.id] = self._deadlines.add(session.id, ttl * TTL_MULTIPLIER)

    def forget(self, session_id: str) -> None:
        """The session ended."""
        slot = self._slots.pop(session_id, None)
        if slot is not None:
            self._deadlines.remove(session_id, slot)

    def __len__(self) -> int:
        return len(self._slots)

    def _expired(self, sessions: list[str]) -> None:
        for session_id in sessions:
            self._slots.pop(session_id, None)
            self._queue(session_id, 1)

    def _queue(self, session_id: str, attempt: int) -> None:
        if not self.active:
            return
        self._due.append((session_id, attempt))
        if len(self._due) == 1:
            self._loop.call_soon(self._end_some)

    def _end_some(self) -> None:
        for _ in range(min(EXPIRED_PER_TURN, len(self._due))):
            session_id, attempt = self._due.popleft()
            self._end(session_id).add_done_callback(lambda done, s=session_id, a=attempt: self._ended(s, a, done))  # type: ignore[misc]
        if self._due:
            self._loop.call_soon(self._end_some)

    def _ended(self, session_id: str, attempt: int, done: "asyncio.Future[object]") -> None:
        if not done.cancelled() and done.exception() is not None and attempt < ATTEMPTS:
            self._loop.call_later(RETRY_SECONDS * 2 ** (attempt - 1), self._queue, session_id, attempt + 1)


def _ttl(session: Session) -> float:
    """Seconds; 0 where there is none."""
    if not session.ttl:
        return 0.0
    try:
        return seconds(parse_duration(session.ttl))
    except InvalidDuration:  # only a foreign snapshot can hold it: such a session never ends by time there either
        return 0.0
