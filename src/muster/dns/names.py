"""What a question's name asks for.

Names are `[tag.]NAME.service[.DC].DOMAIN`, `_NAME._TAG.service[.DC].DOMAIN`, `NAME.node[.DC].DOMAIN`,
`NAME.query[.DC].DOMAIN`, `HEX.addr[.DC].DOMAIN`, and the reverse zones. In an SRV question the label `service` may be left out.
"""

from msgspec import Struct

from muster.wire.dns import TYPE_SRV

KINDS = frozenset(("service", "connect", "ingress", "node", "query", "addr"))
REVERSE_ZONES = (".in-addr.arpa.", ".ip6.arpa.")


class Plan(Struct, frozen=True, gc=False, kw_only=True):
    """A parsed name. `kind` is one of KINDS, `reverse`, `apex` or `invalid` (inside the domain) or `foreign`."""

    kind: str
    name: str = ""
    tag: str = ""
    datacenter: str = ""
    domain: str = ""
    """The domain it was asked in, with a dot at its end: answers name themselves in it."""


def plan(name: str, question_type: int, domains: tuple[str, ...]) -> Plan:
    """What `name` asks for. `domains` are the served ones, lower case, ending in a dot."""
    lowered = name.lower()
    if lowered.endswith(REVERSE_ZONES):
        return Plan(kind="reverse", name=lowered, domain=domains[0])
    for domain in domains:
        if lowered == domain:
            return Plan(kind="apex", domain=domain)
        if lowered.endswith("." + domain):
            labels = lowered[: -len(domain) - 1].split(".")
            return _inside(labels, question_type, domain)
    return Plan(kind="foreign", domain=domains[0])


def _inside(labels: list[str], question_type: int, domain: str) -> Plan:
    for position in range(len(labels) - 1, -1, -1):
        label = labels[position]
        if label in KINDS:
            return _of_kind(label, labels[:position], labels[position + 1 :], domain)
        if question_type == TYPE_SRV and label.startswith("_"):
            return _of_kind("service", labels[: position + 1], labels[position + 1 :], domain)
    return Plan(kind="invalid", domain=domain)


def _of_kind(kind: str, parts: list[str], suffixes: list[str], domain: str) -> Plan:
    if not parts or len(suffixes) > 1 or (kind == "addr" and len(parts) != 1):
        return Plan(kind="invalid", domain=domain)
    datacenter = suffixes[0] if suffixes else ""
    if kind in ("node", "query"):
        return Plan(kind=kind, name=".".join(parts), datacenter=datacenter, domain=domain)
    if kind == "service":
        if len(parts) == 2 and parts[0].startswith("_") and parts[1].startswith("_"):
            tag = parts[1][1:]
            return Plan(kind=kind, name=parts[0][1:], tag="" if tag == "tcp" else tag, datacenter=datacenter, domain=domain)
        return Plan(kind=kind, name=parts[-1], tag=".".join(parts[:-1]), datacenter=datacenter, domain=domain)
    return Plan(kind=kind, name=parts[-1], datacenter=datacenter, domain=domain)


def reversed_address(name: str) -> str:
    """The address text that a name of a reverse zone stands for, or an empty text."""
    labels = name.split(".")
    if name.endswith(".in-addr.arpa."):
        parts = labels[:-3]
        return ".".join(reversed(parts)) if len(parts) == 4 and all(part.isdigit() for part in parts) else ""
    digits = "".join(reversed(labels[:-3]))
    if len(digits) != 32 or any(digit not in "0123456789abcdef" for digit in digits):
        return ""
    return ":".join(digits[start : start + 4] for start in range(0, 32, 4))
