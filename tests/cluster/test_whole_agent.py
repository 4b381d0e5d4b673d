"""Whole processes: reload, signals, exit statuses, data directories that must not start, restarts of checks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import MUSTER, AgentProcess

pytestmark = pytest.mark.slow


def server(folder: Path, **config) -> AgentProcess:
    arguments = ("-server", "-bootstrap-expect=1", f"-data-dir={folder / 'data'}")
    return AgentProcess(folder, *arguments, config={"performance": {"raft_multiplier": 1, "leave_drain_time": "100ms"}, **config})


def test_a_restart_keeps_services_checks_and_their_deadlines(tmp_path):
    agent = server(tmp_path)
    with agent:
        definition = {"Name": "web", "Port": 80, "Check": {"TTL": "1h"}}
        assert agent.call("PUT", "/v1/agent/service/register", json.dumps(definition))[0] == 200
        assert agent.call("PUT", "/v1/agent/check/pass/service:web?note=fine")[0] == 200
        agent.until(lambda: agent.json("/v1/health/service/web?passing"), what="web is passing")
        agent.stop(signal.SIGKILL)
    with agent:
        check = agent.json("/v1/agent/checks")["service:web"]
        assert (check["Status"], check["Output"]) == ("passing", "fine")
        assert agent.json("/v1/health/service/web?passing")


def test_a_reload_takes_over_services_and_leaves_untouched_checks_alone(tmp_path):
    agent = AgentProcess(tmp_path, "-dev", config={"services": [{"name": "a", "check": {"ttl": "1h", "status": "passing"}}]})
    with agent:
        agent.until(lambda: agent.json("/v1/health/service/a?passing"), what="a is passing")
        before = agent.call("GET", "/v1/health/service/a")[2]["x-consul-index"]
        (tmp_path / "test.json").write_text(json.dumps({"services": [
            {"name": "a", "check": {"ttl": "1h", "status": "passing"}}, {"name": "b", "port": 7}]}))  # fmt: skip
        agent.process.send_signal(signal.SIGHUP)
        agent.until(lambda: agent.json("/v1/catalog/service/b"), what="b is registered")
        assert agent.call("GET", "/v1/health/service/a")[2]["x-consul-index"] == before
        (tmp_path / "test.json").write_text('{"services": [{"name": "c"')
        assert agent.call("PUT", "/v1/agent/reload")[0] == 500
        assert set(agent.json("/v1/agent/services")) == {"a", "b"}


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 1), (signal.SIGTERM, 1)], ids=["interrupt", "terminate"])
def test_a_server_stops_without_leaving(tmp_path, sign, status):
    with server(tmp_path) as agent:
        assert agent.stop(sign) == status


def test_the_metrics_are_printed_on_usr1(tmp_path):
    with AgentProcess(tmp_path, "-dev") as agent:
        agent.process.send_signal(signal.SIGUSR1)
        agent.until(lambda: "[G]" in agent.log() or "[C]" in agent.log(), what="metrics on standard error")


def refused(*arguments: str) -> str:
    done = subprocess.run([str(MUSTER), "agent", "-http-port=0", "-dns-port=0", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_server_that_forgot_its_log_does_not_start(tmp_path):
    (tmp_path / "node-id").write_text("40e4a748-2192-161a-0510-9bf59fe950b5")
    assert "no Raft log" in refused("-server", "-bootstrap-expect=1", f"-data-dir={tmp_path}", "-bind=127.0.0.1")


def test_a_directory_of_the_real_program_does_not_start(tmp_path):
    (tmp_path / "raft").mkdir()
    (tmp_path / "raft" / "raft.db").write_bytes(b"bolt")
    text = refused("-server", "-bootstrap-expect=1", f"-data-dir={tmp_path}", "-bind=127.0.0.1")
    assert "muster migrate" in text and "retry_join" in text


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("acl = { enabled = true }", "acl.enabled"),
        ("verify_outgoing = true", "verify_outgoing"),
        ("auto_encrypt = { tls = true }", "auto_encrypt.tls"),
        ("absent = 1", "invalid config key absent"),
        ('ports = { http = "many" }', "ports.http"),
        ('check_update_interval = "soon"', "check_update_interval"),
        ('retry_join = ["provider=aws tag_key=x"]', "retry_join"),
        ('datacenter = "Two Words"', "datacenter"),
        ("performance = { raft_multiplier = 11 }", "raft_multiplier"),
    ],
)
def test_a_setting_that_cannot_be_honoured_stops_the_start(piece, expected):
    assert expected in refused("-dev", f"-hcl={piece}")


def test_descriptors_that_run_out_come_back(tmp_path):
    """Connections beyond the limit wait; one that closes makes room, and the log does not fill."""
    import http.client
    import resource

    limit = (220, 220)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (220, before[1]))
    try:
        agent = AgentProcess(tmp_path, "-dev", config={"limits": {"http_max_conns_per_client": 0}})
        agent.command = ["prlimit", f"--nofile={limit[0]}:{limit[1]}", *agent.command]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with agent:
        held = []
        for _ in range(300):
            connection = http.client.HTTPConnection("127.0.0.1", agent.http, timeout=5)
            connection.connect()
            held.append(connection)
        agent.until(lambda: "cannot accept" in agent.log(), what="a line about descriptors")
        for connection in held:
            connection.close()
        agent.until(lambda: agent.call("PUT", "/v1/kv/after", "x", 2)[1].strip() == b"true", what="a write afterwards")
        assert agent.log().count("cannot accept") < 30


def test_a_check_that_prints_without_end_and_one_that_hangs_are_ended(tmp_path):
    marker = f"muster-test-{os.getpid()}"
    with AgentProcess(tmp_path, "-dev", "-enable-script-checks") as agent:
        for name, script in (("loud", f"yes {marker} | head -c 1000000000"), ("hangs", f": {marker}; sleep 3600 & sleep 3600")):
            body = {"Name": name, "Args": ["sh", "-c", script], "Interval": "3s", "Timeout": "2s" if name == "hangs" else "60s"}
            assert agent.call("PUT", "/v1/agent/check/register", json.dumps(body))[0] == 200
        before = agent.memory()
        agent.until(lambda: agent.json("/v1/agent/checks")["loud"]["Status"] == "passing", 60, "the loud check passes")
        agent.until(
            lambda: "timed out" in agent.json("/v1/agent/checks")["hangs"]["Output"].lower(), limit=60, what="the hanging check is ended"
        )
        assert agent.memory() - before < 30
        deadline = time.monotonic() + 5
        while subprocess.run(["pgrep", "-f", marker], capture_output=True).stdout and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not subprocess.run(["pgrep", "-f", marker], capture_output=True).stdout


def test_configured_entries_are_written_by_the_first_leader(tmp_path):
    entry = {"kind": "service-defaults", "name": "web", "protocol": "http"}
    with AgentProcess(tmp_path, "-dev", config={"config_entries": {"bootstrap": [entry]}}) as agent:
        agent.until(lambda: agent.json("/v1/config/service-defaults/web")["Protocol"] == "http", what="the entry")


def test_a_restart_key_that_changed_is_named(tmp_path):
    with AgentProcess(tmp_path, "-dev", config={"domain": "one"}) as agent:
        (tmp_path / "test.json").write_text(json.dumps({"domain": "two"}))
        agent.process.send_signal(signal.SIGHUP)
        agent.until(lambda: "wait for a restart: keys=domain" in agent.log(), what="a line that names the key")
