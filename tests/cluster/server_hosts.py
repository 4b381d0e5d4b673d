"""Servers on hosts of their own, on small disks of their own, and the clients that load them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import MUSTER
from conftest import needs_program
from histories import terms_led, written
from load import HOLDER
from namespaces import Host, Network, needs_namespaces
from pool_agents import TIES_LIFE_TO_THE_TEST, PoolAgent

LIMIT = 90.0  # seconds for an election, a catch-up, a registration, on a machine with much other work: only a defect takes longer
LOAD = Path(__file__).with_name("load.py")
RAFT = {"raft_snapshot_threshold": 300, "raft_trailing_logs": 100, "raft_snapshot_interval": "5s"}  # so that followers are sent snapshots
SETTINGS = {
    "performance": {"raft_multiplier": 1, "leave_drain_time": "500ms"},
    "retry_interval": "1s",
    "addresses": {"http": "0.0.0.0"},
    "autopilot": {"min_quorum": 3, "server_stabilization_time": "500ms"},
    "limits": {"http_max_conns_per_client": 30_000},
}


def needs_disks() -> None:
    """Skips by name where no file system can be made and frozen."""
    needs_namespaces()
    for program in ("mkfs.ext4", "fsfreeze", "nsenter", "unshare"):
        needs_program(program)


class Disk:
    """A small file system of its own, mounted at `point` for those only who are started by `enter`. It ends with its holder, and that with the test."""

    def __init__(self, point: Path, megabytes: int = 256) -> None:
        self.point = point
        image = point.with_name(f"{point.name}.image")
        point.mkdir(parents=True)
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True, timeout=60)
        mount = f"mount -o loop {image} {point} && echo mounted && exec sleep infinity"
        words = [*TIES_LIFE_TO_THE_TEST, "unshare", "--mount", "sh", "-c", mount]
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        expect(self._holder, "mounted\n")

    @property
    def enter(self) -> tuple[str, ...]:
        """The words before a command that shall see the disk."""
        return ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt")

    def fill(self) -> None:
        """Nothing more can be written."""
        subprocess.run([*self.enter, "dd", "if=/dev/zero", f"of={self.point}/ballast", "bs=64k"], capture_output=True, timeout=60)
        subprocess.run([*self.enter, "dd", "if=/dev/zero", f"of={self.point}/rest", "bs=1k"], capture_output=True, timeout=60)

    def clear(self) -> None:
        """There is room again."""
        subprocess.run([*self.enter, "rm", "-f", f"{self.point}/ballast", f"{self.point}/rest"], check=True, timeout=60)

    def freeze(self, seconds: float) -> "subprocess.Popen[str]":
        """Whoever writes hangs, and cannot even be killed, for so long. The thaw is armed first and outlives the test; it is returned."""
        thaw = f"echo armed; sleep {seconds}; exec fsfreeze --unfreeze {self.point}"
        armed = subprocess.Popen([*self.enter, "sh", "-c", thaw], stdout=subprocess.PIPE, text=True, start_new_session=True)
        expect(armed, "armed\n")
        subprocess.run([*self.enter, "fsfreeze", "--freeze", str(self.point)], check=True, timeout=60)
        return armed

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


class ServerHost(PoolAgent):
    """A server of Muster's, with a disk of its own if asked for."""

    def __init__(self, folder: Path, node: str, host: Host, config: dict, disk: bool) -> None:
        self.disk = Disk(folder / "data") if disk else None
        super().__init__(folder, node, host, "-server", config=config)
        if self.disk is not None:
            ties = len(TIES_LIFE_TO_THE_TEST)
            self.command = [*self.command[:ties], *self.disk.enter, *self.command[ties:]]

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def put(self, path: str, body: str = "", timeout: float = 15) -> bytes:
        """A write that must succeed."""
        status, answer, _ = self.call("PUT", path, body, timeout)
        if status != 200:
            raise ValueError(f"{path}: {status} {answer!r}")
        return answer

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """A command of the program, asked of this server, that goes on meanwhile."""
        with self.inside():
            return subprocess.Popen([self.program, *words], stdout=subprocess.DEVNULL)

    def keys(self, prefix: str) -> set[str]:
        """The keys under a prefix that this server itself holds."""
        status, answer, _ = self.call("GET", f"/v1/kv/{prefix}?keys&stale")
        if status == 404:
            return set()
        if status != 200:
            raise ValueError(answer)
        return set(json.loads(answer))

    def applied(self) -> int:
        return int(self.json("/v1/agent/self")["Stats"]["raft"]["applied_index"])

    def descriptors(self) -> int:
        """How many it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


class Servers:
    """Servers that expect each other, and a host for clients. A context manager."""

    def __init__(self, folder: Path, count: int = 3, disks: bool = False, program: Path = MUSTER, **config: object) -> None:
        needs_disks() if disks else needs_namespaces()
        self.network = Network()
        self._folder, self._disks = folder, disks
        self._config = SETTINGS | config
        self.clients = self.network.host()
        self.told: Callable[..., None] = lambda *addresses: None
        """Is called with the addresses whenever they become others."""
        self.all: list[ServerHost] = []
        self._made: list[ServerHost] = []
        for _ in range(count):
            self.all.append(self._make(bootstrap_expect=count))
        for server in self.all:
            server.configure(retry_join=self.addresses())

    def __enter__(self) -> "Servers":
        for server in self.all:
            server.start()
        self.leader()
        self.all[0].put("/v1/catalog/register", f'{{"Node": "{HOLDER}", "Address": "10.77.0.254"}}')
        self.until_level()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._made:
            if server.process is not None and server.process.poll() is None:
                server.process.kill()
        for server in self._made:
            if server.process is not None:
                server.process.wait(60)
            if server.disk is not None:
                server.disk.close()
        self.network.close()

    def addresses(self) -> list[str]:
        return [server.address for server in self.all]

    def _make(self, **more: object) -> ServerHost:
        number = len(self._made) + 1
        server = ServerHost(self._folder / f"s{number}", f"s{number}", self.network.host(), self._config | more, self._disks)
        self._made.append(server)
        return server

    def running(self, *but: ServerHost) -> list[ServerHost]:
        return [server for server in self.all if server.is_running() and server not in but]

    def leader(self, *but: ServerHost) -> ServerHost:
        """The one that all running servers, but those, agree upon."""
        found: list[ServerHost] = []

        def agreed() -> bool:
            told = {server.json("/v1/status/leader") for server in self.running(*but)}
            found[:] = [server for server in self.running(*but) if told == {f"{server.address}:8300"}]
            return bool(found)

        until(agreed, LIMIT, "all agree on a leader")
        return found[0]

    def followers(self) -> list[ServerHost]:
        leader = self.leader()
        return [server for server in self.all if server is not leader]

    def until_level(self) -> None:
        """All servers run and hold what a write of now leaves."""
        leader = self.leader()
        until(lambda: leader.put("/v1/kv/level", "x", 10), LIMIT, "a write at the leader")
        index = leader.applied()
        for server in self.all:
            until(lambda: server.applied() >= index, LIMIT, f"{server.node} has applied {index}")

    def cut(self, first: ServerHost, others: Iterable[ServerHost]) -> None:
        """Nothing passes between that one and the others, in either direction; clients reach all."""
        for other in others:
            first.host.deafen(other.host)
            other.host.deafen(first.host)

    def mend(self) -> None:
        for server in self.all:
            server.host.mend()

    def add(self) -> ServerHost:
        """One more, that joins the others."""
        new = self._make(retry_join=self.addresses())
        new.start()
        return new

    def replace(self, old: Sequence[ServerHost], new: Sequence[ServerHost]) -> None:
        """As soon as the new ones vote, the old ones leave, one after another."""
        names = {server.node for server in new}
        until(lambda: names <= self.voters(), LIMIT, f"{names} vote")
        self.all.extend(new)
        self.told(*self.addresses())
        leaving = []
        for server in old:
            leaving.append(server.spawn("leave"))
            self.all.remove(server)
            self.told(*self.addresses())
            until(lambda: server.node not in self.voters(), LIMIT, f"{server.node} votes no more")
        for server, leave in zip(old, leaving):
            assert leave.wait(LIMIT) == 0
            server.process.wait(LIMIT)

    def voters(self) -> set[str]:
        answer = self.running()[-1].json("/v1/operator/raft/configuration")
        return {one["Node"] for one in answer["Servers"] if one["Voter"]}

    def terms_with_two_leaders(self) -> set[int]:
        """Terms in which more than one server began to lead, once each, by all logs."""
        led = [term for server in self._made for term in set(terms_led(server.log()))]
        return {term for term in led if led.count(term) > 1}


class Clients:
    """The process of writers, readers and lockers. A context manager; their history grows in a file."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self.path = folder / "history"
        self.path.touch()
        servers.told = partial(self.tell, "servers")
        with servers.clients.inside():
            self._process = subprocess.Popen(
                [*TIES_LIFE_TO_THE_TEST, sys.executable, str(LOAD), str(self.path), *servers.addresses()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip

    def __enter__(self) -> "Clients":
        expect(self._process, "running\n")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def tell(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def history(self) -> list:
        """What is written down by now."""
        return written(self.path)


def expect(process: "subprocess.Popen[str]", line: str) -> None:
    """Waits for the one line that a program says when it is ready."""
    assert process.stdout is not None
    with process.stdout:
        found = process.stdout.readline()
    assert found == line, f"{process.args} said {found!r}"


def until(condition, limit: float, what: str):
    """The first true value of a condition, which asks running processes: there is nothing to wait on but time."""
    end = time.monotonic() + limit
    last: object = None
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except (OSError, ValueError, LookupError, TypeError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"not within {limit:g} s: {what} ({last})")
