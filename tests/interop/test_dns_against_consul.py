"""The same questions of the same catalog to the real Consul and to Muster: answers, codes, flags, times to live, additional records."""

import json
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess

from muster.wire import dns

pytestmark = [pytest.mark.slow, pytest.mark.peer]

CONFIG = {
    "node_meta": {"rack": "r1", "rfc1035-note": "plain text"},
    "alt_domain": "other.test",
    "dns_config": {
        "node_ttl": "7s",
        "service_ttl": {"web": "11s", "we*": "12s", "*": "13s"},
        "soa": {"refresh": 100, "retry": 10, "expire": 1000, "min_ttl": 3},
    },
}
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, AXFR, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 33, 252, 255
NAMES = {1: "A", 2: "NS", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 252: "AXFR", 255: "ANY"}


def catalog() -> list[dict]:
    rows = []
    for number in range(1, 41):
        rows.append({
            "Node": f"n{number}", "Address": f"10.0.{number // 20}.{number}", "NodeMeta": {"zone": "a"} if number == 2 else None,
            "Service": {"ID": f"web{number}", "Service": "web", "Port": 8000 + number, "Tags": ["v1", f"t{number % 3}", "with.dot"], "Address": "10.9.9.9" if number == 3 else "",
                        "Weights": {"Passing": number, "Warning": 1}},
            "Check": {"CheckID": f"c{number}", "Name": "c", "ServiceID": f"web{number}", "Status": {4: "critical", 5: "warning"}.get(number, "passing")},
        })  # fmt: skip
    rows += [
        {"Node": "few1", "Address": "10.1.0.1", "Service": {"ID": "few", "Service": "few", "Port": 1, "Tags": ["only"]}},
        {"Node": "few2", "Address": "10.1.0.2", "Service": {"ID": "few", "Service": "few", "Port": 2}},
        {"Node": "same", "Address": "10.1.0.3", "Service": {"ID": "twice1", "Service": "twice", "Port": 1}},
        {"Node": "same", "Address": "10.1.0.3", "Service": {"ID": "twice2", "Service": "twice", "Port": 2}},
        {"Node": "ext", "Address": "ext.example.com", "Service": {"Service": "extsvc", "Port": 99}},
        {"Node": "named", "Address": "10.1.0.4", "Service": {"Service": "alias", "Port": 5, "Address": "few1.node.consul"}},
        {"Node": "six", "Address": "fd00::1", "TaggedAddresses": {"lan_ipv4": "10.7.7.7"}, "Service": {"Service": "sixsvc", "Port": 6}},
        {"Node": "six2", "Address": "fd00::2", "Service": {"Service": "only6", "Port": 6}},
        {
            "Node": "sick",
            "Address": "10.1.0.5",
            "Service": {"Service": "sick", "Port": 7},
            "Check": {"CheckID": "n", "Name": "n", "Status": "critical"},
        },
        {"Node": "dotted.name", "Address": "10.1.0.6", "NodeMeta": {"a=b": "c", "k": "v"}},
        {"Node": "UPPER", "Address": "10.1.0.7", "Service": {"Service": "Upper", "Port": 8}},
    ]
    return rows


QUERIES = [
    {"Name": "plain", "Service": {"Service": "few"}, "DNS": {"TTL": "9s"}},
    {"Name": "tagged", "Service": {"Service": "few", "Tags": ["only"]}},
    {"Name": "nothing", "Service": {"Service": "absent"}},
    {"Name": "geo-", "Template": {"Type": "name_prefix_match"}, "Service": {"Service": "${name.suffix}"}},
]
PLAIN, LARGE, TCP = 0, 4096, -1

