"""What `doctor` makes of what it saw: findings, each with what to do. Nothing here asks anybody."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from muster.client.records import AgentSelf, KeyringAnswer, Member, OperatorHealth, RaftConfiguration

PROBLEM, WARNING = "problem", "warning"
ALIVE, LEAVING, LEFT, FAILED = 1, 2, 3, 4  # Serf's numbers
SERVER_ROLE = "consul"
SKEW_WARNING = 2.0  # seconds; dates over HTTP are whole seconds
SKEW_PROBLEM = 30.0
FLAPS = 3  # how often a check ceased to pass within the time looked at
SHOWN = 5  # names in one finding


class Finding(NamedTuple):
    """Something that is wrong or will be, and what to do about it."""

    level: str
    what: str
    remedy: str


class Port(NamedTuple):
    """A port of a member that does not answer."""

    member: str
    purpose: str
    address: str
    error: str


class Flapping(NamedTuple):
    """A check and how often it ceased to pass."""

    node: str
    check_id: str
    flaps: int


class Facts(NamedTuple):
    """What was seen. None: it could not be asked, or the agent does not know it."""

    agent: AgentSelf
    members: list[Member]
    wan: list[Member]
    leader: str
    """Its address; empty if there is none."""
    raft: RaftConfiguration | None
    health: OperatorHealth | None
    keyrings: list[KeyringAnswer] | None
    silent_ports: list[Port]
    skews: dict[str, float]
    """Seconds by which the clock of a member is ahead of this host's."""
    flapping: list[Flapping] | None
    unreachable: dict[str, str]
    """Other datacenters that do not answer, and the error."""


def findings(facts: Facts) -> list[Finding]:
    """All of them, problems first."""
    found = [finding for rule in _RULES for finding in rule(facts)]
    return sorted(found, key=lambda one: one.level != PROBLEM)


def is_server(member: Member) -> bool:
    """Whether it is one of the servers."""
    return member.tags.get("role") == SERVER_ROLE


