"""The parts of a configuration, each made from its block of settings; defaults are Consul's."""

import ipaddress

from msgspec.structs import replace

from muster.agent.config import sections
from muster.agent.config.addresses import client_addresses
from muster.agent.config.schema import Tree
from muster.model.durations import HOUR, MILLISECOND, MINUTE, SECOND, format_duration
from muster.model.errors import ConfigurationError


def ports(block: Tree, dev: bool) -> sections.Ports:
    known = {name: value for name, value in block.items() if name in sections.Ports.__struct_fields__}
    return sections.Ports(**({"grpc": 8502} if dev else {}) | known)


def addresses(block: Tree, clients: tuple[str, ...]) -> sections.Addresses:
    chosen = {name: client_addresses(block[name]) if name in block else clients for name in ("dns", "http", "https", "grpc")}
    return sections.Addresses(**chosen)


def logging(whole: Tree) -> sections.Logging:
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


def telemetry(block: Tree) -> sections.Telemetry:
    prefixes = block.get("prefix_filter", [])
    return sections.Telemetry(
        disable_hostname=block.get("disable_hostname", False),
        metrics_prefix=block.get("metrics_prefix", "consul"),
        allowed_prefixes=tuple(prefix[1:] for prefix in prefixes if prefix[:1] == "+"),
        blocked_prefixes=tuple(prefix[1:] for prefix in prefixes if prefix[:1] == "-"),
        filter_default=block.get("filter_default", True),
        prometheus_retention_time=block.get("prometheus_retention_time", 0),
        statsite_address=block.get("statsite_address", ""),
        statsd_address=block.get("statsd_address", ""),
        dogstatsd_address=block.get("dogstatsd_addr", ""),
        dogstatsd_tags=tuple(block.get("dogstatsd_tags", ())),
    )


def http(block: Tree) -> sections.Http:
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


def limits(block: Tree) -> sections.Limits:
    value_size = block.get("kv_max_value_size", 512 * 1024)
    return sections.Limits(
        http_max_connections_per_client=block.get("http_max_conns_per_client", 200),
        https_handshake_timeout=block.get("https_handshake_timeout", 5 * SECOND),
        rpc_handshake_timeout=block.get("rpc_handshake_timeout", 5 * SECOND),
        rpc_max_burst=block.get("rpc_max_burst", 1000),
        rpc_max_connections_per_client=block.get("rpc_max_conns_per_client", 100),
        rpc_rate=block.get("rpc_rate", float("inf")),
        kv_max_value_size=value_size,
        transaction_max_request_length=block.get("txn_max_req_len", max(value_size, 512 * 1024)),
    )


def tls(whole: Tree) -> sections.Tls:
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


def dns(block: Tree) -> sections.Dns:
    soa = block.get("soa", {})
    return sections.Dns(
        allow_stale=block.get("allow_stale", True),
        max_stale=block.get("max_stale", 87600 * 60 * MINUTE),
        node_ttl=block.get("node_ttl", 0),
        service_ttl=block.get("service_ttl", {}),
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


def performance(block: Tree) -> sections.Performance:
    return sections.Performance(
        leave_drain_time=block.get("leave_drain_time", 5 * SECOND),
        raft_multiplier=block.get("raft_multiplier", 5),
        rpc_hold_timeout=block.get("rpc_hold_timeout", 7 * SECOND),
    )


def own(block: Tree) -> sections.Own:
    return sections.Own(disk_warning_bytes=block.get("disk_warning_bytes", 0))


def raft(whole: Tree) -> sections.RaftSettings:
    multiplier = whole.get("performance", {}).get("raft_multiplier", 5)
    return sections.RaftSettings(
        election_timeout=multiplier * SECOND,
        heartbeat_timeout=multiplier * SECOND,
        leader_lease_timeout=multiplier * 500 * MILLISECOND,
        snapshot_threshold=whole.get("raft_snapshot_threshold", 0),
        snapshot_interval=whole.get("raft_snapshot_interval", 0),
        trailing_logs=whole.get("raft_trailing_logs", 0),
    )


def join(whole: Tree, pool: str) -> sections.Join:
    networks = whole.get(f"serf{pool or '_lan'}_allowed_cidrs")
    return sections.Join(
        start=tuple(whole.get(f"start_join{pool}", ())),
        retry=tuple(whole.get(f"retry_join{pool}", ())),
        retry_interval=whole.get(f"retry_interval{pool}", 30 * SECOND),
        retry_max=whole.get(f"retry_max{pool}", 0),
        allowed_networks=None if networks is None else tuple(networks),
        reconnect_timeout=whole.get(f"reconnect_timeout{pool}") or 72 * HOUR,
    )


def gossip(defaults: sections.GossipSettings, block: Tree, dev: bool) -> sections.GossipSettings:
    fast = {"gossip_interval": 100 * MILLISECOND, "probe_interval": 100 * MILLISECOND, "probe_timeout": 100 * MILLISECOND}
    quick: Tree = {**fast, "suspicion_mult": 3} if dev else {}
    names = {"suspicion_mult": "suspicion_multiplier", "retransmit_mult": "retransmit_multiplier"}
    return replace(defaults, **{names.get(name, name): value for name, value in {**quick, **block}.items()})


def autopilot(block: Tree) -> sections.Autopilot:
    return sections.Autopilot(**{name: value for name, value in block.items() if name in sections.Autopilot.__struct_fields__})


def coordinates(whole: Tree, dev: bool) -> sections.CoordinateUpdates:
    settings: Tree = {"update_period": 100 * MILLISECOND} if dev else {}
    if "sync_coordinate_interval_min" in whole:
        settings["interval_minimum"] = whole["sync_coordinate_interval_min"]
    return sections.CoordinateUpdates(**settings)


def intervals(whole: Tree, dev: bool) -> sections.Intervals:
    names = {
        "anti_entropy": "ae_interval",
        "check_deregister_minimum": "check_deregister_interval_min",
        "check_reap": "check_reap_interval",
    }
    settings = {field: whole[key] for field, key in names.items() if key in whole}
    for field, value in settings.items():
        if value <= 0:
            raise ConfigurationError(f"config: {names[field]}: {format_duration(value)} is not positive; the default would be right")
    return sections.Intervals(**({"server_health": 200 * MILLISECOND} if dev else {}) | settings)
