"""What the gossip pools are made of, out of the whole configuration."""

from pathlib import Path

from msgspec.structs import replace

from muster.agent.config.config import Config
from muster.agent.config.sections import GossipSettings, Join
from muster.agent.description import tags
from muster.gossip.settings import LAN, WAN, PoolSettings
from muster.model.durations import seconds
from muster.transport.pool_start import PoolOptions

SERF_DIRECTORY = "serf"


def lan_options(config: Config, node_id: str) -> PoolOptions:
    """The pool of all agents of the datacenter."""
    return PoolOptions(
        name=config.node_name,
        tags=tags(config, node_id),
        bind=(config.serf_bind_address_lan, config.ports.serf_lan),
        advertise=(config.advertise_address, config.ports.serf_lan),
        settings=_settings(LAN, config.gossip_lan, config.join_lan),
        encrypt=config.encryption.key,
        keyring_path=_path(config, "local.keyring", kept=not config.disable_keyring_file),
        snapshot_path=_path(config, "local.snapshot"),
        rejoin_after_leave=config.rejoin_after_leave,
        verify_incoming=config.encryption.verify_incoming,
        verify_outgoing=config.encryption.verify_outgoing,
        allowed_networks=config.join_lan.allowed_networks,
    )


def wan_options(config: Config, node_id: str) -> PoolOptions | None:
    """The pool of the servers of all datacenters; None for an agent that is not in it."""
    if not config.server or config.ports.serf_wan < 0:
        return None
    return PoolOptions(
        name=wan_name(config),
        tags=tags(config, node_id, wan=True),
        bind=(config.serf_bind_address_wan, config.ports.serf_wan),
        advertise=(config.advertise_address_wan, config.ports.serf_wan),
        settings=_settings(WAN, config.gossip_wan, config.join_wan),
        encrypt=config.encryption.key,
        keyring_path=_path(config, "remote.keyring", kept=not config.disable_keyring_file),
        snapshot_path=_path(config, "remote.snapshot"),
        rejoin_after_leave=config.rejoin_after_leave,
        verify_incoming=config.encryption.verify_incoming,
        verify_outgoing=config.encryption.verify_outgoing,
        allowed_networks=config.join_wan.allowed_networks,
    )


def wan_name(config: Config) -> str:
    """The name of a server in the pool of all datacenters."""
    return f"{config.node_name}.{config.datacenter}"


def _settings(base: PoolSettings, gossip: GossipSettings, join: Join) -> PoolSettings:
    return replace(
        base,
        gossip_nodes=gossip.gossip_nodes,
        gossip_interval=seconds(gossip.gossip_interval),
        probe_interval=seconds(gossip.probe_interval),
        probe_timeout=seconds(gossip.probe_timeout),
        suspicion_multiplier=gossip.suspicion_multiplier,
        retransmit_multiplier=gossip.retransmit_multiplier,
        reconnect_timeout=seconds(join.reconnect_timeout),
    )


def _path(config: Config, name: str, kept: bool = True) -> str:
    """The place of a pool's file in the data directory; empty where nothing is kept."""
    return str(Path(config.data_dir) / SERF_DIRECTORY / name) if config.data_dir and not config.dev and kept else ""
