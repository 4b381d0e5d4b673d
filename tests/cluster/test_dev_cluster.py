"""`muster dev-cluster`, as somebody at a terminal runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from muster.cli.dev_cluster import takes_colours

pytestmark = pytest.mark.slow

MUSTER = Path(sys.executable).with_name("muster")
LIMIT = 60.0  # seconds for what takes one or two on a quiet machine


class DevCluster:
    """The command in a process of its own, with the lines that it has written so far."""

    def __init__(self, *words: str, environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [MUSTER, "dev-cluster", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()

    def __enter__(self) -> "DevCluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, pattern: str) -> re.Match[str]:
        """The first match in what is written."""
        with self._changed:
            assert self._changed.wait_for(lambda: re.search(pattern, self.text), LIMIT), f"{pattern!r} was not written:\n{self.text}"
        return re.search(pattern, self.text)

    def end(self, sign: signal.Signals = signal.SIGINT) -> int:
        """Ends it as Ctrl-C does, and returns the exit status."""
        self.process.send_signal(sign)
        status = self.process.wait(LIMIT)
        self._reader.join()
        return status

    def children(self) -> dict[str, int]:
        """The process of each agent by its name."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        names = re.findall(r"^    (\w\d)   HTTP", self.text, re.MULTILINE)
        return dict(zip(names, sorted(map(int, found))))


def ask(address: str, path: str, body: bytes | None = None) -> str:
    request = urllib.request.Request(f"http://{address}{path}", body, method="GET" if body is None else "PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_three_servers_and_a_client_come_up_are_shown_and_stop_together():
    with DevCluster("-bind=127.0.13.1", "-clients=1") as cluster:
        cluster.until(r"==> n\d leads; ready after \d+\.\d s")
        assert cluster.text.startswith("==> A datacenter of 3 servers and 1 client on this machine; its data is removed at the end.")
        shown = re.findall(r"^    (\w\d)   HTTP http://(\S+)   DNS (\S+)$", cluster.text, re.MULTILINE)
        assert shown == [(name, f"127.0.13.{n}:8500", f"127.0.13.{n}:8600") for n, name in enumerate(("n1", "n2", "n3", "c1"), 1)]
        for line in re.findall(r"^    (curl .*)$", cluster.text, re.MULTILINE):
            tried = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=LIMIT, check=True)
        assert tried.stdout == "hello"
        assert "\x1b" not in cluster.text, "no colours: this is no terminal"
        assert {line.partition(" | ")[0] for line in cluster.lines if " | " in line} == {"n1", "n2", "n3", "c1"}
        folder = Path(json.loads(ask("127.0.13.1:8500", "/v1/agent/self"))["DebugConfig"]["DataDir"]).parents[1]
        children = cluster.children()
        assert folder.is_dir()
        assert len(children) == 4
        assert cluster.end() == 0
        assert cluster.lines[-1] == "==> all agents have ended"
    assert not any(map(lives, children.values()))
    assert not folder.exists()


def test_what_is_kept_is_there_at_the_next_start(tmp_path):
    words = ("-bind=127.0.13.11", f"-data-dir={tmp_path}", "-log-level=warn", "1")
    with DevCluster(*words) as cluster:
        cluster.until("leads; ready")
        assert f"its data is kept in {tmp_path}" in cluster.text
        assert ask("127.0.13.11:8500", "/v1/kv/kept", b"x") == "true"
        assert cluster.end(signal.SIGTERM) == 0
    with DevCluster(*words) as cluster:
        cluster.until("leads; ready")
        assert ask("127.0.13.11:8500", "/v1/kv/kept?raw") == "x"
        assert cluster.end() == 0


def test_an_agent_that_dies_is_told_and_so_is_it_by_the_exit_status():
    with DevCluster("-bind=127.0.13.21") as cluster:
        cluster.until("leads; ready")
        os.kill(cluster.children()["n2"], signal.SIGKILL)
        cluster.until(r"==> n2 ended by itself: signal: killed; 2 left")
        assert ask("127.0.13.21:8500", "/v1/kv/goes-on", b"x") == "true"
        assert cluster.end() == 1