def some(names: list[str]) -> str:
    """The first few of many names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _quorum(facts: Facts) -> Iterator[Finding]:
    if facts.leader:
        return
    if facts.raft is None:
        yield Finding(
            PROBLEM, "The datacenter has no leader.", "Look at the servers' logs; see that they run and reach each other on port 8300."
        )
        return
    alive = {member.tags.get("id", "") for member in facts.members if is_server(member) and member.status == ALIVE}
    voters = [server for server in facts.raft.servers if server.voter]
    missing = [server.node or server.address for server in voters if server.id not in alive]
    needed = len(voters) // 2 + 1
    if len(voters) - len(missing) >= needed:
        yield Finding(
            PROBLEM,
            f"There is no leader, though {len(voters) - len(missing)} of {len(voters)} voters are alive.",
            "Wait a few seconds and look again; then see in the servers' logs why their elections fail.",
        )
        return
    yield Finding(
        PROBLEM,
        f"The servers have lost the quorum: {len(voters) - len(missing)} of {len(voters)} voters are alive, {needed} are needed. "
        f"Missing: {some(missing)}.",
        "Start the missing servers with their data. If they are gone for good, write raft/peers.json for the others (docs/durability.md).",
    )


def _raft_without_member(facts: Facts) -> Iterator[Finding]:
    if facts.raft is None:
        return
    known = {member.tags.get("id", "") for member in facts.members if is_server(member) and member.status in (ALIVE, LEAVING)}
    failed = {member.tags.get("id", "") for member in facts.members if member.status == FAILED}
    for server in facts.raft.servers:
        if server.id not in known and server.id not in failed:
            yield Finding(
                PROBLEM,
                f"Raft counts on a server that the pool does not know: {server.node} ({server.address}, {server.id}).",
                f"If it is gone for good: muster operator raft remove-peer -id={server.id}",
            )


def _health(facts: Facts) -> Iterator[Finding]:
    if facts.health is None:
        return
    for server in facts.health.servers or ():
        if not server.healthy and server.serf_status == "alive":
            yield Finding(
                PROBLEM,
                f"Server {server.name} is alive and not healthy: it last heard of the leader {server.last_contact} ago.",
                "See whether its disk or CPU is overloaded, and whether it reaches the leader on port 8300.",
            )
    voters = sum(server.voter for server in facts.health.servers or ())
    if voters > 1 and facts.health.failure_tolerance == 0:
        yield Finding(
            WARNING,
            f"No server may fail: with {voters} voters the next failure costs the quorum.",
            "Bring failed servers back, or add one: three servers bear one failure, five bear two.",
        )


def _failed_members(facts: Facts) -> Iterator[Finding]:
    for kind, level in ((True, PROBLEM), (False, WARNING)):
        failed = [member.name for member in facts.members if member.status == FAILED and is_server(member) is kind]
        if failed:
            yield Finding(
                level,
                f"{'Servers' if kind else 'Client agents'} have failed: {some(failed)}.",
                f"Start them, or if they are gone for good: muster force-leave {failed[0]}",
            )


def _conflicting_ids(facts: Facts) -> Iterator[Finding]:
    by_id: dict[str, list[str]] = defaultdict(list)
    for member in facts.members:
        if member.status != LEFT and member.tags.get("id"):
            by_id[member.tags["id"]].append(member.name)
    for identity, names in by_id.items():
        if len(names) > 1:
            yield Finding(
                PROBLEM,
                f"Several agents have the node id {identity}: {some(sorted(names))}. One was made of a copy of the other's data.",
                "Stop one, delete the file node-id (and what else was copied) in its data directory, and start it.",
            )
    by_name: dict[str, list[str]] = defaultdict(list)
    for member in facts.members:
        by_name[member.name.lower()].append(member.name)
    for names in by_name.values():
        if len(names) > 1:
            yield Finding(
                WARNING,
                f"Names that differ only in case: {some(sorted(names))}. The catalog holds them for one node.",
                "Give one of the agents another name (-node).",
            )


def _silent_ports(facts: Facts) -> Iterator[Finding]:
    for port in facts.silent_ports:
        yield Finding(
            PROBLEM,
            f"{port.member} does not answer at {port.address} ({port.purpose}): {port.error}.",
            "Open the port, TCP and UDP, in firewalls and security groups between here and there; see which address the agent advertises.",
        )


def _skews(facts: Facts) -> Iterator[Finding]:
    for name, skew in sorted(facts.skews.items(), key=lambda one: -abs(one[1])):
        if abs(skew) >= SKEW_WARNING:
            yield Finding(
                PROBLEM if abs(skew) >= SKEW_PROBLEM else WARNING,
                f"The clock of {name} is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this host's.",
                "Let both follow the same time server (chrony, systemd-timesyncd). Certificates and tokens expire by these clocks.",
            )


def _keys(facts: Facts) -> Iterator[Finding]:
    for ring in facts.keyrings or ():
        pool = "WAN" if ring.wan else f"LAN of {ring.datacenter}"
        flag = "muster keyring"
        for key, nodes in ring.keys.items():
            if nodes < ring.num_nodes:
                yield Finding(
                    PROBLEM,
                    f"A gossip key is on {nodes} of {ring.num_nodes} nodes of the {pool}: {key}",
                    f"Install it everywhere, {flag} -install=KEY, or remove it everywhere, {flag} -remove=KEY.",
                )
        primary = ring.primary_keys or {}
        if len(primary) > 1:
            yield Finding(
                PROBLEM,
                f"Nodes of the {pool} encrypt with {len(primary)} different keys.",
                f"Choose one that all of them have: {flag} -use=KEY",
            )
        old = [key for key in ring.keys if key not in primary]
        if old and len(primary) == 1:
            yield Finding(
                WARNING,
                f"Old gossip keys of the {pool} are still accepted: {some(old)}",
                f"Once no agent uses them: {flag} -remove={old[0]}",
            )


def _flapping(facts: Facts) -> Iterator[Finding]:
    for check in sorted(facts.flapping or (), key=lambda one: -one.flaps):
        if check.flaps >= FLAPS:
            yield Finding(
                WARNING,
                f"Check {check.check_id} on {check.node} flaps: it ceased to pass {check.flaps} times within the last hour.",
                "Raise its timeout, or let it turn later: failures_before_critical, success_before_passing.",
            )


def _unreachable(facts: Facts) -> Iterator[Finding]:
    for datacenter, error in sorted(facts.unreachable.items()):
        yield Finding(
            PROBLEM,
            f"Datacenter {datacenter} does not answer: {error}",
            "See that its servers run, and that ports 8300 and 8302 are open both ways at their WAN addresses (muster members -wan).",
        )


def _versions(facts: Facts) -> Iterator[Finding]:
    by_build: dict[str, list[str]] = defaultdict(list)
    for member in facts.members:
        if is_server(member) and member.status == ALIVE:
            by_build[member.tags.get("build", "").partition(":")[0]].append(member.name)
    if len(by_build) > 1:
        listed = "; ".join(f"{build}: {some(names)}" for build, names in sorted(by_build.items()))
        yield Finding(
            WARNING, f"Servers run different versions: {listed}.", "Bring all to the newest, one after the other, followers first."
        )


_RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _quorum, _raft_without_member, _failed_members, _health, _conflicting_ids, _silent_ports, _keys, _unreachable, _skews, _versions,
    _flapping,
)  # fmt: skip
