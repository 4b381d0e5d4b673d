"""Who may be in a pool with an agent, and what the log says of those who may not."""

import logging

import pytest

from muster.agent import merge_checks
from muster.agent.pool_log import KEPT_REFUSALS, PoolLog
from muster.gossip.effects import Member, MemberConflict, MemberJoined, MemberStatus

VERSIONS = b"\x01\x05\x02\x02\x05\x04"
OWN_ID = "11111111-1111-1111-1111-111111111111"
OTHER_ID = "22222222-2222-2222-2222-222222222222"


def member(name: str, status: MemberStatus = MemberStatus.ALIVE, **tags: str) -> Member:
    return Member(name, (b"\x0a\x00\x00\x01", 8301), {"role": "node", "dc": "dc1", **tags}, status, VERSIONS)


lan = merge_checks.lan("n1", OWN_ID, "dc1")


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        pytest.param([member("n1", id=OWN_ID), member("n2", id=OTHER_ID)], "", id="itself and another"),
        pytest.param([member("n2", dc="dc2")], "Member 'n2' part of wrong datacenter 'dc2'", id="a client of another datacenter"),
        pytest.param([member("s", role="consul", dc="dc2")], "Member 's' part of wrong datacenter 'dc2'", id="a server of another datacenter"),
        pytest.param(
            [member("n2", id=OWN_ID)], f"Member 'n2' has conflicting node ID '{OWN_ID}' with this agent's ID", id="its own id elsewhere"
        ),
        pytest.param(
            [member("n2", id=OTHER_ID), member("n3", id=OTHER_ID)],
            f"Member 'n3' has conflicting node ID '{OTHER_ID}' with member 'n2'",
            id="one id for two",
        ),
        pytest.param([member("old", MemberStatus.FAILED, id=OWN_ID)], "", id="its own id under a name that failed"),
        pytest.param([member("old", MemberStatus.LEFT, id=OTHER_ID), member("new", id=OTHER_ID)], "", id="an id whose old name has left"),
        pytest.param([member("n2", id="none"), member("n3", id="none")], "", id="ids that are none"),
        pytest.param([member("n2", segment="east")], "Member 'n2' part of wrong segment 'east' (expected '')", id="another segment"),
        pytest.param([member("probe", role="tool", dc="")], "", id="something that is no agent"),
    ],
)  # fmt: skip
def test_the_lan_pool_takes_agents_of_its_datacenter_with_ids_of_their_own(members: list[Member], refusal: str):
    assert lan(members) == refusal


def test_the_wan_pool_takes_servers_alone():
    assert merge_checks.wan([member("s1.dc2", role="consul", dc="dc2")]) == ""
    assert merge_checks.wan([member("s1.dc2", role="consul"), member("c1")]) == "Member 'c1' is not a server"


def test_a_refusal_is_said_once_with_its_remedy(caplog: pytest.LogCaptureFixture):
    admit = PoolLog("n1", "lan").refused(lan)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert admit([member("n2", id=OWN_ID)])
    assert len(caplog.records) == 1
    assert "conflicting node ID" in caplog.text
    assert "remove the file node-id" in caplog.text


def test_a_hostile_pool_fills_neither_log_nor_memory(caplog: pytest.LogCaptureFixture):
    admit = PoolLog("n1", "lan").refused(lan)
    with caplog.at_level(logging.WARNING):
        for number in range(1000):
            admit([member(f"n{number}", dc="dc2")])
    assert len(caplog.records) == KEPT_REFUSALS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("n2", "both 10.0.0.1:8301 and 10.0.0.9:8301 are claiming it", id="another's name"),
        pytest.param("n1", "this node's name 'n1' is also used by the host at 10.0.0.9:8301", id="its own name"),
    ],
)
def test_a_conflict_of_names_is_told_with_its_remedy(name: str, said: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        PoolLog("n1", "lan")(MemberConflict(member(name), (b"\x0a\x00\x00\x09", 8301)))
    assert said in caplog.text
    assert "another node_name" in caplog.text


def test_members_that_come_are_told_in_the_peers_words(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        PoolLog("n1", "lan")(MemberJoined(member("n2")))
    assert "serf: EventMemberJoin: n2 10.0.0.1" in caplog.text
