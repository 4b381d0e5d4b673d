"""One agent: what it runs, how it is reached, and the one way to the servers."""

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from muster.agent import description
from muster.agent.aliases import Aliases
from muster.agent.cache import AgentCache
from muster.agent.checks.runner import CheckRunner
from muster.agent.config.config import Config
from muster.agent.config.reload import changes
from muster.agent.event_payload import NEW_LEADER, PREFIX, decode, encode
from muster.agent.events import UserEvent, UserEvents, concerns, validate
from muster.agent.identity import catalog_identity, node_id
from muster.agent.joining import join, retry_join, start_join
from muster.agent.loading import Loader
from muster.agent.loop_monitor import LoopMonitor
from muster.agent.persistence import Persistence
from muster.agent.pools import Pools
from muster.agent.process import runtime_gauges
from muster.agent.registrar import Registrar
from muster.agent.services import LocalState
from muster.agent.settings import check_settings, own_address, telemetry_settings
from muster.agent.sync import Synchronizer
from muster.agent.telemetry import Metrics
from muster.gossip.effects import Effect, EventReceived
from muster.model.clock import Clock
from muster.model.coordinates import DIMENSIONS, Coordinate
from muster.model.durations import seconds
from muster.model.errors import AclDisabled, ConfigurationError, DecodeError, MusterError, Rejected
from muster.wire.commands import CoordinateUpdateRequest

if TYPE_CHECKING:
    from muster.agent.keyring_operations import KeyringAnswer
    from muster.agent.watching import Watching

logger = logging.getLogger("agent")

FOLD_PERIOD = 1.0  # seconds


class Servers(Protocol):
    """The way to the servers: the server in this process, or the pool of connections to others."""

    def call(self, method: str, request: Any) -> Any:
        """A `Reply`, or a future of one; `MusterError` is raised or is the future's."""
        ...


async def _stays() -> None:
    """Nobody asked what is to happen at a leave."""


def _not_told(_error: MusterError) -> None:
    """Nobody asked what is to happen when the agent cannot go on."""


