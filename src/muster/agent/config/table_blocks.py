"""The keys inside the blocks of the configuration."""

from muster.agent.config.keys import Key, Kind, Shape, Status

BOOL, INT, UINT, FLOAT, STRING, DURATION = Kind.BOOL, Kind.INT, Kind.UINT, Kind.FLOAT, Kind.STRING, Kind.DURATION
STRINGS = Kind.STRINGS

ACL_OFF = "access control is not built yet, so nothing asks for it"
MESH = "the service mesh is not run by Muster"
ENTERPRISE = "belongs to the enterprise edition"
CIRCONUS = "metrics are not sent to Circonus"
AUTO_CONFIG = "servers cannot hand out configurations yet"
AUTO_ENCRYPT = "servers cannot hand out certificates yet"


def _accepted(name: str, kind: Kind, default: str, note: str, shape: str = "") -> Key:
    return Key(name, kind, default, Status.ACCEPTED, note=note, shape=shape)


def _gossip_pool(interval: str, probe: str, timeout: str, suspicion: str) -> Shape:
    return (
        Key("gossip_nodes", INT, "3"),
        Key("gossip_interval", DURATION, interval),
        Key("probe_interval", DURATION, probe),
        Key("probe_timeout", DURATION, timeout),
        Key("suspicion_mult", INT, suspicion),
        Key("retransmit_mult", INT, "4"),
    )


