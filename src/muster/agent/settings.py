"""What the parts of the agent need to know, out of the whole configuration."""

import socket

from muster.agent.config.config import Config
from muster.agent.logging import LogSettings
from muster.agent.registrar import CheckSettings
from muster.agent.telemetry import Sink, TelemetrySettings
from muster.model.durations import seconds


def check_settings(config: Config) -> CheckSettings:
    return CheckSettings(
        remote_scripts=config.enable_script_checks,
        local_scripts=config.enable_script_checks or config.enable_local_script_checks,
        output_limit=config.check_output_max_size,
        deregister_minimum=seconds(config.intervals.check_deregister_minimum),
        sidecar_ports=range(config.ports.sidecar_min_port, config.ports.sidecar_max_port + 1),
    )


def telemetry_settings(config: Config) -> TelemetrySettings:
    telemetry = config.telemetry
    return TelemetrySettings(
        prefix=telemetry.metrics_prefix,
        host="" if telemetry.disable_hostname else socket.gethostname(),
        allowed=telemetry.allowed_prefixes,
        blocked=telemetry.blocked_prefixes,
        allow_by_default=telemetry.filter_default,
        retention=seconds(telemetry.prometheus_retention_time),
    )


def log_settings(config: Config) -> LogSettings:
    logging = config.logging
    return LogSettings(
        level=logging.level,
        json=logging.json,
        file=logging.file,
        rotate_bytes=logging.rotate_bytes,
        rotate_duration=seconds(logging.rotate_duration),
        max_files=logging.rotate_max_files,
        syslog=logging.enable_syslog,
        facility=logging.syslog_facility,
    )


def sinks(config: Config) -> list[Sink]:
    """The servers that are to be told of every measurement."""
    from muster.agent.statsd import Statsd

    telemetry = config.telemetry
    made: list[Sink] = []
    if telemetry.statsd_address:
        made.append(Statsd(telemetry.statsd_address))
    if telemetry.dogstatsd_address:
        made.append(Statsd(telemetry.dogstatsd_address, telemetry.dogstatsd_tags))
    return made


def own_address(config: Config) -> str:
    """Where this agent's own HTTP edge is reached from this host; empty if it has none."""
    for address in config.addresses.http:
        if address.startswith("unix://"):
            return address
        if config.ports.http > 0:
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
            return f"http://[{host}]:{config.ports.http}" if ":" in host else f"http://{host}:{config.ports.http}"
    return ""
