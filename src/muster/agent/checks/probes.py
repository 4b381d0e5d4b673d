"""From a definition to the probe that carries it out."""

from dataclasses import dataclass
from typing import Protocol

from muster.agent.checks.result import DEFAULT_OUTPUT_LIMIT, Result
from muster.agent.definitions import SHORTEST_INTERVAL, CheckType
from muster.model.durations import seconds


class Probe(Protocol):
    """One way to look whether something is well. Raises nothing: what goes wrong is a critical result."""

    async def run(self) -> Result: ...


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """`output_limit` is in bytes."""

    output_limit: int = DEFAULT_OUTPUT_LIMIT


def interval(check: CheckType) -> float:
    """Seconds between two runs."""
    return seconds(max(check.interval, SHORTEST_INTERVAL))


def probe(check: CheckType, settings: ProbeSettings) -> Probe | None:
    """The probe of an interval check; None for kinds that nobody runs (TTL, alias)."""
    limit = check.output_max_size or settings.output_limit
    kind = check.kind()
    if kind == "http":
        from muster.agent.checks.http import HttpCheck

        return HttpCheck(
            check.proxy_http or check.http, check.method, check.header or {}, check.body, check.tls_skip_verify, timeout(check, 10.0), limit
        )
    if kind == "tcp":
        from muster.agent.checks.tcp import TcpCheck

        return TcpCheck(check.tcp, timeout(check, 10.0))
    if kind == "udp":
        from muster.agent.checks.udp import UdpCheck

        return UdpCheck(check.udp, timeout(check, 10.0))
    if kind == "script":
        from muster.agent.checks.script import ScriptCheck

        return ScriptCheck(tuple(check.script_args or ()), timeout(check, 30.0), limit)
    if kind == "docker":
        from muster.agent.checks.docker import DockerCheck

        arguments = check.script_args or []
        return DockerCheck(
            check.docker_container_id, tuple([check.shell, "-c", *arguments] if check.shell else arguments), timeout(check, 30.0), limit
        )
    return _http2_probe(check)


def _http2_probe(check: CheckType) -> Probe | None:
    if check.kind() == "grpc":
        from muster.agent.checks.http2 import GrpcCheck

        return GrpcCheck(check.proxy_grpc or check.grpc, check.grpc_use_tls, check.tls_skip_verify, timeout(check, 10.0))
    if check.kind() == "h2ping":
        from muster.agent.checks.http2 import Http2PingCheck

        return Http2PingCheck(check.h2ping, check.h2ping_use_tls is not False, check.tls_skip_verify, timeout(check, 10.0))
    return None


def timeout(check: CheckType, default: float) -> float:
    """Seconds that one run may take."""
    return seconds(check.timeout) if check.timeout > 0 else default