BLOCK_SHAPES: dict[str, Shape] = {
    "acl": (
        Key("enabled", BOOL, "false", Status.REFUSED, note="access control is not built yet: every request would be allowed"),
        Key("enable_token_replication", BOOL, "false", Status.REFUSED, note="access control is not built yet"),
        _accepted("policy_ttl", DURATION, "30s", ACL_OFF),
        _accepted("role_ttl", DURATION, "0s", ACL_OFF),
        _accepted("token_ttl", DURATION, "30s", ACL_OFF),
        _accepted("down_policy", STRING, "extend-cache", ACL_OFF),
        _accepted("default_policy", STRING, "allow", ACL_OFF),
        _accepted("enable_key_list_policy", BOOL, "false", ACL_OFF),
        _accepted("tokens", Kind.BLOCK, "", ACL_OFF, "acl_tokens"),
        _accepted("disabled_ttl", DURATION, "2m", ACL_OFF),
        _accepted("enable_token_persistence", BOOL, "false", ACL_OFF),
        _accepted("msp_disable_bootstrap", BOOL, "false", ENTERPRISE),
    ),
    "acl_tokens": (
        *(_accepted(name, STRING, "", ACL_OFF) for name in ("master", "replication", "agent_master", "default", "agent")),
        _accepted("managed_service_provider", Kind.BLOCKS, "", ENTERPRISE, "service_provider_token"),
    ),
    "service_provider_token": (_accepted("accessor_id", STRING, "", ENTERPRISE), _accepted("secret_id", STRING, "", ENTERPRISE)),
    "addresses": (
        *(Key(name, STRING, "client_addr") for name in ("dns", "http", "https")),
        _accepted("grpc", STRING, "client_addr", MESH),
    ),
    "audit": (_accepted("enabled", BOOL, "", ENTERPRISE), _accepted("sink", Kind.BLOCK_MAP, "", ENTERPRISE, "audit_sink")),
    "audit_sink": (
        *(_accepted(name, STRING, "", ENTERPRISE) for name in ("name", "type", "format", "path", "delivery_guarantee")),
        _accepted("rotate_bytes", INT, "", ENTERPRISE),
        _accepted("rotate_duration", DURATION, "", ENTERPRISE),
        _accepted("rotate_max_files", INT, "", ENTERPRISE),
    ),
    "auto_config": (
        Key("enabled", BOOL, "false", Status.REFUSED, note=AUTO_CONFIG),
        *(_accepted(name, STRING, "", AUTO_CONFIG) for name in ("intro_token", "intro_token_file")),
        *(_accepted(name, STRINGS, "", AUTO_CONFIG) for name in ("server_addresses", "dns_sans", "ip_sans")),
        _accepted("authorization", Kind.BLOCK, "", AUTO_CONFIG, "auto_config_authorization"),
    ),
    "auto_config_authorization": (
        Key("enabled", BOOL, "false", Status.REFUSED, note=AUTO_CONFIG),
        _accepted("static", Kind.BLOCK, "", AUTO_CONFIG, "auto_config_static"),
    ),
    "auto_config_static": (
        _accepted("allow_reuse", BOOL, "false", AUTO_CONFIG),
        *(
            _accepted(n, STRINGS, "", AUTO_CONFIG)
            for n in ("claim_assertions", "jwt_supported_algs", "bound_audiences", "jwt_validation_pub_keys")
        ),
        *(_accepted(n, Kind.STRING_MAP, "", AUTO_CONFIG) for n in ("claim_mappings", "list_claim_mappings")),
        *(
            _accepted(n, STRING, "", AUTO_CONFIG)
            for n in ("oidc_discovery_url", "oidc_discovery_ca_cert", "jwks_url", "jwks_ca_cert", "bound_issuer")
        ),
        *(_accepted(n, DURATION, "", AUTO_CONFIG) for n in ("expiration_leeway", "not_before_leeway", "clock_skew_leeway")),
    ),
    "auto_encrypt": (
        Key("tls", BOOL, "false", Status.REFUSED, note=AUTO_ENCRYPT),
        Key("allow_tls", BOOL, "false", Status.REFUSED, note=AUTO_ENCRYPT),
        _accepted("dns_san", STRINGS, "", AUTO_ENCRYPT),
        _accepted("ip_san", STRINGS, "", AUTO_ENCRYPT),
    ),
    "autopilot": (
        Key("cleanup_dead_servers", BOOL, "true"),
        Key("last_contact_threshold", DURATION, "200ms"),
        Key("max_trailing_logs", INT, "250"),
        Key("min_quorum", UINT, "0"),
        Key("server_stabilization_time", DURATION, "10s"),
        _accepted("disable_upgrade_migration", BOOL, "false", ENTERPRISE),
        _accepted("redundancy_zone_tag", STRING, "", ENTERPRISE),
        _accepted("upgrade_version_tag", STRING, "", ENTERPRISE),
    ),
    "cache": (
        _accepted("entry_fetch_max_burst", INT, "2", "answers are shared, not fetched"),
        _accepted("entry_fetch_rate", FLOAT, "no limit", "answers are shared, not fetched"),
    ),
    "config_entries": (Key("bootstrap", Kind.ANY_MAPS, "", reloadable=True),),
    "connect": (
        _accepted("enabled", BOOL, "false; true in dev mode", MESH),
        Key("ca_provider", STRING, "", note="only the built-in authority, `consul`"),
        _accepted("ca_config", Kind.ANY_MAP, "", "the certificate authority is not built yet"),
        Key("enable_mesh_gateway_wan_federation", BOOL, "false", Status.REFUSED, note="federation through mesh gateways is not built"),
        _accepted("test_ca_leaf_root_change_spread", DURATION, "0s", "a setting of Consul's own tests"),
    ),
    "dns_config": (
        Key("allow_stale", BOOL, "true", reloadable=True),
        Key("a_record_limit", INT, "0", reloadable=True),
        Key("disable_compression", BOOL, "false", reloadable=True),
        Key("enable_truncate", BOOL, "false", reloadable=True),
        Key("max_stale", DURATION, "87600h", reloadable=True),
        Key("node_ttl", DURATION, "0s", reloadable=True),
        Key("only_passing", BOOL, "false", reloadable=True),
        Key("recursor_timeout", DURATION, "2s", reloadable=True),
        Key("service_ttl", Kind.DURATION_MAP, "", reloadable=True),
        Key("udp_answer_limit", INT, "3", reloadable=True),
        Key("enable_additional_node_meta_txt", BOOL, "true", reloadable=True),
        Key("soa", Kind.BLOCK, "", reloadable=True, shape="soa"),
        Key("use_cache", BOOL, "false", reloadable=True),
        Key("cache_max_age", DURATION, "0s", reloadable=True),
        _accepted("prefer_namespace", BOOL, "false", ENTERPRISE),
    ),
    "soa": (
        Key("refresh", UINT, "3600", reloadable=True),
        Key("retry", UINT, "600", reloadable=True),
        Key("expire", UINT, "86400", reloadable=True),
        Key("min_ttl", UINT, "0", reloadable=True),
    ),
    "gossip_lan": _gossip_pool("200ms", "1s", "500ms", "4"),
    "gossip_wan": _gossip_pool("500ms", "5s", "3s", "6"),
    "http_config": (
        Key("block_endpoints", STRINGS),
        Key("allow_write_http_from", STRINGS, "everyone"),
        Key("response_headers", Kind.STRING_MAP),
        Key("use_cache", BOOL, "true"),
    ),
    "limits": (
        Key("http_max_conns_per_client", INT, "200", reloadable=True),
        Key("https_handshake_timeout", DURATION, "5s"),
        Key("rpc_handshake_timeout", DURATION, "5s"),
        Key("rpc_max_burst", INT, "1000"),
        Key("rpc_max_conns_per_client", INT, "100"),
        Key("rpc_rate", FLOAT, "no limit"),
        Key("kv_max_value_size", UINT, "524288"),
        Key("txn_max_req_len", UINT, "524288"),
    ),
    "muster": (Key("disk_warning_bytes", UINT, "0, which means a tenth of the disk up to 1 GiB, and room for two more snapshots"),),
    "performance": (
        Key("leave_drain_time", DURATION, "5s"),
        Key("raft_multiplier", INT, "5; 1 in dev mode"),
        Key("rpc_hold_timeout", DURATION, "7s"),
    ),
    "ports": (
        Key("dns", INT, "8600"),
        Key("http", INT, "8500"),
        Key("https", INT, "-1"),
        _accepted("grpc", INT, "-1; 8502 in dev mode", MESH),
        Key("serf_lan", INT, "8301"),
        Key("serf_wan", INT, "8302"),
        Key("server", INT, "8300"),
        _accepted("proxy_min_port", INT, "20000", "managed proxies are gone since Consul 1.6"),
        _accepted("proxy_max_port", INT, "20255", "managed proxies are gone since Consul 1.6"),
        Key("sidecar_min_port", INT, "21000"),
        Key("sidecar_max_port", INT, "21255"),
        _accepted("expose_min_port", INT, "21500", MESH),
        _accepted("expose_max_port", INT, "21755", MESH),
    ),
    "segment": (
        *(_accepted(name, STRING, "", ENTERPRISE) for name in ("advertise", "bind", "name")),
        _accepted("port", INT, "", ENTERPRISE),
        _accepted("rpc_listener", BOOL, "", ENTERPRISE),
    ),
    "telemetry": (
        *(
            _accepted(f"circonus_{name}", STRING, "", CIRCONUS)
            for name in (
                *(
                    "api_app",
                    "api_token",
                    "api_url",
                    "broker_id",
                    "broker_select_tag",
                    "check_display_name",
                    "check_force_metric_activation",
                ),
                *("check_id", "check_instance_id", "check_search_tag", "check_tags", "submission_interval", "submission_url"),
            )
        ),
        Key("disable_hostname", BOOL, "false"),
        Key("dogstatsd_addr", STRING),
        Key("dogstatsd_tags", STRINGS),
        Key("filter_default", BOOL, "true", reloadable=True),
        Key("prefix_filter", STRINGS, "", reloadable=True),
        Key("metrics_prefix", STRING, "consul"),
        Key("prometheus_retention_time", DURATION, "0s"),
        Key("statsd_address", STRING),
        _accepted("statsite_address", STRING, "", "metrics are not sent to statsite"),
    ),
    "unix_sockets": tuple(Key(name, STRING) for name in ("group", "mode", "user")),
    "consul": tuple(
        _accepted(name, Kind.BLOCK, "", "Consul itself lets no user change it", f"consul_{name}")
        for name in ("coordinate", "raft", "server")
    ),
    "consul_coordinate": (
        *(_accepted(name, INT, "", "Consul itself lets no user change it") for name in ("update_batch_size", "update_max_batches")),
        _accepted("update_period", DURATION, "5s", "Consul itself lets no user change it"),
    ),
    "consul_raft": tuple(
        _accepted(name, DURATION, "", "`performance.raft_multiplier` sets it")
        for name in ("election_timeout", "heartbeat_timeout", "leader_lease_timeout")
    ),
    "consul_server": (_accepted("health_interval", DURATION, "2s", "Consul itself lets no user change it"),),
}
