"""The parts of a `Config`. Durations are integer nanoseconds; a port of -1 is off.

Defaults are Consul 1.8.7's, as its `/v1/agent/self` shows them.
"""

import msgspec

from muster.model.durations import HOUR, MILLISECOND, MINUTE, SECOND


class Ports(msgspec.Struct, frozen=True):
    """Listening ports; -1 is off."""

    dns: int = 8600
    http: int = 8500
    https: int = -1
    grpc: int = -1
    serf_lan: int = 8301
    serf_wan: int = 8302
    server: int = 8300
    sidecar_min_port: int = 21000
    sidecar_max_port: int = 21255
    expose_min_port: int = 21500
    expose_max_port: int = 21755


class Addresses(msgspec.Struct, frozen=True):
    """Where each client interface listens, from `addresses.*`, else `client_addr`: IP addresses, for HTTP also `unix:///path`."""

    dns: tuple[str, ...] = ("127.0.0.1",)
    http: tuple[str, ...] = ("127.0.0.1",)
    https: tuple[str, ...] = ("127.0.0.1",)
    grpc: tuple[str, ...] = ("127.0.0.1",)


class Soa(msgspec.Struct, frozen=True):
    """Fields of the SOA record, in seconds."""

    refresh: int = 3600
    retry: int = 600
    expire: int = 86400
    minimum_ttl: int = 0


class Dns(msgspec.Struct, frozen=True):
    """`dns_config`. `service_ttl` maps a service name, a prefix ending in `*`, or `*` to nanoseconds."""

    allow_stale: bool = True
    max_stale: int = 87600 * HOUR
    node_ttl: int = 0
    service_ttl: dict[str, int] = {}
    enable_truncate: bool = False
    only_passing: bool = False
    recursor_timeout: int = 2 * SECOND
    udp_answer_limit: int = 3
    a_record_limit: int = 0
    disable_compression: bool = False
    node_meta_txt: bool = True
    soa: Soa = Soa()
    use_cache: bool = False
    cache_max_age: int = 0


class Http(msgspec.Struct, frozen=True):
    """`http_config`. `allow_write_http_from` holds networks in CIDR form; empty allows all."""

    block_endpoints: tuple[str, ...] = ()
    allow_write_http_from: tuple[str, ...] = ()
    response_headers: dict[str, str] = {}
    use_cache: bool = True
    max_header_bytes: int = 0


class Limits(msgspec.Struct, frozen=True):
    """`limits`. A connection limit of 0 or less is none; `rpc_rate` is requests a second, infinite by default."""

    http_max_connections_per_client: int = 200
    https_handshake_timeout: int = 5 * SECOND
    rpc_handshake_timeout: int = 5 * SECOND
    rpc_max_burst: int = 1000
    rpc_max_connections_per_client: int = 100
    rpc_rate: float = float("inf")
    kv_max_value_size: int = 512 * 1024
    transaction_max_request_length: int = 512 * 1024


class Performance(msgspec.Struct, frozen=True):
    """`performance`."""

    leave_drain_time: int = 5 * SECOND
    raft_multiplier: int = 5
    rpc_hold_timeout: int = 7 * SECOND


class Own(msgspec.Struct, frozen=True):
    """`muster`: what Consul does not have. `disk_warning_bytes`: free bytes below which a server warns; 0 for the default."""

    disk_warning_bytes: int = 0


class RaftSettings(msgspec.Struct, frozen=True):
    """Raft's timing, already multiplied by `performance.raft_multiplier`, and its snapshots. 0 means the consensus core's own default."""

    election_timeout: int = 5 * SECOND
    heartbeat_timeout: int = 5 * SECOND
    leader_lease_timeout: int = 2500 * MILLISECOND
    protocol: int = 3
    snapshot_threshold: int = 0
    snapshot_interval: int = 0
    trailing_logs: int = 0


