"""What the agent tells about itself: its members and `/v1/agent/self`."""

import os
import sys
from typing import Any

import msgspec

from muster.agent.config.config import Config
from muster.agent.identity import SEGMENT_META
from muster.gossip.effects import Member, MemberStatus
from muster.model.durations import format_duration
from muster.server.server_members import PRE_VOTE_TAG
from muster.transport.endpoints import host

SPOKEN_VERSION = "1.8.7"
"""The version of Consul whose behaviour this agent has; clients decide by it what they may ask."""

OWN_TAGS = "muster_"
"""How the tags begin that Muster's servers show each other; the API shows those that Consul's would."""
STATUS_NUMBERS = {MemberStatus.ALIVE: 1, MemberStatus.LEAVING: 2, MemberStatus.LEFT: 3, MemberStatus.FAILED: 4}
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
        PRE_VOTE_TAG: "1",
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


def member(one: Member) -> dict[str, Any]:
    """A member of a pool as the API shows it."""
    low, high, current, serf_low, serf_high, serf_current = one.versions[:6]
    return {
        "Name": one.name,
        "Addr": host(one.endpoint),
        "Port": one.endpoint[1],
        "Tags": {name: value for name, value in sorted(one.tags.items()) if not name.startswith(OWN_TAGS)},
        "Status": STATUS_NUMBERS[one.status],
        "ProtocolMin": low,
        "ProtocolMax": high,
        "ProtocolCur": current,
        "DelegateMin": serf_low,
        "DelegateMax": serf_high,
        "DelegateCur": serf_current,
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
    }
