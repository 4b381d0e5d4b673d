"""The gossip pools of one agent: that of its datacenter (LAN), and for a server that of all datacenters' servers (WAN)."""

import asyncio
import logging
import random
from collections.abc import Callable

from msgspec.structs import replace

from muster.agent import merge_checks
from muster.agent.config.config import Config
from muster.agent.pool_log import PoolLog
from muster.agent.pool_options import lan_options, wan_name, wan_options
from muster.gossip.effects import Effect, Member, MemberJoined, MemberStatus, MemberUpdated
from muster.model.clock import Clock
from muster.model.errors import MusterError, Rejected
from muster.transport.endpoints import host
from muster.transport.gossip_pool import GossipPool
from muster.transport.metrics import Metrics
from muster.transport.pool_start import PoolOptions, open_pool

logger = logging.getLogger("agent")

FLOOD_INTERVAL = 60.0  # seconds between two looks for servers of the LAN that the WAN pool lacks


class NotInPool(Rejected):
    """This agent takes no part in the pool that the request is about."""


class Pools:
    """Opened once, closed once. `lan_listeners` and `wan_listeners` are told, in order, of all that the pools tell their host."""

    def __init__(self, config: Config, node_id: str, clock: Clock, chance: random.Random, metrics: Metrics) -> None:
        self._config = config
        self._node_id = node_id
        self._clock = clock
        self._random = chance
        self._metrics = metrics
        self._lan: GossipPool | None = None
        self.wan: GossipPool | None = None
        self.lan_listeners: list[Callable[[Effect], None]] = []
        self.wan_listeners: list[Callable[[Effect], None]] = []
        self._flooding: asyncio.TimerHandle | None = None
        self._joining: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        return self._lan is not None

    @property
    def lan(self) -> GossipPool:
        """The pool of the datacenter; `Rejected` before it is open."""
        if self._lan is None:
            raise NotInPool("the gossip pool is not open")
        return self._lan

    async def open(self) -> None:
        """Bind the sockets and begin to gossip. `OSError` for an address that is taken, `ConfigurationError` for a bad keyring."""
        options = wan_options(self._config, self._node_id)
        if options is not None:
            self.wan = await self._open(options, merge_checks.wan, "wan")
            self.wan.listeners.append(self._tell_wan)
        config = self._with_wan_port(self._config)
        admit = merge_checks.lan(config.node_name, self._node_id, config.datacenter)
        self._lan = await self._open(lan_options(config, self._node_id), admit, "lan")
        self._lan.listeners += [self._flood_soon, self._tell_lan]
        if self.wan is not None:
            self.wan.start()
            self._flood_again()
        self._lan.start()

    def _with_wan_port(self, config: Config) -> Config:
        """Members of the LAN pool are told at which port the WAN pool is joined: the one that is bound."""
        if self.wan is None:
            return config
        return replace(config, ports=replace(config.ports, serf_wan=self.wan.serf.endpoint[1]))

    async def _open(self, options: PoolOptions, admit: merge_checks.Admit, pool: str) -> GossipPool:
        log = PoolLog(options.name, pool)
        chance = random.Random(self._random.getrandbits(64))
        opened = await open_pool(options, self._clock, chance, admit=log.refused(admit), metrics=self._metrics)
        opened.listeners.append(log)
        return opened

    async def leave(self) -> None:
        """Tell both pools that this agent leaves for good."""
        if self.wan is not None:
            await self.wan.leave()
        if self._lan is not None:
            await self._lan.leave()

    async def close(self) -> None:
        """Fall silent; without `leave` the others will see this agent fail."""
        if self._flooding is not None:
            self._flooding.cancel()
        for task in self._joining:
            task.cancel()
        for pool in (self.wan, self._lan):
            if pool is not None:
                await pool.stop()

    def pool(self, wan: bool) -> GossipPool:
        """One of the two; `Rejected` in the peers' words if this agent is not in it."""
        if not wan:
            return self.lan
        if self.wan is None:
            raise NotInPool("WAN Federation is disabled" if self._config.server else "Must be a server to join WAN cluster")
        return self.wan

    def members(self, wan: bool = False) -> list[Member]:
        """The members that this agent knows, itself included; none of a pool that it is not in."""
        pool = self.wan if wan else self._lan
        return pool.members() if pool is not None else []

    def by_name(self) -> list[tuple[str, GossipPool]]:
        """The open pools, as `lan` and `wan`."""
        return [(name, pool) for name, pool in (("lan", self._lan), ("wan", self.wan)) if pool is not None]

    def alive_count(self) -> int:
        """How many agents of the datacenter are alive, at least this one."""
        return max(1, sum(member.status is MemberStatus.ALIVE for member in self.members()))

    def force_leave(self, name: str, prune: bool) -> None:
        """A failed member of the datacenter has left; a server is taken out of the WAN pool too. `Rejected` for an unknown one."""
        if all(member.name != name for member in self.members()):
            raise Rejected(f"agent: No node found with name '{name}'")
        self.lan.force_leave(name, prune)
        if self.wan is not None:
            self.wan.force_leave(f"{name}.{self._config.datacenter}", prune)

    # ---- the flood: servers of the LAN pool are joined to the WAN pool

    def _tell_lan(self, effect: Effect) -> None:
        for listener in self.lan_listeners:
            listener(effect)

    def _tell_wan(self, effect: Effect) -> None:
        for listener in self.wan_listeners:
            listener(effect)

    def _flood_soon(self, effect: Effect) -> None:
        if isinstance(effect, MemberJoined | MemberUpdated) and self.wan is not None and _wan_port(effect.member):
            self._flood()

    def _flood_again(self) -> None:
        self._flood()
        self._flooding = asyncio.get_running_loop().call_later(FLOOD_INTERVAL, self._flood_again)

    def _flood(self) -> None:
        """Join each living server of the LAN pool that the WAN pool does not know as alive."""
        if self.wan is None or self._lan is None:
            return
        known = {member.name for member in self.wan.members() if member.status is MemberStatus.ALIVE}
        known.add(wan_name(self._config))
        for member in self._lan.members():
            port = _wan_port(member)
            if member.status is MemberStatus.ALIVE and port and f"{member.name}.{self._config.datacenter}" not in known:
                task = asyncio.get_running_loop().create_task(self._join_wan(member.name, _address(host(member.endpoint), port)))
                self._joining.add(task)
                task.add_done_callback(self._joining.discard)

    async def _join_wan(self, name: str, address: str) -> None:
        assert self.wan is not None
        try:
            joined, errors = await self.wan.join([address])
        except MusterError as error:
            joined, errors = 0, [str(error)]
        if joined:
            logger.info("Successfully performed flood-join for server at address: server=%s address=%s", name, address)
        else:
            logger.debug("Failed to flood-join server at address: server=%s address=%s error=%s", name, address, "; ".join(errors))


def _wan_port(member: Member) -> int:
    """The WAN port that a server shows; 0 if it shows none."""
    text = member.tags.get("wan_join_port", "")
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return port if member.tags.get("role") == merge_checks.SERVER_ROLE and port < 65536 else 0


def _address(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
