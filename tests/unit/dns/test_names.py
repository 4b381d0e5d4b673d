"""What a name asks for."""

import pytest

from muster.dns.names import Plan, plan, reversed_address
from muster.wire.dns import TYPE_A, TYPE_SRV

DOMAINS = ("consul.", "other.test.")


def of(kind, name="", tag="", datacenter="", domain="consul."):
    return Plan(kind=kind, name=name, tag=tag, datacenter=datacenter, domain=domain)


@pytest.mark.parametrize(
    ("name", "question_type", "expected"),
    [
        pytest.param("web.service.consul.", TYPE_A, of("service", "web"), id="service"),
        pytest.param("WEB.Service.Consul.", TYPE_A, of("service", "web"), id="any case"),
        pytest.param("v1.web.service.consul.", TYPE_A, of("service", "web", "v1"), id="tag"),
        pytest.param("a.b.web.service.dc2.consul.", TYPE_A, of("service", "web", "a.b", "dc2"), id="tag with a dot, datacenter"),
        pytest.param("_web._tcp.service.consul.", TYPE_SRV, of("service", "web"), id="rfc 2782, protocol is no tag"),
        pytest.param("_web._v1.service.dc1.consul.", TYPE_SRV, of("service", "web", "v1", "dc1"), id="rfc 2782, tag"),
        pytest.param("_web._v1.consul.", TYPE_SRV, of("service", "web", "v1"), id="rfc 2782 without the label service"),
        pytest.param("_web._v1.consul.", TYPE_A, of("invalid"), id="only SRV questions may leave it out"),
        pytest.param("a.b.node.dc1.other.test.", TYPE_A, of("node", "a.b", "", "dc1", "other.test."), id="node with a dot, other domain"),
        pytest.param("my.query.query.consul.", TYPE_A, of("query", "my.query"), id="query with a dot"),
        pytest.param("0a000001.addr.dc1.consul.", TYPE_A, of("addr", "0a000001", "", "dc1"), id="address"),
        pytest.param("x.y.addr.consul.", TYPE_A, of("invalid"), id="address of two labels"),
        pytest.param("web.service.x.dc1.consul.", TYPE_A, of("invalid"), id="two labels behind the kind"),
        pytest.param("service.consul.", TYPE_A, of("invalid"), id="a kind without a name"),
        pytest.param("consul.", TYPE_A, of("apex"), id="the domain itself"),
        pytest.param("x.consul.", TYPE_A, of("invalid"), id="no kind"),
        pytest.param("example.com.", TYPE_A, of("foreign"), id="another domain"),
        pytest.param("notconsul.", TYPE_A, of("foreign"), id="a domain that only ends alike"),
    ],
)
def test_a_name_is_read_from_its_right_end(name, question_type, expected):
    assert plan(name, question_type, DOMAINS) == expected


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("1.0.0.10.in-addr.arpa.", "10.0.0.1"),
        ("0.0.10.in-addr.arpa.", ""),
        ("x.0.0.10.in-addr.arpa.", ""),
        ("1." + "0." * 31 + "ip6.arpa.", "0000:0000:0000:0000:0000:0000:0000:0001"),
        ("1.0.ip6.arpa.", ""),
    ],
)
def test_reverse_names_give_their_address(name, address):
    assert reversed_address(name) == address
