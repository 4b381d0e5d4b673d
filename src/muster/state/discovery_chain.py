"""Whether config entries still fit together after one of them changes: each service's chain of router, splitters and resolvers is walked.

A leader writes such a change unseen and it fails when it is applied, alike on every server; so this is a part of the state machine, and
must say yes and no exactly where the peers do. It checks the chains of the service that the entry names and of those that refer to it
directly; for the proxies' defaults, those of all services with a router, splitter or resolver; and the gateways that list the service.

Source: answers of Consul 1.8.7.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from muster.model.errors import CommandFailed
from muster.model.operator import ConfigEntry

SERVICE_DEFAULTS, PROXY_DEFAULTS = "service-defaults", "proxy-defaults"
ROUTER, SPLITTER, RESOLVER = "service-router", "service-splitter", "service-resolver"
INGRESS, TERMINATING = "ingress-gateway", "terminating-gateway"
CHAIN_KINDS = (ROUTER, SPLITTER, RESOLVER)
GLOBAL = "global"
DEFAULT_PROTOCOL = "tcp"
ROUTABLE = frozenset(("http", "http2", "grpc"))
WILDCARD = "*"
EVERY_SUBSET = "*"

Entries = Mapping[tuple[str, str], ConfigEntry]
Fields = dict[str, Any]


class Target(NamedTuple):
    """Where a chain leads: a service, or a subset of it, in a datacenter (empty: this one)."""

    service: str
    subset: str = ""
    datacenter: str = ""

    def rewritten(self, fields: Fields, datacenter: str = "") -> "Target":
        """The target with what a redirect or failover changes; another service begins without a subset."""
        service, subset = _text(fields, "Service"), self.subset
        if service and service != self.service:
            subset = ""
        return Target(service or self.service, _text(fields, "ServiceSubset") or subset, datacenter or self.datacenter)

    def __str__(self) -> str:
        return f"{self.subset}.{self.service}.default.dc1".removeprefix(".")


class Proposed:
    """The entries as they would be with one of them written, or without it if `entry` is None."""

    def __init__(self, entries: Entries, kind: str, name: str, entry: ConfigEntry | None) -> None:
        self._entries, self._changed, self._entry = entries, (kind, name.lower()), entry

    def get(self, kind: str, name: str) -> Fields | None:
        """The fields of an entry."""
        key = (kind, name.lower())
        found = self._entry if key == self._changed else self._entries.get(key)
        return found.fields if found is not None else None

    def protocol(self, service: str) -> str:
        """A service's own setting, else that of all proxies, else tcp."""
        own = self.get(SERVICE_DEFAULTS, service)
        if own is not None:
            return _text(own, "Protocol").lower() or DEFAULT_PROTOCOL
        proxies = self.get(PROXY_DEFAULTS, GLOBAL) or {}
        return _text(proxies.get("Config") or {}, "protocol").lower() or DEFAULT_PROTOCOL


def check(entries: Entries, kind: str, name: str, entry: ConfigEntry | None) -> None:
    """Raises CommandFailed if the entry may not be written, or not be deleted (None)."""
    proposed = Proposed(entries, kind, name, entry)
    if kind in (INGRESS, TERMINATING):
        if entry is not None:
            _check_name(entries, entry)
            _check_listeners(proposed, entry, itself=True)
        return
    every = kind == PROXY_DEFAULTS
    services = {one.name for (other, _), one in entries.items() if other in CHAIN_KINDS and (every or name in _related(one))}
    for service in sorted(services if every else {name, *services}):
        Chain(service, proposed).walk()
    for (other, _), one in entries.items():
        if other == INGRESS and (every or name in _listed(one)):
            _check_listeners(proposed, one, itself=False)


def _check_name(entries: Entries, entry: ConfigEntry) -> None:
    other = TERMINATING if entry.kind == INGRESS else INGRESS
    if (other, entry.name.lower()) in entries:
        raise CommandFailed(
            f'cannot create a "{entry.kind}" config entry with name "{entry.name}", a "{other}" config entry with that name already exists'
        )


def _check_listeners(proposed: Proposed, entry: ConfigEntry, itself: bool) -> None:
    """Each service's chain must speak the protocol of the listener that leads to it.

    Once a gateway is there (not `itself` the change), a listener of tcp may lead to any service without a router and a splitter.
    """
    for listener in _rows(entry.fields.get("Listeners")) if entry.kind == INGRESS else ():
        wanted = _text(listener, "Protocol").lower() or DEFAULT_PROTOCOL
        for service in (_text(row, "Name") for row in _rows(listener.get("Services"))):
            if service == WILDCARD:
                continue
            protocol = Chain(service, proposed).walk()
            plain = proposed.get(ROUTER, service) is None and proposed.get(SPLITTER, service) is None
            if protocol != wanted and (itself or wanted != DEFAULT_PROTOCOL or not plain):
                raise CommandFailed(
                    f'service "{service}" has protocol "{protocol}", which does not match defined listener protocol "{wanted}"'
                )


def _listed(entry: ConfigEntry) -> set[str]:
    """The services of a gateway."""
    return {_text(row, "Name") for listener in _rows(entry.fields.get("Listeners")) for row in _rows(listener.get("Services"))}


