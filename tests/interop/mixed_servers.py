"""Servers of both programs in one datacenter, and the questions by which their states are held against each other."""

import contextlib
import http.client
import json
import socket
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess

from muster.wire.raft import TimeoutNow
from muster.wire.raft_encoder import encode_request

PORTS = (8500, -1, 8300, 8301, -1)
LIMIT = 120.0  # seconds for an election, a promotion by autopilot, a start
TAKE_OVER = 3.0  # seconds for an election by one who is told to stand: longer, and somebody else has won
SETTINGS = {
    "performance": {"raft_multiplier": 1, "leave_drain_time": "100ms"},
    "retry_interval": "1s",
    "disable_update_check": True,
    "autopilot": {"server_stabilization_time": "1s", "last_contact_threshold": "2s", "cleanup_dead_servers": False},
    "limits": {"http_max_conns_per_client": 1000},
}


class MixedServer(AgentProcess):
    """A server of either program; both can be started on one data directory, one after the other. A client agent without `server`."""

    def __init__(
        self, folder: Path, name: str, address: str, program: Path | None = None, data: Path | None = None, server: bool = True, **settings
    ) -> None:
        """`settings` are configuration keys beside or over those of all agents; `program` is Muster if not given."""
        given = {"program": program} if program else {}
        self.name, self.address, self.data = name, address, data or folder / "data"
        config = {**SETTINGS, **settings}
        where = {"node": name, "bind": address, "client": address, "ports": PORTS, "log_level": "info"}
        role = ["-server"] if server else []
        super().__init__(folder, *role, f"-data-dir={self.data}", config=config, **given, **where)
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, method: str = "GET", body: object = None):
        """The JSON of an answer. Raises ValueError with what else was said."""
        data = body if isinstance(body, str | bytes | None) else json.dumps(body)
        status, answer, _ = self.call(method, path, data, timeout=20)
        if status != 200:
            raise ValueError(answer)
        return json.loads(answer)

    def kept(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        """An answer on a connection that stays open; its body is still to be read."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.client, self.http, timeout=30)
        try:
            self._connection.request(method, path, body)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException):
            self.forget_connection()
            raise

    def forget_connection(self) -> None:
        """The next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def stop(self, *options, **more) -> int | None:
        """See AgentProcess."""
        self.forget_connection()
        return super().stop(*options, **more)

    def raft(self) -> dict[str, str]:
        """What the server says of its consensus."""
        return self.ask("/v1/agent/self")["Stats"]["raft"]

    def applied(self) -> int:
        """The index of the last entry in its state."""
        return int(self.raft()["applied_index"])

    def leads(self) -> bool:
        """Whether it says so itself."""
        return self.raft()["state"] == "Leader"

    def take_over(self) -> None:
        """Tells it to stand for election at once, as a leader does that hands over to it."""
        with socket.create_connection((self.address, self.rpc), timeout=10) as connection:
            connection.sendall(b"\x01" + encode_request(TimeoutNow()))
            assert connection.recv(1000)


class NotYet(AssertionError):
    """Something did not come about in time."""


def until(condition: Callable[[], object], what: str, limit: float = LIMIT, servers: Iterable[MixedServer] = ()):
    """The first true value of the condition, which asks running processes: there is nothing to wait on but time."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError, LookupError, http.client.HTTPException, NotYet):
            if found := condition():
                return found
        time.sleep(0.05)
    logs = "".join(f"\n--- {server.name}\n{server.log()[-3000:]}" for server in servers)
    raise NotYet(f"not within {limit:g} s: {what}{logs}")


def voters(server: MixedServer) -> set[str]:
    """The addresses of those whose votes count, as this server's leader says."""
    return {one["Address"] for one in server.ask("/v1/operator/raft/configuration")["Servers"] if one["Voter"]}


def make_leader(server: MixedServer, others: Iterable[MixedServer]) -> None:
    """The server leads when this returns, and all know it."""
    servers = [server, *others]
    here = f"{server.address}:{server.rpc}"

    def leads() -> bool:
        if not server.leads():
            server.take_over()
            until(server.leads, "it won", TAKE_OVER)
        return all(one.ask("/v1/status/leader") == here for one in servers) and server.ask("/v1/kv/leader?consistent", "PUT", "x")

    until(leads, f"{server.name} leads", servers=servers)


QUESTIONS_OF_ALL = [
    "/v1/kv/?recurse", "/v1/kv/?keys", "/v1/catalog/nodes", "/v1/catalog/services", "/v1/health/state/any", "/v1/session/list", "/v1/query",
    "/v1/coordinate/nodes", "/v1/config/service-defaults", "/v1/config/proxy-defaults", "/v1/operator/autopilot/configuration",
    "/v1/internal/ui/nodes", "/v1/internal/ui/services", "/v1/config/service-resolver", "/v1/config/service-router",
    "/v1/config/service-splitter", "/v1/config/ingress-gateway",
]  # fmt: skip
"""What is asked whatever there is."""


def questions(keys: Iterable[str], nodes: Iterable[str], services: Iterable[str], sessions: Iterable[str]) -> list[str]:
    """Every query with an index of its own, over these names."""
    found = list(QUESTIONS_OF_ALL)
    for key in (urllib.parse.quote(one) for one in keys):
        found += [f"/v1/kv/{key}", f"/v1/kv/{key}?recurse", f"/v1/kv/{key}?keys"]
    for node in nodes:
        found += [
            f"/v1/{path}/{node}" for path in ("catalog/node", "catalog/node-services", "health/node", "session/node", "coordinate/node")
        ]
        found.append(f"/v1/internal/ui/node/{node}")
    for service in services:
        found += [f"/v1/{path}/{service}" for path in ("catalog/service", "health/service", "health/checks", "catalog/connect")]
        found += [f"/v1/config/service-defaults/{service}"]
    found += [f"/v1/health/state/{state}" for state in ("passing", "warning", "critical")]
    found += [f"/v1/session/info/{session}" for session in sessions]
    return found


def answer(server: MixedServer, question: str) -> tuple[int, str, object]:
    """Status, index and content of a stale read: what this server holds itself."""
    reply = server.kept("GET", f"{question}{'&' if '?' in question else '?'}stale")
    data = reply.read()
    try:
        content: object = json.loads(data)
    except ValueError:
        content = data
    return reply.status, reply.headers.get("X-Consul-Index", ""), in_order(content)


def in_order(content: object) -> object:
    """Lists of records by their text: where the peers walk a hash map, their order is chance."""
    if isinstance(content, list):
        return sorted(map(in_order, content), key=lambda one: json.dumps(one, sort_keys=True))
    if isinstance(content, dict):
        return {name: in_order(value) for name, value in content.items()}
    return content


def differences(servers: list[MixedServer], asked: list[str]) -> list[str]:
    """What the servers answer differently, once all have applied the same entries; empty if they agree in everything.

    A real server counts an entry as applied when it is on its way to the state, so a difference counts when it is found twice.
    """
    end = time.monotonic() + LIMIT
    found: list[str] | None = None
    while time.monotonic() < end:
        before = {server.applied() for server in servers}
        answers = [{question: answer(server, question) for question in asked} for server in servers] if len(before) == 1 else []
        if not answers or before != {server.applied() for server in servers}:
            time.sleep(0.05)
            continue
        last, found = (
            found,
            [line for one, there in zip(servers[1:], answers[1:]) for line in _differing(servers[0], one, answers[0], there)],
        )
        if not found or found == last:
            return found
        time.sleep(0.5)
    raise AssertionError(f"never quiet: {[(server.name, server.applied()) for server in servers]}, {found}")


def _differing(first: MixedServer, other: MixedServer, here: dict, there: dict) -> list[str]:
    return [
        f"{question}: {first.name} {apart(here[question], there[question])}, {other.name} {apart(there[question], here[question])}"
        for question in here
        if here[question] != there[question]
    ]


def apart(one: tuple[int, str, object], other: tuple[int, str, object]) -> str:
    """Status, index, and of a list only those of one that the other lacks."""
    status, index, content = one
    if isinstance(content, list) and isinstance(other[2], list):
        content = [row for row in content if row not in other[2]]
    return f"{status} {index} {content!s:.800}"