class Agent:
    """Made by `program`, which also gives `read_config` (for reloads), `on_leave` and `on_failure` (both end the process).

    `config.reload` values may change while it runs; everything else is fixed at the start.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        chance: random.Random,
        server: Servers,
        metrics: Metrics | None = None,
        read_config: Callable[[], Config] | None = None,
        on_leave: Callable[[], Awaitable[None]] = _stays,
        on_failure: Callable[[MusterError], None] = _not_told,
    ) -> None:
        self.config = config
        self.clock = clock
        self.random = chance
        self.server = server
        self.read_config = read_config
        self.on_leave = on_leave
        self.on_failure = on_failure
        self.metrics = metrics or Metrics(clock, telemetry_settings(config))
        self.node_name = config.node_name
        self.node_id = node_id(config, chance)
        self.identity = catalog_identity(config, self.node_id)
        self.local = LocalState(config.node_name, clock, chance, seconds(config.check_update_interval), config.discard_check_output)
        self.local.changed = self._changed
        self.runner = CheckRunner(clock, chance, self._result)
        persistence = Persistence(config.data_dir) if config.data_dir and not config.dev else None
        self.registrar = Registrar(self.local, self.runner, check_settings(config), persistence)
        self.loader = Loader(self.registrar)
        self.cache = AgentCache(self.call, clock, chance)
        self.aliases = Aliases(self.registrar, self.call, config.datacenter)
        self.pools = Pools(config, self.node_id, clock, chance, self.metrics)
        self.pools.lan_listeners.append(self._heard)
        self.leave_pools: Callable[[], Awaitable[None]] = self.pools.leave
        """How this agent leaves its pools; a server does more than that."""
        self.sync = Synchronizer(self.local, lambda: self.identity, self.call, clock, chance, self.pools.alive_count)
        self.events = UserEvents()
        self.event_listeners: list[Callable[[UserEvent], None]] = []
        self.internal_events: dict[str, Callable[[UserEvent], None]] = {}
        """By their names, the events that are not kept for users, and what is done at them."""
        self.monitor = LoopMonitor(clock, self.metrics)
        self.watching: Watching | None = None
        self.reload_listeners: list[Callable[[Config], None]] = []
        """Told of every configuration that was taken over."""
        self.leaving = False
        self.started = clock.monotonic()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._updates: set[asyncio.Future[Any]] = set()
        self._joining: set[asyncio.Task[None]] = set()

    def call(self, method: str, request: Any) -> Any:
        """Ask the servers: a `Reply`, or a future of one."""
        self.metrics.ones["client.rpc"] += 1
        return self.server.call(method, request)

    def start(self) -> None:
        """Load what is to be run, begin to run it and to keep the catalog in line."""
        self.sync.pause()
        self.loader.load(*_definitions(self.config))
        self.loader.restore()
        self.sync.resume()
        self.sync.start()
        self.monitor.start()
        self._every("fold", FOLD_PERIOD, self._fold)
        self._every("reap", seconds(self.config.intervals.check_reap), self.registrar.reap)
        if not self.config.disable_coordinates:
            self._send_coordinate_later()

    async def start_joining(self) -> None:
        """Join whom the configuration names: `start_join` now (`Rejected` if nobody is there), `retry_join` from now on."""
        pools = [(self.pools.lan, self.config.join_lan, "LAN")]
        if self.pools.wan is not None:
            pools.append((self.pools.wan, self.config.join_wan, "WAN"))
        for pool, settings, cluster in pools:
            await start_join(pool, settings, cluster)
        for pool, settings, cluster in pools:
            if settings.retry:
                task = asyncio.ensure_future(retry_join(pool, settings, cluster))
                self._joining.add(task)
                task.add_done_callback(self._joined)

    def _joined(self, task: "asyncio.Task[None]") -> None:
        self._joining.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, MusterError):
            self.on_failure(error)
        elif error is not None:
            raise error

    async def stop(self) -> None:
        """End checks and synchronization; what was registered stays registered."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._joining:
            task.cancel()
        self.monitor.stop()
        self.cache.stop()
        if self.watching is not None:
            await self.watching.stop()
        await self.aliases.stop()
        await self.runner.stop()
        await self.sync.stop()

    def start_watches(self) -> None:
        """Begin the watches of the configuration; to be called once the HTTP edge is open. `ConfigurationError` names a bad one."""
        self._replace_watches(self._made_watches(self.config))

    def _made_watches(self, config: Config) -> "Watching | None":
        if not config.watches:
            return None
        from muster.agent.watching import Watching

        return Watching(own_address(config), config.watches)

    def _replace_watches(self, watching: "Watching | None") -> None:
        previous, self.watching = self.watching, watching
        if watching is not None:
            watching.start()
        if previous is not None:
            ending = asyncio.ensure_future(previous.stop())
            self._updates.add(ending)
            ending.add_done_callback(self._updates.discard)

    def leader_found(self) -> None:
        """There is a (new) leader: compare everything with it at once."""
        self.sync.trigger_full()
        self.cache.servers_found()

    def _changed(self) -> None:
        self.sync.trigger()
        self.aliases.changed()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def local_change(self) -> "asyncio.Future[None]":
        """Done at the next change of what is run here; cancelling it is enough to be forgotten."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters = [waiter for waiter in self._waiters if not waiter.done()]
        self._waiters.append(future)
        return future

    def _result(self, check_id: str, result: Any) -> None:
        self.registrar.result(check_id, result)

    def _every(self, name: str, period: float, action: Callable[[], None]) -> None:
        def due() -> None:
            self._timers[name] = asyncio.get_running_loop().call_later(period, due)
            action()

        self._timers[name] = asyncio.get_running_loop().call_later(period, due)

    def _fold(self) -> None:
        runtime_gauges(self.metrics)
        self.monitor.report()
        self.metrics.fold()

    def _send_coordinate_later(self) -> None:
        """All agents together send `rate_target` coordinates a second at most, and each its own at moments that chance spreads."""
        settings = self.config.coordinates
        period = max(seconds(settings.interval_minimum), self.pools.alive_count() / settings.rate_target)
        delay = period + self.random.uniform(0.0, period)
        self._timers["coordinate"] = asyncio.get_running_loop().call_later(delay, self._send_coordinate)

    def _send_coordinate(self) -> None:
        """Tell the catalog where this node lies; a leader that is not there is told the next time."""
        self._send_coordinate_later()
        request = CoordinateUpdateRequest(coord=self.coordinate, datacenter=self.config.datacenter, node=self.node_name)
        outcome = asyncio.ensure_future(self._ask("Coordinate.Update", request))
        self._updates.add(outcome)
        outcome.add_done_callback(self._coordinate_sent)

    async def _ask(self, method: str, request: Any) -> Any:
        outcome = self.call(method, request)
        return await outcome if asyncio.isfuture(outcome) else outcome

    def _coordinate_sent(self, outcome: "asyncio.Future[Any]") -> None:
        self._updates.discard(outcome)
        if not outcome.cancelled() and outcome.exception() is not None:
            logger.error("Coordinate update error: error=%s", outcome.exception())

    @property
    def coordinate(self) -> Coordinate:
        """Where this node lies in the space of round-trip times of its datacenter."""
        if self.pools.is_open:
            return self.pools.lan.serf.coordinate
        return Coordinate(vec=[0.0] * DIMENSIONS, error=1.5, adjustment=0.0, height=1e-05)

    def members(self, wan: bool = False, segment: str = "") -> list[dict[str, Any]]:
        """The members of a pool that this agent knows; `Rejected` for a segment, which only the enterprise edition has."""
        if segment and segment != "_all":
            raise Rejected("Network segments are not supported in this version of Consul")
        return [description.member(one) for one in self.pools.members(wan)]

    def self_description(self) -> dict[str, Any]:
        """What `/v1/agent/self` shows."""
        stats = description.statistics(self.registrar.counts(), len(asyncio.all_tasks()))
        servers = getattr(self.server, "statistics", None)
        if servers is not None:
            stats |= servers()
        for name, pool in self.pools.by_name():
            stats[f"serf_{name}"] = pool.serf.statistics()
        return {
            "Config": description.configuration(self.config, self.node_id),
            "DebugConfig": description.debug_configuration(self.config, self.node_id),
            "Coord": self.coordinate,
            "Member": next((description.member(one) for one in self.pools.members() if one.name == self.node_name), None),
            "Stats": dict(sorted(stats.items())),
            "Meta": description.node_meta(self.config),
        }

    async def join(self, address: str, wan: bool = False) -> int:
        """Join the pool of whoever is at `address`; how many members were reached. `Rejected` says why none was."""
        logger.info("(%s) joining: %s_addresses=[%s]", "WAN" if wan else "LAN", "wan" if wan else "lan", address)
        return await join(self.pools.pool(wan), [address])

    def force_leave(self, node: str, prune: bool = False) -> None:
        """Tell the pool that a failed member has left; `Rejected` for an unknown one."""
        logger.info("Force leaving node: node=%s", node)
        self.pools.force_leave(node, prune)

    def keyring(self, operation: str, key: str = "", relay_factor: int = 0, local_only: bool = False) -> "Awaitable[list[KeyringAnswer]]":
        """Look at the keys of gossip's encryption or change them, everywhere; see `keyring_operations.carry_out`."""
        from muster.agent.keyring_operations import carry_out

        return carry_out(self.config, self.pools, operation, key, relay_factor, local_only)

    async def leave(self) -> None:
        """Leave the pool for good and end the process."""
        if self.leaving:
            return
        self.leaving = True
        logger.info("Requesting shutdown by leaving")
        await self.leave_pools()
        await self.on_leave()

    def reload(self) -> None:
        """Read the configuration again and take over what may change; `ConfigurationError` leaves all as it was."""
        if self.read_config is None:
            return
        self.apply_config(self.read_config())

    def apply_config(self, config: Config) -> None:
        """Take over what Consul lets change: services, checks, log level, watches, limits, telemetry filters, script permissions."""
        watches_changed = config.watches != self.config.watches
        watching = self._made_watches(config) if watches_changed else None
        previous = self.registrar.settings
        self.registrar.settings = check_settings(config)
        self.sync.pause()
        try:
            self.loader.load(*_definitions(config))
        except ConfigurationError:
            self.registrar.settings = previous
            raise
        finally:
            self.sync.resume()
        from muster.agent.logging import set_level

        set_level(config.logging.level)
        self.metrics.configure(telemetry_settings(config))
        self.local.discard_output = config.discard_check_output
        self.local.output_deferral = seconds(config.check_update_interval)
        if config.node_meta != self.config.node_meta:
            self.identity = catalog_identity(config, self.node_id)
            self.local.node_info_in_sync = False
            self.sync.trigger_full()
        waiting = changes(self.config, config).restart
        if waiting:
            logger.warning("These settings changed but wait for a restart: keys=%s", ", ".join(waiting))
        self.config = config
        for listener in self.reload_listeners:
            listener(config)
        if watches_changed:
            self._replace_watches(watching)

    def stamped_event(self, event: UserEvent) -> UserEvent:
        """The event under an id of its own, ready to be sent. `Rejected` if it is not valid."""
        validate(event)
        return replace(event, id=str(uuid.UUID(int=self.random.getrandbits(128))))

    def fire_event(self, event: UserEvent) -> UserEvent:
        """Send a user event to the datacenter; returns it with its id. `Rejected` if it is not valid."""
        sent = self.stamped_event(event)
        self.pools.lan.user_event(PREFIX + event.name, encode(sent))
        return sent

    def _heard(self, effect: Effect) -> None:
        """The pool of the datacenter tells something: events are for the agent, members for who listens to the pool itself."""
        if not isinstance(effect, EventReceived):
            return
        if effect.name == NEW_LEADER:
            logger.info("New leader elected: payload=%s", effect.payload.decode("utf-8", "replace"))
            return
        if not effect.name.startswith(PREFIX):
            logger.debug("Unhandled pool event: event=%s", effect.name)
            return
        try:
            event = decode(effect.payload, effect.time)
        except DecodeError as error:
            logger.warning("Undecodable user event: event=%s error=%s", effect.name, error)
            return
        self.receive_event(event)

    def receive_event(self, event: UserEvent) -> None:
        """An event has reached this node; it is kept if it concerns it."""
        if not concerns(event, self.node_name, self.local.services().values()):
            return
        internal = self.internal_events.get(event.name)
        if internal is not None:
            internal(event)
            return
        self.events.add(event)
        logger.debug("new event: event_name=%s event_id=%s", event.name, event.id)
        for listener in self.event_listeners:
            listener(event)

    def set_token(self, kind: str, token: str) -> None:
        """Replace one of the agent's tokens; refused while access control is off, where tokens mean nothing."""
        raise AclDisabled


def _definitions(config: Config) -> tuple[list[tuple[Any, str]], list[tuple[Any, str]]]:
    return [(one.fields, one.source) for one in config.services], [(one.fields, one.source) for one in config.checks]
