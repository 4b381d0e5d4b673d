"""What makes a config entry wrong. The mesh itself is not run here, so only what can be seen on the entry alone is checked,
and the one thing about others that matters most: routing and splitting need a protocol that allows them.

Source: answers of Consul 1.8.7; recorded answers config-entry-errors.json.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from muster.model.durations import format_duration
from muster.model.errors import Rejected
from muster.model.operator import ConfigEntry
from muster.state.store import Store

SERVICE_DEFAULTS, PROXY_DEFAULTS = "service-defaults", "proxy-defaults"
ROUTER, SPLITTER, RESOLVER = "service-router", "service-splitter", "service-resolver"
INGRESS, TERMINATING = "ingress-gateway", "terminating-gateway"
KINDS = (SERVICE_DEFAULTS, PROXY_DEFAULTS, ROUTER, SPLITTER, RESOLVER, INGRESS, TERMINATING)
GLOBAL = "global"
DEFAULT_PROTOCOL = "tcp"
ROUTABLE = {"http", "http2", "grpc"}
LISTENER_PROTOCOLS = {"tcp", "http", "http2", "grpc"}


def require_kind(kind: str) -> None:
    """Raises Rejected for a kind that there is not."""
    if kind not in KINDS:
        raise Rejected(f"invalid config entry kind: {kind}")


def validated(store: Store, entry: ConfigEntry) -> ConfigEntry:
    """The entry in its normal form. Raises Rejected."""
    require_kind(entry.kind)
    if entry.kind == PROXY_DEFAULTS:
        return msgspec.structs.replace(entry, name=GLOBAL)
    if entry.kind == SERVICE_DEFAULTS:
        if not entry.name:
            raise Rejected("serviceName is required")
        return _with_protocol(entry)
    if not entry.name and entry.kind in (ROUTER, SPLITTER, RESOLVER):
        raise Rejected("Name is required")
    _CHECKS[entry.kind](entry.fields)
    if entry.kind in (ROUTER, SPLITTER):
        _require_routable(store, entry.name)
    return entry


def _with_protocol(entry: ConfigEntry) -> ConfigEntry:
    protocol = str(entry.fields.get("Protocol") or "")
    if protocol == protocol.lower():
        return entry
    return msgspec.structs.replace(entry, fields={**entry.fields, "Protocol": protocol.lower()})


def _require_routable(store: Store, service: str) -> None:
    """A service's protocol is its own setting, else that of all proxies, else tcp."""
    own = store.config_entries.get(SERVICE_DEFAULTS, service)[1]
    protocol = str(own.fields.get("Protocol") or "") if own is not None else ""
    if not protocol:
        proxies = store.config_entries.get(PROXY_DEFAULTS, GLOBAL)[1]
        config = (proxies.fields.get("Config") or {}) if proxies is not None else {}
        protocol = str(config.get("protocol") or DEFAULT_PROTOCOL)
    if protocol not in ROUTABLE:
        raise Rejected(
            f'discovery chain "{service}" uses a protocol "{protocol}" that does not permit advanced routing or splitting behavior'
        )


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
