"""A whole agent on this host: made of a configuration, started, stopped."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from muster.agent import remote_exec
from muster.agent.agent import Agent, Servers
from muster.agent.config.config import Config
from muster.agent.datacenters import PooledDatacenters
from muster.agent.external_checks import ExternalChecks
from muster.agent.identity import node_id
from muster.agent.rate_limit import RateLimit
from muster.agent.remote_exec import RemoteExecution
from muster.agent.remote_servers import RemoteServers
from muster.agent.settings import sinks, telemetry_settings
from muster.agent.telemetry import Metrics
from muster.dns.server import DnsServer
from muster.http import listener as http
from muster.http.addresses import settings_of
from muster.http.listener import Listener
from muster.model.clock import Clock
from muster.model.durations import seconds
from muster.model.errors import ConfigurationError, MusterError
from muster.program.clock import SystemClock
from muster.program.data_lock import DataLock
from muster.program.hanging_up import hanging_up
from muster.program.server_part import ServerPart, open_storage, rpc_source
from muster.storage.raft_storage import RaftStorage
from muster.transport.rpc_pool import RpcPool

logger = logging.getLogger("agent")


class RunningAgent:
    """Made on a running loop, with a server inside it if the configuration says so. After `start` its listeners are open."""

    def __init__(self, config: Config, clock: Clock | None = None, chance: random.Random | None = None) -> None:
        self.clock = clock or SystemClock()
        self.random = chance or random.Random()  # the one place where chance begins
        self.read_config: Callable[[], Config] | None = None
        self.on_leave: Callable[[], Awaitable[None]] | None = None
        self.on_failure: Callable[[MusterError], None] | None = None
        self._lock = DataLock("" if config.dev else config.data_dir)
        try:
            storage = open_storage(config, self.random) if config.server else None  # before the node's id is written beside it
        except BaseException:  # whatever stops the start, another agent may have the directory
            self._lock.release()
            raise
        self.config = config = replace(config, node_id=node_id(config, self.random))
        self.metrics = Metrics(self.clock, telemetry_settings(config))
        self.metrics.sinks += sinks(config)
        self.server_part = self._server_part(config, storage) if storage is not None else None
        self.remote: RemoteServers | None = None
        self.rpc_pool: RpcPool | None = None
        self.agent = Agent(config, self.clock, self.random, self._servers(config), self.metrics, self._read_config, self._leave, self._fail)
        self.remote_execution = RemoteExecution(self.agent.call, config.node_name, config.datacenter, config.disable_remote_exec)
        self.agent.internal_events[remote_exec.EVENT] = self.remote_execution.announced
        if self.remote is not None:
            self.agent.pools.lan_listeners.append(self.remote.heard)
        if self.rpc_pool is not None:
            self.agent.pools.lan_listeners.append(hanging_up(self.rpc_pool))
        self.external_checks: ExternalChecks | None = None
        self.datacenters: PooledDatacenters | None = None
        if self.server_part is not None:
            pools = self.agent.pools
            self.datacenters = PooledDatacenters(pools, config.datacenter, self.clock, self.random, self.server_part.pool)
            pools.wan_listeners.append(self.datacenters.heard)
            self.server_part.server.know_datacenters(self.datacenters)
            pools.lan_listeners.append(self.server_part.server.member_event)
            if config.muster_external_checks:
                leads = self.server_part.server.is_ready
                self.external_checks = ExternalChecks(self.agent.call, self.clock, self.random, config.datacenter, leads)
            for listeners in (pools.lan_listeners, pools.wan_listeners):  # after those who then know whom else to ask
                listeners.append(hanging_up(self.server_part.pool))
            self.agent.leave_pools = self._leave_as_server
        self.http: Listener | None = None
        self.dns: DnsServer | None = None

    def _server_part(self, config: Config, storage: RaftStorage) -> ServerPart:
        return ServerPart(
            config,
            storage,
            self.clock,
            self.random,
            self.metrics,
            self._leadership,
            members=lambda: self.agent.pools.members(),
            force_leave=lambda name: self.agent.pools.force_leave(name, prune=False),
        )

    def _servers(self, config: Config) -> Servers:
        """The way to the servers: the one in this process, or those of the pool."""
        if self.server_part is not None:
            return self.server_part.server
        self.rpc_pool = RpcPool(source=rpc_source(config))
        limits = config.limits
        self.remote = RemoteServers(
            self.rpc_pool,
            self.clock,
            self.random,
            hold=seconds(config.performance.rpc_hold_timeout),
            agents=lambda: self.agent.pools.alive_count(),
            on_first=lambda: self.agent.leader_found(),
            limit=RateLimit(self.clock, limits.rpc_rate, limits.rpc_max_burst),
        )
        return self.remote

    async def start(self) -> None:
        """Restores the state, opens pools and listeners, begins to run checks, joins. Raises what stops the start."""
        await self._open_rpc()
        await self._open_pools()
        if self.server_part is not None:
            self.server_part.server.on_user_event.append(self._fire)
            await self.server_part.start()
        self.agent.start()
        if self.server_part is not None and self.server_part.server.is_ready():
            self.agent.leader_found()
        if self.external_checks is not None:
            self.external_checks.start()
        await self._listen()
        self.agent.reload_listeners.append(self._reconfigured)
        self.agent.start_watches()
        await self.agent.start_joining()

    async def _open_rpc(self) -> None:
        """Before the pools, so that whoever hears of this server can call it."""
        try:
            if self.server_part is not None:
                await self.server_part.open()
        except OSError as error:
            raise ConfigurationError(f"RPC: {error}; choose another port (ports.server) or address (bind_addr)") from error

    async def _open_pools(self) -> None:
        try:
            await self.agent.pools.open()
        except OSError as error:
            raise ConfigurationError(
                f"gossip: {error}; choose other ports (ports.serf_lan, ports.serf_wan) or addresses (bind_addr, serf_lan, serf_wan)"
            ) from error

    async def _listen(self) -> None:
        config = self.config
        try:
            self.http = await http.start(self.agent, config, self.metrics, self.clock)
            if config.ports.dns >= 0:
                self.dns = self._dns()
                for host in config.addresses.dns:
                    await self.dns.listen(host, config.ports.dns)
        except OSError as error:
            raise ConfigurationError(f"{error}; choose other ports (ports.*) or addresses (client_addr, addresses.*)") from error

    def _dns(self) -> DnsServer:
        from muster.dns.recursor import Recursor
        from muster.dns.resolver import Resolver
        from muster.dns.settings import settings_of as dns_settings_of

        settings = dns_settings_of(self.config)
        cache = self.agent.cache if self.server_part is None else None  # a server's newest answers are at hand
        recursor = Recursor(settings, self.random)
        resolver = Resolver(self.agent.server.call, settings, self.clock, self.random, recursor, cache, self.metrics)
        return DnsServer(resolver, self.random)

    async def stop(self) -> None:
        """Closes the listeners, then ends checks, gossip and consensus; what was acknowledged is on the disk."""
        if self.dns is not None:
            self.dns.close()
        if self.server_part is not None:
            await self.server_part.stop_answering()
        if self.http is not None:
            await self.http.close()
        if self.external_checks is not None:
            await self.external_checks.stop()
        await self.remote_execution.stop()
        await self.agent.stop()
        if self.remote is not None:
            self.remote.stop()
        if self.datacenters is not None:
            self.datacenters.stop()
        if self.rpc_pool is not None:
            self.rpc_pool.close()
        await self.agent.pools.close()
        if self.server_part is not None:
            await self.server_part.stop()
        self._lock.release()

    async def hand_over(self) -> None:
        """Before a server stops without leaving: another one leads, if there is one that can."""
        if self.server_part is not None:
            await self.server_part.server.hand_over()

    async def _leave_as_server(self) -> None:
        """Hands over, leaves the pools, lets requests under way finish, and sees itself removed from Raft."""
        assert self.server_part is not None
        await self.server_part.server.leave(self.agent.pools.leave, seconds(self.config.performance.leave_drain_time))

    def _leadership(self, leads: bool) -> None:
        if leads:
            asyncio.get_running_loop().call_soon(self.agent.leader_found)

    def _fire(self, name: str, payload: bytes) -> None:
        """An event of the server's own, or one that another agent asked it to send, goes to the pool."""
        self.agent.pools.lan.user_event(name, payload)

    def _read_config(self) -> Config:
        if self.read_config is None:
            return self.config
        return replace(self.read_config(), node_id=self.config.node_id)

    def _reconfigured(self, config: Config) -> None:
        """Limits, headers and blocked endpoints of HTTP follow a reload, and the rate of calls."""
        if self.remote is not None:
            self.remote.limit.configure(config.limits.rpc_rate, config.limits.rpc_max_burst)
        if self.http is not None:
            self.http.configure(settings_of(config))

    def _fail(self, error: MusterError) -> None:
        """The agent cannot go on: whoever runs it ends it."""
        logger.error("%s", error)
        if self.on_failure is not None:
            self.on_failure(error)

    async def _leave(self) -> None:
        if self.on_leave is not None:
            await self.on_leave()
