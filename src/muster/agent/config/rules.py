"""What makes a configuration wrong as a whole. The texts are the peers' where they have one."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from muster.agent.config.addresses import UNIX
from muster.agent.config.config import Config
from muster.agent.config.pool_rules import check_pools
from muster.model.errors import ConfigurationError

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERR", "ERROR")
MOST_META_PAIRS = 64
LONGEST_META_KEY = 128
LONGEST_META_VALUE = 512
RESERVED_META_PREFIX = "consul-"
TLS_VERSIONS = ("tls10", "tls11", "tls12", "tls13")
CONFIG_ENTRY_KINDS = (
    "service-defaults",
    "proxy-defaults",
    "service-router",
    "service-splitter",
    "service-resolver",
    "ingress-gateway",
    "terminating-gateway",
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UI_PATH = re.compile(r"[A-Za-z0-9/_-]+")
_DATACENTER = re.compile(r"[a-z0-9_-]+")
_META_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DNS_NAME = re.compile(r"[A-Za-z0-9-]+")


def check_rules(config: Config, whole: dict[str, Any]) -> list[str]:
    """Raises ConfigurationError for what cannot run; returns sentences on what is doubtful."""
    warnings: list[str] = []
    if not _DATACENTER.fullmatch(config.datacenter):
        raise _wrong("datacenter", config.datacenter, "can only contain lowercase alphanumeric, - or _ characters")
    if not config.data_dir and not config.dev:
        raise ConfigurationError("data_dir cannot be empty")
    if config.data_dir and Path(config.data_dir).exists() and not Path(config.data_dir).is_dir():
        raise ConfigurationError(f'data_dir "{config.data_dir}" is not a directory')
    if config.bootstrap and not config.server:
        raise ConfigurationError("'bootstrap = true' requires 'server = true'")
    if config.bootstrap_expect < 0:
        raise ConfigurationError(f"bootstrap_expect cannot be {config.bootstrap_expect}. Must be greater than or equal to zero")
    if config.bootstrap_expect > 0 and not config.server:
        raise ConfigurationError("'bootstrap_expect > 0' requires 'server = true'")
    if config.bootstrap_expect > 0 and config.dev:
        raise ConfigurationError("'bootstrap_expect > 0' not allowed in dev mode")
    if config.bootstrap_expect > 0 and config.bootstrap:
        raise ConfigurationError("'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive")
    if config.bootstrap_expect == 1:
        warnings.append("BootstrapExpect is set to 1; this is the same as Bootstrap mode.")
    if config.bootstrap_expect > 1:
        if config.bootstrap_expect == 2:
            warnings.append("bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance.")
        elif config.bootstrap_expect % 2 == 0:
            warnings.append(
                "bootstrap_expect is even number: A cluster with an even number of servers does not achieve optimum fault tolerance."
            )
        warnings.append(f"bootstrap_expect > 0: expecting {config.bootstrap_expect} servers")
    if not _DNS_NAME.fullmatch(config.node_name):
        warnings.append(
            f'Node name "{config.node_name}" will not be discoverable via DNS due to invalid characters. '
            "Valid characters include all alpha-numerics and dashes."
        )
    if config.logging.level not in LEVELS:
        raise _wrong("log_level", config.logging.level, f"must be one of {', '.join(LEVELS)}")
    if not 1 <= config.performance.raft_multiplier <= 10:
        raise ConfigurationError(f"performance.raft_multiplier cannot be {config.performance.raft_multiplier}. Must be between 1 and 10")
    if config.dns.udp_answer_limit < 0:
        raise ConfigurationError(
            f"dns_config.udp_answer_limit cannot be {config.dns.udp_answer_limit}. Must be greater than or equal to zero"
        )
    if config.dns.a_record_limit < 0:
        raise ConfigurationError(f"dns_config.a_record_limit cannot be {config.dns.a_record_limit}. Must be greater than or equal to zero")
    _check_meta(config.node_meta)
    _check_addresses(config)
    check_pools(config)
    _check_values(config, whole)
    return warnings + _doubtful(config, whole)


def _wrong(key: str, value: str, rule: str) -> ConfigurationError:
    return ConfigurationError(f"{key} cannot be {value!r}: it {rule}")


def _check_meta(meta: dict[str, str]) -> None:
    if len(meta) > MOST_META_PAIRS:
        raise ConfigurationError(f"node_meta invalid: Node metadata cannot contain more than {MOST_META_PAIRS} key/value pairs")
    for key, value in meta.items():
        if not isinstance(value, str) or not _META_KEY.fullmatch(key):
            raise ConfigurationError(
                f"node_meta invalid: Couldn't load metadata pair ({key!r}, {value!r}): Key contains invalid characters"
            )
        if len(key) > LONGEST_META_KEY or len(value) > LONGEST_META_VALUE:
            raise ConfigurationError(f"node_meta invalid: Couldn't load metadata pair ({key!r}, …): Key or value is too long")
        if key.startswith(RESERVED_META_PREFIX):
            raise ConfigurationError(
                f"node_meta invalid: Couldn't load metadata pair ({key!r}, {value!r}): "
                f"Key prefix '{RESERVED_META_PREFIX}' is reserved for internal use"
            )


def _check_addresses(config: Config) -> None:
    """No two listeners on one address; the peers' texts."""
    ports = config.ports
    for name in type(ports).__struct_fields__:
        if getattr(ports, name) > 65535:
            raise ConfigurationError(f"ports.{name}: invalid port: {getattr(ports, name)}; it must be at most 65535")
    taken: dict[str, str] = {}
    clients = {
        "DNS": (config.addresses.dns, ports.dns),
        "HTTP": (config.addresses.http, ports.http),
        "HTTPS": (config.addresses.https, ports.https),
    }
    for what, (addresses, port) in clients.items():
        for address in addresses:
            unix = address.startswith(UNIX)
            if unix and what == "DNS":
                raise ConfigurationError("addresses.dns: DNS address cannot be a unix socket")
            if unix or port > 0:
                _take(taken, address.removeprefix(UNIX) if unix else _joined(address, port), what)
    _take(taken, _joined(config.advertise_address, ports.server), "RPC Advertise")
    _take(taken, _joined(config.advertise_address, ports.serf_lan), "Serf Advertise LAN")
    if ports.serf_wan > 0:
        _take(taken, _joined(config.advertise_address_wan, ports.serf_wan), "Serf Advertise WAN")


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _take(taken: dict[str, str], address: str, what: str) -> None:
    if address.endswith(("-1", ":0")):
        return
    if address in taken:
        raise ConfigurationError(f"{what} address {address} already configured for {taken[address]}")
    taken[address] = what


