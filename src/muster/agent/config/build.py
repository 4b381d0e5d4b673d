"""From flags and files to one checked `Config`.

The order is the peers': development defaults, then files in the order given, then flags; lists and blocks append and merge, the
last scalar stands.
"""

import os
import re
import socket
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from muster.agent.config import documents, parts, sections
from muster.agent.config.addresses import advertised, client_addresses, resolved
from muster.agent.config.config import Config, Definition
from muster.agent.config.flags import AGENT_FLAGS
from muster.agent.config.refusals import refuse_or_warn
from muster.agent.config.rules import check_rules
from muster.agent.config.schema import Tree, convert, wire_form
from muster.model.durations import MINUTE, format_duration
from muster.model.errors import ConfigurationError

DEVELOPMENT: Tree = {
    "bind_addr": "127.0.0.1",
    "disable_anonymous_signature": True,
    "disable_keyring_file": True,
    "enable_debug": True,
    "node_name": "",
    "log_level": "DEBUG",
    "server": True,
    "ui": True,
    "connect": {"enabled": True},
    "performance": {"raft_multiplier": 1},
}
APPENDED = frozenset(("services", "checks", "watches"))
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\-]+")


def load_flags(flags: Mapping[str, Any]) -> Config:
    """The configuration that these flags mean, by their names on the command line. Raises ConfigurationError."""
    form = str(flags.get("config-format") or "")
    if form not in ("", "hcl", "json"):
        raise ConfigurationError(f"config: -config-format must be either 'hcl' or 'json', not {form!r}")
    trees: list[tuple[str, Tree]] = []
    skipped: list[str] = []
    lists, values = _trees_of_flags(flags)
    trees.append(("flags", lists))
    for path in documents.files_of(list(flags.get("config-file") or ()), list(flags.get("config-dir") or ())):
        if documents.has_format(path, form):
            trees.append((str(path), documents.read(path, form)))
        else:
            skipped.append(f"skipping file {path}, extension must be .hcl or .json, or config format must be set")
    trees.append(("flags", values))
    for number, text in enumerate(flags.get("hcl") or ()):
        trees.append((f"flags-{number}.hcl", documents.parse(text, f"flags-{number}.hcl", "hcl")))
    config = build(trees, bool(flags.get("dev")))
    return replace(config, warnings=(*skipped, *config.warnings))


def _trees_of_flags(flags: Mapping[str, Any]) -> tuple[Tree, Tree]:
    """The flags that are lists, and the others: lists come before those of files, single values after, as the peers join them."""
    lists: Tree = {}
    values: Tree = {}
    for flag in AGENT_FLAGS:
        value = flags.get(flag.name)
        if value is None or not flag.path:
            continue
        if flag.path == "node_meta":
            value = dict(_pair(text) for text in value)
        elif flag.kind == "duration" and isinstance(value, int):
            value = format_duration(value)
        *blocks, name = flag.path.split(".")
        target = lists if isinstance(value, list | tuple) else values
        for block in blocks:
            target = target.setdefault(block, {})
        target[name] = list(value) if isinstance(value, list | tuple) else value
    return convert(lists, "flags"), convert(values, "flags")


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition(":")
    return key, value


def merged(into: Tree, tree: Tree) -> Tree:
    """`tree` over `into`: maps merge, lists append, scalars replace."""
    for name, value in tree.items():
        old = into.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            into[name] = merged(dict(old), value)
        elif isinstance(value, list) and isinstance(old, list):
            into[name] = old + value
        else:
            into[name] = value
    return into


def build(trees: list[tuple[str, Tree]], dev: bool) -> Config:
    """The configuration of these trees, each with its source, in order."""
    given: Tree = {}
    services: list[Definition] = []
    checks: list[Definition] = []
    for source, tree in trees:
        services += [Definition(fields, source) for fields in _definitions(tree, "service")]
        checks += [Definition(fields, source) for fields in _definitions(tree, "check")]
        rest = {name: value for name, value in tree.items() if name not in ("service", "services", "check", "checks")}
        given = merged(given, rest)
    try:
        warnings = refuse_or_warn(given)
        whole = merged(merged({}, DEVELOPMENT), given) if dev else given
        config = _config(whole, dev, tuple(services), tuple(checks))
        warnings += check_rules(config, whole)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}{_where(str(error), trees)}") from error
    return replace(config, warnings=tuple(warnings))


def _definitions(tree: Tree, single: str) -> list[Tree]:
    """The definitions of one file under the names of the HTTP API: the many first, as the peers join them."""
    found = [*tree.get(f"{single}s", ()), *([tree[single]] if single in tree else ())]
    return [wire_form(fields, single) for fields in found]


def _where(text: str, trees: list[tuple[str, Tree]]) -> str:
    """Which file set the key that an error text names; empty for flags and for keys that are not set."""
    for source, tree in reversed(trees):
        paths = sorted(_paths(tree, ""), key=len, reverse=True)
        for path in paths:
            if source != "flags" and re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", text):
                return f" ({path} is set in {source})"
    return ""


def _paths(tree: Tree, prefix: str) -> list[str]:
    found = []
    for name, value in tree.items():
        found.append(prefix + name)
        if isinstance(value, dict):
            found += _paths(value, f"{prefix}{name}.")
    return found


