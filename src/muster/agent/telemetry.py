"""Counters, samples and gauges in intervals of 10 seconds, under Consul's names.

Measuring is on the hot path, so it only counts or appends; `fold`, called about once a second, does the arithmetic and feeds
the sinks.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import mul
from typing import Any, Protocol

from muster.model.clock import Clock

INTERVAL = 10.0  # seconds, as Consul's
KEPT_INTERVALS = 6  # one minute
QUANTILES = (0.5, 0.9, 0.99)
KEPT_SAMPLES = 512  # of one name in one interval, for quantiles: of many every n-th

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]
NO_LABELS: Labels = ()


class Sink(Protocol):
    """Takes what was measured since the last fold, by full names."""

    def counter(self, name: str, labels: Labels, value: float) -> None: ...
    def gauge(self, name: str, labels: Labels, value: float) -> None: ...
    def samples(self, name: str, labels: Labels, values: list[float]) -> None: ...
    def flush(self) -> None: ...


@dataclass(slots=True)
class Aggregate:
    """What is known of many values without keeping them."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    smallest: float = 0.0
    largest: float = 0.0

    def add(self, values: list[float]) -> None:
        low, high = min(values), max(values)
        if self.count:
            low, high = min(low, self.smallest), max(high, self.largest)
        self.count += len(values)
        self.total += sum(values)
        self.squares += sum(map(mul, values, values))
        self.smallest, self.largest = low, high

    def add_ones(self, count: int) -> None:
        """`count` values of 1."""
        self.smallest = min(self.smallest, 1.0) if self.count else 1.0
        self.largest = max(self.largest, 1.0) if self.count else 1.0
        self.count += count
        self.total += count
        self.squares += count

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        if self.count < 2:
            return 0.0
        variance = (self.squares - self.total * self.total / self.count) / (self.count - 1)
        return math.sqrt(max(variance, 0.0))


@dataclass(slots=True)
class Interval:
    """What was measured from `start` (wall-clock seconds, a multiple of 10) for 10 seconds."""

    start: float
    counters: dict[Key, Aggregate] = field(default_factory=dict)
    samples: dict[Key, Aggregate] = field(default_factory=dict)
    gauges: dict[Key, float] = field(default_factory=dict)
    recent: dict[Key, list[float]] = field(default_factory=dict)
    """Some of the samples, for quantiles; only where Prometheus may ask."""


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """`host` is put into the names of gauges unless it is empty; `retention` is Prometheus', in seconds, 0 for off."""

    prefix: str = "consul"
    host: str = ""
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    allow_by_default: bool = True
    retention: float = 0.0


