"""From flags and files to one checked `Config`.

The order is the peers': development defaults, then files in the order given, then flags; lists and blocks append and merge, the
last scalar stands.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from typing import Any

from muster.agent.config import documents, sections
from muster.agent.config.addresses import advertised, client_addresses, resolved
from muster.agent.config.config import Config, Definition
from muster.agent.config.documents import Tree
from muster.agent.config.flags import AGENT_FLAGS
from muster.agent.config.rules import check_rules
from muster.agent.config.table import ACCEPTED, KEYS, REFUSED
from muster.model.durations import MILLISECOND, MINUTE, SECOND, format_duration
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
    for path in documents.files_of(list(flags.get("config-file") or ()), list(flags.get("config-dir") or ())):
        trees.append((str(path), documents.read(path, form)))
    trees.append(("flags", _tree_of_flags(flags)))
    for number, text in enumerate(flags.get("hcl") or ()):
        trees.append((f"-hcl #{number + 1}", documents.parse(text, f"-hcl #{number + 1}", "hcl")))
    return build(trees, bool(flags.get("dev")))


def _tree_of_flags(flags: Mapping[str, Any]) -> Tree:
    tree: Tree = {}
    for flag in AGENT_FLAGS:
        value = flags.get(flag.name)
        if value is None or not flag.path:
            continue
        if flag.path == "node_meta":
            value = dict(_pair(text) for text in value)
        *blocks, name = flag.path.split(".")
        target = tree
        for block in blocks:
            target = target.setdefault(block, {})
        target[name] = value
    documents.check(tree, "flags")
    return tree


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
        services += [Definition(fields, source) for fields in _definitions(tree, "service", "services", source)]
        checks += [Definition(fields, source) for fields in _definitions(tree, "check", "checks", source)]
        merged(given, {name: value for name, value in tree.items() if name not in ("service", "services", "check", "checks")})
    warnings = refuse_or_warn(given)
    whole = merged(merged({}, DEVELOPMENT), given) if dev else given
    config = _config(whole, dev, tuple(services), tuple(checks))
    warnings += check_rules(config, whole)
    from msgspec.structs import replace

    return replace(config, warnings=tuple(warnings))


def _definitions(tree: Tree, single: str, several: str, source: str) -> list[dict[str, Any]]:
    found = documents.blocks(tree[single]) if single in tree else []
    return found + list(tree.get(several, ()))


def refuse_or_warn(whole: Tree, prefix: str = "") -> list[str]:
    """Stops the start for what must not be ignored; says what has no effect."""
    warnings: list[str] = []
    for name, value in whole.items():
        key = KEYS[prefix + name]
        if key.kind == "block":
            warnings += refuse_or_warn(value, prefix + name + ".")
        elif key.status == REFUSED and value not in (False, "", [], 0):
            if key.path.startswith("encrypt_verify") and value is True:
                continue  # the default of the peers; it asks for nothing without a key
            raise ConfigurationError(
                f"config: {key.path} = {_shown(key.path, value)} cannot be honoured: {key.note}. "
                "Muster does not start with a security setting that it would ignore; remove it, or wait for the release that builds it"
            )
        elif key.status == ACCEPTED and value != -1:  # a port of -1 asks for nothing
            warnings.append(f"{key.path} has no effect: {key.note}")
    if not prefix:
        for name in ("retry_join", "retry_join_wan"):
            for address in whole.get(name, ()):
                if str(address).startswith("provider="):
                    raise ConfigurationError(
                        f"config: {name}: {address!r} asks a cloud provider for addresses, which Muster does not do; "
                        "give addresses or DNS names"
                    )
    return warnings


def _shown(path: str, value: Any) -> str:
    return "<hidden>" if path in ("encrypt", "acl_master_token") else repr(value)


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
        ports=_ports(get("ports", {}), dev),
        addresses=_addresses(get("addresses", {}), clients),
        unix_sockets=sections.UnixSockets(**get("unix_sockets", {})),
        leave_on_terminate=get("leave_on_terminate", not server),
        skip_leave_on_interrupt=get("skip_leave_on_interrupt", server),
        pid_file=get("pid_file", ""),
        logging=_logging(whole),
        telemetry=_telemetry(get("telemetry", {})),
        disable_coordinates=get("disable_coordinates", False),
        disable_http_unprintable_char_filter=get("disable_http_unprintable_char_filter", False),
        http=_http(get("http_config", {})),
        limits=_limits(get("limits", {})),
        tls=_tls(whole),
        ui=get("ui", False),
        ui_content_path=get("ui_content_path", "/ui/"),
        default_query_time=get("default_query_time", 5 * MINUTE),
        max_query_time=get("max_query_time", 10 * MINUTE),
        discovery_max_stale=get("discovery_max_stale", 0),
        domain=domain if domain.endswith(".") else domain + ".",
        alt_domain=get("alt_domain", ""),
        recursors=tuple(get("recursors", ())),
        dns=_dns(get("dns_config", {})),
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
        performance=_performance(get("performance", {})),
        raft=_raft(whole),
        autopilot=_autopilot(get("autopilot", {})),
        session_ttl_minimum=get("session_ttl_min", 0),
        coordinates=_coordinates(whole, dev),
        intervals=_intervals(whole, dev),
        settings=whole,
    )


def _ports(block: Tree, dev: bool) -> sections.Ports:
    known = {name: value for name, value in block.items() if name in sections.Ports.__struct_fields__}
    return sections.Ports(**({"grpc": 8502} if dev else {}) | known)


def _addresses(block: Tree, clients: tuple[str, ...]) -> sections.Addresses:
    chosen = {name: client_addresses(block[name]) if name in block else clients for name in ("dns", "http", "https", "grpc")}
    return sections.Addresses(**chosen)


def _logging(whole: Tree) -> sections.Logging:
    return sections.Logging(
        level=str(whole.get("log_level", "INFO")).upper(),
        json=whole.get("log_json", False),
        file=whole.get("log_file", ""),
        rotate_bytes=whole.get("log_rotate_bytes", 0),
        rotate_duration=whole.get("log_rotate_duration", 0),
        rotate_max_files=whole.get("log_rotate_max_files", 0),
        enable_syslog=whole.get("enable_syslog", False),
        syslog_facility=whole.get("syslog_facility", "LOCAL0"),
    )


def _telemetry(block: Tree) -> sections.Telemetry:
    prefixes = block.get("prefix_filter", [])
    for prefix in prefixes:
        if prefix[:1] not in ("+", "-"):
            raise ConfigurationError(f"config: telemetry.prefix_filter: {prefix!r} must begin with '+' (let through) or '-' (drop)")
    return sections.Telemetry(
        disable_hostname=block.get("disable_hostname", False),
        metrics_prefix=block.get("metrics_prefix", "consul"),
        allowed_prefixes=tuple(prefix[1:] for prefix in prefixes if prefix[0] == "+"),
        blocked_prefixes=tuple(prefix[1:] for prefix in prefixes if prefix[0] == "-"),
        filter_default=block.get("filter_default", True),
        prometheus_retention_time=block.get("prometheus_retention_time", 0),
        statsd_address=block.get("statsd_address", ""),
        dogstatsd_address=block.get("dogstatsd_addr", ""),
        dogstatsd_tags=tuple(block.get("dogstatsd_tags", ())),
    )


def _http(block: Tree) -> sections.Http:
    for text in block.get("allow_write_http_from", ()):
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise ConfigurationError(
                f"config: http_config.allow_write_http_from: {text!r} is no network; 10.0.0.0/8 would be right"
            ) from error
    return sections.Http(
        block_endpoints=tuple(block.get("block_endpoints", ())),
        allow_write_http_from=tuple(block.get("allow_write_http_from", ())),
        response_headers=block.get("response_headers", {}),
        use_cache=block.get("use_cache", True),
    )


def _limits(block: Tree) -> sections.Limits:
    value_size = block.get("kv_max_value_size", 512 * 1024)
    return sections.Limits(
        http_max_connections_per_client=block.get("http_max_conns_per_client", 200),
        https_handshake_timeout=block.get("https_handshake_timeout", 5 * SECOND),
        kv_max_value_size=value_size,
        transaction_max_request_length=block.get("txn_max_req_len", max(value_size, 512 * 1024)),
    )


def _tls(whole: Tree) -> sections.Tls:
    suites = whole.get("tls_cipher_suites", "")
    return sections.Tls(
        ca_file=whole.get("ca_file", ""),
        ca_path=whole.get("ca_path", ""),
        cert_file=whole.get("cert_file", ""),
        key_file=whole.get("key_file", ""),
        minimum_version=whole.get("tls_min_version", "tls12"),
        cipher_suites=tuple(suite.strip() for suite in suites.split(",") if suite.strip()),
        verify_incoming_https=whole.get("verify_incoming_https", False),
    )


def _dns(block: Tree) -> sections.Dns:
    ttls = {}
    for name, text in block.get("service_ttl", {}).items():
        ttls[name] = documents.converted(text, "duration", f"dns_config.service_ttl[{name}]", "dns_config")
    soa = block.get("soa", {})
    return sections.Dns(
        allow_stale=block.get("allow_stale", True),
        max_stale=block.get("max_stale", 87600 * 60 * MINUTE),
        node_ttl=block.get("node_ttl", 0),
        service_ttl=ttls,
        enable_truncate=block.get("enable_truncate", False),
        only_passing=block.get("only_passing", False),
        recursor_timeout=block.get("recursor_timeout", 2 * SECOND),
        udp_answer_limit=block.get("udp_answer_limit", 3),
        a_record_limit=block.get("a_record_limit", 0),
        disable_compression=block.get("disable_compression", False),
        node_meta_txt=block.get("enable_additional_node_meta_txt", True),
        soa=sections.Soa(soa.get("refresh", 3600), soa.get("retry", 600), soa.get("expire", 86400), soa.get("min_ttl", 0)),
        use_cache=block.get("use_cache", False),
        cache_max_age=block.get("cache_max_age", 0),
    )


def _performance(block: Tree) -> sections.Performance:
    return sections.Performance(
        leave_drain_time=block.get("leave_drain_time", 5 * SECOND),
        raft_multiplier=block.get("raft_multiplier", 5),
        rpc_hold_timeout=block.get("rpc_hold_timeout", 7 * SECOND),
    )


def _raft(whole: Tree) -> sections.RaftSettings:
    multiplier = whole.get("performance", {}).get("raft_multiplier", 5)
    return sections.RaftSettings(
        election_timeout=multiplier * SECOND,
        heartbeat_timeout=multiplier * SECOND,
        leader_lease_timeout=multiplier * 500 * MILLISECOND,
        snapshot_threshold=whole.get("raft_snapshot_threshold", 0),
        snapshot_interval=whole.get("raft_snapshot_interval", 0),
        trailing_logs=whole.get("raft_trailing_logs", 0),
    )


def _autopilot(block: Tree) -> sections.Autopilot:
    return sections.Autopilot(**{name: value for name, value in block.items() if name in sections.Autopilot.__struct_fields__})


def _coordinates(whole: Tree, dev: bool) -> sections.CoordinateUpdates:
    settings: Tree = {"update_period": 100 * MILLISECOND} if dev else {}
    if "sync_coordinate_interval_min" in whole:
        settings["interval_minimum"] = whole["sync_coordinate_interval_min"]
    return sections.CoordinateUpdates(**settings)


def _intervals(whole: Tree, dev: bool) -> sections.Intervals:
    names = {
        "anti_entropy": "ae_interval",
        "check_deregister_minimum": "check_deregister_interval_min",
        "check_reap": "check_reap_interval",
    }
    settings = {field: whole[key] for field, key in names.items() if key in whole}
    for field, value in settings.items():
        if value <= 0:
            raise ConfigurationError(f"config: {names[field]}: {format_duration(value)} is not positive; the default would be right")
    return sections.Intervals(**({"server_health": 10 * MILLISECOND} if dev else {}) | settings)
