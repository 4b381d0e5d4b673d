"""Every configuration key of Consul 1.8.7, in one table: its type, its default, what Muster does with it.

Source: the configuration records in the program's own type data, and what `consul validate` and `/v1/agent/self` say.
"""

from collections.abc import Iterator

from muster.agent.config.keys import Key, Kind, Shape, Status
from muster.agent.config.table_blocks import ACL_OFF, BLOCK_SHAPES, BOOL, DURATION, ENTERPRISE, FLOAT, INT, MESH, STRING, STRINGS
from muster.agent.config.table_definitions import DEFINITION_SHAPES

NOT_FOR_USERS = "Consul itself lets no user change it"
TLS_BETWEEN_AGENTS = "TLS between agents is not built yet: the connection would be open to everyone"


def _accepted(name: str, kind: Kind, default: str, note: str, shape: str = "") -> Key:
    return Key(name, kind, default, Status.ACCEPTED, note=note, shape=shape)


def _refused(name: str, kind: Kind, note: str) -> Key:
    return Key(name, kind, "", Status.REFUSED, note=note)


ROOT: Shape = (
    *(
        _accepted(name, STRING, "", ACL_OFF)
        for name in ("acl_agent_master_token", "acl_agent_token", "acl_default_policy", "acl_down_policy", "acl_master_token")
    ),
    _refused(
        "acl_datacenter", STRING, "it turns access control on, which is not built yet; `primary_datacenter` names the datacenter alone"
    ),
    _accepted("acl_enable_key_list_policy", BOOL, "false", ACL_OFF),
    _accepted("acl_replication_token", STRING, "", ACL_OFF),
    _accepted("acl_ttl", DURATION, "30s", ACL_OFF),
    _accepted("acl_token", STRING, "", ACL_OFF),
    _accepted("acl_disabled_ttl", DURATION, "2m", ACL_OFF),
    Key("acl", Kind.BLOCK, shape="acl"),
    Key("addresses", Kind.BLOCK, shape="addresses"),
    Key("advertise_addr", STRING, "bind_addr, or the private address"),
    Key("advertise_addr_ipv4", STRING),
    Key("advertise_addr_ipv6", STRING),
    Key("advertise_addr_wan", STRING, "advertise_addr"),
    Key("advertise_addr_wan_ipv4", STRING),
    Key("advertise_addr_wan_ipv6", STRING),
    Key("ae_interval", DURATION, "1m"),
    Key("alt_domain", STRING),
    _accepted("audit", Kind.BLOCK, "", ENTERPRISE, "audit"),
    Key("auto_config", Kind.BLOCK, shape="auto_config"),
    Key("auto_encrypt", Kind.BLOCK, shape="auto_encrypt"),
    Key("autopilot", Kind.BLOCK, shape="autopilot"),
    Key("bind_addr", STRING, "0.0.0.0; 127.0.0.1 in dev mode"),
    Key("bootstrap", BOOL, "false"),
    Key("bootstrap_expect", INT, "0"),
    Key("cache", Kind.BLOCK, shape="cache"),
    Key("ca_file", STRING, reloadable=True),
    Key("ca_path", STRING, reloadable=True),
    Key("cert_file", STRING, reloadable=True),
    Key("check", Kind.BLOCK, reloadable=True, shape="check"),
    Key("checks", Kind.BLOCKS, reloadable=True, shape="check"),
    Key("check_deregister_interval_min", DURATION, "1m"),
    Key("check_output_max_size", INT, "4096"),
    Key("check_reap_interval", DURATION, "30s"),
    Key("check_update_interval", DURATION, "5m"),
    Key("client_addr", STRING, "127.0.0.1"),
    Key("config_entries", Kind.BLOCK, shape="config_entries"),
    Key("connect", Kind.BLOCK, shape="connect"),
    _accepted("consul", Kind.BLOCK, "", NOT_FOR_USERS, "consul"),
    Key("data_dir", STRING),
    Key("datacenter", STRING, "dc1"),
    Key("default_query_time", DURATION, "5m"),
    _accepted("disable_anonymous_signature", BOOL, "false", "Muster never calls home"),
    Key("disable_coordinates", BOOL, "false"),
    Key("disable_host_node_id", BOOL, "true"),
    Key("disable_http_unprintable_char_filter", BOOL, "false"),
    Key("disable_keyring_file", BOOL, "false; true in dev mode"),
    Key("disable_remote_exec", BOOL, "true"),
    _accepted("disable_update_check", BOOL, "false", "Muster never calls home"),
    Key("discard_check_output", BOOL, "false", reloadable=True),
    Key("discovery_max_stale", DURATION, "0s"),
    Key("dns_config", Kind.BLOCK, shape="dns_config"),
    Key("domain", STRING, "consul."),
    _refused("enable_acl_replication", BOOL, "access control is not built yet"),
    Key("enable_agent_tls_for_checks", BOOL, "false"),
    _accepted("enable_central_service_config", BOOL, "false", MESH),
    _accepted("enable_debug", BOOL, "false; true in dev mode", "there is no profiler to switch on"),
    Key("enable_local_script_checks", BOOL, "false"),
    Key("enable_script_checks", BOOL, "false"),
    Key("enable_syslog", BOOL, "false"),
    Key("encrypt", STRING),
    Key("encrypt_verify_incoming", BOOL, "true"),
    Key("encrypt_verify_outgoing", BOOL, "true"),
    Key("gossip_lan", Kind.BLOCK, shape="gossip_lan"),
    Key("gossip_wan", Kind.BLOCK, shape="gossip_wan"),
    Key("http_config", Kind.BLOCK, shape="http_config"),
    Key("key_file", STRING, reloadable=True),
    Key("leave_on_terminate", BOOL, "true; false for a server"),
    Key("limits", Kind.BLOCK, shape="limits"),
    Key("log_file", STRING),
    Key("log_json", BOOL, "false"),
    Key("log_level", STRING, "INFO; DEBUG in dev mode", reloadable=True),
    Key("log_rotate_bytes", INT, "0"),
    Key("log_rotate_duration", DURATION, "24h with log_file"),
    Key("log_rotate_max_files", INT, "0"),
    Key("max_query_time", DURATION, "10m"),
    Key("muster", Kind.BLOCK, shape="muster", note="Muster's own; Consul knows no such key"),
    Key("muster_external_checks", BOOL, "false"),
    Key("node_id", STRING),
    Key("node_meta", Kind.STRING_MAP, reloadable=True),
    Key("node_name", STRING, "the host's name"),
    _accepted("non_voting_server", BOOL, "false", ENTERPRISE),
    Key("performance", Kind.BLOCK, shape="performance"),
    Key("pid_file", STRING),
    Key("ports", Kind.BLOCK, shape="ports"),
    Key("primary_datacenter", STRING, "datacenter"),
    _accepted("primary_gateways", STRINGS, "", "mesh gateways are not built"),
    _accepted("primary_gateways_interval", DURATION, "30s", "mesh gateways are not built"),
    _accepted("protocol", INT, "2", "version 2 is spoken, which versions 2 and 3 understand"),
    _accepted("raft_protocol", INT, "3", "version 3 is spoken"),
    Key("raft_snapshot_interval", DURATION, "30s"),
    Key("raft_snapshot_threshold", INT, "16384"),
    Key("raft_trailing_logs", INT, "10000"),
    Key("reconnect_timeout", DURATION, "72h"),
    Key("reconnect_timeout_wan", DURATION, "72h"),
    Key("recursors", STRINGS),
    Key("rejoin_after_leave", BOOL, "false"),
    Key("retry_interval", DURATION, "30s"),
    Key("retry_interval_wan", DURATION, "30s"),
    Key("retry_join", STRINGS),
    Key("retry_join_wan", STRINGS),
    Key("retry_max", INT, "0"),
    Key("retry_max_wan", INT, "0"),
    _accepted("revision", STRING, "", NOT_FOR_USERS),
    _refused("segment", STRING, "Network segments are not supported in this version of Consul"),
    Key("segments", Kind.BLOCKS, "", Status.REFUSED, note="Network segments are not supported in this version of Consul", shape="segment"),
    _accepted("segment_limit", INT, "64", NOT_FOR_USERS),
    _accepted("segment_name_limit", INT, "64", NOT_FOR_USERS),
    Key("serf_lan", STRING, "bind_addr"),
    Key("serf_lan_allowed_cidrs", STRINGS),
    Key("serf_wan", STRING, "bind_addr"),
    Key("serf_wan_allowed_cidrs", STRINGS),
    Key("server", BOOL, "false; true in dev mode"),
    _accepted("server_name", STRING, "", "it names the certificate between agents, which is not built yet"),
    Key("service", Kind.BLOCK, reloadable=True, shape="service"),
    Key("services", Kind.BLOCKS, reloadable=True, shape="service"),
    Key("session_ttl_min", DURATION, "0s, which means 10s"),
    Key("skip_leave_on_interrupt", BOOL, "false; true for a server"),
    _accepted("snapshot_agent", Kind.ANY_MAP, "", ENTERPRISE),
    Key("start_join", STRINGS),
    Key("start_join_wan", STRINGS),
    Key("sync_coordinate_interval_min", DURATION, "15s"),
    _accepted("sync_coordinate_rate_target", FLOAT, "64", NOT_FOR_USERS),
    Key("syslog_facility", STRING, "LOCAL0"),
    Key("tagged_addresses", Kind.STRING_MAP),
    Key("telemetry", Kind.BLOCK, shape="telemetry"),
    Key("tls_cipher_suites", STRING, reloadable=True),
    Key("tls_min_version", STRING, "tls12", reloadable=True),
    _accepted("tls_prefer_server_cipher_suites", BOOL, "false", "the server's order always counts"),
    Key("translate_wan_addrs", BOOL, "false"),
    Key("ui", BOOL, "false; true in dev mode"),
    Key("ui_content_path", STRING, "/ui/"),
    Key("ui_dir", STRING, ""),
    Key("unix_sockets", Kind.BLOCK, shape="unix_sockets"),
    _refused("verify_incoming", BOOL, f"{TLS_BETWEEN_AGENTS}; for HTTPS alone write verify_incoming_https = true"),
    Key("verify_incoming_https", BOOL, "false", reloadable=True),
    _refused("verify_incoming_rpc", BOOL, TLS_BETWEEN_AGENTS),
    _refused("verify_outgoing", BOOL, TLS_BETWEEN_AGENTS),
    _refused("verify_server_hostname", BOOL, TLS_BETWEEN_AGENTS),
    _accepted("version", STRING, "", NOT_FOR_USERS),
    _accepted("version_prerelease", STRING, "", NOT_FOR_USERS),
    Key("watches", Kind.ANY_MAPS, reloadable=True),
)

SHAPES: dict[str, Shape] = {"": ROOT, **BLOCK_SHAPES, **DEFINITION_SHAPES}
BY_NAME: dict[str, dict[str, Key]] = {shape: {key.name: key for key in keys} for shape, keys in SHAPES.items()}

IN_BLOCKS = {Kind.BLOCK, Kind.BLOCKS, Kind.BLOCK_MAP}


def all_keys(shape: str = "", path: str = "", seen: tuple[str, ...] = ()) -> Iterator[tuple[str, Key]]:
    """Every key with its dotted path; a shape inside itself (a sidecar's service) is not entered again."""
    for key in SHAPES[shape]:
        full = f"{path}{key.name}"
        yield full, key
        if key.shape and key.shape not in seen:
            yield from all_keys(key.shape, f"{full}.", (*seen, key.shape))