class Metrics:
    """Where everything is measured. Names come without the prefix: `kvs.apply`, `http.GET.v1.kv._`."""

    def __init__(self, clock: Clock, settings: TelemetrySettings | None = None) -> None:
        self.clock = clock
        self.settings = settings or TelemetrySettings()
        self.sinks: list[Sink] = []
        self.totals: dict[Key, Aggregate] = {}
        self.last_seen: dict[Key, float] = {}
        self.gauges: dict[Key, float] = {}
        self.kinds: dict[Key, str] = {}
        self.ones: defaultdict[str, int] = defaultdict(int)
        """How often what was counted happened since the last fold; what happens with every request is added here directly."""
        self._counts: defaultdict[Key, list[float]] = defaultdict(list)
        self._samples: defaultdict[str, list[float]] = defaultdict(list)
        self._labelled: defaultdict[Key, list[float]] = defaultdict(list)
        self._names: dict[tuple[str, bool], str] = {}
        self._set: dict[Key, float] = {}
        self.intervals: deque[Interval] = deque([Interval(self._start())], maxlen=KEPT_INTERVALS)

    def increment(self, name: str, value: float = 1, labels: Labels = NO_LABELS) -> None:
        """Something happened `value` times."""
        if value == 1 and not labels:
            self.ones[name] += 1
        else:
            self._counts[name, labels].append(value)

    def sample(self, name: str, milliseconds: float, labels: Labels = NO_LABELS) -> None:
        """Something took so long, or was so big."""
        if labels:
            self._labelled[name, labels].append(milliseconds)
        else:
            self._samples[name].append(milliseconds)

    def gauge(self, name: str, value: float, labels: Labels = NO_LABELS) -> None:
        """Something stands at this value now."""
        self._set[name, labels] = value

    def fold(self) -> None:
        """Put what was measured into the current interval, the totals and the sinks."""
        interval = self._current()
        for name, count in self.ones.items():
            self._put_ones(interval, name, count)
        for (name, labels), values in self._counts.items():
            self._put(interval.counters, name, labels, values, "counter")
        for name, values in self._samples.items():
            self._put_samples(interval, name, NO_LABELS, values)
        for (name, labels), values in self._labelled.items():
            self._put_samples(interval, name, labels, values)
        for (name, labels), value in self._set.items():
            self._put_gauge(interval, name, labels, value)
        for pending in (self.ones, self._counts, self._samples, self._labelled, self._set):
            pending.clear()
        for sink in self.sinks:
            sink.flush()

    def _put_ones(self, interval: Interval, name: str, count: int) -> None:
        full = self._name(name, is_gauge=False)
        if full:
            key = (full, NO_LABELS)
            interval.counters.setdefault(key, Aggregate()).add_ones(count)
            self._total(key, "counter").add_ones(count)
            for sink in self.sinks:
                sink.counter(full, NO_LABELS, count)

    def _put(self, table: dict[Key, Aggregate], name: str, labels: Labels, values: list[float], kind: str) -> None:
        full = self._name(name, is_gauge=False)
        if not full:
            return
        key = (full, labels)
        table.setdefault(key, Aggregate()).add(values)
        self._total(key, kind).add(values)
        for sink in self.sinks:
            if kind == "counter":
                sink.counter(full, labels, sum(values))
            else:
                sink.samples(full, labels, values)

    def _put_samples(self, interval: Interval, name: str, labels: Labels, values: list[float]) -> None:
        self._put(interval.samples, name, labels, values, "summary")
        full = self._name(name, is_gauge=False)
        if full and self.settings.retention > 0:
            kept = interval.recent.setdefault((full, labels), [])
            room = KEPT_SAMPLES - len(kept)
            if room > 0:
                kept += values[:: -(-len(values) // room)]

    def recent(self, key: Key) -> list[float]:
        """Some of the samples of the last 10 to 20 seconds, in order of their size."""
        start = self._start() - INTERVAL
        return sorted(value for interval in self.intervals if interval.start >= start for value in interval.recent.get(key, ()))

    def _put_gauge(self, interval: Interval, name: str, labels: Labels, value: float) -> None:
        full = self._name(name, is_gauge=True)
        if full:
            interval.gauges[full, labels] = value
            self.gauges[full, labels] = value
            self.last_seen[full, labels] = self.clock.monotonic()
            for sink in self.sinks:
                sink.gauge(full, labels, value)

    def _total(self, key: Key, kind: str) -> Aggregate:
        self.kinds[key] = kind
        self.last_seen[key] = self.clock.monotonic()
        return self.totals.setdefault(key, Aggregate())

    def _name(self, name: str, is_gauge: bool) -> str:
        """The full name, or an empty text if the filter drops it."""
        known = self._names.get((name, is_gauge))
        if known is None:
            known = self._names[name, is_gauge] = self._full_name(name, is_gauge)
        return known

    def _full_name(self, name: str, is_gauge: bool) -> str:
        settings = self.settings
        if name.startswith("muster."):  # what the peers do not have keeps a name of its own
            full = name
        else:
            host = f"{settings.host}." if is_gauge and settings.host else ""
            full = f"{settings.prefix}.{host}{name}" if settings.prefix else host + name
        return full if self._passes(full) else ""

    def _passes(self, name: str) -> bool:
        """The longest prefix decides."""
        settings = self.settings
        allowed = max((len(prefix) for prefix in settings.allowed if name.startswith(prefix)), default=-1)
        blocked = max((len(prefix) for prefix in settings.blocked if name.startswith(prefix)), default=-1)
        return settings.allow_by_default if allowed == blocked == -1 else allowed > blocked

    def configure(self, settings: TelemetrySettings) -> None:
        """New settings, as after a reload."""
        self.settings = settings
        self._names.clear()

    def _start(self) -> float:
        return math.floor(self.clock.wall() / INTERVAL) * INTERVAL

    def _current(self) -> Interval:
        start = self._start()
        if self.intervals[-1].start != start:
            self.intervals.append(Interval(start))
        return self.intervals[-1]

    def finished(self) -> Interval:
        """The newest interval that is over, or the running one if it is the first."""
        self.fold()
        return self.intervals[-2] if len(self.intervals) > 1 else self.intervals[-1]


def summary(interval: Interval) -> dict[str, Any]:
    """What `/v1/agent/metrics` shows of an interval."""
    import datetime

    moment = datetime.datetime.fromtimestamp(interval.start, datetime.UTC)
    gauges = [{"Name": name, "Value": value, "Labels": dict(labels)} for (name, labels), value in sorted(interval.gauges.items())]
    return {
        "Timestamp": f"{moment:%Y-%m-%d %H:%M:%S} +0000 UTC",
        "Gauges": gauges,
        "Points": [],
        "Counters": _aggregates(interval.counters),
        "Samples": _aggregates(interval.samples),
    }


def _aggregates(table: Mapping[Key, Aggregate]) -> list[dict[str, Any]]:
    return [
        {
            "Name": name,
            "Count": one.count,
            "Rate": one.total / INTERVAL,
            "Sum": one.total,
            "Min": one.smallest,
            "Max": one.largest,
            "Mean": one.mean,
            "Stddev": one.deviation,
            "Labels": dict(labels),
        }
        for (name, labels), one in sorted(table.items())
    ]


def prometheus(metrics: Metrics) -> str:
    """The text format of Prometheus, version 0.0.4: all since the start that was seen within the retention."""
    metrics.fold()
    oldest = metrics.clock.monotonic() - metrics.settings.retention
    lines: list[str] = []
    seen: set[str] = set()
    rows = [(key, metrics.kinds[key]) for key in metrics.totals] + [(key, "gauge") for key in metrics.gauges]
    for key, kind in sorted(rows):
        if metrics.last_seen[key] < oldest:
            continue
        name = prometheus_name(key[0])
        if name not in seen:
            seen.add(name)
            lines += [f"# HELP {name} {name}", f"# TYPE {name} {kind}"]
        lines += _prometheus_rows(metrics, key, kind, name)
    return "\n".join(lines) + "\n" if lines else ""


def _prometheus_rows(metrics: Metrics, key: Key, kind: str, name: str) -> Iterable[str]:
    labels = [f'{prometheus_name(label)}="{_escaped(value)}"' for label, value in key[1]]
    shown = f"{{{','.join(labels)}}}" if labels else ""
    if kind == "gauge":
        return [f"{name}{shown} {_number(metrics.gauges[key])}"]
    total = metrics.totals[key]
    if kind == "counter":
        return [f"{name}{shown} {_number(total.total)}"]
    ordered = metrics.recent(key)
    quantiles = [f"{name}{{{','.join([*labels, _quantile(part)])}}} {_nearest(ordered, part)}" for part in QUANTILES]
    return [*quantiles, f"{name}_sum{shown} {_number(total.total)}", f"{name}_count{shown} {total.count}"]


def _quantile(part: float) -> str:
    return f'quantile="{part}"'


def _nearest(ordered: list[float], part: float) -> str:
    """The value of which that part is not greater; NaN of none, as the peers have it."""
    return _number(ordered[max(0, math.ceil(part * len(ordered)) - 1)]) if ordered else "NaN"


def prometheus_name(name: str) -> str:
    """A name with only the characters that Prometheus allows."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_:") else "_" for char in name)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def dump(interval: Interval) -> str:
    """The lines that SIGUSR1 prints to standard error."""
    import datetime

    stamp = f"{datetime.datetime.fromtimestamp(interval.start, datetime.UTC):%Y-%m-%d %H:%M:%S +0000 UTC}"
    lines = [f"[{stamp}][G] '{_flat(key)}': {value:.3f}" for key, value in sorted(interval.gauges.items())]
    for letter, table in (("C", interval.counters), ("S", interval.samples)):
        lines += [f"[{stamp}][{letter}] '{_flat(key)}': {_described(one)}" for key, one in sorted(table.items())]
    return "\n".join(lines) + "\n" if lines else ""


def _flat(key: Key) -> str:
    return ".".join([key[0], *(value for _, value in key[1])])


def _described(one: Aggregate) -> str:
    if one.count == 1:
        return f"Count: 1 Sum: {one.total:.3f}"
    spread = f"Min: {one.smallest:.3f} Mean: {one.mean:.3f} Max: {one.largest:.3f} Stddev: {one.deviation:.3f}"
    return f"Count: {one.count} {spread} Sum: {one.total:.3f}"
