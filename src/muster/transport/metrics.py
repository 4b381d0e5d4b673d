"""What the transport measures, handed in by the host; names as Consul's, without the prefix."""

from collections.abc import Mapping
from typing import Protocol

from muster.gossip import effects

Labels = tuple[tuple[str, str], ...]


class Metrics(Protocol):
    """Counts, samples in milliseconds, gauges."""

    def increment(self, name: str, value: float = 1, labels: Labels = (), /) -> None: ...
    def sample(self, name: str, milliseconds: float, labels: Labels = (), /) -> None: ...
    def gauge(self, name: str, value: float, labels: Labels = (), /) -> None: ...


class NoMetrics:
    """For a host that does not measure."""

    def increment(self, name: str, value: float = 1, labels: Labels = (), /) -> None: ...
    def sample(self, name: str, milliseconds: float, labels: Labels = (), /) -> None: ...
    def gauge(self, name: str, value: float, labels: Labels = (), /) -> None: ...


EFFECT_COUNTERS: Mapping[type, str] = {
    effects.MemberJoined: "serf.member.join",
    effects.MemberLeft: "serf.member.left",
    effects.MemberFailed: "serf.member.failed",
    effects.MemberUpdated: "serf.member.update",
    effects.EventReceived: "serf.events",
    effects.QueryReceived: "serf.queries",
}
"""What is counted of what happens to the pool. Names of events are left out: anybody could make the table of counters grow."""
