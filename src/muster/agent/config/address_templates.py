"""Templates that choose of this host's addresses, as go-sockaddr's: `{{ GetPrivateIP }}`, `{{ GetInterfaceIPs "eth.*" }}`, or a pipeline
like `{{ GetAllInterfaces | include "network" "10.0.0.0/8" | sort "size" | limit 1 | join "address" " " }}`.

A pipeline begins with a source of interfaces, narrows and sorts them, and ends in a text (`attr` of the first, `join` of all). Words after
a step are its arguments, in double quotes or backquotes, or numbers. Variables, `with` and `range` are not known.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from muster.agent.config.interfaces import (
    FLAG_BROADCAST,
    FLAG_LOOPBACK,
    FLAG_MULTICAST,
    FLAG_POINT_TO_POINT,
    FLAG_UP,
    InterfaceAddress,
)

Chosen = list[InterfaceAddress]
Arguments = Sequence[str]

_TEMPLATE = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_WORD = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|(\|)|([^\s|"`]+))')


class BadTemplate(ValueError):
    """The text is no template that is known; the message says what is wrong."""


def expand(text: str, addresses: Callable[[], Chosen]) -> str:
    """The text with its templates replaced; `BadTemplate` for a wrong one. `addresses` tells those of the host."""
    return _TEMPLATE.sub(lambda template: _evaluate(template[1], addresses), text)


def _evaluate(pipeline: str, addresses: Callable[[], Chosen]) -> str:
    steps = _steps(pipeline)
    name, *arguments = steps[0]
    if name in _SHORT:
        if len(steps) > 1:
            raise BadTemplate(f"{name} gives a text, which nothing can follow")
        return _SHORT[name](addresses(), _exactly(name, arguments, 1 if "Interface" in name else 0))
    if name not in _SOURCES:
        raise BadTemplate(f'function "{name}" not defined')
    _exactly(name, arguments, 0)
    chosen: Chosen | str = _SOURCES[name](addresses())
    for name, *arguments in steps[1:]:
        if isinstance(chosen, str) or name not in _STEPS:
            raise BadTemplate(f'"{name}" cannot stand here')
        count, step = _STEPS[name]
        chosen = step(chosen, *_exactly(name, arguments, count))
    if not isinstance(chosen, str):
        raise BadTemplate('the pipeline ends in interfaces, not in a text; | attr "address" or | join "address" " " would be right')
    return chosen


def _steps(pipeline: str) -> list[list[str]]:
    steps: list[list[str]] = [[]]
    rest = pipeline.strip()
    while rest:
        word = _WORD.match(rest)
        if word is None:
            raise BadTemplate(f"cannot read {rest!r}")
        quoted, raw, bar, plain = word.groups()
        if bar:
            steps.append([])
        else:
            steps[-1].append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else raw if raw is not None else plain)
        rest = rest[word.end() :].strip()
    if not all(steps):
        raise BadTemplate("a step of the pipeline is missing")
    return steps


def _exactly(name: str, arguments: list[str], count: int) -> list[str]:
    if len(arguments) != count:
        raise BadTemplate(f"{name} takes {count} words after it, not {len(arguments)}")
    return arguments


# ------------------------------------------------------------------ sources


def _forwardable(one: InterfaceAddress) -> bool:
    return not _in_rfc(one, "forwarding")


def _reachable(addresses: Chosen, private: bool) -> Chosen:
    """Those that are up and routed at all, private ones or the others: of the default interface first, IPv4 first, wide networks first."""
    chosen = [one for one in addresses if one.flags & FLAG_UP and _forwardable(one) and _in_rfc(one, "6890") == private]
    return _sort(chosen, "default,type,size")


def _of_interface(addresses: Chosen, pattern: str, forwardable: bool) -> Chosen:
    named = _include(addresses, "name", pattern)
    return _sort([one for one in named if not forwardable or _forwardable(one)], "type,size")


def _first(chosen: Chosen) -> str:
    return _attribute(chosen[0], "address") if chosen else ""


def _all(chosen: Chosen) -> str:
    return _join(chosen, "address", " ")


_SOURCES: dict[str, Callable[[Chosen], Chosen]] = {
    "GetAllInterfaces": list,
    "GetDefaultInterfaces": lambda addresses: [one for one in addresses if one.default],
    "GetPrivateInterfaces": partial(_reachable, private=True),
    "GetPublicInterfaces": partial(_reachable, private=False),
}
_SHORT: dict[str, Callable[[Chosen, Arguments], str]] = {
    "GetPrivateIP": lambda addresses, _: _first(_reachable(addresses, True)),
    "GetPrivateIPs": lambda addresses, _: _all(_reachable(addresses, True)),
    "GetPublicIP": lambda addresses, _: _first(_reachable(addresses, False)),
    "GetPublicIPs": lambda addresses, _: _all(_reachable(addresses, False)),
    "GetInterfaceIP": lambda addresses, words: _first(_of_interface(addresses, words[0], True)),
    "GetInterfaceIPs": lambda addresses, words: _all(_of_interface(addresses, words[0], False)),
}


# ------------------------------------------------------------------ steps


def _include(chosen: Chosen, selector: str, wanted: str) -> Chosen:
    fits = _fitting(selector.lower(), wanted)
    return [one for one in chosen if fits(one)]


def _exclude(chosen: Chosen, selector: str, unwanted: str) -> Chosen:
    fits = _fitting(selector.lower(), unwanted)
    return [one for one in chosen if not fits(one)]


def _fitting(selector: str, wanted: str) -> Callable[[InterfaceAddress], bool]:
    """Which addresses a selector means; `BadTemplate` if it or what it wants is not known."""
    if selector in ("name", "address"):
        pattern = _pattern(wanted)
        return lambda one: pattern.search(_attribute(one, selector)) is not None
    parts = [part.strip().lower() for part in wanted.split("|")]
    if selector in ("flag", "flags"):
        return _known(parts, _FLAGS, "flag", all)
    if selector in ("rfc", "rfcs"):
        return _known(parts, {rfc: partial(_in_rfc, rfc=rfc) for rfc in _RFCS}, "RFC", any)
    if selector == "type":
        return _known(parts, _TYPES, "type", any)
    if selector == "network":
        networks = [_network(part) for part in parts]
        return lambda one: any(one.address.ip in network for network in networks)
    if selector == "size":
        sizes = [_number(part.strip("/")) for part in parts]
        return lambda one: one.address.network.prefixlen in sizes
    raise BadTemplate(f'invalid filter name: "{selector}"; name, address, type, rfc, network, flags and size are known')


def _known(
    parts: list[str], table: dict[str, Callable[[InterfaceAddress], bool]], kind: str, together: Callable[[Sequence[bool]], bool]
) -> Callable[[InterfaceAddress], bool]:
    for part in parts:
        if part not in table:
            raise BadTemplate(f"unknown {kind} {part!r}; {', '.join(table)} are known")
    return lambda one: together([table[part](one) for part in parts])


def _sort(chosen: Chosen, keys: str) -> Chosen:
    """By several keys, the first one first; `-` before a key turns it round."""
    for key in reversed(keys.split(",")):
        name = key.strip().lower()
        by = _ORDERS.get(name.lstrip("+-"))
        if by is None:
            raise BadTemplate(f"unknown sort key {name!r}; {', '.join(_ORDERS)} are known")
        chosen = sorted(chosen, key=by, reverse=name.startswith("-"))
    return chosen


def _limit(chosen: Chosen, count: str) -> Chosen:
    return chosen[: _number(count)]


def _offset(chosen: Chosen, count: str) -> Chosen:
    return chosen[_number(count) :]


def _unique(chosen: Chosen, attribute: str) -> Chosen:
    return list({_attribute(one, attribute): one for one in reversed(chosen)}.values())[::-1]


def _join(chosen: Chosen, attribute: str, separator: str) -> str:
    return separator.join(_attribute(one, attribute) for one in chosen)


def _attr(chosen: Chosen, attribute: str) -> str:
    return _attribute(chosen[0], attribute) if chosen else ""


_STEPS: dict[str, tuple[int, Callable[..., Chosen | str]]] = {
    "include": (2, _include),
    "exclude": (2, _exclude),
    "sort": (1, _sort),
    "limit": (1, _limit),
    "offset": (1, _offset),
    "unique": (1, _unique),
    "join": (2, _join),
    "attr": (1, _attr),
}


# ------------------------------------------------------------------ what is known of an address


def _attribute(one: InterfaceAddress, name: str) -> str:
    match name.lower():
        case "address" | "host":
            return str(one.address.ip)
        case "name":
            return one.name
        case "network":
            return str(one.address.network)
        case "string":
            return str(one.address)
        case "type":
            return f"IPv{one.address.version}"
        case "size":
            return str(one.address.network.num_addresses)
    raise BadTemplate(f"unknown attribute {name!r}; address, name, network, string, type and size are known")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadTemplate(f"{text!r} is no regular expression: {error}") from error


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise BadTemplate(f"{text!r} is no network; 10.0.0.0/8 would be right") from error


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadTemplate(f"{text!r} is no number")
    return int(text)


def _in_rfc(one: InterfaceAddress, rfc: str) -> bool:
    return any(one.address.ip in network for network in _RFCS[rfc])


def _networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(one) for one in text.split()]


_RFCS = {
    "1112": _networks("224.0.0.0/4"),
    "1918": _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"),
    "3927": _networks("169.254.0.0/16"),
    "4193": _networks("fc00::/7"),
    "4291": _networks("::/128 ::1/128 fe80::/10 fec0::/10 ff00::/8"),
    "5737": _networks("192.0.2.0/24 198.51.100.0/24 203.0.113.0/24"),
    "6598": _networks("100.64.0.0/10"),
    "6890": _networks(
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 "
        "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 "
        "::/128 ::1/128 64:ff9b::/96 ::ffff:0:0/96 100::/64 2001::/23 2001:db8::/32 2002::/16 fc00::/7 fe80::/10"
    ),
    "forwarding": _networks(
        "0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 192.0.0.0/29 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32 "
        "::/128 ::1/128 ::ffff:0:0/96 2001:db8::/32 2001:10::/28 fe80::/10"
    ),
}
_TYPES: dict[str, Callable[[InterfaceAddress], bool]] = {
    "ip": lambda _: True,
    "ipv4": lambda one: one.address.version == 4,
    "ipv6": lambda one: one.address.version == 6,
}
_FLAGS: dict[str, Callable[[InterfaceAddress], bool]] = {
    "broadcast": lambda one: bool(one.flags & FLAG_BROADCAST),
    "down": lambda one: not one.flags & FLAG_UP,
    "forwardable": _forwardable,
    "global unicast": lambda one: not (one.address.ip.is_multicast or one.address.ip.is_loopback or one.address.ip.is_link_local),
    "link-local unicast": lambda one: one.address.ip.is_link_local,
    "loopback": lambda one: bool(one.flags & FLAG_LOOPBACK),
    "multicast": lambda one: bool(one.flags & FLAG_MULTICAST),
    "point-to-point": lambda one: bool(one.flags & FLAG_POINT_TO_POINT),
    "up": lambda one: bool(one.flags & FLAG_UP),
}
_ORDERS: dict[str, Callable[[InterfaceAddress], Any]] = {
    "address": lambda one: (one.address.version, one.address.ip.packed),
    "default": lambda one: not one.default,
    "name": lambda one: one.name,
    "private": lambda one: not _in_rfc(one, "6890"),
    "size": lambda one: one.address.network.prefixlen,
    "type": lambda one: one.address.version,
}
