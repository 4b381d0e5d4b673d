"""Real agents in processes of their own, for tests that kill, load or speak to a whole program."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

MUSTER = Path(sys.executable).with_name("muster")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, for TCP and UDP; below those that the system gives to outgoing connections."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12_000, 27_900)
        if port not in found and all(is_free(port, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            found.append(port)
    return found


def is_free(port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class AgentProcess:
    """An agent: `program` with `arguments`; its ports are chosen once and stay over restarts. A context manager.

    `inside` enters the network that the agent is started in and asked in (`namespaces.Namespace.inside`); the machine's own by default.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        program: Path = MUSTER,
        config: dict | None = None,
        node: str = "test-node",
        bind: str = "127.0.0.1",
        client: str = "127.0.0.1",
        ports: Sequence[int] | None = None,
        log_level: str = "warn",
        inside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.folder = folder
        self.node = node
        self.client = client
        self.inside = inside
        folder.mkdir(parents=True, exist_ok=True)
        self.http, self.dns, self.rpc, self.lan, self.wan = ports or free_ports(5)
        (folder / "test.json").write_text(json.dumps(config or {}))
        self.command = [
            str(program), "agent", f"-node={node}", f"-bind={bind}", f"-client={client}", f"-log-level={log_level}", f"-http-port={self.http}",
            f"-dns-port={self.dns}", f"-server-port={self.rpc}", f"-serf-lan-port={self.lan}", f"-serf-wan-port={self.wan}", "-grpc-port=-1",
            f"-config-file={folder / 'test.json'}", *arguments,
        ]  # fmt: skip
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "AgentProcess":
        self.start()
        self.until_leader()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log, self.inside():
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self, sign: int = signal.SIGTERM, limit: float = 20) -> int | None:
        """Ends the process and returns its status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sign)
            try:
                self.process.wait(limit)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def call(self, method: str, path: str, body: bytes | str | None = None, timeout: float = 30, headers: dict | None = None):
        """(status, body, headers) of one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.client, self.http, timeout=timeout)
        try:
            with self.inside():
                connection.connect()
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def json(self, path: str):
        return json.loads(self.call("GET", path)[1])

    def until(self, condition, limit: float = 30, what: str = ""):
        """Asks again and again until the condition holds; returns its value."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            assert self.process is None or self.process.poll() is None, (
                f"the agent ended with {self.process.returncode}:\n{self.log()[-3000:]}"
            )
            try:
                if value := condition():
                    return value
            except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
                pass
            time.sleep(0.02)
        raise AssertionError(f"not within {limit} s: {what or condition}\n{self.log()[-3000:]}")

    def until_leader(self, limit: float = 30) -> None:
        self.until(lambda: self.call("PUT", "/v1/kv/test-is-ready", "x", 5)[1].strip() == b"true", limit, what="a first write")

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