def _content_path(given: str) -> str:
    """The path of the web page with its slashes: `console` is /console/."""
    inner = given.strip("/")
    return f"/{inner}/" if inner else "/"


def _config(whole: Tree, dev: bool, services: tuple[Definition, ...], checks: tuple[Definition, ...]) -> Config:
    """The typed configuration. Nothing here decides whether values are sensible: `rules` does."""
    get = whole.get
    server = bool(get("server", False))
    bind = resolved(get("bind_addr", "0.0.0.0"), "bind_addr")
    advertise = advertised(whole, bind)
    clients = client_addresses(get("client_addr", "127.0.0.1"))
    domain = get("domain", "consul.")
    return Config(
        node_name=get("node_name") or socket.gethostname(),
        node_id=get("node_id", ""),
        datacenter=str(get("datacenter", "dc1")).lower(),
        primary_datacenter=str(get("primary_datacenter") or get("acl_datacenter") or get("datacenter", "dc1")).lower(),
        data_dir=os.path.abspath(get("data_dir", "")) if get("data_dir") and not dev else "",  # noqa: PTH100  # no file is touched here
        dev=dev,
        server=server,
        bootstrap=get("bootstrap", False),
        bootstrap_expect=get("bootstrap_expect", 0),
        node_meta=get("node_meta", {}),
        tagged_addresses=get("tagged_addresses", {}),
        disable_host_node_id=get("disable_host_node_id", True),
        bind_address=bind,
        client_addresses=clients,
        advertise_address=advertise,
        advertise_address_wan=resolved(get("advertise_addr_wan", advertise), "advertise_addr_wan"),
        translate_wan_addresses=get("translate_wan_addrs", False),
        ports=parts.ports(get("ports", {}), dev),
        addresses=parts.addresses(get("addresses", {}), clients),
        unix_sockets=sections.UnixSockets(**get("unix_sockets", {})),
        leave_on_terminate=get("leave_on_terminate", not server),
        skip_leave_on_interrupt=get("skip_leave_on_interrupt", server),
        pid_file=get("pid_file", ""),
        logging=parts.logging(whole),
        telemetry=parts.telemetry(get("telemetry", {})),
        enable_debug=get("enable_debug", False),
        disable_remote_exec=get("disable_remote_exec", True),
        disable_update_check=get("disable_update_check", False),
        disable_anonymous_signature=get("disable_anonymous_signature", False),
        disable_keyring_file=get("disable_keyring_file", False),
        rejoin_after_leave=get("rejoin_after_leave", False),
        muster_external_checks=get("muster_external_checks", False),
        encryption=sections.Encryption(get("encrypt", ""), get("encrypt_verify_incoming", True), get("encrypt_verify_outgoing", True)),
        serf_bind_address_lan=resolved(get("serf_lan") or bind, "serf_lan"),
        serf_bind_address_wan=resolved(get("serf_wan") or bind, "serf_wan"),
        join_lan=parts.join(whole, ""),
        join_wan=parts.join(whole, "_wan"),
        gossip_lan=parts.gossip(sections.GossipSettings(), get("gossip_lan", {}), dev),
        gossip_wan=parts.gossip(sections.WAN_GOSSIP, get("gossip_wan", {}), dev),
        cache=sections.Cache(**get("cache", {})),
        protocol=get("protocol", 2),
        enable_central_service_config=get("enable_central_service_config", False),
        ui_dir=get("ui_dir", ""),
        disable_coordinates=get("disable_coordinates", False),
        disable_http_unprintable_char_filter=get("disable_http_unprintable_char_filter", False),
        http=parts.http(get("http_config", {})),
        limits=parts.limits(get("limits", {})),
        tls=parts.tls(whole),
        ui=get("ui", False) or bool(get("ui_dir", "")),
        ui_content_path=_content_path(get("ui_content_path", "/ui/")),
        default_query_time=get("default_query_time", 5 * MINUTE),
        max_query_time=get("max_query_time", 10 * MINUTE),
        discovery_max_stale=get("discovery_max_stale", 0),
        domain=domain if domain.endswith(".") else domain + ".",
        alt_domain=get("alt_domain", ""),
        recursors=tuple(get("recursors", ())),
        dns=parts.dns(get("dns_config", {})),
        services=services,
        checks=checks,
        watches=tuple(get("watches", ())),
        config_entries=tuple(get("config_entries", {}).get("bootstrap", ())),
        enable_script_checks=get("enable_script_checks", False),
        enable_local_script_checks=get("enable_local_script_checks", False),
        check_update_interval=get("check_update_interval", 5 * MINUTE),
        check_output_max_size=get("check_output_max_size", 4096),
        discard_check_output=get("discard_check_output", False),
        enable_agent_tls_for_checks=get("enable_agent_tls_for_checks", False),
        connect_enabled=get("connect", {}).get("enabled", False),
        own=parts.own(get("muster", {})),
        performance=parts.performance(get("performance", {})),
        raft=parts.raft(whole),
        autopilot=parts.autopilot(get("autopilot", {})),
        session_ttl_minimum=get("session_ttl_min", 0),
        coordinates=parts.coordinates(whole, dev),
        intervals=parts.intervals(whole, dev),
        settings=whole,
    )
