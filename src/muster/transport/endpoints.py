"""Endpoints of members beside the addresses of the socket interface and the texts that people write.

An `Endpoint` holds a packed address of 4 or 16 bytes and a port; an IPv4 address mapped into IPv6 is always unmapped.
"""

import ipaddress
from typing import Any

from muster.model.errors import ConfigurationError
from muster.wire.gossip import Endpoint

MAPPED = bytes(10) + b"\xff\xff"
"""What precedes an IPv4 address that is mapped into IPv6."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def packed(address: str) -> bytes:
    """The bytes of an address text, IPv4-mapped ones as IPv4; `ValueError` if it is none."""
    raw = ipaddress.ip_address(address.partition("%")[0]).packed
    return raw[12:] if raw.startswith(MAPPED) and len(raw) == 16 else raw


def endpoint(address: str, port: int) -> Endpoint:
    """The endpoint of an address text; `ValueError` if it is none."""
    return packed(address), port


def from_socket(address: tuple[Any, ...]) -> Endpoint:
    """The endpoint of what `recvfrom` and `getpeername` tell."""
    return packed(address[0]), address[1]


def host(at: Endpoint) -> str:
    """The address as a text, without the port; its bytes in hexadecimal if it is none."""
    return str(ipaddress.ip_address(at[0])) if len(at[0]) in (4, 16) else at[0].hex()


def text(at: Endpoint) -> str:
    """As Go joins them: `10.0.0.1:8301`, `[fd00::1]:8301`."""
    return f"[{host(at)}]:{at[1]}" if len(at[0]) == 16 else f"{host(at)}:{at[1]}"


class AllowedNetworks:
    """The networks that may take part in a pool; None allows all, and so does an empty list, as with the peers.

    `ConfigurationError` for a text that is no network.
    """

    def __init__(self, networks: tuple[str, ...] | None = None) -> None:
        self._networks = [_network(one) for one in networks or ()]
        self.all = not self._networks

    def allow(self, address: bytes) -> bool:
        """Whether a packed address may take part."""
        if self.all:
            return True
        if len(address) not in (4, 16):
            return False
        if address.startswith(MAPPED) and len(address) == 16:
            address = address[12:]
        found = ipaddress.ip_address(address)
        return any(found in network for network in self._networks)


def _network(text_: str) -> Network:
    try:
        return ipaddress.ip_network(text_.strip(), strict=False)
    except ValueError as error:
        raise ConfigurationError(f"invalid CIDR address: {text_}; 10.0.0.0/8 would be right") from error
