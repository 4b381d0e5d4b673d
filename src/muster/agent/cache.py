"""The agent's cache of answers for `?cached` and for DNS: asked again in the background, kept when the servers are away.

Lists of services and instances are kept true by one question to the servers that waits for the next change; they are as young as the
connection, and grow old from when it is lost. What cannot wait for a change (datacenters, prepared queries) is asked again when it is
older than the asker allows. An answer that nobody asks for is dropped after three days, so an agent without servers answers that long.

Source: answers of Consul 1.8.7's client agents, with and without servers. They pass over `stale-if-error`, and so does this.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from muster.model.clock import Clock
from muster.model.durations import SECOND
from muster.model.errors import MusterError
from muster.wire.replies import Reply
from muster.wire.requests import QueryOptions, ServiceRequest

REFRESHED: Final = frozenset(("Catalog.ListServices", "Catalog.ServiceNodes", "Health.ServiceNodes"))
"""The methods whose answers are kept true in the background; all others are only asked again."""
KEPT_SECONDS: Final = 72 * 3600.0
"""An answer is kept so long after it was last asked for."""
MOST_ENTRIES: Final = 4096
REFRESH_WAIT: Final = 600 * SECOND
"""How long the servers are asked to wait for a change, in nanoseconds."""
TRIES_AT_ONCE: Final = 3
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries, at most, and up to as much again by chance; the first tries follow at once, then pauses double."""

SPREAD_SECONDS: Final = 0.5
"""Over which all questions are asked again when the servers are back."""


class Cached(Struct, frozen=True, gc=False):
    """An answer; `hit`: it was there; `age`: for how many seconds nobody has confirmed it."""

    reply: Reply
    hit: bool
    age: float = 0.0


class _Waiter(asyncio.Future[Cached]):
    """Somebody who waits for an index beyond `beyond`."""

    __slots__ = ("beyond", "timer")

    def __init__(self, beyond: int) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.beyond = beyond
        self.timer: asyncio.TimerHandle | None = None