def test_an_agent_that_does_not_stop_is_killed_in_the_end():
    with DevCluster("-bind=127.0.13.31", "1") as cluster:
        cluster.until("leads; ready")
        (pid,) = cluster.children().values()
        os.kill(pid, signal.SIGSTOP)
        assert cluster.end() == 1
        assert "==> not all have stopped within 15 s: n1 killed" in cluster.lines
    assert not lives(pid)


def test_a_second_interrupt_kills_at_once():
    with DevCluster("-bind=127.0.13.41", "1") as cluster:
        cluster.until("leads; ready")
        (pid,) = cluster.children().values()
        os.kill(pid, signal.SIGSTOP)
        cluster.process.send_signal(signal.SIGINT)
        cluster.until("stopping all agents")
        assert cluster.end() == 0
        assert "not all have stopped" not in cluster.text
    assert not lives(pid)


def test_no_agent_stays_behind_when_the_command_is_killed():
    with DevCluster("-bind=127.0.13.51", "1") as cluster:
        cluster.until("leads; ready")
        (pid,) = cluster.children().values()
    end = time.monotonic() + LIMIT
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not lives(pid)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["many"], "'many' is no number of servers; 3 would be right", id="no number"),
        pytest.param(["0"], "at least 1 server", id="no server"),
        pytest.param(["3", "4"], "Too many arguments (expected 1, got 2)", id="two numbers"),
        pytest.param(["-bind=10.1.1.1"], "not all of them are loopback addresses", id="another host"),
        pytest.param(["-port-offset=60000"], "-port-offset=60000", id="ports beyond the last one"),
        pytest.param(["-bind=127.0.13.61"], "127.0.13.61:8301: address already in use", id="a taken port"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(words, message):
    with socket.socket() as other:
        other.bind(("127.0.13.61", 8301))
        other.listen()
        tried = subprocess.run([MUSTER, "dev-cluster", *words], capture_output=True, text=True, timeout=LIMIT)
    assert (tried.returncode, tried.stdout) == (1, "")
    assert message in tried.stderr


def test_on_a_terminal_every_agent_has_its_colour():
    controller, terminal = os.openpty()
    command = [MUSTER, "dev-cluster", "-bind=127.0.13.81", "-log-level=warn", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True) as process:
        os.close(terminal)
        text = b""
        while b"leads; ready" not in text:
            text += os.read(controller, 4096)
        process.send_signal(signal.SIGINT)
        while b"all agents have ended" not in text:
            text += os.read(controller, 4096)
        assert process.wait(LIMIT) == 0
    os.close(controller)
    assert b"\x1b[36mn1 |\x1b[0m 20" in text
    assert b"\x1b[33mn2 |\x1b[0m 20" in text


@pytest.mark.parametrize(
    ("environment", "is_terminal", "coloured"),
    [
        pytest.param({"TERM": "xterm"}, True, True, id="a terminal"),
        pytest.param({"TERM": "xterm"}, False, False, id="a file"),
        pytest.param({"TERM": "xterm", "NO_COLOR": "1"}, True, False, id="no colour is wanted"),
        pytest.param({"TERM": "xterm", "NO_COLOR": ""}, True, True, id="an empty wish is none"),
        pytest.param({"TERM": "dumb"}, True, False, id="a dumb terminal"),
    ],
)
def test_who_gets_colours(monkeypatch, environment, is_terminal, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    assert takes_colours() is coloured


def test_a_wrong_configuration_file_is_told_by_the_agents(tmp_path):
    (tmp_path / "wrong.json").write_text('{"no_such_key": 1}')
    with DevCluster("-bind=127.0.13.71", f"-config-file={tmp_path / 'wrong.json'}", "1") as cluster:
        assert cluster.process.wait(LIMIT) == 1
        cluster.until(r"n1 \| ==> failed to parse(.|\n)*no_such_key(.|\n)*==> n1 ended by itself: exit status 1; 0 left")
