"""What makes a configuration wrong as a whole. The texts are the peers' where they have one."""

import re
from typing import Any

from muster.agent.config.config import Config
from muster.model.errors import ConfigurationError

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERR", "ERROR")
MOST_META_PAIRS = 64
LONGEST_META_KEY = 128
LONGEST_META_VALUE = 512
RESERVED_META_PREFIX = "consul-"
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
    if config.bootstrap_expect > 1:
        raise ConfigurationError(
            f"bootstrap_expect = {config.bootstrap_expect}: several servers are not built yet; -bootstrap-expect=1 runs a single one"
        )
    if config.bootstrap_expect == 1:
        warnings.append("BootstrapExpect is set to 1; this is the same as Bootstrap mode.")
    if not _DNS_NAME.fullmatch(config.node_name):
        warnings.append(
            f"Node name {config.node_name!r} will not be discoverable via DNS due to invalid characters. "
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
    _check_ports(config)
    if config.ports.https > 0 and not (config.tls.cert_file and config.tls.key_file):
        raise ConfigurationError("ports.https: HTTPS needs cert_file and key_file")
    return warnings


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


def _check_ports(config: Config) -> None:
    """Two listeners on one TCP port of this host would fail at the start, with less to say."""
    taken: dict[int, str] = {}
    for name in ("dns", "http", "https", "grpc", "serf_lan", "serf_wan", "server"):
        port = getattr(config.ports, name)
        if port > 65535:
            raise ConfigurationError(f"ports.{name} cannot be {port}: it must be at most 65535")
        if port <= 0:
            continue
        if port in taken:
            raise ConfigurationError(f"ports.{name}: port {port} already configured for ports.{taken[port]}")
        taken[port] = name
