"""Measurements: intervals, names, filters, and the forms that others read."""

import socket

import pytest
from agent_fakes import ManualClock

from muster.agent.loop_monitor import LoopMonitor
from muster.agent.statsd import Statsd
from muster.agent.telemetry import Metrics, TelemetrySettings, dump, prometheus, summary


def metrics(clock: ManualClock, **settings: object) -> Metrics:
    return Metrics(clock, TelemetrySettings(**settings))


def test_the_newest_finished_interval_is_shown(clock: ManualClock) -> None:
    measured = metrics(clock)
    for value in (1.0, 3.0):
        measured.sample("kvs.apply", value)
    measured.increment("rpc.query")
    measured.increment("rpc.query", 4)
    measured.gauge("session_ttl.active", 2)
    measured.fold()
    clock.advance(10.0)
    measured.increment("rpc.query")
    shown = summary(measured.finished())
    assert shown["Timestamp"] == "2023-11-14 22:13:20 +0000 UTC"
    assert shown["Gauges"] == [{"Name": "consul.session_ttl.active", "Value": 2, "Labels": {}}]
    (counter,) = shown["Counters"]
    assert (counter["Name"], counter["Count"], counter["Sum"], counter["Min"], counter["Max"]) == ("consul.rpc.query", 2, 5.0, 1.0, 4.0)
    (sample,) = shown["Samples"]
    assert (sample["Mean"], sample["Rate"]) == (2.0, 0.4)
    assert sample["Stddev"] == pytest.approx(2**0.5)
    assert shown["Points"] == []


def test_a_gauge_carries_the_host_unless_that_is_off_and_our_own_names_stay(clock: ManualClock) -> None:
    measured = metrics(clock, host="h1", prefix="app")
    for name in ("raft.applied_index", "muster.loop.longest_turn"):
        measured.gauge(name, 1)
    measured.increment("rpc.query")
    measured.fold()
    assert [name for name, _ in measured.gauges] == ["app.h1.raft.applied_index", "muster.loop.longest_turn"]
    assert [name for name, _ in measured.totals] == ["app.rpc.query"]


@pytest.mark.parametrize(
    ("settings", "passing"),
    [
        pytest.param({}, ["consul.rpc.query", "consul.raft.apply"], id="all by default"),
        pytest.param({"blocked": ("consul.rpc",)}, ["consul.raft.apply"], id="a blocked prefix"),
        pytest.param({"allowed": ("consul.rpc",), "allow_by_default": False}, ["consul.rpc.query"], id="an allowed prefix only"),
        pytest.param({"blocked": ("consul",), "allowed": ("consul.raft",)}, ["consul.raft.apply"], id="the longest prefix decides"),
    ],
)
def test_prefixes_decide_what_is_kept(settings: dict[str, object], passing: list[str], clock: ManualClock) -> None:
    measured = metrics(clock, **settings)
    for name in ("rpc.query", "raft.apply"):
        measured.increment(name)
    measured.fold()
    assert [name for name, _ in measured.totals] == passing


def test_the_text_for_prometheus_counts_since_the_start_and_forgets_what_is_not_seen(clock: ManualClock) -> None:
    measured = metrics(clock, retention=60.0)
    measured.increment("rpc.query")
    measured.sample("http.GET.v1.kv._", 1.5)
    measured.gauge("loop.turns", 3, (("le", 'a"b'),))
    assert prometheus(measured) == (
        "# HELP consul_http_GET_v1_kv__ consul_http_GET_v1_kv__\n# TYPE consul_http_GET_v1_kv__ summary\n"
        'consul_http_GET_v1_kv__{quantile="0.5"} 1.5\nconsul_http_GET_v1_kv__{quantile="0.9"} 1.5\n'
        'consul_http_GET_v1_kv__{quantile="0.99"} 1.5\n'
        "consul_http_GET_v1_kv___sum 1.5\nconsul_http_GET_v1_kv___count 1\n"
        '# HELP consul_loop_turns consul_loop_turns\n# TYPE consul_loop_turns gauge\nconsul_loop_turns{le="a\\"b"} 3\n'
        "# HELP consul_rpc_query consul_rpc_query\n# TYPE consul_rpc_query counter\nconsul_rpc_query 1\n"
    )
    clock.advance(50.0)
    measured.increment("rpc.query", 2)
    clock.advance(11.0)
    assert "consul_rpc_query 3\n" in prometheus(measured)
    assert "loop_turns" not in prometheus(measured)


def test_a_dump_has_one_line_for_each(clock: ManualClock) -> None:
    measured = metrics(clock)
    measured.increment("rpc.query")
    measured.gauge("x", 1)
    measured.fold()
    assert dump(measured.finished()).splitlines() == [
        "[2023-11-14 22:13:20 +0000 UTC][G] 'consul.x': 1.000",
        "[2023-11-14 22:13:20 +0000 UTC][C] 'consul.rpc.query': Count: 1 Sum: 1.000",
    ]


@pytest.mark.parametrize(
    ("tags", "lines"),
    [
        pytest.param(None, {b"consul.rpc.query:1.000000|c", b"consul.x.v:2.000000|g", b"consul.t:1.500000|ms"}, id="statsd"),
        pytest.param(
            ["env:a"],
            {b"consul.rpc.query:1.000000|c|#env:a", b"consul.x:2.000000|g|#env:a,l:v", b"consul.t:1.500000|ms|#env:a"},
            id="dogstatsd",
        ),
    ],
)
def test_measurements_are_sent_by_udp(tags: list[str] | None, lines: set[bytes], clock: ManualClock) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        sink = Statsd(f"127.0.0.1:{receiver.getsockname()[1]}", tags)
        measured = metrics(clock)
        measured.sinks.append(sink)
        measured.increment("rpc.query")
        measured.sample("t", 1.5)
        measured.gauge("x", 2, (("l", "v"),))
        measured.fold()
        assert set(receiver.recv(2000).split()) == lines
        sink.close()


def test_nobody_listening_is_no_failure(clock: ManualClock) -> None:
    sink = Statsd("127.0.0.1:1")
    for _ in range(1000):
        sink.counter("x" * 100, (), 1)
    sink.close()


def test_a_late_timer_is_counted_where_it_belongs(clock: ManualClock) -> None:
    measured = metrics(clock)
    monitor = LoopMonitor(clock, measured)
    for late in (0.0, 0.5, 4.0, 49.0, 51.0, 5000.0):
        monitor.late(late)
    monitor.report()
    measured.fold()
    assert monitor.counts == [2, 1, 0, 0, 1, 1, 0, 0, 1]
    assert monitor.longest == 5000.0


def test_quantiles_are_of_the_newest_samples_and_of_none_they_are_no_number(clock: ManualClock) -> None:
    measured = metrics(clock, retention=600.0)
    for value in range(1, 101):
        measured.sample("raft.commitTime", value)
    text = prometheus(measured)
    for part, value in (("0.5", 50), ("0.9", 90), ("0.99", 99)):
        assert f'consul_raft_commitTime{{quantile="{part}"}} {value}\n' in text
    for value in range(100_000):
        measured.sample("raft.commitTime", value)
    measured.fold()
    assert len(measured.intervals[-1].recent["consul.raft.commitTime", ()]) <= 512
    clock.advance(30.0)
    assert 'consul_raft_commitTime{quantile="0.5"} NaN\n' in prometheus(measured)
