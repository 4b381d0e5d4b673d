"""What makes the agent of this host a server: the log on its disk, consensus, the replicated state and its endpoints."""

import asyncio
import random
from collections.abc import Callable
from ipaddress import ip_address

from muster.agent.config.config import Config
from muster.agent.telemetry import Metrics
from muster.gossip.effects import Member
from muster.model.clock import Clock
from muster.model.durations import seconds
from muster.model.errors import ConfigurationError, MusterError
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.program.disk_watch import DiskWatch
from muster.program.rpc_part import RpcPart
from muster.raft.timing import Timing
from muster.server import peers_file
from muster.server.consensus import Consensus
from muster.server.raft_snapshots import SnapshotPolicy
from muster.server.replicated_state import ReplicatedState
from muster.server.server import Server
from muster.server.settings import ServerSettings
from muster.state.store import Store
from muster.storage import data_directory, raft_storage
from muster.storage.files import RealFiles
from muster.storage.raft_storage import RaftStorage
from muster.transport.raft import RaftTransport
from muster.transport.rpc_pool import RpcPool

GAUGE_PERIOD = 1.0  # seconds
IDLE_TIME = 120.0  # seconds after which a server closes an unused connection to another
IDLE_STREAMS = 64


class ServerPart:
    """Made on a running loop; started before and stopped after the agent that asks it."""

    def __init__(
        self,
        config: Config,
        storage: RaftStorage,
        clock: Clock,
        chance: random.Random,
        metrics: Metrics,
        on_leadership: Callable[[bool], None],
        members: Callable[[], list[Member]],
        force_leave: Callable[[str], None],
    ) -> None:
        """`members` and `force_leave` are the pool's; `on_leadership` is told when this server begins or ceases to lead."""
        state = ReplicatedState(Store())
        settings = server_settings(config)
        self._config, self._storage, self._clock, self._metrics = config, storage, clock, metrics
        self._on_leadership = on_leadership
        self._gauges: asyncio.TimerHandle | None = None
        self._disk: DiskWatch | None = None
        if storage.blocking:
            self._disk = DiskWatch(RealFiles(), config.data_dir, storage, metrics, config.own.disk_warning_bytes)
        self.pool = RpcPool(source=rpc_source(config), idle_time=IDLE_TIME, idle_streams=IDLE_STREAMS)
        self.raft = RaftTransport(settings.rpc_address, clock, address_of=self._address_of, identity_of=self._identity_of, metrics=metrics)
        self.consensus = Consensus(
            identity=config.node_id,
            address=settings.rpc_address,
            storage=storage,
            state=state,
            clock=clock,
            chance=chance,
            timing=timing(config),
            policy=snapshot_policy(config),
            bootstrap=config.bootstrap or config.bootstrap_expect == 1 or config.dev,
            on_applied=self._applied,
            on_leadership=self._leadership,
            on_leader=self._leader_changed,
            peers=self.raft,
        )
        self.server = Server(
            settings, state, self.consensus, clock, chance, members=members, forwarding=self.pool, force_leave=force_leave, metrics=metrics
        )
        self.raft.attach(self.consensus)
        self.rpc = RpcPart(config, clock, metrics, self.server.call, self.raft.connection)

    async def open(self) -> None:
        """Accepts connections of others. `OSError` if the address is taken."""
        await self.rpc.open()

    async def start(self) -> None:
        """Restores the state, after `peers.json` if there is one. Raises what stops the start."""
        if self._config.data_dir and not self._config.dev:
            peers_file.recover_if_asked(RealFiles(), self._config.data_dir, self._storage, ReplicatedState(Store()), self._clock)
        await self.consensus.start()
        self.server.start()
        self._report_gauges()
        if self._disk is not None:
            self._disk.start()

    async def stop_answering(self) -> None:
        """What is under way is answered; nothing more is."""
        if self._gauges is not None:
            self._gauges.cancel()
        await self.rpc.close()
        self.server.stop()

    async def stop(self) -> None:
        """Ends consensus; what was acknowledged is on the disk."""
        if self._disk is not None:
            await self._disk.stop()
        self.raft.close()
        self.pool.close()
        await self.consensus.stop()

    def _leadership(self, leads: bool) -> None:
        self.server.leadership(leads)
        self._on_leadership(leads)

    def _applied(self, index: int) -> None:
        self.server.batch_applied(self.consensus.committed(index))

    def _leader_changed(self, address: str) -> None:
        self.server.leader_changed(address)

    def _address_of(self, identity: str) -> str:
        """Where the pool says that a server is; what the log says if the pool does not know it."""
        known = self.server.context.servers.address_of(identity)
        if known:
            return known
        member = self.consensus.configuration.member(identity)
        return member.address if member is not None else ""

    def _identity_of(self, address: str) -> str:
        peer = self.server.context.servers.at(address)
        if peer is not None:
            return peer.identity
        return next((member.identity for member in self.consensus.configuration.members if member.address == address), "")

    def _report_gauges(self) -> None:
        """What waits and what was woken, for the metrics."""
        blocking = self.server.blocking
        self._metrics.gauge("muster.blocking.parked", blocking.parked)
        self._metrics.gauge("muster.blocking.woken", blocking.woken)
        self._metrics.gauge("rpc.queries_blocking", blocking.parked)
        self._metrics.gauge("muster.storage.failed", 1 if self.consensus.disk_fault else 0)
        self._metrics.gauge("raft.applied_index", self.consensus.applied_index)
        self._metrics.gauge("raft.last_index", self.consensus.last_index)
        if self.consensus.is_leader():
            self._report_as_leader()
        self._gauges = asyncio.get_running_loop().call_later(GAUGE_PERIOD, self._report_gauges)

    def _report_as_leader(self) -> None:
        context = self.server.context
        self._metrics.gauge("session_ttl.active", len(context.session_timers))
        health = context.health.reply
        if health.servers is not None:
            self._metrics.gauge("autopilot.healthy", int(health.healthy))
            self._metrics.gauge("autopilot.failure_tolerance", health.failure_tolerance)


def rpc_source(config: Config) -> str:
    """The address that calls to servers come from; empty for any."""
    return "" if ip_address(config.bind_address).is_unspecified else config.bind_address


def open_storage(config: Config, chance: random.Random) -> RaftStorage:
    """The log and the snapshots: in memory in dev mode, else in the data directory. Raises what stops the start."""
    if config.dev:
        return raft_storage.in_memory()
    files = RealFiles()
    data_directory.check(files, config.data_dir)
    return raft_storage.open_on_disk(files, config.data_dir, chance)


def server_settings(config: Config) -> ServerSettings:
    """What the server is told of the configuration."""
    own = config.autopilot
    return ServerSettings(
        datacenter=config.datacenter,
        node_name=config.node_name,
        node_id=config.node_id,
        address=config.advertise_address,
        port=config.ports.server,
        bootstrap_expect=config.bootstrap_expect if config.bootstrap_expect > 1 else 0,
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
