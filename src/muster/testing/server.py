"""A whole agent in the process of a test: its own thread, its own loop, ports that were free."""

import errno
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from muster.agent.config.build import DEVELOPMENT, build, merged
from muster.agent.config.config import Config
from muster.agent.config.schema import Tree, convert
from muster.client import Client
from muster.model.errors import ConfigurationError
from muster.testing.agent_thread import AgentThread

SOURCE = "muster.testing"
ATTEMPTS = 5  # to find a number that is free for DNS by UDP and by TCP: the system chooses it for UDP
FREE_PORTS: Tree = {"ports": {"http": 0, "dns": 0, "server": 0, "serf_lan": 0, "serf_wan": 0}}


class Server:
    """A real agent that leads a datacenter of its own, for as long as a `with` block or from `start` to `stop`.

    `services` are definitions as in a configuration file (`{"name": "web", "port": 80}`), `config` is the content of a
    configuration file. Without `data_dir` the state is in memory and is lost at the end; with it the agent is a durable
    server whose next start finds what was written.

    Nothing of the process is changed: no logging, no signals, no environment.
    """

    http_port: int
    """The port of the HTTP API, from `start` on."""
    dns_port: int
    """The port for DNS questions by UDP and TCP, from `start` on; -1 if the configuration switches DNS off."""
    url: str
    """Where the HTTP API is, as `http://127.0.0.1:PORT`, from `start` on; `unix:///PATH` if the configuration says so."""
    client: Client
    """Speaks to this agent, from `start` on."""

    def __init__(
        self,
        *,
        services: Sequence[Mapping[str, Any]] = (),
        config: Mapping[str, Any] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self._services = list(services)
        self._given = dict(config or {})
        self._data_dir = os.fspath(data_dir) if data_dir is not None else ""
        self._thread: AgentThread | None = None

    def start(self) -> "Server":
        """Returns itself once there is a leader and the services are in the catalog.

        Raises ConfigurationError if the configuration is no good or an address is taken, OSError, StorageFailed or CorruptFile if the
        data directory cannot be used, RuntimeError if it runs already.
        """
        if self._thread is not None:
            raise RuntimeError("this server runs already")
        thread = self._thread = _started(self._config())
        self.http_port, self.dns_port, self.url = thread.http_port, thread.dns_port, thread.url
        self.client = Client(self.address)
        return self

    def stop(self) -> None:
        """Ends the agent and frees its ports; does nothing if it does not run. It may be started again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self.client.close()
            thread.stop()

    @property
    def address(self) -> str:
        """Where the HTTP API is, as `127.0.0.1:PORT`; the form that CONSUL_HTTP_ADDR takes."""
        return self.url.removeprefix("http://")

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _config(self) -> Config:
        """The checked configuration: free ports, then what was given."""
        services: Tree = {"services": self._services} if self._services else {}
        given = merged(convert(self._given, SOURCE), convert(services, SOURCE))
        tree = merged(merged({}, FREE_PORTS), given)
        if tree["ports"]["http"] < 0:
            raise ConfigurationError(f"ports.http = {tree['ports']['http']}: a server for tests needs its HTTP API; 0 takes a free port")
        if tree.get("server") is False:
            raise ConfigurationError("server = false: a server for tests leads a datacenter of its own; leave the key out")
        if not self._data_dir:
            return build([(SOURCE, tree)], dev=True)
        durable: Tree = {"bootstrap": True, "data_dir": self._data_dir}
        return build([(SOURCE, merged(merged(merged({}, DEVELOPMENT), durable), tree))], dev=False)


def _started(config: Config) -> AgentThread:
    """A running agent; tries again if the free port it was given for DNS turns out to be taken for TCP."""
    for attempt in range(1, ATTEMPTS + 1):
        thread = AgentThread(config)
        try:
            thread.start()
        except ConfigurationError as error:
            cause = error.__cause__
            is_taken = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
            if config.ports.dns or not is_taken or attempt == ATTEMPTS:
                raise
        else:
            return thread
    raise AssertionError("the last attempt returns or raises")
