"""What makes the settings of the gossip pools wrong. The texts are the peers' where they have one."""

from base64 import b64decode
from ipaddress import ip_network

from muster.agent.config.config import Config
from muster.agent.config.sections import GossipSettings, Join
from muster.model.durations import format_duration
from muster.model.errors import ConfigurationError

KEY_SIZES = (16, 24, 32)


def check_pools(config: Config) -> None:
    """`ConfigurationError` for a key, network, duration or count that no pool could run with."""
    _check_key(config.encryption.key)
    for pool, join, gossip in (("lan", config.join_lan, config.gossip_lan), ("wan", config.join_wan, config.gossip_wan)):
        _check_networks(join, pool)
        _check_join(join, "" if pool == "lan" else "_wan")
        _check_gossip(gossip, pool)


def _check_key(key: str) -> None:
    if not key:
        return
    try:
        size = len(b64decode(key, validate=True))
    except ValueError as error:
        raise ConfigurationError(f"encrypt has invalid key: illegal base64 data: {error}; `muster keygen` makes a right one") from error
    if size not in KEY_SIZES:
        raise ConfigurationError(
            f"encrypt has invalid key: key size must be 16, 24 or 32 bytes, not {size}; `muster keygen` makes a right one"
        )


def _check_networks(join: Join, pool: str) -> None:
    bad = []
    for network in join.allowed_networks or ():
        try:
            if "/" not in network:
                raise ValueError("no prefix length")
            ip_network(network, strict=False)
        except ValueError:
            bad.append(f"\t* invalid cidr: {network}\n")
    if bad:
        count = "1 error" if len(bad) == 1 else f"{len(bad)} errors"
        raise ConfigurationError(f"serf_{pool}_allowed_cidrs: {count} occurred:\n{''.join(bad)}\n")


def _check_join(join: Join, suffix: str) -> None:
    if join.retry_interval <= 0:
        raise ConfigurationError(f"retry_interval{suffix}: {format_duration(join.retry_interval)} is not positive; 30s would be right")
    if join.retry_max < 0:
        raise ConfigurationError(f"retry_max{suffix}: {join.retry_max} is negative; 0 tries for ever")


def _check_gossip(gossip: GossipSettings, pool: str) -> None:
    for name in ("gossip_interval", "probe_interval", "probe_timeout"):
        value = getattr(gossip, name)
        if value <= 0:
            raise ConfigurationError(
                f"gossip_{pool}.{name}: {format_duration(value)} is not positive; a duration such as 1s would be right"
            )
    for name, key in (
        ("gossip_nodes", "gossip_nodes"),
        ("suspicion_multiplier", "suspicion_mult"),
        ("retransmit_multiplier", "retransmit_mult"),
    ):
        if getattr(gossip, name) < 1:
            raise ConfigurationError(f"gossip_{pool}.{key}: {getattr(gossip, name)} is less than 1; the default would be right")