def _check_values(config: Config, whole: dict[str, Any]) -> None:
    """Single values that make no sense."""
    if ip_address(config.advertise_address_wan).is_unspecified:
        raise ConfigurationError("advertise_addr_wan: Advertise WAN address cannot be 0.0.0.0, :: or [::]")
    if whole.get("ui_dir") and whole.get("ui") and not config.dev:
        raise ConfigurationError("Both the ui and ui_dir settings were given, please provide only one")
    if not _DATACENTER.fullmatch(config.primary_datacenter):
        raise _wrong("primary_datacenter", config.primary_datacenter, "can only contain lowercase alphanumeric, - or _ characters")
    if config.check_output_max_size < 1:
        raise ConfigurationError(
            "check_output_max_size must be positive, to discard check output use the discard_check_output flag; "
            f"{config.check_output_max_size} is not"
        )
    if config.autopilot.max_trailing_logs < 0:
        raise ConfigurationError(
            f"autopilot.max_trailing_logs cannot be {config.autopilot.max_trailing_logs}. Must be greater than or equal to zero"
        )
    for name in ("entry_fetch_rate", "entry_fetch_max_burst"):
        if getattr(config.cache, name) <= 0:
            raise ConfigurationError(f"cache.{name} must be strictly positive, was: {getattr(config.cache, name)}")
    if config.tls.minimum_version not in TLS_VERSIONS:
        raise ConfigurationError(
            f"tls_min_version: value {config.tls.minimum_version} not supported, please specify one of [{', '.join(TLS_VERSIONS)}]"
        )
    if config.node_id and not _UUID.fullmatch(config.node_id):
        raise ConfigurationError(f"node_id: {config.node_id!r} is no UUID; 8 hexadecimal digits, three times 4, and 12 would be right")
    for recursor in config.recursors:
        if recursor.startswith(UNIX):
            raise ConfigurationError(f"recursors: DNS Recursors cannot be unix sockets: {recursor}")
    provider = whole.get("connect", {}).get("ca_provider", "")
    if provider not in ("", "consul"):
        raise ConfigurationError(f"connect.ca_provider: {provider} is not a valid CA provider here; only consul is")
    if not _UI_PATH.fullmatch(config.ui_content_path):
        raise ConfigurationError(
            f"ui_content_path: ui-content-path can only contain alphanumeric, -, _, or /. received: {config.ui_content_path}"
        )
    for at, entry in enumerate(config.config_entries):
        kind = next((value for name, value in entry.items() if name.lower() == "kind"), "")
        if kind not in CONFIG_ENTRY_KINDS:
            raise ConfigurationError(
                f"config_entries.bootstrap[{at}]: invalid config entry kind: {kind}; it must be one of {', '.join(CONFIG_ENTRY_KINDS)}"
            )
    if config.ports.https > 0 and not (config.tls.cert_file and config.tls.key_file):
        raise ConfigurationError("ports.https: HTTPS needs cert_file and key_file")


def _doubtful(config: Config, whole: dict[str, Any]) -> list[str]:
    """What the peers warn of."""
    warnings = []
    if config.bootstrap:
        warnings.append("bootstrap = true: do not enable unless necessary")
    for rule in whole.get("telemetry", {}).get("prefix_filter", ()):
        if not rule:
            warnings.append("Cannot have empty filter rule in prefix_filter")
        elif rule[0] not in "+-":
            warnings.append(f"Filter rule must begin with either '+' or '-': \"{rule}\"")
    return warnings
