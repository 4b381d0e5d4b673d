"""Nodes and instances as DNS records.

A node's or instance's address is an IP (A or AAAA), or another name (CNAME, which is then followed). SRV records name the
node (`NODE.node.DC.DOMAIN`) where the instance has its node's address, and the address itself (`HEX.addr.DC.DOMAIN`) where it
has one of its own. What they name stands with its address in the additional section.

Source: answers of Consul 1.8.7.
"""

import re
from ipaddress import ip_address

from muster.dns.settings import DnsSettings
from muster.model.catalog import CRITICAL, MAINTENANCE, WARNING, CheckServiceNode, Node, NodeService
from muster.wire.dns import TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_CNAME, TYPE_SRV, TYPE_TXT, Record, ServiceData

FAMILY_OF = {TYPE_A: "_ipv4", TYPE_AAAA: "_ipv6"}
TYPE_OF_VERSION = {4: TYPE_A, 6: TYPE_AAAA}
ADDRESS_QUESTIONS = (TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_TXT)  # as on the peers, a question for texts is answered by addresses
PLAIN_TEXT_PREFIX = "rfc1035-"
_ESCAPED_IN_KEY = re.compile(r"([=`]|[ \t])")


def absolute(name: str) -> str:
    return name if name.endswith(".") else name + "."


def node_address(node: Node, question_type: int, remote: bool) -> str:
    """The node's address for this question: that of the asked family where it is tagged; of the WAN for other datacenters."""
    tagged = node.tagged_addresses or {}
    for tag in _preferred_tags(question_type, remote):
        if tagged.get(tag):
            return tagged[tag]
    return node.address


def service_address(service: NodeService, question_type: int, remote: bool) -> str:
    """The instance's own address, or an empty text."""
    tagged = service.tagged_addresses or {}
    for tag in _preferred_tags(question_type, remote):
        if tag in tagged and tagged[tag].address:
            return tagged[tag].address
    return service.address


def service_port(service: NodeService, remote: bool) -> int:
    wan = (service.tagged_addresses or {}).get("wan")
    return wan.port if remote and wan is not None and wan.address and wan.port else service.port


def _preferred_tags(question_type: int, remote: bool) -> list[str]:
    """IPv6 first where both families answer; elsewhere the WAN's address of a family before the LAN's, and `wan` of any family last."""
    families = [FAMILY_OF[question_type]] if question_type in FAMILY_OF else ["_ipv6", "_ipv4"]
    scopes = ["wan", "lan"] if remote else ["lan"]
    return [scope + family for family in families for scope in scopes] + (["wan"] if remote else [])


def address_record(name: str, question_type: int, text: str, ttl: int) -> Record | None:
    """An A or AAAA record, if `text` is an address of a family that the question takes."""
    kind = address_type(text)
    if kind is None or (question_type in (TYPE_A, TYPE_AAAA) and kind != question_type):
        return None
    return Record(name, kind, ttl, text)


def address_type(text: str) -> int | None:
    """TYPE_A or TYPE_AAAA of an address, None for anything else (a host name)."""
    try:
        return TYPE_OF_VERSION[ip_address(text).version]
    except ValueError:
        return None


def meta_records(name: str, node: Node, ttl: int) -> list[Record]:
    """The node's metadata as TXT records: `key=value`, or the bare value where the key begins with `rfc1035-`."""
    records = []
    for key, value in (node.meta or {}).items():
        text = value if key.lower().startswith(PLAIN_TEXT_PREFIX) else f"{_key_text(key)}={value}"
        records.append(Record(name, TYPE_TXT, ttl, (text,)))
    return records


def _key_text(key: str) -> str:
    """The key as RFC 1464 writes it: what would end it or be trimmed is quoted by a grave accent."""
    return _ESCAPED_IN_KEY.sub(r"`\1", key)


def weight(row: CheckServiceNode) -> int:
    """What the instance weighs in SRV answers, by the worst state of its own checks and its node's."""
    weights = row.service.weights
    passing, warning = (weights.passing, weights.warning) if weights is not None else (1, 1)
    worst = passing
    for check in row.checks:
        if check.service_name and check.service_name != row.service.service:
            continue
        if check.status in (CRITICAL, MAINTENANCE):
            return 0
        if check.status == WARNING:
            worst = warning
    return worst


def hexadecimal_name(address: str, datacenter: str, domain: str) -> str:
    """`0a000001.addr.dc1.consul.` of 10.0.0.1."""
    return f"{ip_address(address).packed.hex()}.addr.{datacenter}.{domain}"


def node_name(node: Node, datacenter: str, domain: str) -> str:
    return f"{node.node}.node.{datacenter}.{domain}"


class InstanceAnswer:
    """The records of one instance: its answers, what stands beside them, and the name to follow if it is no address."""

    __slots__ = ("additional", "answers", "follow")

    def __init__(self, answers: list[Record], additional: list[Record], follow: str = "") -> None:
        self.answers, self.additional, self.follow = answers, additional, follow


def instance_answer(
    row: CheckServiceNode, name: str, question_type: int, ttl: int, datacenter: str, domain: str, settings: DnsSettings
) -> InstanceAnswer:
    """The records for one instance. `name` is the question's; `datacenter` is where the instance lives."""
    remote = settings.translate_wan_addresses and datacenter != settings.datacenter
    own = service_address(row.service, question_type, remote)
    of_node = node_address(row.node, question_type, remote)
    if not own and not of_node:
        return InstanceAnswer([], [])
    if not own and address_type(of_node) is not None:
        by_name = row.node.address == of_node  # a translated address must not stand under the node's name
        return _by_address(row, name, question_type, ttl, datacenter, domain, of_node, by_name, settings)
    if own and address_type(own) is not None:
        return _by_address(row, name, question_type, ttl, datacenter, domain, own, False, settings)
    if own and absolute(own) == absolute(name) and address_type(of_node) is not None:
        return _by_address(row, name, question_type, ttl, datacenter, domain, of_node, True, settings)
    return _by_name(row, name, question_type, ttl, datacenter, absolute(own or of_node), remote)


def _by_address(
    row: CheckServiceNode,
    name: str,
    question_type: int,
    ttl: int,
    datacenter: str,
    domain: str,
    address: str,
    by_node: bool,
    settings: DnsSettings,
) -> InstanceAnswer:
    if question_type != TYPE_SRV:
        record = address_record(name, question_type, address, ttl)
        return InstanceAnswer([record] if record and question_type in ADDRESS_QUESTIONS else [], [])
    remote = settings.translate_wan_addresses and datacenter != settings.datacenter
    target = node_name(row.node, datacenter, domain) if by_node else hexadecimal_name(address, datacenter, domain)
    answer = Record(name, TYPE_SRV, ttl, ServiceData(1, weight(row), service_port(row.service, remote), target))
    beside = address_record(target, TYPE_ANY, address, ttl)
    additional = [beside] if beside is not None else []
    if by_node and settings.node_meta_texts:
        additional += meta_records(target, row.node, ttl)
    return InstanceAnswer([answer], additional)


def _by_name(row: CheckServiceNode, name: str, question_type: int, ttl: int, datacenter: str, target: str, remote: bool) -> InstanceAnswer:
    if question_type == TYPE_SRV:
        data = ServiceData(1, weight(row), service_port(row.service, remote), target)
        return InstanceAnswer([Record(name, TYPE_SRV, ttl, data)], [], target)
    return InstanceAnswer([Record(name, TYPE_CNAME, ttl, target)], [], target)
