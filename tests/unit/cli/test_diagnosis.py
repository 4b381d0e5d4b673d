"""What `doctor` makes of what it saw."""

import re
from typing import Any

import pytest

from muster.cli.diagnosis import PROBLEM, WARNING, Facts, Flapping, Port, findings, some
from muster.cli.examination import _skew
from muster.client.records import AgentSelf, KeyringAnswer, Member, OperatorHealth, RaftConfiguration, RaftServer, ServerHealth

ALIVE, LEFT, FAILED = 1, 3, 4


def server(number: int, status: int = ALIVE, **tags: str) -> Member:
    shown = {"role": "consul", "id": f"id-{number}", "port": "8300", "build": "1.8.7:", **tags}
    return Member(name=f"s{number}", addr=f"10.0.0.{number}", port=8301, status=status, tags=shown)


def client(name: str, status: int = ALIVE, identity: str = "") -> Member:
    return Member(name=name, addr="10.0.1.1", port=8301, status=status, tags={"role": "node", "id": identity or f"id-{name}"})


def raft(*numbers: int) -> RaftConfiguration:
    return RaftConfiguration(
        servers=[RaftServer(id=f"id-{one}", node=f"s{one}", address=f"10.0.0.{one}:8300", voter=True) for one in numbers]
    )


def health(tolerance: int, *unhealthy: int) -> OperatorHealth:
    servers = [
        ServerHealth(name=f"s{one}", healthy=one not in unhealthy, voter=True, serf_status="alive", last_contact="9s") for one in (1, 2, 3)
    ]
    return OperatorHealth(healthy=not unhealthy, failure_tolerance=tolerance, servers=servers)


def seen(**facts: Any) -> Facts:
    """A datacenter of three servers in which all is well, but for what is given."""
    well: dict[str, Any] = {
        "agent": AgentSelf(),
        "members": [server(1), server(2), server(3), client("c1")],
        "wan": [],
        "leader": "10.0.0.1:8300",
        "raft": raft(1, 2, 3),
        "health": health(1),
        "keyrings": [KeyringAnswer(datacenter="dc1", keys={"new": 4}, primary_keys={"new": 4}, num_nodes=4)],
        "silent_ports": [],
        "skews": {"s1": 0.4},
        "flapping": [Flapping("s1", "web", 1)],
        "unreachable": {},
    }
    return Facts(**(well | facts))


def test_where_all_is_well_nothing_is_found() -> None:
    assert findings(seen()) == []


def test_what_could_not_be_asked_is_no_finding() -> None:
    assert findings(seen(raft=None, health=None, keyrings=None, flapping=None, skews={})) == []


def ring(keys: dict[str, int], primary: dict[str, int]) -> list[KeyringAnswer]:
    return [KeyringAnswer(datacenter="dc1", keys=keys, primary_keys=primary, num_nodes=4)]


CASES = [
    pytest.param({"leader": "", "members": [server(1), server(2, FAILED)], "raft": raft(1, 2, 3)}, PROBLEM,
                 "lost the quorum: 1 of 3 voters are alive, 2 are needed. Missing: s2, s3", "peers.json", id="no quorum"),
    pytest.param({"leader": ""}, PROBLEM, "no leader, though 3 of 3 voters are alive", "logs", id="no leader with a quorum"),
    pytest.param({"leader": "", "raft": None}, PROBLEM, "The datacenter has no leader", "logs", id="no leader, and nobody knows the servers"),
    pytest.param({"raft": raft(1, 2, 3, 9)}, PROBLEM, "does not know: s9", "remove-peer -id=id-9", id="a server of Raft alone"),
    pytest.param({"members": [server(1), server(2), server(3, FAILED)]}, PROBLEM, "Servers have failed: s3", "force-leave s3", id="failed server"),
    pytest.param({"members": [server(1), server(2), server(3), client("c1", FAILED)]}, WARNING, "Client agents have failed: c1", "force-leave c1",
                 id="failed client"),
    pytest.param({"health": health(1, 2)}, PROBLEM, "s2 is alive and not healthy: it last heard of the leader 9s ago", "disk", id="unhealthy"),
    pytest.param({"health": health(0)}, WARNING, "No server may fail: with 3 voters", "three servers", id="no tolerance"),
    pytest.param({"members": [server(1), server(2), server(3), client("a", identity="x"), client("b", identity="x")]}, PROBLEM,
                 "node id x: a, b", "node-id", id="one id twice"),
    pytest.param({"members": [server(1), server(2), server(3), client("Web"), client("web")]}, WARNING, "only in case: Web, web", "-node",
                 id="names that differ in case"),
    pytest.param({"silent_ports": [Port("s2", "RPC", "10.0.0.2:8300", "timed out")]}, PROBLEM, "s2 does not answer at 10.0.0.2:8300 (RPC): timed",
                 "firewall", id="silent port"),
    pytest.param({"skews": {"s2": -3.0}}, WARNING, "The clock of s2 is 3 s behind", "time server", id="clock"),
    pytest.param({"skews": {"s2": 60.0}}, PROBLEM, "The clock of s2 is 60 s ahead of", "time server", id="clock far off"),
    pytest.param({"keyrings": ring({"new": 4, "old": 4}, {"new": 4})}, WARNING, "Old gossip keys of the LAN of dc1", "-remove=old", id="old key"),
    pytest.param({"keyrings": ring({"new": 3}, {"new": 3})}, PROBLEM, "on 3 of 4 nodes", "-install=KEY", id="key missing somewhere"),
    pytest.param({"keyrings": ring({"a": 4, "b": 4}, {"a": 2, "b": 2})}, PROBLEM, "2 different keys", "-use=KEY", id="two primary keys"),
    pytest.param({"unreachable": {"eu": "No path to datacenter"}}, PROBLEM, "Datacenter eu does not answer: No path", "8302", id="datacenter"),
    pytest.param({"members": [server(1), server(2), server(3, build="1.9.0:")]}, WARNING, "1.8.7: s1, s2; 1.9.0: s3", "newest", id="versions"),
    pytest.param({"flapping": [Flapping("n1", "web", 3)]}, WARNING, "web on n1 flaps: it ceased to pass 3 times", "timeout", id="flapping"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "level", "what", "remedy"), CASES)
def test_what_is_wrong_is_found_with_what_to_do(facts: dict[str, Any], level: str, what: str, remedy: str) -> None:
    found = [one for one in findings(seen(**facts)) if what in one.what]
    assert [one.level for one in found] == [level], findings(seen(**facts))
    assert re.search(re.escape(remedy), found[0].remedy)


def test_problems_come_first() -> None:
    levels = [one.level for one in findings(seen(flapping=[Flapping("n1", "web", 9)], unreachable={"eu": "x"}, health=health(0)))]
    assert levels == [PROBLEM, WARNING, WARNING]


def test_members_that_left_are_of_no_interest() -> None:
    assert findings(seen(members=[server(1), server(2), server(3), client("c1", LEFT, "id-1")])) == []


def test_of_many_names_some_are_told() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize("date", ["", "yesterday", None])
def test_a_date_that_is_none_tells_no_skew(date: str | None) -> None:
    assert _skew(date, 0.0) is None


def test_a_clock_that_is_far_behind_is_seen() -> None:
    skew = _skew("Thu, 01 Jan 1970 00:00:00 GMT", 1000.0)
    assert skew is not None
    assert skew == pytest.approx(-999.0)
