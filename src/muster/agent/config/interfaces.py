"""The addresses of this host's network interfaces, as the kernel tells them by rtnetlink.

Source: rtnetlink(7); <linux/if_addr.h>, <net/if.h>.
"""

import contextlib
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface

FLAG_UP = 0x1
FLAG_BROADCAST = 0x2
FLAG_LOOPBACK = 0x8
FLAG_POINT_TO_POINT = 0x10
FLAG_MULTICAST = 0x1000

_DUMP_ADDRESSES = 22  # RTM_GETADDR
_NEW_ADDRESS = 20  # RTM_NEWADDR
_DONE = 3  # NLMSG_DONE
_ERROR = 2  # NLMSG_ERROR
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ADDRESS, _LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL
_GET_FLAGS = 0x8913  # SIOCGIFFLAGS
_HEADER = struct.Struct("=IHHII")
_ADDRESS_HEADER = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


class InterfaceAddress(Struct, frozen=True):
    """One address with its network. `default`: the interface has the default route. `flags` are those of the interface."""

    name: str
    address: Address
    flags: int = FLAG_UP
    default: bool = False


def interface_addresses() -> list[InterfaceAddress]:
    """All of them, in the order of the interfaces, of each those of IPv4 first. `OSError` if the kernel does not tell."""
    default = _default_interface()
    found = [
        InterfaceAddress(name, address, _flags(name), name == default)
        for index, name in socket.if_nameindex()
        for of_index, address in _addresses()
        if of_index == index
    ]
    order = {name: at for at, (_, name) in enumerate(socket.if_nameindex())}
    return sorted(found, key=lambda one: (order.get(one.name, len(order)), one.address.version))


def _addresses() -> list[tuple[int, Address]]:
    """Every address with the number of its interface."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.settimeout(5.0)
        body = _ADDRESS_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        sock.send(_HEADER.pack(_HEADER.size + len(body), _DUMP_ADDRESSES, _REQUEST_DUMP, 1, 0) + body)
        found: list[tuple[int, Address]] = []
        while _take(sock.recv(1 << 16), found):
            pass
    return found


def _take(data: bytes, found: list[tuple[int, Address]]) -> bool:
    """Adds the addresses of one answer; whether more answers come."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        if kind in (_DONE, _ERROR) or length < _HEADER.size:
            return False
        if kind == _NEW_ADDRESS:
            one = _address(data[offset + _HEADER.size : offset + length])
            if one is not None:
                found.append(one)
        offset += length + 3 & ~3
    return True


def _address(body: bytes) -> tuple[int, Address] | None:
    family, prefix, _, _, index = _ADDRESS_HEADER.unpack_from(body)
    attributes = dict(_attributes(body[_ADDRESS_HEADER.size :]))
    raw = attributes.get(_LOCAL) or attributes.get(_ADDRESS)
    if raw is None:
        return None
    if family == socket.AF_INET:
        return index, ipaddress.IPv4Interface((raw, prefix))
    return (index, ipaddress.IPv6Interface((raw, prefix))) if family == socket.AF_INET6 else None


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + 3 & ~3


def _flags(name: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock.fileno(), _GET_FLAGS, struct.pack("256s", name[:15].encode()))
        except OSError:
            return 0  # it has gone in between
    return int(struct.unpack_from("H", answer, 16)[0])


def _default_interface() -> str:
    """The interface of the default route; empty if there is none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/route").read_text().splitlines()[1:]:
            name, destination, *_ = line.split()
            if destination == "00000000":
                return name
    return ""