QUESTIONS = [
    *[(f"{name}.service.consul.", kind, size) for name in ("few", "web", "twice") for kind in (A, SRV, ANY) for size in (PLAIN, LARGE, TCP)],
    *[("web.service.consul.", kind, size) for kind in (A, SRV) for size in (600, 1232, 2000)],
    *[(name, kind, PLAIN) for name in ("n1.node.consul.", "n2.node.consul.", "dotted.name.node.consul.", "six.node.consul.", "ext.node.consul.") for kind in (A, AAAA, ANY, TXT)],
    ("test-node.node.consul.", ANY, PLAIN), ("test-node.node.consul.", TXT, PLAIN), ("test-node.node.consul.", MX, PLAIN), ("test-node.node.dc1.consul.", A, PLAIN),
    ("N1.NODE.CONSUL.", A, PLAIN), ("upper.node.consul.", A, PLAIN), ("upper.service.consul.", SRV, PLAIN), ("absent.node.consul.", A, PLAIN),
    ("absent.service.consul.", A, PLAIN), ("sick.service.consul.", A, PLAIN), ("few.service.dc1.consul.", A, PLAIN), ("few.service.dc9.consul.", A, PLAIN),
    ("few.service.x.dc1.consul.", A, PLAIN), ("only.few.service.consul.", A, PLAIN), ("absent.few.service.consul.", A, PLAIN), ("with.dot.web.service.consul.", A, LARGE),
    ("_few._tcp.service.consul.", SRV, PLAIN), ("_few._only.service.consul.", SRV, PLAIN), ("_few._only.consul.", SRV, PLAIN), ("_few._tcp.service.consul.", A, PLAIN),
    ("few.service.consul.", MX, PLAIN), ("few.service.consul.", AAAA, PLAIN), ("few.service.consul.", TXT, PLAIN), ("only6.service.consul.", A, PLAIN), ("only6.service.consul.", AAAA, PLAIN),
    ("only6.service.consul.", SRV, PLAIN), ("sixsvc.service.consul.", SRV, PLAIN), ("sixsvc.service.consul.", A, PLAIN), ("extsvc.service.consul.", A, PLAIN),
    ("extsvc.service.consul.", SRV, PLAIN), ("alias.service.consul.", A, PLAIN), ("alias.service.consul.", SRV, PLAIN),
    ("plain.query.consul.", A, PLAIN), ("plain.query.consul.", SRV, PLAIN), ("tagged.query.consul.", A, PLAIN), ("nothing.query.consul.", A, PLAIN),
    ("absent.query.consul.", A, PLAIN), ("geo-few.query.consul.", A, PLAIN), ("plain.query.dc1.consul.", A, PLAIN),
    ("0a000001.addr.consul.", A, PLAIN), ("0a000001.addr.consul.", AAAA, PLAIN), ("0a000001.addr.dc1.consul.", ANY, PLAIN), ("zz.addr.consul.", A, PLAIN), ("zzzzzzzz.addr.consul.", A, PLAIN),
    ("fd000000000000000000000000000001.addr.consul.", AAAA, PLAIN), ("fd000000000000000000000000000001.addr.consul.", A, PLAIN), ("x.0a000001.addr.consul.", A, PLAIN),
    ("1.0.1.10.in-addr.arpa.", PTR, PLAIN), ("9.9.9.10.in-addr.arpa.", PTR, PLAIN), ("1.2.3.4.in-addr.arpa.", PTR, PLAIN), ("1." + "0." * 28 + "0.d.f.ip6.arpa.", PTR, PLAIN),
    ("consul.", SOA, PLAIN), ("consul.", NS, PLAIN), ("consul.", A, PLAIN), ("consul.", ANY, PLAIN), ("x.consul.", A, PLAIN), ("service.consul.", A, PLAIN), ("few.service.consul.", SOA, PLAIN),
    ("few.service.consul.", NS, PLAIN), ("few.service.consul.", AXFR, TCP), ("few.service.other.test.", SRV, PLAIN), ("n1.node.other.test.", A, PLAIN), ("other.test.", SOA, PLAIN),
    ("example.com.", A, PLAIN), ("few.connect.consul.", A, PLAIN), ("few.ingress.consul.", A, PLAIN), ("consul.service.consul.", SRV, PLAIN),
]  # fmt: skip
assert len(set(QUESTIONS)) >= 70


@pytest.fixture(scope="module")
def pair(consul, tmp_path_factory):
    """Both programs with the same catalog."""
    folder = tmp_path_factory.mktemp("dns")
    with (
        AgentProcess(folder / "peer", "-dev", program=consul, config=CONFIG) as peer,
        AgentProcess(folder / "muster", "-dev", config=CONFIG) as muster,
    ):
        for agent in (peer, muster):
            for row in catalog():
                status, body, _ = agent.call("PUT", "/v1/catalog/register", json.dumps(row))
                assert status == 200, body
            for query in QUERIES:
                assert agent.call("POST", "/v1/query", json.dumps(query))[0] == 200
            agent.until(
                lambda agent=agent: agent.json("/v1/catalog/node/test-node")["Node"]["TaggedAddresses"], what="the node's own registration"
            )
        yield peer, muster


def ask(agent: AgentProcess, name: str, kind: int, size: int) -> dns.Message:
    options = dns.ExtendedOptions(size) if size > 0 else None
    packet = dns.encode(dns.Message(id=4711, flags=dns.FLAG_RECURSION_DESIRED, questions=[dns.Question(name, kind)], options=options))
    if size == TCP:
        with socket.create_connection(("127.0.0.1", agent.dns), timeout=5) as stream:
            stream.sendall(len(packet).to_bytes(2, "big") + packet)
            file = stream.makefile("rb")
            return dns.decode(file.read(int.from_bytes(file.read(2), "big")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(packet, ("127.0.0.1", agent.dns))
        answer = sock.recv(65535)
        assert agent.command[0].endswith("consul") or len(answer) <= max(512, size)  # the real one may pass the size by its OPT record
        return dns.decode(answer)


def shown(records: list[dns.Record], port: int) -> list:
    """Records in an order of their own, without what differs from run to run: the serial, the server's port."""
    found = []
    for record in records:
        data = record.data
        if isinstance(data, dns.AuthorityData):
            data = (data.primary, data.mailbox, data.refresh, data.retry, data.expire, data.minimum)
        elif isinstance(data, dns.ServiceData):
            data = (data.priority, data.weight, "server port" if data.port == port else data.port, data.target)
        found.append((record.name, record.type, record.ttl, data))
    return sorted(found, key=repr)


@pytest.mark.parametrize(
    ("name", "kind", "size"), [pytest.param(*one, id=f"{one[0]}{NAMES[one[1]]}-{one[2]}") for one in dict.fromkeys(QUESTIONS)]
)
def test_both_answer_alike(pair, name, kind, size):
    peer, muster = pair
    theirs, ours = ask(peer, name, kind, size), ask(muster, name, kind, size)
    assert ours.flags == theirs.flags
    assert ours.questions == theirs.questions
    assert (ours.options is None) == (theirs.options is None)
    is_cut = "web" in name and 3 < len(theirs.answers) < 38  # a random choice of names of two lengths: one more or less may fit
    assert abs(len(ours.answers) - len(theirs.answers)) <= is_cut
    assert abs(len(ours.additional) - len(theirs.additional)) <= is_cut
    assert shown(ours.authority, muster.rpc) == shown(theirs.authority, peer.rpc)
    if "web" not in name or len(theirs.answers) >= 38:  # a cut answer is a random choice
        assert shown(ours.answers, muster.rpc) == shown(theirs.answers, peer.rpc)
        assert shown(ours.additional, muster.rpc) == shown(theirs.additional, peer.rpc)
    for answer in ours.answers:
        assert answer.ttl == theirs.answers[0].ttl
