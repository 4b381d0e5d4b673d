"""A whole agent on this host: made of a configuration, started, stopped."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from muster.agent.agent import Agent
from muster.agent.config.config import Config
from muster.agent.identity import node_id
from muster.agent.settings import sinks, telemetry_settings
from muster.agent.telemetry import Metrics
from muster.dns.server import DnsServer
from muster.http import listener as http
from muster.http.addresses import settings_of
from muster.http.listener import Listener
from muster.model.clock import Clock
from muster.model.durations import seconds
from muster.model.errors import ConfigurationError, MusterError
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.program.clock import SystemClock
from muster.raft.timing import Timing
from muster.server.consensus import Consensus
from muster.server.raft_snapshots import SnapshotPolicy
from muster.server.replicated_state import ReplicatedState
from muster.server.server import Server
from muster.server.settings import ServerSettings
from muster.state.store import Store
from muster.storage import data_directory, raft_storage
from muster.storage.files import RealFiles
from muster.storage.raft_storage import RaftStorage

logger = logging.getLogger("agent")


class RunningAgent:
    """Made on a running loop. `ready` is done once there is a leader and the listeners are open."""

    def __init__(self, config: Config, clock: Clock | None = None, chance: random.Random | None = None) -> None:
        if not config.server:
            raise ConfigurationError(
                "server: a client agent needs servers to speak to, and the pool in which it would find them is not built yet; "
                "start with -server -bootstrap-expect=1, or with -dev"
            )
        self.clock = clock or SystemClock()
        self.random = chance or random.Random()  # the one place where chance begins
        self.read_config: Callable[[], Config] | None = None
        self.on_leave: Callable[[], Awaitable[None]] | None = None
        storage = self._open_storage(config)
        self.config = config = replace(config, node_id=node_id(config, self.random))
        self.metrics = Metrics(self.clock, telemetry_settings(config))
        self.metrics.sinks += sinks(config)
        state = ReplicatedState(Store())
        settings = server_settings(config)
        self.consensus = Consensus(
            identity=config.node_id,
            address=settings.rpc_address,
            storage=storage,
            state=state,
            clock=self.clock,
            chance=self.random,
            timing=timing(config),
            policy=snapshot_policy(config),
            bootstrap=config.bootstrap or config.bootstrap_expect == 1 or config.dev,
            on_leadership=self._leadership,
        )
        self.server = Server(settings, state, self.consensus, self.clock, self.random)
        self.agent = Agent(config, self.clock, self.random, self.server, self.metrics, self._read_config, self._leave)
        self.http: Listener | None = None
        self.dns: DnsServer | None = None
        self._gauges: asyncio.TimerHandle | None = None

    def _open_storage(self, config: Config) -> RaftStorage:
        if config.dev:
            return raft_storage.in_memory()
        files = RealFiles()
        data_directory.check(files, config.data_dir)
        return raft_storage.open_on_disk(files, config.data_dir, self.random)

    async def start(self) -> None:
        """Restores the state, opens the listeners, begins to run checks. Raises what stops the start."""
        await self.consensus.start()
        self.agent.start()
        if self.server.is_ready():
            self.agent.leader_found()
        await self._listen()
        self.agent.reload_listeners.append(self._reconfigured)
        self.agent.start_watches()
        self._report_gauges()

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
        resolver = Resolver(self.server.call, settings, self.clock, self.random, Recursor(settings, self.random))
        return DnsServer(resolver, self.random)

    async def stop(self) -> None:
        """Closes the listeners, then ends checks and consensus; what was acknowledged is on the disk."""
        if self._gauges is not None:
            self._gauges.cancel()
        if self.dns is not None:
            self.dns.close()
        self.server.stop()
        if self.http is not None:
            await self.http.close()
        await self.agent.stop()
        await self.consensus.stop()

    def _leadership(self, leads: bool) -> None:
        self.server.leadership(leads)
        if leads:
            asyncio.get_running_loop().call_soon(self.agent.leader_found)

    def _read_config(self) -> Config:
        if self.read_config is None:
            return self.config
        return replace(self.read_config(), node_id=self.config.node_id)

    def _reconfigured(self, config: Config) -> None:
        """Limits, headers and blocked endpoints of HTTP follow a reload."""
        if self.http is not None:
            self.http.configure(settings_of(config))

    async def _leave(self) -> None:
        if self.on_leave is not None:
            await self.on_leave()

    def _report_gauges(self) -> None:
        """What waits and what was woken, for the metrics."""
        blocking = self.server.blocking
        self.metrics.gauge("muster.blocking.parked", blocking.parked)
        self.metrics.gauge("muster.blocking.woken", blocking.woken)
        self.metrics.gauge("raft.applied_index", self.consensus.applied_index)
        self.metrics.gauge("raft.last_index", self.consensus.last_index)
        self._gauges = asyncio.get_running_loop().call_later(1.0, self._report_gauges)


def server_settings(config: Config) -> ServerSettings:
    """What the server is told of the configuration."""
    own = config.autopilot
    return ServerSettings(
        datacenter=config.datacenter,
        node_name=config.node_name,
        node_id=config.node_id,
        address=config.advertise_address,
        port=config.ports.server,
        primary_datacenter=config.primary_datacenter,
        session_ttl_minimum_ns=config.session_ttl_minimum or 10_000_000_000,
        rpc_hold_timeout=seconds(config.performance.rpc_hold_timeout),
        coordinate_update_period=seconds(config.coordinates.update_period),
        coordinate_batch_size=config.coordinates.update_batch_size,
        coordinate_maximum_batches=config.coordinates.update_max_batches,
        health_interval=seconds(config.intervals.server_health),
        autopilot=AutopilotConfig(
            cleanup_dead_servers=own.cleanup_dead_servers,
            last_contact_threshold=own.last_contact_threshold,
            max_trailing_logs=own.max_trailing_logs,
            min_quorum=own.min_quorum,
            server_stabilization_time=own.server_stabilization_time,
            redundancy_zone_tag=own.redundancy_zone_tag,
            disable_upgrade_migration=own.disable_upgrade_migration,
            upgrade_version_tag=own.upgrade_version_tag,
        ),
        bootstrap_config_entries=bootstrap_entries(config),
    )


def bootstrap_entries(config: Config) -> tuple[ConfigEntry, ...]:
    """The entries of `config_entries.bootstrap`, which the first leader writes where they are missing."""
    if not config.config_entries:
        return ()
    from muster.http.entry_kinds import parse_entry

    try:
        return tuple(parse_entry(entry) for entry in config.config_entries)
    except MusterError as error:
        raise ConfigurationError(f"config_entries.bootstrap: {error}") from error


def timing(config: Config) -> Timing:
    raft = config.raft
    return Timing(seconds(raft.heartbeat_timeout), seconds(raft.election_timeout), seconds(raft.leader_lease_timeout))


def snapshot_policy(config: Config) -> SnapshotPolicy:
    raft, policy = config.raft, SnapshotPolicy()
    return SnapshotPolicy(
        interval=seconds(raft.snapshot_interval) or policy.interval,
        threshold=raft.snapshot_threshold or policy.threshold,
        trailing=raft.trailing_logs or policy.trailing,
        log_bytes=policy.log_bytes,
    )
