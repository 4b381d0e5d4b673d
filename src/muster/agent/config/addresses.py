"""Addresses in settings: texts, lists of them, and the templates that choose one of the host's own.

Templates are those of go-sockaddr in the forms that deployments use: `{{ GetPrivateIP }}`, `{{ GetPublicIP }}` and
`{{ GetInterfaceIP "eth0" }}`.
"""

import fcntl
import ipaddress
import re
import socket
import struct
from typing import Any

from muster.model.errors import ConfigurationError

UNIX = "unix://"
_TEMPLATE = re.compile(r'\{\{\s*(GetPrivateIP|GetPublicIP|GetInterfaceIP)\s*(?:"([^"]+)")?\s*\}\}')
_INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR


def resolved(text: Any, key: str) -> str:
    """One IP address."""
    given = str(text).strip()
    address = _from_template(given, key) if "{{" in given else given
    try:
        return str(ipaddress.ip_address(address))
    except ValueError as error:
        raise ConfigurationError(f"config: {key}: {given!r} is no IP address; 10.0.0.1 would be right") from error


def client_addresses(text: Any) -> tuple[str, ...]:
    """The addresses of a setting, separated by spaces; a path of a Unix socket stays one."""
    found = []
    for part in re.sub(r"\{\{.*?\}\}", lambda template: _from_template(template[0], "client_addr"), str(text)).split():
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
    private = _private_addresses()
    if not private:
        raise ConfigurationError("config: bind_addr: No private IPv4 address found; name one with -bind or -advertise")
    if len(private) > 1:
        raise ConfigurationError(
            f"config: bind_addr: Multiple private IPv4 addresses found ({', '.join(private)}). "
            "Please configure one with 'bind' and/or 'advertise'."
        )
    return private[0]


def _from_template(text: str, key: str) -> str:
    found = _TEMPLATE.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(
            f'config: {key}: the template {text!r} is not known; {{{{ GetPrivateIP }}}} or {{{{ GetInterfaceIP "eth0" }}}} would be'
        )
    function, interface = found.groups()
    if function == "GetInterfaceIP":
        return _interface_address(interface or "", key)
    wanted = [address for address in _addresses() if ipaddress.ip_address(address).is_private == (function == "GetPrivateIP")]
    if not wanted:
        raise ConfigurationError(f"config: {key}: {text!r} finds no address on this host")
    return wanted[0]


def _interface_address(interface: str, key: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock.fileno(), _INTERFACE_ADDRESS, struct.pack("256s", interface[:15].encode()))
        except OSError as error:
            raise ConfigurationError(f"config: {key}: the interface {interface!r} has no IPv4 address here") from error
    return socket.inet_ntoa(answer[20:24])


def _addresses() -> list[str]:
    """The host's IPv4 addresses but for loopback, in the order of the interfaces."""
    found = []
    for _, name in socket.if_nameindex():
        try:
            address = _interface_address(name, name)
        except ConfigurationError:
            continue
        if not ipaddress.ip_address(address).is_loopback:
            found.append(address)
    return found


def _private_addresses() -> list[str]:
    return [address for address in _addresses() if ipaddress.ip_address(address).is_private]
