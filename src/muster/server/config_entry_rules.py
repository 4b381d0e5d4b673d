"""What makes a config entry wrong by itself. Whether it fits to the others is seen when it is applied: `state/discovery_chain.py`.

Source: answers of Consul 1.8.7; recorded answers config-entry-errors.json.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from muster.model.durations import format_duration
from muster.model.errors import Rejected
from muster.model.operator import ConfigEntry

SERVICE_DEFAULTS, PROXY_DEFAULTS = "service-defaults", "proxy-defaults"
ROUTER, SPLITTER, RESOLVER = "service-router", "service-splitter", "service-resolver"
INGRESS, TERMINATING = "ingress-gateway", "terminating-gateway"
KINDS = (SERVICE_DEFAULTS, PROXY_DEFAULTS, ROUTER, SPLITTER, RESOLVER, INGRESS, TERMINATING)
GLOBAL = "global"
DEFAULT_PROTOCOL = "tcp"
LISTENER_PROTOCOLS = {"tcp", "http", "http2", "grpc"}


def require_kind(kind: str) -> None:
    """Raises Rejected for a kind that there is not."""
    if kind not in KINDS:
        raise Rejected(f"invalid config entry kind: {kind}")


def validated(entry: ConfigEntry) -> ConfigEntry:
    """The entry in its normal form. Raises Rejected."""
    require_kind(entry.kind)
    if entry.kind == PROXY_DEFAULTS:
        return msgspec.structs.replace(entry, name=GLOBAL)
    if entry.kind == SERVICE_DEFAULTS:
        return _with_protocol(entry)
    if not entry.name and entry.kind in (ROUTER, SPLITTER, RESOLVER):
        raise Rejected("Name is required")
    _CHECKS[entry.kind](entry.fields)
    return entry


def _with_protocol(entry: ConfigEntry) -> ConfigEntry:
    protocol = str(entry.fields.get("Protocol") or "")
    if protocol == protocol.lower():
        return entry
    return msgspec.structs.replace(entry, fields={**entry.fields, "Protocol": protocol.lower()})


def _check_splitter(fields: dict[str, Any]) -> None:
    splits = fields.get("Splits") or []
    if not splits:
        raise Rejected("no splits configured")
    weights = [float(split.get("Weight") or 0) for split in splits]
    if any(0 < weight < 0.01 for weight in weights):
        raise Rejected("weight must be >= 0.01")
    if round(sum(weights) * 100) != 10_000:
        raise Rejected(f"the sum of all split weights must be 100, not {sum(weights):f}")


def _check_resolver(fields: dict[str, Any]) -> None:
    timeout = fields.get("ConnectTimeout") or 0
    if isinstance(timeout, int) and timeout < 0:
        raise Rejected(f"Bad ConnectTimeout '{format_duration(timeout)}', must be >= 0")


def _check_ingress(fields: dict[str, Any]) -> None:
    ports: set[int] = set()
    for listener in fields.get("Listeners") or []:
        port, protocol = int(listener.get("Port") or 0), str(listener.get("Protocol") or DEFAULT_PROTOCOL).lower()
        if port in ports:
            raise Rejected(f"port {port} declared on two listeners")
        ports.add(port)
        if protocol not in LISTENER_PROTOCOLS:
            raise Rejected(f"Protocol must be either 'tcp', 'http', 'http2', or 'grpc', '{protocol}' is an unsupported protocol.")
        if not listener.get("Services"):
            raise Rejected(f"No service declared for listener with port {port}")


def _check_terminating(fields: dict[str, Any]) -> None:
    seen: set[str] = set()
    for service in fields.get("Services") or []:
        name = str(service.get("Name") or "")
        if not name:
            raise Rejected("Service name cannot be blank.")
        if name in seen:
            raise Rejected(f"Service {name} was specified more than once within a namespace")
        seen.add(name)


def _nothing_to_check(_fields: dict[str, Any]) -> None:
    """A router's routes are not looked into."""


_CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    ROUTER: _nothing_to_check,
    SPLITTER: _check_splitter,
    RESOLVER: _check_resolver,
    INGRESS: _check_ingress,
    TERMINATING: _check_terminating,
}