class GossipSettings(msgspec.Struct, frozen=True):
    """`gossip_lan` or `gossip_wan`."""

    gossip_nodes: int = 3
    gossip_interval: int = 200 * MILLISECOND
    probe_interval: int = 1 * SECOND
    probe_timeout: int = 500 * MILLISECOND
    suspicion_multiplier: int = 4
    retransmit_multiplier: int = 4


class Encryption(msgspec.Struct, frozen=True):
    """How gossip is encrypted: `key` is base64 of 16, 24 or 32 bytes, empty for none unless the data directory holds keys.

    Without `verify_incoming` clear messages are still accepted, without `verify_outgoing` clear ones are still sent: the two
    steps by which a live pool becomes encrypted.
    """

    key: str = ""
    verify_incoming: bool = True
    verify_outgoing: bool = True


WAN_GOSSIP = GossipSettings(gossip_interval=500 * MILLISECOND, probe_interval=5 * SECOND, probe_timeout=3 * SECOND, suspicion_multiplier=6)


class Telemetry(msgspec.Struct, frozen=True):
    """`telemetry`. Metrics whose name begins with a prefix are let through or dropped; others follow `filter_default`."""

    disable_hostname: bool = False
    metrics_prefix: str = "consul"
    allowed_prefixes: tuple[str, ...] = ()
    blocked_prefixes: tuple[str, ...] = ()
    filter_default: bool = True
    prometheus_retention_time: int = 0
    statsd_address: str = ""
    statsite_address: str = ""
    dogstatsd_address: str = ""
    dogstatsd_tags: tuple[str, ...] = ()


class Logging(msgspec.Struct, frozen=True):
    """Where and how log lines are written. `level` is upper case."""

    level: str = "INFO"
    json: bool = False
    file: str = ""
    rotate_bytes: int = 0
    rotate_duration: int = 0
    rotate_max_files: int = 0
    enable_syslog: bool = False
    syslog_facility: str = "LOCAL0"


class Autopilot(msgspec.Struct, frozen=True):
    """`autopilot`: what a new datacenter starts with; later its operator's settings count."""

    cleanup_dead_servers: bool = True
    last_contact_threshold: int = 200 * MILLISECOND
    max_trailing_logs: int = 250
    min_quorum: int = 0
    server_stabilization_time: int = 10 * SECOND
    redundancy_zone_tag: str = ""
    disable_upgrade_migration: bool = False
    upgrade_version_tag: str = ""


class Tls(msgspec.Struct, frozen=True):
    """Certificates for HTTPS."""

    ca_file: str = ""
    ca_path: str = ""
    cert_file: str = ""
    key_file: str = ""
    minimum_version: str = "tls12"
    cipher_suites: tuple[str, ...] = ()
    verify_incoming_https: bool = False


class UnixSockets(msgspec.Struct, frozen=True):
    """Owner and mode of sockets that `addresses` names; empty leaves them as made. `mode` is octal text."""

    user: str = ""
    group: str = ""
    mode: str = ""


class Join(msgspec.Struct, frozen=True):
    """Whom to join in one pool. `retry_max` 0 tries for ever; start addresses must answer or the start fails."""

    start: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    retry_interval: int = 30 * SECOND
    retry_max: int = 0
    allowed_networks: tuple[str, ...] | None = None
    reconnect_timeout: int = 72 * HOUR


class Cache(msgspec.Struct, frozen=True):
    """`cache`: how often one entry may be fetched again."""

    entry_fetch_rate: float = float("inf")
    entry_fetch_max_burst: int = 2


class CoordinateUpdates(msgspec.Struct, frozen=True):
    """How network coordinates reach the catalog."""

    update_batch_size: int = 128
    update_max_batches: int = 5
    update_period: int = 5 * SECOND
    rate_target: float = 64.0
    interval_minimum: int = 15 * SECOND


class Intervals(msgspec.Struct, frozen=True):
    """The agent's own beats; only `ae_interval` and friends of dev and tests change them."""

    anti_entropy: int = 1 * MINUTE
    check_deregister_minimum: int = 1 * MINUTE
    check_reap: int = 30 * SECOND
    server_health: int = 2 * SECOND
