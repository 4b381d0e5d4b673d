"""Every configuration key of Consul 1.8, and what Muster does with it.

One line a key: path, kind, status, and for keys without effect the reason. A path in braces of a block is written with dots.
Statuses: `built` works; `accepted` is read and checked but has no effect; `refused` stops the start when it is set to anything but
its default, because to ignore it would leave the user less safe or less served than the file says.
"""

from typing import NamedTuple

BUILT, ACCEPTED, REFUSED = "built", "accepted", "refused"


class Key(NamedTuple):
    """`kind`: bool, int, float, text, duration, list, map, block, blocks or any."""

    path: str
    kind: str
    status: str
    note: str = ""


GOSSIP = "the gossip pool is not built yet"
SERVERS = "several servers are not built yet"
MESH = "the service mesh is not run by Muster"
ACCESS = "access control is not built yet"
TLS = "TLS between agents is not built yet"
CLOUD = "of the enterprise edition"

_TABLE = f"""
acl block built
acl.enabled bool refused {ACCESS}
acl.default_policy text accepted {ACCESS}
acl.down_policy text accepted {ACCESS}
acl.enable_key_list_policy bool accepted {ACCESS}
acl.enable_token_persistence bool accepted {ACCESS}
acl.enable_token_replication bool refused {ACCESS}
acl.disabled_ttl duration accepted {ACCESS}
acl.policy_ttl duration accepted {ACCESS}
acl.role_ttl duration accepted {ACCESS}
acl.token_ttl duration accepted {ACCESS}
acl.msp_disable_bootstrap bool accepted {CLOUD}
acl.tokens block built
acl.tokens.agent text accepted {ACCESS}
acl.tokens.agent_master text accepted {ACCESS}
acl.tokens.default text accepted {ACCESS}
acl.tokens.master text accepted {ACCESS}
acl.tokens.replication text accepted {ACCESS}
acl.tokens.managed_service_provider any accepted {CLOUD}
acl_agent_master_token text accepted {ACCESS}
acl_agent_token text accepted {ACCESS}
acl_datacenter text refused {ACCESS}
acl_default_policy text accepted {ACCESS}
acl_down_policy text accepted {ACCESS}
acl_enable_key_list_policy bool accepted {ACCESS}
acl_enforce_version_8 bool accepted gone since 1.4
acl_master_token text refused {ACCESS}
acl_replication_token text accepted {ACCESS}
acl_token text accepted {ACCESS}
acl_ttl duration accepted {ACCESS}
addresses block built
addresses.dns text built
addresses.grpc text accepted {MESH}
addresses.http text built
addresses.https text built
advertise_addr text built
advertise_addr_ipv4 text built
advertise_addr_ipv6 text built
advertise_addr_wan text built
advertise_addr_wan_ipv4 text built
advertise_addr_wan_ipv6 text built
advertise_reconnect_timeout duration accepted {GOSSIP}
ae_interval duration built
alt_domain text built
audit block accepted {CLOUD}
auto_config block built
auto_config.enabled bool refused {TLS}
auto_config.intro_token text accepted {TLS}
auto_config.intro_token_file text accepted {TLS}
auto_config.server_addresses list accepted {TLS}
auto_config.dns_sans list accepted {TLS}
auto_config.ip_sans list accepted {TLS}
auto_config.authorization any accepted {TLS}
auto_encrypt block built
auto_encrypt.tls bool refused {TLS}
auto_encrypt.allow_tls bool refused {TLS}
auto_encrypt.dns_san list accepted {TLS}
auto_encrypt.ip_san list accepted {TLS}
autopilot block built
autopilot.cleanup_dead_servers bool built
autopilot.disable_upgrade_migration bool accepted {CLOUD}
autopilot.last_contact_threshold duration built
autopilot.max_trailing_logs int built
autopilot.min_quorum int built
autopilot.redundancy_zone_tag text accepted {CLOUD}
autopilot.server_stabilization_time duration built
autopilot.upgrade_version_tag text accepted {CLOUD}
bind_addr text built
bootstrap bool built
bootstrap_expect int built
ca_file text built
ca_path text built
cache block built
cache.entry_fetch_max_burst int accepted answers are shared, not fetched
cache.entry_fetch_rate float accepted answers are shared, not fetched
cert_file text built
check any built
check_deregister_interval_min duration built
check_output_max_size int built
check_reap_interval duration built
check_update_interval duration built
checks blocks built
client_addr text built
config_entries block built
config_entries.bootstrap blocks built
connect block built
connect.ca_config map accepted {MESH}
connect.ca_provider text accepted {MESH}
connect.enable_mesh_gateway_wan_federation bool refused {MESH}
connect.enabled bool accepted {MESH}
connect.proxy any accepted {MESH}
connect.proxy_defaults any accepted {MESH}
consul block accepted of tests
consul.coordinate any accepted of tests
consul.raft any accepted of tests
consul.serf_lan any accepted of tests
consul.serf_wan any accepted of tests
consul.server any accepted of tests
data_dir text built
datacenter text built
default_query_time duration built
disable_anonymous_signature bool accepted nothing is sent anywhere
disable_coordinates bool built
disable_host_node_id bool built
disable_http_unprintable_char_filter bool built
disable_keyring_file bool accepted {GOSSIP}
disable_remote_exec bool accepted remote execution is not built
disable_update_check bool accepted nothing is asked anywhere
discard_check_output bool built
discovery_max_stale duration built
dns_config block built
dns_config.a_record_limit int built
dns_config.allow_stale bool built
dns_config.cache_max_age duration built
dns_config.disable_compression bool built
dns_config.enable_truncate bool built
dns_config.max_stale duration built
dns_config.node_ttl duration built
dns_config.only_passing bool built
dns_config.recursor_timeout duration built
dns_config.service_ttl map built
dns_config.soa block built
dns_config.soa.expire int built
dns_config.soa.min_ttl int built
dns_config.soa.refresh int built
dns_config.soa.retry int built
dns_config.udp_answer_limit int built
dns_config.use_cache bool built
dns_config.enable_additional_node_meta_txt bool built
dns_config.prefer_namespace bool accepted {CLOUD}
domain text built
enable_acl_replication bool refused {ACCESS}
enable_agent_tls_for_checks bool built
enable_central_service_config bool accepted {MESH}
enable_debug bool accepted there is no profiler to switch on
enable_key_list_policy bool accepted {ACCESS}
enable_local_script_checks bool built
enable_script_checks bool built
enable_syslog bool built
encrypt text refused {GOSSIP}
encrypt_verify_incoming bool refused {GOSSIP}
encrypt_verify_outgoing bool refused {GOSSIP}
gossip_lan block built
gossip_lan.gossip_interval duration accepted {GOSSIP}
gossip_lan.gossip_nodes int accepted {GOSSIP}
gossip_lan.probe_interval duration accepted {GOSSIP}
gossip_lan.probe_timeout duration accepted {GOSSIP}
gossip_lan.retransmit_mult int accepted {GOSSIP}
gossip_lan.suspicion_mult int accepted {GOSSIP}
gossip_wan block built
gossip_wan.gossip_interval duration accepted {GOSSIP}
gossip_wan.gossip_nodes int accepted {GOSSIP}
gossip_wan.probe_interval duration accepted {GOSSIP}
gossip_wan.probe_timeout duration accepted {GOSSIP}
gossip_wan.retransmit_mult int accepted {GOSSIP}
gossip_wan.suspicion_mult int accepted {GOSSIP}
http_config block built
http_config.allow_write_http_from list built
http_config.block_endpoints list built
http_config.response_headers map built
http_config.use_cache bool built
http_config.max_header_bytes int accepted headers may have 64 KiB
key_file text built
leave_on_terminate bool built
license_path text accepted {CLOUD}
limits block built
limits.http_max_conns_per_client int built
limits.https_handshake_timeout duration built
limits.kv_max_value_size int built
limits.rpc_handshake_timeout duration accepted {SERVERS}
limits.rpc_max_burst int accepted {SERVERS}
limits.rpc_max_conns_per_client int accepted {SERVERS}
limits.rpc_rate float accepted {SERVERS}
limits.txn_max_req_len int built
log_file text built
log_json bool built
log_level text built
log_rotate_bytes int built
log_rotate_duration duration built
log_rotate_max_files int built
max_query_time duration built
node_id text built
node_meta map built
node_name text built
non_voting_server bool accepted {CLOUD}
performance block built
performance.leave_drain_time duration built
performance.raft_multiplier int built
performance.rpc_hold_timeout duration built
pid_file text built
ports block built
ports.dns int built
ports.expose_max_port int accepted {MESH}
ports.expose_min_port int accepted {MESH}
ports.grpc int accepted {MESH}
ports.http int built
ports.https int built
ports.serf_lan int built
ports.serf_wan int built
ports.server int built
ports.proxy_max_port int accepted {MESH}
ports.proxy_min_port int accepted {MESH}
ports.sidecar_max_port int built
ports.sidecar_min_port int built
primary_datacenter text built
primary_gateways list accepted {MESH}
primary_gateways_interval duration accepted {MESH}
protocol int accepted {GOSSIP}
raft_protocol int accepted version 3 is spoken
raft_snapshot_interval duration built
raft_snapshot_threshold int built
raft_trailing_logs int built
read_replica bool accepted {CLOUD}
reconnect_timeout duration accepted {GOSSIP}
reconnect_timeout_wan duration accepted {GOSSIP}
recursors list built
rejoin_after_leave bool accepted {GOSSIP}
retry_interval duration accepted {GOSSIP}
retry_interval_wan duration accepted {GOSSIP}
retry_join list accepted {GOSSIP}
retry_join_wan list accepted {GOSSIP}
retry_max int accepted {GOSSIP}
retry_max_wan int accepted {GOSSIP}
segment text accepted {CLOUD}
segments blocks accepted {CLOUD}
serf_lan text accepted {GOSSIP}
serf_lan_allowed_cidrs list refused {GOSSIP}
serf_wan text accepted {GOSSIP}
serf_wan_allowed_cidrs list refused {GOSSIP}
server bool built
server_name text accepted {TLS}
service any built
services blocks built
session_ttl_min duration built
skip_leave_on_interrupt bool built
start_join list accepted {GOSSIP}
start_join_wan list accepted {GOSSIP}
sync_coordinate_interval_min duration built
sync_coordinate_rate_target float accepted one host sends one coordinate
syslog_facility text built
tagged_addresses map built
telemetry block built
telemetry.circonus_api_app text accepted no such sink
telemetry.circonus_api_token text accepted no such sink
telemetry.circonus_api_url text accepted no such sink
telemetry.circonus_broker_id text accepted no such sink
telemetry.circonus_broker_select_tag text accepted no such sink
telemetry.circonus_check_display_name text accepted no such sink
telemetry.circonus_check_force_metric_activation text accepted no such sink
telemetry.circonus_check_id text accepted no such sink
telemetry.circonus_check_instance_id text accepted no such sink
telemetry.circonus_check_search_tag text accepted no such sink
telemetry.circonus_check_tags text accepted no such sink
telemetry.circonus_submission_interval text accepted no such sink
telemetry.circonus_submission_url text accepted no such sink
telemetry.disable_compat_1.9 bool accepted names are those of 1.8
telemetry.disable_hostname bool built
telemetry.dogstatsd_addr text built
telemetry.dogstatsd_tags list built
telemetry.filter_default bool built
telemetry.metrics_prefix text built
telemetry.prefix_filter list built
telemetry.prometheus_retention_time duration built
telemetry.statsd_address text built
telemetry.statsite_address text accepted no such sink
tls_cipher_suites text built
tls_min_version text built
tls_prefer_server_cipher_suites bool accepted the library decides
translate_wan_addrs bool built
ui bool built
ui_content_path text built
ui_dir text accepted the web page is not built yet
unix_sockets block built
unix_sockets.group text built
unix_sockets.mode text built
unix_sockets.user text built
verify_incoming bool refused {TLS}
verify_incoming_https bool built
verify_incoming_rpc bool refused {TLS}
verify_outgoing bool refused {TLS}
verify_server_hostname bool refused {TLS}
watches blocks built
"""

KEYS: dict[str, Key] = {}
for _line in _TABLE.strip().splitlines():
    _path, _kind, _status, *_note = _line.split(" ", 3)
    KEYS[_path] = Key(_path, _kind, _status, _note[0] if _note else "")
