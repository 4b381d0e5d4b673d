"""Makes a pool from what the host's configuration says."""

from collections.abc import Callable
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from muster.gossip.effects import Member
from muster.gossip.keyring import Keyring
from muster.gossip.lamport import Clocks
from muster.gossip.serf import Serf
from muster.gossip.settings import LAN, PoolSettings
from muster.model.clock import Clock
from muster.model.errors import ConfigurationError, Rejected
from muster.transport import endpoints
from muster.transport.envelope import Envelope
from muster.transport.gossip import GossipSockets
from muster.transport.gossip_pool import GossipPool
from muster.transport.keyring_file import KeyringFile, keyring
from muster.transport.lookup import Resolver
from muster.transport.member_snapshot import MemberSnapshot
from muster.transport.metrics import Metrics
from muster.wire.gossip import Endpoint


class PoolOptions(Struct, frozen=True, kw_only=True):
    """One pool as the host wants it. Paths are empty for none; `encrypt` is a key in base64, which a keyring file overrules."""

    name: str
    tags: dict[str, str]
    bind: tuple[str, int]
    advertise: tuple[str, int] | None = None
    """What others are told; the bound address (and port) by default. A port of 0 here or there means the bound one."""
    settings: PoolSettings = LAN
    encrypt: str = ""
    keyring_path: str = ""
    snapshot_path: str = ""
    rejoin_after_leave: bool = False
    verify_incoming: bool = True
    verify_outgoing: bool = True
    allowed_networks: tuple[str, ...] | None = None
    label: bytes = b""
    default_port: int = 0
    """The port of addresses to join that name none; our own by default."""


async def open_pool(
    options: PoolOptions,
    clock: Clock,
    chance: Random,
    *,
    admit: Callable[[list[Member]], str] = lambda _members: "",
    metrics: Metrics | None = None,
    resolver: Resolver | None = None,
) -> GossipPool:
    """The pool with its sockets bound and its files read, not started yet: add listeners, then `start`.

    `OSError` if an address cannot be bound, `ConfigurationError` for a bad key, keyring file, network or too long tags.
    `admit` returns why a merge with these members is refused, or "".
    """
    keyring_file = KeyringFile(options.keyring_path) if options.keyring_path else None
    ring = _keys(options, keyring_file)
    envelope = Envelope(ring, options.verify_incoming, options.verify_outgoing, label=options.label)
    settings = replace(options.settings, packet_overhead=envelope.packet_overhead)
    allowed = endpoints.AllowedNetworks(options.allowed_networks)
    sockets = GossipSockets(envelope, clock, allowed=allowed, stream_timeout=settings.stream_timeout, metrics=metrics)
    sockets.bind(*options.bind)
    try:
        await sockets.listen()
        snapshot = MemberSnapshot(options.snapshot_path, options.rejoin_after_leave) if options.snapshot_path else None
        serf = Serf(
            clock.monotonic(),
            options.name,
            _advertised(options, sockets.endpoint),
            options.tags,
            settings,
            chance,
            keyring=ring,
            admit=admit,
            clocks=snapshot.clocks if snapshot is not None else Clocks(),
        )
    except Rejected as error:
        sockets.close()
        raise ConfigurationError(str(error)) from error
    except BaseException:  # cancelled too: the ports are given back
        sockets.close()
        raise
    port = options.default_port or sockets.endpoint[1]
    return GossipPool(
        serf, sockets, clock, chance, default_port=port, snapshot=snapshot, keyring_file=keyring_file, resolver=resolver, metrics=metrics
    )


def _keys(options: PoolOptions, file: KeyringFile | None) -> Keyring | None:
    """Those of the file; else the configured key, which the file then holds."""
    ring = file.load() if file is not None else None
    if ring is None and options.encrypt:
        ring = keyring([options.encrypt], "encrypt")
        if file is not None:
            file.save(ring)
    return ring


def _advertised(options: PoolOptions, bound: Endpoint) -> Endpoint:
    if options.advertise is None:
        return bound
    address, port = options.advertise
    return endpoints.packed(address), port or bound[1]
