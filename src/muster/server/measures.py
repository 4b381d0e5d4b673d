"""What a server measures of itself, under the peers' names.

Applying is timed command by command. What a write took from its proposal until it was applied is the same for all commands of a batch,
so it is timed once for each batch. Reads that many ask are counted; those that the peers time are timed.

Source: Consul 1.8.7's own metrics after the same requests; reference "How Consul is operated", section 1.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from muster.model.clock import Clock
from muster.server.deferred import Outcome
from muster.transport.metrics import Labels, Metrics
from muster.wire.commands import (
    AutopilotRequest,
    Command,
    ConfigEntryRequest,
    CoordinateBatch,
    DeregisterRequest,
    KVSRequest,
    PreparedQueryRequest,
    RegisterRequest,
    SessionRequest,
    TombstoneRequest,
    TxnRequest,
)

Run = Callable[[str, Any], Outcome]

APPLIED: dict[type, str] = {
    RegisterRequest: "fsm.register",
    DeregisterRequest: "fsm.deregister",
    KVSRequest: "fsm.kvs",
    SessionRequest: "fsm.session",
    TombstoneRequest: "fsm.tombstone",
    CoordinateBatch: "fsm.coordinate.batch-update",
    PreparedQueryRequest: "fsm.prepared-query",
    TxnRequest: "fsm.txn",
    AutopilotRequest: "fsm.autopilot",
    ConfigEntryRequest: "fsm.config_entry",
}
"""How long the state takes for a command; by operation where it has several."""
COMMITTED: dict[type, str] = {
    RegisterRequest: "catalog.register",
    DeregisterRequest: "catalog.deregister",
    KVSRequest: "kvs.apply",
    SessionRequest: "session.apply",
    PreparedQueryRequest: "prepared-query.apply",
    TxnRequest: "txn.apply",
    ConfigEntryRequest: "config_entry.apply",
}
"""How long a command takes from its proposal until it is applied, on the leader."""
TIMED = {
    "Session.Renew": "session.renew",
    "Txn.Read": "txn.read",
    "PreparedQuery.Execute": "prepared-query.execute",
    "PreparedQuery.Explain": "prepared-query.explain",
}
ASKED_FOR_SERVICES = {"Catalog.ServiceNodes": "catalog.service", "Health.ServiceNodes": "health.service"}


class Measures:
    """Counts and times on behalf of one server."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self.metrics = metrics
        self.now = clock.monotonic
        self._operations: dict[tuple[type, str], Labels] = {}
        self._committed: Counter[str] = Counter()

    def applied(self, command: Command, seconds: float, leads: bool) -> None:
        """The state took so long for a command."""
        kind = type(command)
        name = APPLIED.get(kind)
        if name is not None:
            operation = getattr(command, "op", None)
            self.metrics.sample(name, seconds * 1000.0, () if operation is None else self._labels(kind, operation))
        if leads and (committed := COMMITTED.get(kind)) is not None:
            self._committed[committed] += 1

    def batch(self, proposals: int, seconds: float) -> None:
        """A batch of this leader's is applied, so long after it was proposed."""
        metrics, milliseconds = self.metrics, seconds * 1000.0
        metrics.increment("raft.apply", proposals)
        metrics.sample("raft.commitTime", milliseconds)
        metrics.gauge("raft.commitNumLogs", proposals)
        if self._committed:
            for name, count in self._committed.items():
                for _ in range(count):
                    metrics.sample(name, milliseconds)
            self._committed.clear()

    def not_ours(self) -> None:
        """What was applied had been proposed by another leader, or before."""
        self._committed.clear()

    def bind(self, method: str, run: Run) -> Run:
        """The method, measured as the peers measure it; itself if they do not."""
        if method in TIMED:
            return self._timed(TIMED[method], run)
        if method in ASKED_FOR_SERVICES:
            return self._counted(ASKED_FOR_SERVICES[method], run)
        return run

    def _timed(self, name: str, run: Run) -> Run:
        def measured(method: str, request: Any) -> Outcome:
            began = self.now()
            outcome = run(method, request)
            self.metrics.sample(name, (self.now() - began) * 1000.0)
            return outcome

        return measured

    def _counted(self, name: str, run: Run) -> Run:
        query, tags = f"{name}.query", f"{name}.query-tag"
        increment = self.metrics.increment

        def counted(method: str, request: Any) -> Outcome:
            service = request.service_name
            increment(query, 1, (("service", service),))
            for tag in request.service_tags:
                increment(tags, 1, (("service", service), ("tag", tag)))
            return run(method, request)

        return counted

    def _labels(self, kind: type, operation: str) -> Labels:
        """The operation, if it is one: a command from the network may say anything."""
        labels = self._operations.get((kind, operation))
        if labels is None:
            labels = (("op", operation),)
            if len(self._operations) >= MOST_OPERATIONS:
                return ()
            self._operations[kind, operation] = labels
        return labels


MOST_OPERATIONS = 64
