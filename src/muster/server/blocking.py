"""Blocking queries, equal questions and cached answers: one mechanism.

A `SharedQuery` stands for one distinct question. It holds the last answer until something that the answer depends on
changes, and the waiters whose index that answer has not passed. It is the ticket that the store's watches wake. So
N clients that ask the same cost one read and, at the edges, one encoding.

Source: reference of the RPC wire, section 6 (times, index rules).
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from muster.model.clock import Clock
from muster.model.errors import MusterError
from muster.server.deadlines import Deadlines
from muster.state.indexes import Indexes
from muster.state.watches import Watches, WatchSet
from muster.wire.replies import Reply
from muster.wire.requests import QueryOptions

MAXIMUM_QUERY_TIME = 600.0  # seconds; what a client asks for beyond is cut to it
DEFAULT_QUERY_TIME = 300.0  # seconds
JITTER_FRACTION = 16  # up to 1/16 of the time is added, so that a herd of equal waits spreads out
KEPT_ANSWERS = 1024  # answers without waiters that are remembered
KEPT_ROWS = 8192  # an answer of more rows is not remembered once nobody waits: its encoding would hold much memory
ANSWERS_PER_TURN = 100  # of the loop: each makes an edge write a response, about 20 µs
READ_SECONDS_PER_TURN = 0.003
FOR_ALL = 1 << 64  # an index that passes every waiter's

IndexNames = tuple[str, ...] | Callable[[Any], tuple[str, ...]] | None
ReadFunction = Callable[[Any, WatchSet | None], tuple[int, Any]]


class ReadRule(Struct, frozen=True):
    """How a read is shared.

    `indexes` are the names whose highest index the answer's index is: an answer that was not woken is still right, but
    its index may have moved. They may depend on the question. None: unknown, so it is read again after any write.
    """

    read: ReadFunction
    indexes: IndexNames = None
    kept: bool = True


class Waiter(asyncio.Future[Reply]):
    """One parked client. Cancelling it takes it out of its query at once."""

    __slots__ = ("minimum", "query", "slot")

    minimum: int
    query: "SharedQuery"
    slot: int

    def cancel(self, msg: Any | None = None) -> bool:
        """The client is gone."""
        if not super().cancel(msg):
            return False
        self.query.board.withdraw(self)
        return True


class SharedQuery:
    """One distinct question, its answer if that is still right, and who waits for the next one."""

    __slots__ = ("as_of", "board", "question", "reply", "rule", "waiters")

    def __init__(self, board: "Blocking", question: tuple[str, QueryOptions], rule: ReadRule) -> None:
        self.board = board
        self.question = question
        self.rule = rule
        self.reply: Reply | None = None
        self.as_of = -1
        self.waiters: dict[Waiter, None] = {}


class Blocking:
    """All shared queries of a server. `applied()` must be called for every applied command, before its caller hears."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, chance: random.Random, watches: Watches, indexes: Callable[[], Indexes]
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._chance = chance
        self._watches = watches
        self._indexes = indexes
        self._queries: dict[tuple[str, QueryOptions], SharedQuery] = {}
        self._idle: dict[SharedQuery, None] = {}
        self._stale: dict[SharedQuery, None] = {}
        self._answers: deque[tuple[Waiter, Reply | MusterError]] = deque()
        self._draining = False
        self._writes = 0
        self._deadlines: Deadlines[Waiter] = Deadlines(loop, clock, self._expired)
        self.parked = 0
        """How many clients wait now (`muster.blocking.parked`)."""
        self.woken = 0
        """How many waiting clients a change has made look again (`muster.blocking.woken`)."""

    def ask(self, rule: ReadRule, method: str, request: QueryOptions) -> "Reply | asyncio.Future[Reply]":
        """The answer, or a future of it if the index asked for is not passed yet. Raises what the read raises."""
        question = (method, essence(request))
        query = self._queries.get(question)
        if query is None:
            query = SharedQuery(self, question, rule)
        reply = query.reply
        if reply is None or (query.as_of != self._writes and not self._is_current(query, reply)):
            reply = self._read(query)
        minimum = request.min_query_index
        if minimum and reply.index <= minimum:
            return self._park(query, minimum, request.max_query_time)
        if not query.waiters:
            self._remember(query, reply)
        return reply

    def applied(self, woken: Iterable[Any]) -> None:
        """A command was applied and these tickets are woken: their answers are gone at once, their waiters look again soon."""
        self._writes += 1
        for query in woken:
            query.reply = None
            if query.waiters:
                self._stale[query] = None
            else:
                self._forget(query)
        if self._stale:
            self._wake_drain()

    def restored(self, woken: Iterable[Any]) -> None:
        """A snapshot replaced the state: every waiter is answered, since indexes may have gone back."""
        tickets = list(woken)
        for query in tickets:
            for waiter in query.waiters:
                waiter.minimum = 0
        self.applied(tickets)

    def withdraw(self, waiter: Waiter) -> None:
        """The waiter is no longer to be answered."""
        query = waiter.query
        if waiter in query.waiters:
            del query.waiters[waiter]
            self.parked -= 1
            self._deadlines.remove(waiter, waiter.slot)
            if not query.waiters:
                self._settle(query)

    def close(self) -> None:
        """Cancels every waiter: the server stops."""
        for query in list(self._queries.values()):
            for waiter in list(query.waiters):
                waiter.cancel()
        self._deadlines.close()

    # ---- answers

    def _is_current(self, query: SharedQuery, reply: Reply) -> bool:
        names = query.rule.indexes
        if names is None:
            return False
        if not isinstance(names, tuple):
            names = names(query.question[1])
        if max(1, self._indexes().max(*names)) != reply.index:
            return False
        query.as_of = self._writes
        return True

    def _read(self, query: SharedQuery) -> Reply:
        """Reads anew and parks the query under what the answer depends on."""
        watch: WatchSet = []
        index, value = query.rule.read(query.question[1], watch)
        reply = query.reply = Reply(value=value, index=max(1, index))
        query.as_of = self._writes
        self._watches.park(query, watch)
        self._queries[query.question] = query
        return reply

    def _remember(self, query: SharedQuery, reply: Reply) -> None:
        """Keeps an answer that nobody waits on, in the order of last use."""
        if not query.rule.kept or (isinstance(reply.value, list) and len(reply.value) > KEPT_ROWS):
            self._forget(query)
            return
        idle = self._idle
        idle.pop(query, None)
        idle[query] = None
        if len(idle) > KEPT_ANSWERS:
            self._forget(next(iter(idle)))

    def _forget(self, query: SharedQuery) -> None:
        self._watches.withdraw(query)
        self._queries.pop(query.question, None)
        self._idle.pop(query, None)
        query.reply = None

    def _settle(self, query: SharedQuery) -> None:
        """The last waiter went."""
        self._stale.pop(query, None)
        if query.reply is None:
            self._forget(query)
        else:
            self._remember(query, query.reply)

    # ---- waiters

    def _park(self, query: SharedQuery, minimum: int, asked: int) -> Waiter:
        self._idle.pop(query, None)
        waiter = Waiter(loop=self._loop)
        waiter.query = query
        waiter.minimum = minimum
        waiter.slot = self._deadlines.add(waiter, self.query_time(asked))
        query.waiters[waiter] = None
        self.parked += 1
        return waiter

    def query_time(self, asked: int) -> float:
        """How long a query may wait, in seconds; `asked` in nanoseconds."""
        seconds = min(asked / 1e9, MAXIMUM_QUERY_TIME) if asked > 0 else DEFAULT_QUERY_TIME
        return seconds + self._chance.random() * seconds / JITTER_FRACTION

    def _expired(self, waiters: list[Waiter]) -> None:
        """Their time is over: they get the current answer."""
        for waiter in waiters:
            query = waiter.query
            if waiter not in query.waiters:
                continue
            del query.waiters[waiter]
            self.parked -= 1
            self._answers.append((waiter, self._current(query)))
            if not query.waiters:
                self._settle(query)
        self._wake_drain()

    def _current(self, query: SharedQuery) -> Reply | MusterError:
        reply = query.reply
        if reply is not None and (query.as_of == self._writes or self._is_current(query, reply)):
            return reply
        try:
            return self._read(query)
        except MusterError as error:
            return error

    def _wake_drain(self) -> None:
        if not self._draining:
            self._draining = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        """Looks again for woken queries and answers waiters, a bounded part a turn."""
        self._draining = False
        until = self._clock.monotonic() + READ_SECONDS_PER_TURN
        while self._stale and len(self._answers) < ANSWERS_PER_TURN:
            query = next(iter(self._stale))
            del self._stale[query]
            self._look_again(query)
            if self._clock.monotonic() >= until:
                break
        answers = self._answers
        for _ in range(min(ANSWERS_PER_TURN, len(answers))):
            waiter, outcome = answers.popleft()
            if waiter.done():
                continue
            if isinstance(outcome, Reply):
                waiter.set_result(outcome)
            else:
                waiter.set_exception(outcome)
        if self._stale or answers:
            self._wake_drain()

    def _look_again(self, query: SharedQuery) -> None:
        """One read for all waiters; those whose index it passed are answered with the same reply."""
        outcome = self._current(query)
        waiters = query.waiters
        self.woken += len(waiters)
        index = outcome.index if isinstance(outcome, Reply) else FOR_ALL
        passed = [waiter for waiter in waiters if waiter.minimum < index]
        remove = self._deadlines.remove
        for waiter in passed:
            remove(waiter, waiter.slot)
            self._answers.append((waiter, outcome))
        if len(passed) == len(waiters):
            query.waiters = {}
            self.parked -= len(passed)
            self._settle(query)
            return
        for waiter in passed:
            del waiters[waiter]
        self.parked -= len(passed)


_NOT_PART_OF_A_QUESTION = {
    "allow_stale": False,
    "max_age": 0,
    "max_query_time": 0,
    "max_stale_duration": 0,
    "min_query_index": 0,
    "must_revalidate": False,
    "require_consistent": False,
    "stale_if_error": 0,
    "token": "",
    "use_cache": False,
}


def essence(request: QueryOptions) -> QueryOptions:
    """The request without what does not change its answer."""
    if (
        request.min_query_index
        or request.max_query_time
        or request.allow_stale
        or request.require_consistent
        or request.token
        or request.use_cache
        or request.max_age
        or request.max_stale_duration
        or request.must_revalidate
        or request.stale_if_error
    ):
        return msgspec.structs.replace(request, **_NOT_PART_OF_A_QUESTION)
    return request
