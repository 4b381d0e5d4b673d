"""A prepared query without an instance here is asked in other datacenters, one after the other, until one has some.

Source: answers of Consul 1.8.7 in three datacenters.
"""

import asyncio
import logging

from msgspec.structs import replace

from muster.model.errors import MusterError
from muster.model.queries import PreparedQuery, QueryFailover
from muster.server.context import Context
from muster.server.deferred import Deferred
from muster.server.forwarding import Call
from muster.server.query_execution import QueryAnswer
from muster.wire.replies import Reply
from muster.wire.requests import PreparedQueryExecuteRemoteRequest, PreparedQueryExecuteRequest

logger = logging.getLogger("muster.server")


def failover_order(context: Context, failover: QueryFailover) -> list[str]:
    """The nearest N of the other datacenters, then the named ones that are known; each at its first place.

    Those that the pool does not see come last: to ask one that is cut off takes ten seconds, and who asks by DNS does not wait as long.
    """
    if failover.nearest_n <= 0 and not failover.datacenters:
        return []
    others = [name for name in context.datacenters() if name != context.settings.datacenter]
    nearest = others[: max(0, failover.nearest_n)]
    named = [name for name in failover.datacenters or () if name in others and name not in nearest]
    return sorted(nearest + named, key=lambda name: not context.known_datacenters.seems_up(name))


def fail_over(
    context: Context, query: PreparedQuery, request: PreparedQueryExecuteRequest, empty: QueryAnswer, candidates: list[str]
) -> "asyncio.Future[Reply]":
    """The answer of the first candidate that has instances, or an empty one; it tells how many were asked."""
    return _Failover(context, query, request, empty, candidates).start()


class _Failover(Deferred):
    """The questions to the other datacenters. Cancelling it cancels the one under way."""

    __slots__ = ("answer", "asked", "candidates", "context", "query", "request")

    def __init__(
        self, context: Context, query: PreparedQuery, request: PreparedQueryExecuteRequest, empty: QueryAnswer, candidates: list[str]
    ) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.context, self.query, self.request = context, query, request
        self.answer, self.candidates, self.asked = empty, candidates, 0

    def start(self) -> "asyncio.Future[Reply]":
        """Asks the first."""
        self._next()
        return self

    def _next(self) -> None:
        while not self.answer.nodes and self.asked < len(self.candidates):
            datacenter = self.candidates[self.asked]
            self.asked += 1
            try:
                inner = self.context.abroad(self._call(datacenter))
            except MusterError as error:
                self._unanswered(datacenter, error)
                continue
            self.inner = inner
            inner.add_done_callback(self._answered)
            return
        self.set_result(Reply(value=replace(self.answer, failovers=self.asked)))

    def _call(self, datacenter: str) -> Call:
        asked = self.request
        request = PreparedQueryExecuteRemoteRequest(
            datacenter=datacenter,
            query=self.query,
            limit=asked.limit,
            connect=asked.connect,
            allow_stale=asked.allow_stale,
            require_consistent=asked.require_consistent,
            max_stale_duration=asked.max_stale_duration,
            token=asked.token,
        )
        return Call("PreparedQuery.ExecuteRemote", request, self._nowhere, self._nowhere)

    def _nowhere(self) -> Reply:
        raise AssertionError("a question to another datacenter is never answered here")

    def _answered(self, inner: "asyncio.Future[Reply]") -> None:
        if self.done():
            if not inner.cancelled():
                inner.exception()  # nobody asks for it any more
            return
        if inner.cancelled():
            self.cancel()
            return
        error = inner.exception()
        if isinstance(error, MusterError):
            self._unanswered(self.candidates[self.asked - 1], error)
        elif error is not None:
            self.set_exception(error)
            return
        else:
            self.answer = inner.result().value
        self._next()

    def _unanswered(self, datacenter: str, error: MusterError) -> None:
        service = self.query.service.service
        logger.warning("Failed querying for service in datacenter: service=%s datacenter=%s error=%s", service, datacenter, error)