class _Entry:
    """One question and what is known of its answer."""

    __slots__ = ("asked", "failures", "fetch", "fetched", "lost", "method", "pause", "question", "reply", "used", "waiters")

    def __init__(self, method: str, question: QueryOptions) -> None:
        self.method, self.question = method, question
        self.reply: Reply | None = None
        self.fetched = self.used = 0.0
        self.lost: float | None = None  # since when the servers could not be asked
        self.failures = 0
        self.fetch: asyncio.Future[Reply] | None = None
        self.pause: asyncio.TimerHandle | None = None
        self.waiters: list[_Waiter] = []

    @property
    def refreshed(self) -> bool:
        return self.method in REFRESHED

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way for it."""
        return self.fetch is None and self.pause is None


class AgentCache:
    """`call` asks the servers. Used on one loop."""

    def __init__(self, call: Callable[[str, Any], Any], clock: Clock, chance: random.Random) -> None:
        self._call, self._clock, self._random = call, clock, chance
        self._entries: dict[tuple[str, QueryOptions], _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, method: str, question: QueryOptions) -> "Cached | asyncio.Future[Cached]":
        """The answer to a question, from the cache or through it. Raises MusterError, or the future does.

        With an index it waits for a later one, until `max_query_time` if that is given, and then answers with what there is.
        """
        entry = self._entry(method, plain(question))
        if entry.reply is not None and self._may_serve(entry, question):
            return Cached(entry.reply, True, self._age(entry))
        waiter = _Waiter(question.min_query_index if entry.refreshed else 0)
        entry.waiters.append(waiter)
        if question.max_query_time > 0:
            waiter.timer = waiter.get_loop().call_later(question.max_query_time / SECOND, self._waited, entry, waiter)
        if entry.fetch is None:
            self._fetch(entry)
        return waiter.result() if waiter.done() else waiter

    def servers_found(self) -> None:
        """There are servers again: what grew old meanwhile is asked for now."""
        for entry in list(self._entries.values()):
            if entry.pause is not None and entry.lost is not None:
                entry.failures = 0
                self._fetch_later(entry, self._random.uniform(0.0, SPREAD_SECONDS))

    def stop(self) -> None:
        """Asks nothing any more; who waits is cancelled."""
        entries, self._entries = list(self._entries.values()), {}
        for entry in entries:
            self._drop(entry)

    # ---- entries

    def _entry(self, method: str, question: QueryOptions) -> _Entry:
        key = (method, question)
        entry = self._entries.pop(key, None)
        if entry is None:
            entry = _Entry(method, question)
            if len(self._entries) >= MOST_ENTRIES:
                self._drop(self._entries.pop(next(iter(self._entries))))
        self._entries[key] = entry  # the one that was not used for the longest time comes first
        entry.used = self._clock.monotonic()
        return entry

    def _may_serve(self, entry: _Entry, question: QueryOptions) -> bool:
        assert entry.reply is not None
        if entry.refreshed:
            return question.min_query_index < max(1, entry.reply.index)
        if question.must_revalidate:
            return False
        return not question.max_age or self._clock.monotonic() - entry.fetched <= question.max_age / SECOND

    def _age(self, entry: _Entry) -> float:
        now = self._clock.monotonic()
        if not entry.refreshed:
            return now - entry.fetched
        lost = entry.lost if entry.lost is not None else _failing_since(entry.fetch)
        return now - lost if lost is not None else 0.0

    def _drop(self, entry: _Entry) -> None:
        if entry.pause is not None:
            entry.pause.cancel()
        fetch, entry.fetch = entry.fetch, None
        if fetch is not None:
            fetch.cancel()
        waiters, entry.waiters = entry.waiters, []
        for waiter in waiters:
            waiter.cancel()

    def _forget(self, entry: _Entry) -> None:
        if self._entries.get((entry.method, entry.question)) is entry:
            del self._entries[entry.method, entry.question]

    # ---- asking

    def _fetch(self, entry: _Entry) -> None:
        if entry.pause is not None:
            entry.pause.cancel()
            entry.pause = None
        question = entry.question
        if entry.refreshed and entry.reply is not None and entry.lost is None:  # after a loss the answer comes at once: it is young again
            question = replace(question, min_query_index=max(1, entry.reply.index), max_query_time=REFRESH_WAIT)
        try:
            outcome = self._call(entry.method, question)
        except MusterError as error:
            self._failed(entry, error, None)
            return
        if isinstance(outcome, Reply):
            self._answered(entry, outcome)
            return
        entry.fetch = outcome
        outcome.add_done_callback(partial(self._done, entry))

    def _done(self, entry: _Entry, fetch: "asyncio.Future[Reply]") -> None:
        if fetch is not entry.fetch:  # it was dropped
            if not fetch.cancelled():
                fetch.exception()
            return
        entry.fetch = None
        if fetch.cancelled():
            self._forget(entry)
            self._drop(entry)
            return
        error = fetch.exception()
        if error is None:
            self._answered(entry, fetch.result())
        else:
            self._failed(entry, error, _failing_since(fetch))

    def _answered(self, entry: _Entry, reply: Reply) -> None:
        before = entry.reply
        entry.reply, entry.fetched, entry.lost, entry.failures = reply, self._clock.monotonic(), None, 0
        waiters, entry.waiters = entry.waiters, []
        for waiter in waiters:
            if waiter.beyond and waiter.beyond >= max(1, reply.index):
                entry.waiters.append(waiter)
            else:
                _settle(waiter, reply)
        if not entry.refreshed:
            return
        if before is not None and before.index == reply.index == 0:  # a server that does not wait is not asked in a loop
            self._fetch_later(entry, LONGEST_PAUSE)
        else:
            self._fetch_later(entry, 0.0)

    def _failed(self, entry: _Entry, error: BaseException, since: float | None) -> None:
        waiters, entry.waiters = entry.waiters, []
        for waiter in waiters:
            _refuse(waiter, error)
        if entry.reply is None:
            self._forget(entry)
            return
        if not entry.refreshed:
            return
        if entry.lost is None:
            entry.lost = since if since is not None else self._clock.monotonic()
        entry.failures += 1
        pause = 0.0
        if entry.failures > TRIES_AT_ONCE:
            pause = min(LONGEST_PAUSE, 2.0 ** min(entry.failures - TRIES_AT_ONCE, 6))
            pause += self._random.uniform(0.0, pause)
        self._fetch_later(entry, pause)

    def _fetch_later(self, entry: _Entry, pause: float) -> None:
        if self._clock.monotonic() - entry.used > KEPT_SECONDS:
            self._forget(entry)
            self._drop(entry)
            return
        if entry.pause is not None:
            entry.pause.cancel()
        entry.pause = asyncio.get_running_loop().call_later(pause, self._fetch_again, entry)

    def _fetch_again(self, entry: _Entry) -> None:
        entry.pause = None
        if entry.is_idle:
            self._fetch(entry)

    def _waited(self, entry: _Entry, waiter: _Waiter) -> None:
        """The time that an asker gave is over: it gets what there is. Who has never been answered waits for what comes."""
        if not waiter.done() and entry.reply is not None:
            entry.waiters.remove(waiter)
            _settle(waiter, entry.reply)


def plain(question: QueryOptions) -> QueryOptions:
    """What tells two questions apart: not how fresh the answer is to be, nor the order of tags. Any server may answer it."""
    if isinstance(question, ServiceRequest) and len(question.service_tags) > 1:
        question = replace(question, service_tags=tuple(sorted(question.service_tags)))
    return replace(
        question,
        allow_stale=True,
        max_age=0,
        max_query_time=0,
        max_stale_duration=0,
        min_query_index=0,
        must_revalidate=False,
        require_consistent=False,
        stale_if_error=0,
        use_cache=True,
    )


def _failing_since(fetch: "asyncio.Future[Reply] | None") -> float | None:
    """Since when a call is tried in vain, if it says so."""
    since: float | None = getattr(fetch, "failing_since", None)
    return since


def _settle(waiter: _Waiter, reply: Reply) -> None:
    if waiter.timer is not None:
        waiter.timer.cancel()
    if not waiter.done():
        waiter.set_result(Cached(reply, False))


def _refuse(waiter: _Waiter, error: BaseException) -> None:
    if waiter.timer is not None:
        waiter.timer.cancel()
    if not waiter.done():
        waiter.set_exception(error)
