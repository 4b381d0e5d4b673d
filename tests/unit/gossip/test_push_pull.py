"""Whole tables: how often they are exchanged, what a line says, and which pools cannot be one."""

import itertools

import msgspec
import pytest
from swim_parts import VERSIONS, alive, endpoint, news, record, run, swim, told

from muster.gossip.effects import Exchange
from muster.gossip.node_table import NodeStatus
from muster.gossip.push_pull import have_meaning, incompatibility, news_of, scaled_interval
from muster.gossip.swim_effects import NodeConflict, NodeJoined, UserState
from muster.model.errors import Rejected
from muster.wire.gossip import Alive, Dead, NodeState, PushPull, Suspect
from muster.wire.gossip_codec import decode_message


def line(name: str, status: int = 0, incarnation: int = 1, versions: bytes = VERSIONS) -> NodeState:
    address, port = endpoint(name)
    return NodeState(name=name, address=address, port=port, incarnation=incarnation, state=status, versions=versions)


@pytest.mark.parametrize(
    ("members", "interval"), [(1, 30.0), (32, 30.0), (33, 60.0), (64, 60.0), (65, 90.0), (128, 90.0), (1000, 180.0), (5000, 270.0)]
)
def test_the_interval_grows_with_the_pool(members, interval):
    assert scaled_interval(30.0, members) == interval


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(0, alive("n2", 7), id="alive"),
        pytest.param(1, Suspect(incarnation=7, node="n2", accuser="us"), id="suspect: by us"),
        pytest.param(2, Suspect(incarnation=7, node="n2", accuser="us"), id="dead: only suspected, by us"),
        pytest.param(3, Dead(incarnation=7, node="n2", accuser="n2"), id="left: dead by itself"),
        pytest.param(4, None, id="a state without meaning"),
    ],
)
def test_a_line_says_what_a_message_would_have_said(status, expected):
    assert news_of(line("n2", status, 7), "us") == expected


@pytest.mark.parametrize(
    ("versions", "good"),
    [
        (VERSIONS, True),
        (b"\x01\x05\x02\x02\x05", False),
        (b"", False),
        (bytes(6), False),
        (b"\x00\x05\x02\x02\x05\x04", False),
        (b"\x05\x01\x02\x02\x05\x04", False),
        (b"\x02\x02\x02\x00\x00\x00", True),
    ],
)
def test_versions_have_meaning_if_all_six_are_there_and_the_first_two_in_order(versions, good):
    assert have_meaning(versions) is good


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        pytest.param([line("n2")], "", id="the same versions"),
        pytest.param([line("n2", versions=b"\x01\x05\x03\x02\x05\x04")], "", id="another within both ranges"),
        pytest.param(
            [line("n2", versions=b"\x03\x05\x03\x02\x05\x04")],
            "Node 'n1' protocol version (2) is incompatible: [3, 5]",
            id="we are too old",
        ),
        pytest.param(
            [line("n2", versions=b"\x01\x01\x01\x02\x05\x04")], "Node 'n1' protocol version (2) is incompatible: [1, 1]", id="it is too old"
        ),
        pytest.param(
            [line("n2", versions=b"\x01\x05\x02\x05\x05\x05")],
            "Node 'n1' delegate protocol version (4) is incompatible: [5, 5]",
            id="Serf's version",
        ),
        pytest.param([line("n2", 2, versions=b"\x03\x05\x05\x02\x05\x04")], "", id="the ranges of the dead do not count"),
        pytest.param(
            [line("n2", 2, versions=b"\x06\x06\x06\x02\x05\x04")],
            "Node 'n2' protocol version (6) is incompatible: [1, 5]",
            id="what the dead spoke does",
        ),
        pytest.param([line("n2", versions=b"")], "", id="a line without versions says nothing"),
    ],
)
def test_pools_whose_versions_do_not_meet_cannot_be_one(lines, text):
    assert incompatibility(lines, [line("n1")]) == text


def test_a_member_that_joins_sends_its_table_and_learns_the_others():
    member = swim("n1")
    [exchange] = member.join(0.0, [endpoint("n2")], ticket=7)
    assert (exchange.to, exchange.join, exchange.node) == (endpoint("n2"), 7, "")
    assert decode_message(exchange.message) == PushPull(nodes=[line("n1")], user_state=b"joining", join=True)
    effects = member.exchanged(0.1, exchange, PushPull(nodes=[line("n2"), line("n3"), line("n1")], user_state=b"theirs"))
    assert [effect.name for effect in told(effects, NodeJoined)] == ["n2", "n3"]
    assert told(effects, UserState) == [UserState(b"theirs", True)]


def test_who_is_asked_for_its_table_answers_with_what_it_knew_before():
    member = swim("n1", "n2")
    answer, effects = member.receive_exchange(0.0, endpoint("n3"), PushPull(nodes=[line("n3")], user_state=b"theirs", join=True))
    assert decode_message(answer) == PushPull(nodes=[line("n1"), line("n2")], user_state=b"joining", join=True)
    assert [effect.name for effect in told(effects, NodeJoined)] == ["n3"]
    assert told(effects, UserState) == [UserState(b"theirs", True)]


