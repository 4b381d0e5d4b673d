"""The configuration of one agent, complete and checked: what `load` makes of flags and files."""

from typing import Any

import msgspec

from muster.agent.config.sections import (
    WAN_GOSSIP,
    Addresses,
    Autopilot,
    Cache,
    CoordinateUpdates,
    Dns,
    Encryption,
    GossipSettings,
    Http,
    Intervals,
    Join,
    Limits,
    Logging,
    Own,
    Performance,
    Ports,
    RaftSettings,
    Telemetry,
    Tls,
    UnixSockets,
)
from muster.model.durations import MINUTE


class Definition(msgspec.Struct, frozen=True):
    """A service or check of a configuration file.

    `fields` is keyed as the HTTP API is (`Name`, `ID`, `Check`, `DeregisterCriticalServiceAfter`), durations are
    integer nanoseconds; only what the file gives is there. `source` names the file.
    """

    fields: dict[str, Any]
    source: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an agent needs to know. Durations are integer nanoseconds; texts that are not set are empty."""

    node_name: str
    node_id: str = ""
    datacenter: str = "dc1"
    primary_datacenter: str = "dc1"
    data_dir: str = ""
    dev: bool = False
    server: bool = False
    bootstrap: bool = False
    bootstrap_expect: int = 0
    node_meta: dict[str, str] = {}
    tagged_addresses: dict[str, str] = {}
    disable_host_node_id: bool = True

    bind_address: str = "0.0.0.0"
    client_addresses: tuple[str, ...] = ("127.0.0.1",)
    advertise_address: str = "127.0.0.1"
    advertise_address_wan: str = "127.0.0.1"
    serf_bind_address_lan: str = "0.0.0.0"
    serf_bind_address_wan: str = "0.0.0.0"
    translate_wan_addresses: bool = False
    ports: Ports = Ports()
    addresses: Addresses = Addresses()
    unix_sockets: UnixSockets = UnixSockets()
    join_lan: Join = Join()
    join_wan: Join = Join()
    rejoin_after_leave: bool = False
    muster_external_checks: bool = False
    encryption: Encryption = Encryption()

    leave_on_terminate: bool = True
    skip_leave_on_interrupt: bool = False
    pid_file: str = ""
    logging: Logging = Logging()
    telemetry: Telemetry = Telemetry()
    enable_debug: bool = False
    disable_remote_exec: bool = True
    disable_update_check: bool = False
    disable_anonymous_signature: bool = False
    disable_coordinates: bool = False
    disable_keyring_file: bool = False
    disable_http_unprintable_char_filter: bool = False

    http: Http = Http()
    limits: Limits = Limits()
    tls: Tls = Tls()
    ui: bool = False
    ui_dir: str = ""
    ui_content_path: str = "/ui/"
    default_query_time: int = 5 * MINUTE
    max_query_time: int = 10 * MINUTE
    discovery_max_stale: int = 0
    cache: Cache = Cache()

    domain: str = "consul."
    alt_domain: str = ""
    recursors: tuple[str, ...] = ()
    dns: Dns = Dns()

    services: tuple[Definition, ...] = ()
    checks: tuple[Definition, ...] = ()
    watches: tuple[dict[str, Any], ...] = ()
    config_entries: tuple[dict[str, Any], ...] = ()
    enable_script_checks: bool = False
    enable_local_script_checks: bool = False
    check_update_interval: int = 5 * MINUTE
    check_output_max_size: int = 4096
    discard_check_output: bool = False
    enable_central_service_config: bool = False
    enable_agent_tls_for_checks: bool = False
    connect_enabled: bool = False

    own: Own = Own()
    performance: Performance = Performance()
    raft: RaftSettings = RaftSettings()
    gossip_lan: GossipSettings = GossipSettings()
    gossip_wan: GossipSettings = WAN_GOSSIP
    autopilot: Autopilot = Autopilot()
    protocol: int = 2
    session_ttl_minimum: int = 0
    coordinates: CoordinateUpdates = CoordinateUpdates()
    intervals: Intervals = Intervals()

    settings: dict[str, Any] = {}
    """The merged tree of settings this was made from, keyed as the files are; what a reload compares."""
    warnings: tuple[str, ...] = ()
    """Sentences to log at the start: settings accepted without effect, doubtful values."""
