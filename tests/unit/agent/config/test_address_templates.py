"""Templates of addresses: what the peers made of the same templates on the same host."""

import ipaddress

import pytest

from muster.agent.config import addresses
from muster.agent.config.address_templates import BadTemplate, expand
from muster.agent.config.interfaces import FLAG_BROADCAST, FLAG_LOOPBACK, FLAG_UP, InterfaceAddress, interface_addresses
from muster.model.errors import ConfigurationError


def _at(name: str, address: str, default: bool = False) -> InterfaceAddress:
    flags = FLAG_UP | (FLAG_LOOPBACK if name == "lo" else FLAG_BROADCAST)
    return InterfaceAddress(name, ipaddress.ip_interface(address), flags, default)


HOST = [
    _at("lo", "127.0.0.1/8"),
    _at("lo", "::1/128"),
    _at("eth0", "192.0.2.2/24", True),
    _at("eth0", "fd00::2/64", True),
    _at("eth0", "fe80::fc:ff:fe00:1/64", True),
]
ROUTED = [
    _at("lo", "127.0.0.1/8"),
    _at("eth0", "10.1.2.3/16", True),
    _at("eth1", "192.168.7.7/24"),
    _at("eth1", "8.8.4.4/24"),
    InterfaceAddress("eth2", ipaddress.ip_interface("10.9.9.9/8"), 0),
]

ON_HOST = [
    ('GetAllInterfaces | join "address" " "', "127.0.0.1 ::1 192.0.2.2 fd00::2 fe80::fc:ff:fe00:1"),
    ("GetPrivateIP", "fd00::2"),
    ("GetPrivateIPs", "fd00::2"),
    ("GetPublicIP", ""),
    ("GetPublicIPs", ""),
    ('GetInterfaceIP "lo"', ""),
    ('GetInterfaceIPs "lo"', "127.0.0.1 ::1"),
    ('GetInterfaceIP "eth0"', "fd00::2"),
    ('GetInterfaceIPs "eth0"', "192.0.2.2 fd00::2 fe80::fc:ff:fe00:1"),
    ('GetInterfaceIPs "eth|lo"', "127.0.0.1 192.0.2.2 fd00::2 fe80::fc:ff:fe00:1 ::1"),
    ('GetAllInterfaces | sort "type,size" | join "address" " "', "127.0.0.1 192.0.2.2 fd00::2 fe80::fc:ff:fe00:1 ::1"),
    ('GetAllInterfaces | sort "-type,-size" | join "address" " "', "::1 fd00::2 fe80::fc:ff:fe00:1 192.0.2.2 127.0.0.1"),
    ('GetAllInterfaces | sort "default,name" | join "address" " "', "192.0.2.2 fd00::2 fe80::fc:ff:fe00:1 127.0.0.1 ::1"),
    ('GetAllInterfaces | include "flags" "loopback|up" | join "address" " "', "127.0.0.1 ::1"),
    ('GetAllInterfaces | exclude "flags" "loopback" | join "address" " "', "192.0.2.2 fd00::2 fe80::fc:ff:fe00:1"),
    ('GetAllInterfaces | include "flags" "forwardable" | join "address" " "', "fd00::2"),
    ('GetAllInterfaces | include "rfc" "1918|6890" | join "address" " "', "127.0.0.1 ::1 192.0.2.2 fd00::2 fe80::fc:ff:fe00:1"),
    ('GetAllInterfaces | include "rfc" "4291" | join "address" " "', "::1 fe80::fc:ff:fe00:1"),
    ('GetAllInterfaces | include "type" "ipv4" | join "address" " "', "127.0.0.1 192.0.2.2"),
    ('GetAllInterfaces | include "network" "127.0.0.0/8|fd00::/8" | join "address" " "', "127.0.0.1 fd00::2"),
    ('GetAllInterfaces | include "address" "^127" | join "address" " "', "127.0.0.1"),
    ('GetAllInterfaces | include "size" "8" | join "address" " "', "127.0.0.1"),
    ('GetAllInterfaces | include "name" "^(lo|eth.*)$" | attr "address"', "127.0.0.1"),
    ('GetAllInterfaces | limit 2 | offset 1 | join "address" " "', "::1"),
    ('GetAllInterfaces | unique "name" | join "address" " "', "127.0.0.1 192.0.2.2"),
    ('GetDefaultInterfaces | join "address" " "', "192.0.2.2 fd00::2 fe80::fc:ff:fe00:1"),
    ('GetPrivateInterfaces | join "address" " "', "fd00::2"),
]


