"""Addresses in settings: texts, lists of them, and the templates that choose of the host's own (`address_templates`)."""

import ipaddress
from typing import Any

from muster.agent.config.address_templates import BadTemplate, expand
from muster.agent.config.interfaces import FLAG_UP, interface_addresses
from muster.model.errors import ConfigurationError

UNIX = "unix://"
_SHARED = ipaddress.ip_network("100.64.0.0/10")
"""Carriers' addresses, which the peers count as private ones."""


def resolved(text: Any, key: str) -> str:
    """One IP address."""
    given = str(text).strip()
    address = _expanded(given, key)
    if len(address.split()) > 1:
        raise ConfigurationError(f"config: {key}: {key} cannot contain multiple addresses, and {given!r} gives {address}")
    try:
        return str(ipaddress.ip_address(address))
    except ValueError as error:
        raise ConfigurationError(f"config: {key}: {given!r} is no IP address; 10.0.0.1 would be right") from error


def client_addresses(text: Any) -> tuple[str, ...]:
    """The addresses of a setting, separated by spaces; a path of a Unix socket stays one."""
    found = []
    for part in _expanded(str(text), "client_addr").split():
        found.append(part if part.startswith(UNIX) else resolved(part, "client_addr"))
    if not found:
        raise ConfigurationError("config: client_addr: an empty text is no address; 127.0.0.1 would be right")
    return tuple(found)


def advertised(whole: dict[str, Any], bind: str) -> str:
    """The address that others are told: the one given, else the bound one, else the host's only private one."""
    family = "advertise_addr_ipv6" if ":" in bind else "advertise_addr_ipv4"
    given = whole.get("advertise_addr") or whole.get(family)
    if given:
        address = resolved(given, "advertise_addr")
        if ipaddress.ip_address(address).is_unspecified:
            raise ConfigurationError("config: advertise_addr: Advertise address cannot be 0.0.0.0, :: or [::]")
        return address
    if not ipaddress.ip_address(bind).is_unspecified:
        return bind
    found, kind = (_public_v6(), "public IPv6") if ":" in bind else (_private_v4(), "private IPv4")
    if not found:
        raise ConfigurationError(f"config: bind_addr: No {kind} address found; name one with -bind or -advertise")
    if len(found) > 1:
        raise ConfigurationError(
            f"config: bind_addr: Multiple {kind} addresses found ({', '.join(found)}). Please configure one with 'bind' and/or 'advertise'."
        )
    return found[0]


def _expanded(text: str, key: str) -> str:
    """The text with its templates replaced by addresses of this host."""
    if "{{" not in text:
        return text
    try:
        found = expand(text, interface_addresses).strip()
    except BadTemplate as error:
        raise ConfigurationError(
            f"config: {key}: the template {text!r} is not known: {error}; "
            '{{ GetPrivateIP }} or {{ GetInterfaceIP "eth0" }} would be'
        ) from error
    except OSError as error:
        raise ConfigurationError(f"config: {key}: this host's addresses are not to be had: {error}") from error
    if not found:
        raise ConfigurationError(f"config: {key}: {text!r} finds no address on this host")
    return found


def _private_v4() -> list[str]:
    return [str(ip) for ip in _own() if ip.version == 4 and (ip.is_private or ip in _SHARED)]


def _public_v6() -> list[str]:
    return [str(ip) for ip in _own() if ip.version == 6 and ip.is_global]


def _own() -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    return [one.address.ip for one in interface_addresses() if one.flags & FLAG_UP and not one.address.ip.is_loopback]
