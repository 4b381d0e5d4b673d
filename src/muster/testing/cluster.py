"""A whole datacenter for a test: several servers, and client agents if wanted, as processes on this machine.

Processes, and not threads of the test's own: what is killed is killed as a crash or a power cut does it, what is paused stands still
with its timers, and a test that computes does not hold up the elections.
"""

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from muster.client import Client
from muster.client.errors import ClientError
from muster.testing.agent_process import AgentProcess
from muster.testing.cluster_layout import Block, Place, joined, places, write_config

STOP_LIMIT = 30.0  # seconds for an agent that was told to stop, before it is killed
READY_LIMIT = 60.0
POLL_SECONDS = 0.01
LOG_SHOWN = 2000  # characters of an agent's log in an error

Value = TypeVar("Value")


class NotReady(AssertionError):
    """What a test waited for did not happen in time, or an agent ended meanwhile. The text shows the ends of the logs."""


class Agent:
    """One agent of a cluster. Its addresses stay the same over restarts."""

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self.is_server = place.is_server
        self.http_address = place.http_address
        """`IP:PORT`, the form that CONSUL_HTTP_ADDR takes."""
        self.url = f"http://{place.http_address}"
        self.dns_address = place.dns_address
        """`IP:PORT`, by UDP and TCP."""
        self.rpc_address = f"{place.address}:{place.ports.server}"
        """`IP:PORT` of a server, as `/v1/status/leader` names it."""
        self.folder = place.folder
        """Holds `agent.json`, `log` and, in `data`, the agent's data directory."""
        self.client = Client(place.http_address)
        self.process = AgentProcess(place.config_file, place.folder / "log")

    def start(self) -> None:
        """Starts it again, with what its disk holds, and does not wait until it is ready. Raises RuntimeError if it runs."""
        self.process.start()

    def stop(self) -> int | None:
        """Tells it to stop as a service manager does: a leader hands over first, a server does not leave. Returns its exit status."""
        return self.process.end(signal.SIGTERM, STOP_LIMIT)

    def kill(self) -> None:
        """Ends it as `kill -9` does."""
        self.process.end(signal.SIGKILL, STOP_LIMIT)

    def pause(self) -> None:
        """Lets it stand still (SIGSTOP): its connections stay open and nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """Lets it go on (SIGCONT)."""
        self.process.resume()

    @property
    def pid(self) -> int:
        """The id of its last process."""
        return self.process.pid

    @property
    def answers(self) -> bool:
        """Whether its process runs and is not paused."""
        return self.process.is_running and not self.process.is_paused

    @property
    def log(self) -> str:
        """All that it has written, over all its starts."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def __repr__(self) -> str:
        return f"<Agent {self.name} {self.url}>"


class Cluster:
    """Real servers that found a datacenter together, for as long as a `with` block or from `start` to `stop`.

    `config` is the content of a configuration file for all of them; `raft_multiplier` is 1 unless it says otherwise. Without
    `data_dir` all that they write is removed at the end; with it a later cluster of the same size on the same directory finds what was
    written. At the end agents are killed, not asked: what was acknowledged is on the disk.

    The agents have loopback addresses of their own and free ports. They are called n1, n2, …, and the clients c1, ….
    """

    servers: list[Agent]
    """From `start` on."""
    clients: list[Agent]
    """From `start` on."""

    def __init__(
        self,
        *,
        servers: int = 3,
        clients: int = 0,
        config: Mapping[str, Any] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`chance` chooses the addresses."""
        self._counts = servers, clients
        self._config = dict(config or {})
        self._data_dir = Path(data_dir) if data_dir is not None else None
        self._random = chance or random.Random()
        self._block: Block | None = None
        self._folder = Path()
        self.servers, self.clients = [], []

    def start(self) -> "Cluster":
        """Returns itself once the servers have a leader that all agents know and that takes writes.

        Raises ConfigurationError, NotReady with the logs if that takes longer than 60 s, RuntimeError if it runs already.
        """
        if self._block is not None:
            raise RuntimeError("this cluster runs already")
        self._block = block = Block(self._random, sum(self._counts))
        self.servers, self.clients = [], []
        try:
            self._folder = self._data_dir or Path(tempfile.mkdtemp(prefix="muster-cluster-"))
            found = places(*self._counts, block.first, block.ports, self._folder)
            agents = [Agent(place) for place in found]
            for place in found:
                write_config(place, found, joined({"log_level": "INFO"}, self._config))
            self.servers = [agent for agent in agents if agent.is_server]
            self.clients = [agent for agent in agents if not agent.is_server]
            for agent in agents:
                agent.process.start()
            self.until_ready()
        except BaseException:  # an interrupted start, too, leaves no processes behind
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends all agents at once and removes what they wrote, unless it was to be kept; does nothing if the cluster does not run."""
        if self._block is None:
            return
        for agent in self.agents:
            agent.client.close()
            agent.process.tell(signal.SIGKILL)
        for agent in self.agents:
            agent.process.end(signal.SIGKILL, STOP_LIMIT)
        self._block.close()
        self._block = None
        if self._data_dir is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Cluster":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def agents(self) -> list[Agent]:
        """The servers, then the clients."""
        return [*self.servers, *self.clients]

    @property
    def leader(self) -> Agent:
        """The server that leads, as a majority of the servers see it; waits for one. Raises NotReady."""
        return self.until(self._leader, "a leader that a majority of the servers follows")

    @property
    def followers(self) -> list[Agent]:
        """The servers that answer and do not lead."""
        leader = self.leader
        return [server for server in self.servers if server.answers and server is not leader]

    @property
    def client(self) -> Client:
        """Speaks to the first agent that answers; to a client agent if there is one."""
        return next(agent for agent in (*self.clients, *self.servers) if agent.answers).client

    # ---- waiting

    def until(self, condition: Callable[[], Value | None], what: str, limit: float = READY_LIMIT) -> Value:
        """The first value of `condition` that counts as true; a client's error counts as false. Raises NotReady after `limit` seconds."""
        end = time.monotonic() + limit
        while True:
            try:
                value = condition()
            except ClientError:
                pass
            else:
                if value:
                    return value
            if time.monotonic() > end:
                raise NotReady(f"not within {limit:g} s: {what}{self._logs()}")
            time.sleep(POLL_SECONDS)  # the condition is any, so nothing tells when it holds

    def until_ready(self, limit: float = READY_LIMIT) -> Agent:
        """The leader, once all agents that run know it and it takes writes. Raises NotReady, at once if an agent ended by itself."""
        return self.until(self._ready_leader, "all agents know a leader that takes writes", limit)

    def _leader(self) -> Agent | None:
        named = [self._named_by(server) for server in self.servers if server.answers]
        for server in self.servers:
            if named.count(server.rpc_address) > len(self.servers) // 2 and server.answers:
                return server
        return None

    def _named_by(self, agent: Agent) -> str:
        try:
            return agent.client.status.leader()
        except ClientError:
            return ""

    def _ready_leader(self) -> Agent | None:
        failed = [agent.name for agent in self.agents if agent.process.has_failed]
        if failed:
            raise NotReady(f"{', '.join(failed)} ended{self._logs()}")
        leader = self._leader()
        if leader is None or any(self._named_by(agent) != leader.rpc_address for agent in self.agents if agent.answers):
            return None
        leader.client.kv.get("ready")  # a read by default: the leader answers it once it has applied all before
        return leader

    def _logs(self) -> str:
        return "".join(f"\n---- {agent.name}\n{agent.log[-LOG_SHOWN:]}" for agent in self.agents)