@pytest.mark.parametrize(("template", "expected"), [pytest.param(*row, id=row[0].replace(" ", "")) for row in ON_HOST])
def test_a_template_chooses_as_the_peers_do(template: str, expected: str) -> None:
    assert expand("{{ " + template + " }}", lambda: HOST) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("{{GetPrivateIP}}", "10.1.2.3", id="private"),
        pytest.param("{{ GetPrivateIPs }}", "10.1.2.3 192.168.7.7", id="all private, none of an interface that is down"),
        pytest.param("{{ GetPublicIP }}", "8.8.4.4", id="public"),
        pytest.param('{{ GetInterfaceIP "^eth1$" }}', "192.168.7.7", id="interface by expression, the first of one size"),
        pytest.param('{{ GetPublicInterfaces | join "name" "," }}', "eth1", id="names"),
        pytest.param("{{ GetAllInterfaces | include `network` `10.0.0.0/8` | attr `network` }}", "10.1.0.0/16", id="backquotes"),
        pytest.param('{{ GetAllInterfaces | sort "-name" | attr "string" }}', "127.0.0.1/8", id="with the size of the network"),
        pytest.param('a {{ GetPrivateIP }} b {{ GetAllInterfaces | attr "name" }}', "a 10.1.2.3 b lo", id="several in one text"),
    ],
)
def test_a_template_on_a_host_with_routed_addresses(template: str, expected: str) -> None:
    assert expand(template, lambda: ROUTED) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        pytest.param("Bogus", 'function "Bogus" not defined', id="function"),
        pytest.param('GetAllInterfaces | include "bogus" "x" | attr "name"', "invalid filter name", id="filter"),
        pytest.param('GetAllInterfaces | include "rfc" "99" | attr "name"', "unknown RFC '99'", id="rfc"),
        pytest.param('GetAllInterfaces | include "flags" "x" | attr "name"', "unknown flag 'x'", id="flag"),
        pytest.param('GetAllInterfaces | include "network" "x" | attr "name"', "no network", id="network"),
        pytest.param('GetAllInterfaces | include "name" "(" | attr "name"', "no regular expression", id="expression"),
        pytest.param('GetAllInterfaces | sort "x" | attr "name"', "unknown sort key", id="sort"),
        pytest.param('GetAllInterfaces | limit x | attr "name"', "no number", id="number"),
        pytest.param('GetAllInterfaces | attr "x"', "unknown attribute", id="attribute"),
        pytest.param("GetAllInterfaces", "ends in interfaces", id="no text"),
        pytest.param('GetPrivateIP | attr "name"', "nothing can follow", id="after a text"),
        pytest.param("GetAllInterfaces | | limit 1", "missing", id="empty step"),
        pytest.param("", "missing", id="empty"),
        pytest.param("GetInterfaceIP", "takes 1 words", id="argument"),
        pytest.param('GetAllInterfaces | attr "a', "cannot read", id="open quote"),
    ],
)
def test_a_wrong_template_is_refused_with_the_reason(template: str, reason: str) -> None:
    with pytest.raises(BadTemplate, match=reason):
        expand("{{ " + template + " }}", lambda: HOST)


def test_this_host_has_a_loopback_address() -> None:
    assert any(str(one.address) == "127.0.0.1/8" and one.flags & FLAG_LOOPBACK for one in interface_addresses())


def test_an_address_is_one_and_client_addresses_may_be_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "interface_addresses", lambda: ROUTED)
    assert addresses.resolved("{{ GetPrivateIP }}", "bind_addr") == "10.1.2.3"
    assert addresses.client_addresses("127.0.0.1 {{ GetPrivateIPs }}") == ("127.0.0.1", "10.1.2.3", "192.168.7.7")
    with pytest.raises(ConfigurationError, match="bind_addr cannot contain multiple addresses"):
        addresses.resolved("{{ GetPrivateIPs }}", "bind_addr")
    with pytest.raises(ConfigurationError, match="finds no address on this host"):
        addresses.resolved('{{ GetInterfaceIP "nope" }}', "bind_addr")
    with pytest.raises(ConfigurationError, match="is not known"):
        addresses.resolved("{{ Bogus }}", "bind_addr")


def test_the_advertised_address_is_the_only_one_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "interface_addresses", lambda: HOST)
    assert addresses.advertised({}, "0.0.0.0") == "192.0.2.2"
    assert addresses.advertised({"advertise_addr": "{{ GetPrivateIP }}"}, "0.0.0.0") == "fd00::2"
    with pytest.raises(ConfigurationError, match="No public IPv6 address found"):
        addresses.advertised({}, "::")
    monkeypatch.setattr(addresses, "interface_addresses", lambda: ROUTED)
    with pytest.raises(ConfigurationError, match="Multiple private IPv4 addresses found"):
        addresses.advertised({}, "0.0.0.0")