class Chain:
    """The walk through one service's chain, which fails with CommandFailed at the first thing that does not fit."""

    def __init__(self, service: str, proposed: Proposed) -> None:
        self._service, self._proposed = service, proposed
        self._protocol = ""
        self._advanced = False
        self._splitters: dict[str, list[str]] = {}  # by service, those that each leads to
        self._resolved: set[Target] = set()

    def walk(self) -> str:
        """From the service's router, or else its splitter or resolver, to all that is behind. Returns the protocol that they speak."""
        if not self._service:
            raise CommandFailed("serviceName is required")
        router = self._proposed.get(ROUTER, self._service)
        if router is not None:
            self._advanced = True
            self._meet(self._service)
            for route in _rows(router.get("Routes")):
                destination = _map(route.get("Destination"))
                self._follow(Target(_text(destination, "Service") or self._service, _text(destination, "ServiceSubset")))
        self._follow(Target(self._service))
        self._require_no_circle()
        if self._advanced and self._protocol not in ROUTABLE:
            raise CommandFailed(
                f'discovery chain "{self._service}" uses a protocol "{self._protocol}" '
                "that does not permit advanced routing or splitting behavior"
            )
        return self._protocol

    def _follow(self, target: Target) -> None:
        """A whole service may be split further, a subset is resolved."""
        if target.subset or not self._split(target.service):
            self._resolve(target, failing_over=False)

    def _split(self, service: str) -> bool:
        if service in self._splitters:
            return True
        splitter = self._proposed.get(SPLITTER, service)
        if splitter is None:
            return False
        below = self._splitters[service] = []
        for split in _rows(splitter.get("Splits")):
            target = Target(_text(split, "Service") or service, _text(split, "ServiceSubset"))
            if target.service != service and not target.subset and self._split(target.service):
                below.append(target.service)
            else:
                self._resolve(target, failing_over=False)
        self._advanced = True
        return True

    def _resolve(self, target: Target, failing_over: bool) -> None:
        seen: list[Target] = []
        while target not in self._resolved:
            self._meet(target.service)
            resolver = self._proposed.get(RESOLVER, target.service) or {}
            if target in seen:
                path = " -> ".join(map(str, [*seen, target]))
                raise CommandFailed(f"detected circular resolver redirect: [{path}]")
            seen.append(target)
            further = self._redirected(target, resolver)
            if further == target:
                self._resolved.add(target)
                self._require_subset(target, resolver)
                if not failing_over:
                    self._fail_over(target, resolver)
                return
            target = further

    @staticmethod
    def _redirected(target: Target, resolver: Fields) -> Target:
        redirect = _map(resolver.get("Redirect"))
        further = target.rewritten(redirect, _text(redirect, "Datacenter"))
        if further == target and not target.subset and _text(resolver, "DefaultSubset"):
            return target._replace(subset=_text(resolver, "DefaultSubset"))
        return further

    def _require_subset(self, target: Target, resolver: Fields) -> None:
        if target.subset and target.subset not in _map(resolver.get("Subsets")):
            raise CommandFailed(f'service "{target.service}" does not have a subset named "{target.subset}"')
        external = _text(self._proposed.get(SERVICE_DEFAULTS, target.service) or {}, "ExternalSNI")
        for field, what in (("Redirect", "redirects"), ("Subsets", "subsets"), ("Failover", "failover")) if external else ():
            if resolver.get(field):
                raise CommandFailed(f'service "{target.service}" has an external SNI set; cannot define {what} for external services')

    def _fail_over(self, target: Target, resolver: Fields) -> None:
        sections = _map(resolver.get("Failover"))
        section = sections[target.subset] if target.subset in sections else sections.get(EVERY_SUBSET)
        if section is None:
            return
        for datacenter in section.get("Datacenters") or [""]:
            other = target.rewritten(section, datacenter)
            if other != target:
                self._resolve(other, failing_over=True)

    def _meet(self, service: str) -> None:
        """All services of a chain speak one protocol."""
        protocol = self._proposed.protocol(service)
        if self._protocol and protocol != self._protocol:
            raise CommandFailed(
                f'discovery chain "{self._service}" uses inconsistent protocols; '
                f'service "{service}" has "{protocol}" which is not "{self._protocol}"'
            )
        self._protocol = protocol

    def _require_no_circle(self) -> None:
        """Takes away splitters that lead to none that is left, until none is left or the rest goes in circles."""
        left = dict(self._splitters)
        while ends := [service for service, below in left.items() if not any(other in left for other in below)]:
            for service in ends:
                del left[service]
        if left:
            raise CommandFailed(f"detected circular reference: [{' -> '.join(f'splitter:{service}.default' for service in left)}]")


def _related(entry: ConfigEntry) -> set[str]:
    """The other services that a router, splitter or resolver names."""
    fields = entry.fields
    named: Iterable[Fields]
    if entry.kind == ROUTER:
        named = [_map(route.get("Destination")) for route in _rows(fields.get("Routes"))]
    elif entry.kind == SPLITTER:
        named = _rows(fields.get("Splits"))
    else:
        named = [_map(fields.get("Redirect")), *(_map(section) for section in _map(fields.get("Failover")).values())]
    return {_text(one, "Service") for one in named} - {""}


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _map(value: Any) -> Fields:
    return value if isinstance(value, dict) else {}


def _rows(value: Any) -> list[Fields]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