@pytest.mark.parametrize("join", [True, False])
def test_only_a_join_can_be_refused_as_a_whole(join):
    member = swim("n1", admit=lambda lines: "wrong datacenter" if any(one.name == "n9" for one in lines) else "")
    push_pull = PushPull(nodes=[line("n2"), line("n9")], join=join)
    if join:
        with pytest.raises(Rejected, match="wrong datacenter"):
            member.receive_exchange(0.0, endpoint("n2"), push_pull)
        assert list(member.nodes) == ["n1"]
    else:
        member.receive_exchange(0.0, endpoint("n2"), push_pull)
        assert list(member.nodes) == ["n1", "n2"]


def test_an_answer_to_our_join_can_be_refused_too():
    member = swim("n1")
    [exchange] = member.join(0.0, [endpoint("n2")], ticket=0)
    with pytest.raises(Rejected, match="incompatible"):
        member.exchanged(0.0, exchange, PushPull(nodes=[line("n2", versions=b"\x07\x07\x07\x02\x05\x04")]))
    assert list(member.nodes) == ["n1"]


def test_the_dead_of_another_table_are_only_suspected():
    member = swim("n1", "n2", "n3")
    member.receive_exchange(0.0, endpoint("n3"), PushPull(nodes=[line("n2", NodeStatus.DEAD)]))
    assert member.nodes.get("n2").status is NodeStatus.SUSPECT
    assert news(member) == [Suspect(incarnation=1, node="n2", accuser="n1")]


def test_those_that_left_are_taken_for_left_at_once():
    member = swim("n1", "n2", "n3")
    member.receive_exchange(0.0, endpoint("n3"), PushPull(nodes=[line("n2", NodeStatus.LEFT)]))
    assert member.nodes.get("n2").status is NodeStatus.LEFT


def test_the_dead_and_left_of_another_table_that_we_never_knew_stay_unknown():
    member = swim("n1")
    member.receive_exchange(0.0, endpoint("n3"), PushPull(nodes=[line(f"n{status + 2}", status) for status in range(1, 4)]))
    assert list(member.nodes) == ["n1"]


def test_a_table_that_holds_us_for_gone_is_refuted():
    for status in (NodeStatus.SUSPECT, NodeStatus.DEAD, NodeStatus.LEFT):
        member = swim("n1", "n2")
        member.receive_exchange(0.0, endpoint("n2"), PushPull(nodes=[line("n1", status, incarnation=4)]))
        assert news(member) == [alive("n1", 5)]


def test_tables_are_exchanged_with_a_random_living_member_in_regular_intervals():
    member = swim("n1", "n2", "n3", others=(record("n4", NodeStatus.DEAD, changed=1e9), record("n5", NodeStatus.LEFT, changed=1e9)))
    exchanges = [(now, effect) for now, effect in run(member, 300.0, answered=True) if isinstance(effect, Exchange)]
    times = [now for now, _ in exchanges]
    assert 30.0 <= times[0] <= 60.0
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx([30.0] * (len(times) - 1))
    assert {effect.node for _, effect in exchanges} <= {"n2", "n3"}
    assert all(effect.join == 0 and not decode_message(effect.message).join for _, effect in exchanges)


def test_a_line_can_name_an_address_as_mapped():
    member = swim("n1", "n2")
    address, port = endpoint("n2")
    mapped = NodeState(name="n2", address=bytes(10) + b"\xff\xff" + address, port=port, incarnation=2, versions=VERSIONS)
    member.receive_exchange(0.0, endpoint("n2"), PushPull(nodes=[mapped]))
    assert member.nodes.get("n2") == record("n2", incarnation=2)
    assert news(member) == [Alive(incarnation=2, node="n2", address=address, port=port, versions=VERSIONS)]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        pytest.param(NodeStatus.ALIVE, True, id="alive"),
        pytest.param(NodeStatus.SUSPECT, True, id="suspected"),
        pytest.param(NodeStatus.DEAD, True, id="dead, as far as they know"),
        pytest.param(NodeStatus.LEFT, False, id="left: it is ours at once"),
    ],
)
def test_a_host_hears_once_that_others_know_its_name_at_another_address(status, told):
    member = swim("n1")
    old = msgspec.structs.replace(line("n1", status, incarnation=7), address=endpoint("n8")[0])
    for already in (False, True):
        _, effects = member.receive_exchange(0.0, endpoint("n3"), PushPull(nodes=[line("n3"), old]))
        conflicts = [effect for effect in effects if isinstance(effect, NodeConflict)]
        assert conflicts == ([NodeConflict("n1", endpoint("n8"))] if told and not already else [])


def test_what_is_said_of_an_address_that_a_host_gave_up_itself_is_no_conflict():
    member = swim("n1", "n3")
    member.update_endpoint(0.0, endpoint("n8"))
    _, effects = member.receive_exchange(0.0, endpoint("n3"), PushPull(nodes=[line("n1", NodeStatus.SUSPECT)]))
    assert not [effect for effect in effects if isinstance(effect, NodeConflict)]
