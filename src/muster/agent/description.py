"""What the agent tells about itself: its members and `/v1/agent/self`."""

import os
import sys
from typing import Any

import msgspec

from muster.agent.config.config import Config
from muster.agent.identity import SEGMENT_META
from muster.model.durations import format_duration

SPOKEN_VERSION = "1.8.7"
"""The version of Consul whose behaviour this agent has; clients decide by it what they may ask."""

_HIDDEN = ("ACLAgentMasterToken", "ACLAgentToken", "ACLMasterToken", "ACLReplicationToken", "ACLToken", "EncryptKey", "KeyFile")


def tags(config: Config, node_id: str, wan: bool = False) -> dict[str, str]:
    """The tags by which other agents know this one."""
    shared = {
        "acls": "0",
        "build": f"{SPOKEN_VERSION}:",
        "dc": config.datacenter,
        "id": node_id,
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    if not config.server:
        return dict(sorted({**shared, "role": "node"}.items()))
    server = {
        **shared,
        "ft_fs": "1",
        "port": str(config.ports.server),
        "raft_vsn": "3",
        "role": "consul",
    }
    if not wan:
        server["wan_join_port"] = str(config.ports.serf_wan)
    if config.bootstrap:
        server["bootstrap"] = "1"
    elif config.bootstrap_expect > 1:
        server["expect"] = str(config.bootstrap_expect)
    return dict(sorted(server.items()))


def member(config: Config, node_id: str, wan: bool = False) -> dict[str, Any]:
    """This node as a member of a pool."""
    return {
        "Name": f"{config.node_name}.{config.datacenter}" if wan else config.node_name,
        "Addr": config.advertise_address_wan if wan else config.advertise_address,
        "Port": config.ports.serf_wan if wan else config.ports.serf_lan,
        "Tags": tags(config, node_id, wan),
        "Status": 1,
        "ProtocolMin": 1,
        "ProtocolMax": 5,
        "ProtocolCur": 2,
        "DelegateMin": 2,
        "DelegateMax": 5,
        "DelegateCur": 4,
    }


def configuration(config: Config, node_id: str) -> dict[str, Any]:
    """The short description."""
    return {
        "Datacenter": config.datacenter,
        "NodeName": config.node_name,
        "NodeID": node_id,
        "Revision": "",
        "Server": config.server,
        "Version": SPOKEN_VERSION,
    }


def node_meta(config: Config) -> dict[str, str]:
    return dict(sorted({SEGMENT_META: "", **config.node_meta}.items()))


def debug_configuration(config: Config, node_id: str) -> dict[str, Any]:
    """All settings, under the peers' names where they have them; secrets are hidden."""
    shown: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(config).items():
        if name not in ("settings", "services", "checks", "warnings"):
            shown[_title(name)] = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    shown |= dict.fromkeys(_HIDDEN, "hidden")
    shown |= {
        "AdvertiseAddrLAN": config.advertise_address,
        "AdvertiseAddrWAN": config.advertise_address_wan,
        "BindAddr": config.bind_address,
        "CheckUpdateInterval": format_duration(config.check_update_interval),
        "ClientAddrs": list(config.client_addresses),
        "DNSDomain": config.domain,
        "DNSPort": config.ports.dns,
        "DevMode": config.dev,
        "EnableLocalScriptChecks": config.enable_local_script_checks or config.enable_script_checks,
        "EnableRemoteScriptChecks": config.enable_script_checks,
        "HTTPPort": config.ports.http,
        "HTTPSPort": config.ports.https,
        "LeaveOnTerm": config.leave_on_terminate,
        "NodeID": node_id,
        "ServerMode": config.server,
        "ServerPort": config.ports.server,
        "SerfPortLAN": config.ports.serf_lan,
        "SerfPortWAN": config.ports.serf_wan,
        "SkipLeaveOnInt": config.skip_leave_on_interrupt,
        "TaggedAddresses": config.tagged_addresses,
        "Version": SPOKEN_VERSION,
    }
    return dict(sorted(shown.items()))


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def statistics(counts: dict[str, str], tasks: int) -> dict[str, dict[str, str]]:
    """The parts of `Stats` that every agent has."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    pool = {"encrypted": "false", "event_queue": "0", "event_time": "1", "failed": "0", "health_score": "0", "intent_queue": "0"}
    pool |= {"coordinate_resets": "0", "left": "0", "member_time": "1", "members": "1", "query_queue": "0", "query_time": "1"}
    return {
        "agent": counts,
        "build": {"prerelease": "", "revision": "", "version": SPOKEN_VERSION},
        "runtime": {
            "arch": "amd64" if os.uname().machine == "x86_64" else os.uname().machine,
            "cpu_count": str(os.cpu_count() or 1),
            "goroutines": str(tasks),
            "max_procs": str(os.cpu_count() or 1),
            "os": sys.platform,
            "version": f"python{version}",
        },
        "serf_lan": pool,
    }
