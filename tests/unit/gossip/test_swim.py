"""What news about a node does, what is told on, and how a member speaks of itself."""

import itertools
import math

import msgspec
import pytest
from swim_parts import VERSIONS, Quiet, alive, endpoint, news, record, run, sent, swim

from muster.gossip.broadcasts import retransmit_limit
from muster.gossip.effects import Send
from muster.gossip.membership import HIGHEST_INCARNATION, META_LIMIT
from muster.gossip.node_table import NodeStatus
from muster.gossip.settings import LAN
from muster.gossip.swim_effects import LeftPool, NodeConflict, NodeDied, NodeJoined, NodeUpdated, UserMessage
from muster.gossip.transitions import BY_CAUSE, TRANSITIONS, Action, Condition, News, State
from muster.wire.gossip import Ack, Alive, Dead, NodeState, Ping, PushPull, StreamError, Suspect, User
from muster.wire.gossip_codec import decode_message

ALIVE, SUSPECT, DEAD, LEFT = NodeStatus
N9 = endpoint("n9")


def suspect(node: str, accuser: str = "n3", incarnation: int = 1) -> Suspect:
    return Suspect(incarnation=incarnation, node=node, accuser=accuser)


def dead(node: str, accuser: str = "n3", incarnation: int = 1) -> Dead:
    return Dead(incarnation=incarnation, node=node, accuser=accuser)


def about(status: NodeStatus | None, incarnation: int = 5, changed: float = 0.0):
    """n1 among n3, n4 and n5, to whom n2 stands so."""
    member = swim(
        "n1",
        "n3",
        "n4",
        "n5",
        others=() if status is None else (record("n2", ALIVE if status is SUSPECT else status, incarnation, changed),),
    )
    if status is SUSPECT:
        member.receive(changed, N9, suspect("n2", "n3", incarnation))
    return member


@pytest.mark.parametrize(
    ("before", "message", "after", "incarnation"),
    [
        pytest.param(None, alive("n2", 1), ALIVE, 1, id="unknown, alive: joins"),
        pytest.param(None, suspect("n2"), None, 0, id="unknown, suspect: ignored"),
        pytest.param(None, dead("n2"), None, 0, id="unknown, dead: ignored"),
        pytest.param(None, dead("n2", "n2"), None, 0, id="unknown, left: ignored"),
        pytest.param(ALIVE, alive("n2", 6), ALIVE, 6, id="alive, newer alive"),
        pytest.param(ALIVE, alive("n2", 5), ALIVE, 5, id="alive, same alive"),
        pytest.param(ALIVE, alive("n2", 4), ALIVE, 5, id="alive, older alive"),
        pytest.param(ALIVE, suspect("n2", incarnation=4), ALIVE, 5, id="alive, older suspect"),
        pytest.param(ALIVE, suspect("n2", incarnation=5), SUSPECT, 5, id="alive, suspect as old"),
        pytest.param(ALIVE, suspect("n2", incarnation=7), SUSPECT, 7, id="alive, newer suspect"),
        pytest.param(ALIVE, dead("n2", incarnation=4), ALIVE, 5, id="alive, older dead"),
        pytest.param(ALIVE, dead("n2", incarnation=5), DEAD, 5, id="alive, dead as old"),
        pytest.param(ALIVE, dead("n2", "n2", 4), ALIVE, 5, id="alive, older leave"),
        pytest.param(ALIVE, dead("n2", "n2", 5), LEFT, 5, id="alive, leave"),
        pytest.param(SUSPECT, alive("n2", 5), SUSPECT, 5, id="suspect, same alive: no refutation"),
        pytest.param(SUSPECT, alive("n2", 6), ALIVE, 6, id="suspect, newer alive: refuted"),
        pytest.param(SUSPECT, suspect("n2", "n4", 6), SUSPECT, 5, id="suspect, newer suspect: only confirms"),
        pytest.param(SUSPECT, dead("n2", incarnation=4), SUSPECT, 5, id="suspect, older dead"),
        pytest.param(SUSPECT, dead("n2", incarnation=5), DEAD, 5, id="suspect, dead"),
        pytest.param(SUSPECT, dead("n2", "n2", 5), LEFT, 5, id="suspect, leave"),
        pytest.param(DEAD, alive("n2", 5), DEAD, 5, id="dead, same alive"),
        pytest.param(DEAD, alive("n2", 6), ALIVE, 6, id="dead, newer alive: back"),
        pytest.param(DEAD, suspect("n2", incarnation=9), DEAD, 5, id="dead, newer suspect"),
        pytest.param(DEAD, dead("n2", "n2", 9), DEAD, 5, id="dead, newer leave: stays dead"),
        pytest.param(LEFT, alive("n2", 5), LEFT, 5, id="left, same alive"),
        pytest.param(LEFT, alive("n2", 6), ALIVE, 6, id="left, newer alive: back"),
        pytest.param(LEFT, suspect("n2", incarnation=9), LEFT, 5, id="left, suspect"),
        pytest.param(LEFT, dead("n2", incarnation=9), LEFT, 5, id="left, dead"),
    ],
)
def test_news_about_another_changes_what_is_known_of_it(before, message, after, incarnation):
    member = about(before)
    member.receive(1.0, N9, message)
    found = member.nodes.get("n2")
    assert (found.status, found.incarnation) == (after, incarnation) if found else after is None


@pytest.mark.parametrize(
    ("before", "message", "effects"),
    [
        pytest.param(None, alive("n2", 1, b"tags"), [NodeJoined("n2", endpoint("n2"), b"tags", VERSIONS)], id="a new member joins"),
        pytest.param(DEAD, alive("n2", 6), [NodeJoined("n2", endpoint("n2"), b"", VERSIONS)], id="a dead one joins"),
        pytest.param(LEFT, alive("n2", 6), [NodeJoined("n2", endpoint("n2"), b"", VERSIONS)], id="one that left joins"),
        pytest.param(ALIVE, alive("n2", 6, b"tags"), [NodeUpdated("n2", endpoint("n2"), b"tags", VERSIONS)], id="other tags"),
        pytest.param(ALIVE, alive("n2", 6), [], id="only the incarnation"),
        pytest.param(ALIVE, suspect("n2", incarnation=5), [], id="suspicions are our own affair"),
        pytest.param(SUSPECT, alive("n2", 6), [], id="and so are their ends"),
        pytest.param(SUSPECT, dead("n2", incarnation=5), [NodeDied("n2", False)], id="died"),
        pytest.param(ALIVE, dead("n2", "n2", 5), [NodeDied("n2", True)], id="left"),
        pytest.param(DEAD, dead("n2", incarnation=6), [], id="dies once"),
    ],
)
def test_the_layer_above_hears_of_those_that_come_change_and_go(before, message, effects):
    assert about(before).receive(1.0, N9, message) == effects


@pytest.mark.parametrize(
    ("before", "message", "is_told_on"),
    [
        pytest.param(None, alive("n2"), True, id="joined"),
        pytest.param(None, suspect("n2"), False, id="unknown"),
        pytest.param(ALIVE, alive("n2", 6), True, id="newer"),
        pytest.param(ALIVE, alive("n2", 5), False, id="not newer"),
        pytest.param(ALIVE, suspect("n2", incarnation=5), True, id="a suspicion"),
        pytest.param(SUSPECT, suspect("n2", "n3", 5), False, id="the same accuser again"),
        pytest.param(SUSPECT, suspect("n2", "n4", 5), True, id="a confirmation"),
        pytest.param(SUSPECT, suspect("n2", "n4", 4), False, id="an older confirmation"),
        pytest.param(ALIVE, dead("n2", incarnation=5), True, id="a death"),
        pytest.param(DEAD, dead("n2", incarnation=5), False, id="a death known"),
    ],
)
def test_news_is_told_on_only_if_it_is_news(before, message, is_told_on):
    member = about(before)
    already = news(member)
    member.receive(1.0, N9, message)
    assert (news(member) != already) is is_told_on
    assert not is_told_on or message in news(member)


@pytest.mark.parametrize(
    ("confirmed_at", "dies_at"),
    [
        pytest.param([], 24.0, id="unconfirmed: six times the least"),
        pytest.param([("n4", 1.0)], 11.381, id="confirmed once"),
        pytest.param([("n4", 1.0), ("n5", 2.0)], 4.0, id="confirmed twice: the least time from the first suspicion"),
        pytest.param([("n4", 1.0), ("n4", 2.0), ("n3", 3.0)], 11.381, id="the same accusers again"),
        pytest.param([("n4", 15.0)], 15.0, id="confirmed after the shorter time was over: dies at once"),
        pytest.param([("n4", 1.0), ("n5", 2.0), ("n6", 3.0), ("n7", 3.5)], 4.0, id="more than awaited"),
    ],
)
def test_a_suspect_dies_after_a_time_that_confirmations_shorten(confirmed_at, dies_at):
    member = about(SUSPECT, changed=0.0)
    for accuser, when in confirmed_at:
        run(member, when, answered=True)
        member.receive(when, N9, suspect("n2", accuser, 5))
    deaths = [(now, effect) for now, effect in run(member, 30.0, answered=True) if isinstance(effect, NodeDied)]
    assert deaths == [(pytest.approx(dies_at, abs=1e-9), NodeDied("n2", False))]


def test_a_member_of_a_pool_of_three_waits_for_no_confirmations():
    member = swim("n1", "n2", "n3")
    member.receive(0.0, N9, suspect("n2"))
    assert [now for now, effect in run(member, 30.0, answered=True) if isinstance(effect, NodeDied)] == [4.0]


def test_with_dynamic_suspicion_off_the_time_is_the_least_from_the_start():
    settings = msgspec.structs.replace(LAN, dynamic_suspicion=False)
    member = swim("n1", "n2", "n3", "n4", "n5", settings=settings)
    member.receive(0.0, N9, suspect("n2"))
    assert [now for now, effect in run(member, 30.0, answered=True) if isinstance(effect, NodeDied)] == [4.0]


def test_who_declares_a_death_says_so_in_its_own_name():
    member = swim("n1", "n2", "n3")
    member.receive(0.0, N9, suspect("n2"))
    run(member, 4.0, answered=True)
    assert Dead(incarnation=1, node="n2", accuser="n1") in news(member)


def test_a_refuted_suspicion_never_kills():
    member = about(SUSPECT)
    member.receive(3.9, N9, alive("n2", 6))
    assert [effect for _, effect in run(member, 60.0, answered=True) if isinstance(effect, NodeDied)] == []


@pytest.mark.parametrize(
    ("message", "incarnation"),
    [
        pytest.param(suspect("n1", incarnation=1), 2, id="suspected"),
        pytest.param(suspect("n1", incarnation=9), 10, id="suspected of a life before"),
        pytest.param(dead("n1", incarnation=1), 2, id="held for dead"),
        pytest.param(dead("n1", "n1", 4), 5, id="held for left, as before a restart"),
        pytest.param(alive("n1", 7), 8, id="a newer alive of a life before"),
        pytest.param(alive("n1", 1, b"old tags"), 2, id="an alive as old with other tags"),
        pytest.param(alive("n1", 1, versions=b"\x01\x05\x03\x02\x05\x04"), 2, id="an alive as old with other versions"),
        pytest.param(suspect("n1", incarnation=HIGHEST_INCARNATION), HIGHEST_INCARNATION, id="the highest number there is"),
    ],
)
def test_what_is_wrong_about_ourselves_is_refuted_above_it(message, incarnation):
    member = swim("n1", "n2")
    assert member.receive(0.0, N9, message) == []
    assert news(member) == [alive("n1", incarnation)]
    assert (member.own.incarnation, member.own.status, member.health_score) == (incarnation, ALIVE, 1)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(alive("n1", 3, b"tags"), id="what we say"),
        pytest.param(alive("n1", 2, b"other"), id="older, whatever it says"),
        pytest.param(suspect("n1", incarnation=2), id="an older suspicion"),
        pytest.param(dead("n1", incarnation=2), id="an older death"),
        pytest.param(dead("n1", "n1", 2), id="an older leave"),
    ],
)
def test_what_is_right_or_old_about_ourselves_is_left_alone(message):
    member = swim("n1", "n2")
    for tags in (b"first", b"tags"):
        member.set_meta(0.0, tags)
    already = news(member)
    assert member.receive(1.0, N9, message) == []
    assert (member.own.incarnation, member.health_score, news(member)) == (3, 0, already)


def test_a_claim_of_our_own_name_from_elsewhere_is_a_conflict_not_an_accusation():
    member = swim("n1", "n2")
    assert member.receive(0.0, N9, alive("n1", 9, at="n8")) == [NodeConflict("n1", endpoint("n8"))]
    assert (member.own.incarnation, news(member)) == (1, [])


@pytest.mark.parametrize(
    ("before", "after_seconds", "taken_over"),
    [
        pytest.param(ALIVE, 1e6, False, id="alive"),
        pytest.param(SUSPECT, 1.0, False, id="suspect"),
        pytest.param(DEAD, 30.0, False, id="dead for 30 seconds"),
        pytest.param(DEAD, 30.001, True, id="dead for longer"),
        pytest.param(LEFT, 0.0, True, id="left just now"),
    ],
)
def test_a_name_can_be_taken_over_once_its_owner_is_gone(before, after_seconds, taken_over):
    member = about(before)
    effects = member.receive(after_seconds, N9, alive("n2", 1, at="n8"))
    if taken_over:
        assert effects == [NodeJoined("n2", endpoint("n8"), b"", VERSIONS)]
        assert (member.nodes.get("n2").endpoint, member.nodes.get("n2").incarnation) == (endpoint("n8"), 1)
    else:
        assert effects == [NodeConflict("n2", endpoint("n8"))]
        assert member.nodes.get("n2").endpoint == endpoint("n2")


def test_with_no_reclaim_time_the_name_of_the_dead_is_never_free():
    member = swim("n1", others=(record("n2", DEAD),), settings=msgspec.structs.replace(LAN, dead_node_reclaim_time=0.0))
    assert member.receive(1e6, N9, alive("n2", 9, at="n8")) == [NodeConflict("n2", endpoint("n8"))]


def test_a_conflict_is_told_once_per_claimant_and_what_is_remembered_has_a_bound():
    member = swim("n1", "n2")
    assert [len(member.receive(0.0, N9, alive("n2", 9, at=at))) for at in ("n8", "n8", "n7", "n8")] == [1, 0, 1, 0]
    address, _ = endpoint("n8")
    for port in range(1, 5000):
        member.receive(0.0, N9, Alive(incarnation=9, node="n2", address=address, port=port, versions=VERSIONS))
    assert len(member._membership._claims) == 1024


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(alive("n2", versions=b"\x01\x05\x02"), id="too few versions"),
        pytest.param(alive("n2", versions=bytes(6)), id="versions of zero"),
        pytest.param(alive("n2", versions=b"\x05\x01\x02\x02\x05\x04"), id="versions out of order"),
        pytest.param(Alive(incarnation=1, node="n2", address=b"abc", port=1, versions=VERSIONS), id="no address"),
        pytest.param(Alive(incarnation=1, node="n2", address=b"abcd", port=0, versions=VERSIONS), id="no port"),
        pytest.param(Alive(incarnation=1, node="n2", address=b"abcd", port=65536, versions=VERSIONS), id="no such port"),
        pytest.param(alive("n2", meta=bytes(META_LIMIT + 1)), id="more tags than any packet takes"),
        pytest.param(msgspec.structs.replace(alive("n2"), node=""), id="no name"),
        pytest.param(msgspec.structs.replace(alive("n2"), node="n" * 600), id="a name that fits in no packet"),
    ],
)
def test_an_alive_that_can_be_no_member_is_ignored(message):
    member = swim("n1")
    assert member.receive(0.0, N9, message) == []
    assert list(member.nodes) == ["n1"]


def test_a_mapped_address_is_the_same_as_the_plain_one():
    member = swim("n1", "n2")
    address, port = endpoint("n2")
    message = Alive(incarnation=2, node="n2", address=bytes(10) + b"\xff\xff" + address, port=port, versions=VERSIONS)
    assert member.receive(0.0, N9, message) == []
    assert member.nodes.get("n2").incarnation == 2


def test_a_refused_member_is_neither_taken_in_nor_changed():
    refused: list[NodeState] = []
    member = swim("n1", "n2", admit=lambda lines: refused.extend(lines) or "no")
    assert member.receive(0.0, N9, alive("n3")) == []
    assert member.receive(0.0, N9, alive("n2", 2, b"other")) == []
    assert [line.name for line in refused] == ["n3", "n2"]
    assert ("n3" in member.nodes, member.nodes.get("n2").meta) == (False, b"")


def test_a_table_takes_only_so_many_members(monkeypatch):
    monkeypatch.setattr("muster.gossip.membership.MEMBER_LIMIT", 3)
    member = swim("n1", "n2")
    for name in ("n3", "n4", "n5"):
        member.receive(0.0, N9, alive(name))
    member.receive(0.0, N9, alive("n2", 2))
    assert list(member.nodes) == ["n1", "n2", "n3"]
    assert member.nodes.get("n2").incarnation == 2


def test_new_tags_are_said_with_a_higher_incarnation():
    member = swim("n1", "n2")
    assert member.set_meta(0.0, b"tags") == [NodeUpdated("n1", endpoint("n1"), b"tags", VERSIONS)]
    assert news(member) == [alive("n1", 2, b"tags")]


def test_a_new_address_is_said_with_a_higher_incarnation():
    member = swim("n1", "n2")
    assert member.update_endpoint(0.0, endpoint("n8")) == [NodeUpdated("n1", endpoint("n8"), b"", VERSIONS)]
    assert news(member) == [alive("n1", 2, at="n8")]


def test_a_member_that_starts_announces_itself():
    assert news(swim("n1")) == []
    fresh = swim("n1", others=(record("n1", incarnation=5, meta=b"what it was"),))
    assert news(fresh) == [alive("n1", 1)]


def test_after_a_change_of_address_what_is_still_said_from_the_old_one_is_no_conflict():
    member = swim("n1", "n2")
    member.update_endpoint(0.0, endpoint("n8"))
    assert member.receive(0.0, N9, alive("n1", 1)) == []
    assert member.receive(0.0, N9, alive("n1", 1, at="n7")) == [NodeConflict("n1", endpoint("n7"))]


def test_what_fits_in_no_packet_is_believed_but_not_told_on():
    member = swim("n1", "n2")
    assert member.receive(0.0, N9, dead("n2", "n" * 1400)) == [NodeDied("n2", False)]
    assert member.queue_depth == 0


def test_a_member_alone_sleeps_though_it_has_itself_to_tell_of():
    fresh = swim("n1", others=(record("n1", meta=b"what it was"),))
    calls = 0
    while (now := fresh.next_deadline()) < 20.0:
        fresh.tick(now)
        calls += 1
    assert fresh.queue_depth == 1
    assert calls <= 22
    fresh.receive(20.0, N9, alive("n2"))
    assert fresh.next_deadline() <= 20.2


def leaving(*names: str):
    member = swim(*names)
    return member, member.leave(0.0)


def test_a_member_that_leaves_says_so_of_itself():
    member, effects = leaving("n1", "n2")
    assert effects == [NodeDied("n1", True)]
    assert news(member) == [Dead(incarnation=1, node="n1", accuser="n1")]
    assert (member.own.status, member.has_left, member.leave(0.1)) == (LEFT, True, [])


def test_it_has_left_when_the_others_were_told_often_enough():
    member, _ = leaving("n1", "n2")
    found = run(member, 30.0, answered=True)
    told_to = [now for now, effect in found for _, message in sent([effect], Dead)]
    [left_at] = [now for now, effect in found if isinstance(effect, LeftPool)]
    assert len(told_to) == retransmit_limit(4, 2)
    assert left_at == told_to[-1]


def test_it_has_left_at_once_if_nobody_is_there_to_hear_it():
    _, effects = leaving("n1")
    assert effects == [NodeDied("n1", True), LeftPool()]


def test_it_has_left_when_the_last_that_could_hear_it_dies():
    member, _ = leaving("n1", "n2")
    assert LeftPool() in member.receive(0.01, N9, dead("n2"))


@pytest.mark.parametrize("message", [alive("n1", 9), suspect("n1", incarnation=9), dead("n1", incarnation=9), dead("n1", "n1", 9)])
def test_who_has_left_refutes_nothing_but_answers_probes(message):
    member, _ = leaving("n1", "n2")
    assert member.receive(0.1, N9, message) == []
    assert (member.own.status, member.own.incarnation, member.set_meta(0.1, b"tags")) == (LEFT, 1, [])
    assert sent(member.receive(0.2, endpoint("n2"), Ping(sequence=4, node="n1")), Ack) == [("n2", Ack(sequence=4, payload=b"coordinate"))]


def test_news_goes_to_a_few_members_on_the_next_regular_tick_and_stops_when_it_was_told_often_enough():
    member = swim("n1", "n2", "n3", "n4", "n5", "n6")
    assert member._gossiper.due_at == math.inf
    member.receive(0.0, N9, alive("n7"))
    first = member._gossiper.due_at
    assert 0.0 <= first <= 0.2
    packets = [(now, effect) for now, effect in run(member, 20.0, answered=True) if isinstance(effect, Send) and sent([effect], Alive)]
    ticks = [(now, len(list(group))) for now, group in itertools.groupby(now for now, _ in packets)]
    assert sum(number for _, number in ticks) == retransmit_limit(4, 7)
    assert (ticks[0][0], max(number for _, number in ticks)) == (first, 3)
    assert member._gossiper.due_at == math.inf


def test_gossip_ticks_keep_their_beat_though_they_pause():
    member = swim("n1", "n2", "n3")
    member.receive(0.0, N9, alive("n7"))
    first = member._gossiper.due_at
    run(member, 17.0, answered=True)
    member.receive(17.03, N9, alive("n8"))
    beats = (member._gossiper.due_at - first) / 0.2
    assert beats == pytest.approx(round(beats), abs=1e-6)
    assert 17.03 < member._gossiper.due_at <= 17.23


@pytest.mark.parametrize(
    ("status", "changed", "hears"),
    [
        pytest.param(ALIVE, 0.0, True, id="alive"),
        pytest.param(DEAD, 80.0, True, id="dead for 20 s"),
        pytest.param(DEAD, 60.0, False, id="dead for 40 s"),
        pytest.param(LEFT, 99.0, False, id="left"),
    ],
)
def test_gossip_goes_to_those_that_may_live(status, changed, hears):
    member = swim("n1", others=(record("n2", status, changed=changed),))
    member.receive(100.0, N9, alive("n3"))
    now = member._gossiper.due_at
    effects = member.tick(max(now, 100.0))
    assert any(name == "n2" for name, _ in sent(effects, Alive)) is hears


def test_a_suspect_hears_the_gossip_about_itself():
    member = swim("n1", "n2")
    member.receive(0.0, N9, suspect("n2"))
    [(name, message)] = sent(member.tick(member._gossiper.due_at), Suspect)
    assert (name, message) == ("n2", suspect("n2"))


def test_news_travels_on_acks_and_pings_that_have_room():
    member = swim("n1", "n2")
    member.receive(0.0, N9, alive("n3"))
    [packet] = member.receive(0.01, endpoint("n2"), Ping(sequence=4, node="n1"))
    assert [decode_message(message) for message in packet.messages] == [Ack(sequence=4, payload=b"coordinate"), alive("n3")]


@pytest.mark.parametrize("overhead", [0, 29, 300])
def test_no_packet_is_larger_than_allowed_once_all_is_added(overhead):
    upper = Quiet()
    member = swim("n1", "n2", settings=msgspec.structs.replace(LAN, packet_overhead=overhead), upper=upper)
    for number in range(3, 60):
        member.receive(0.0, N9, alive(f"n{number}", meta=bytes(number * 7 % 90)))
    upper.waiting = [b"\x08" + bytes(number * 5 % 40) for number in range(60)]
    found = [effect for _, effect in run(member, 3.0, answered=True) if isinstance(effect, Send)]
    found += member.receive(3.0, endpoint("n2"), Ping(sequence=4, node="n1"))
    sizes = [2 + sum(len(message) + 2 for message in packet.messages) + overhead for packet in found]
    assert max(sizes) <= 1400
    assert sum(size > 1300 for size in sizes) > 3
    assert not upper.waiting


def test_the_layer_above_is_asked_when_it_says_so_and_until_it_has_nothing_more():
    upper = Quiet()
    member = swim("n1", "n2", upper=upper)
    upper.waiting = [b"\x08" + bytes(1000), b"\x08" + bytes(1001)]
    member.gossip_soon(0.0)
    due = member._gossiper.due_at
    assert due <= 0.2
    sends = [effect for now, effect in run(member, due + 0.1) if isinstance(effect, Send) and not sent([effect], (Ping, Ack))]
    assert [packet.messages for packet in sends] == [(b"\x08" + bytes(1000),)]
    run(member, 3.0, answered=True)
    assert (upper.waiting, member._gossiper.due_at) == ([], math.inf)


@pytest.mark.parametrize(("highest", "checksum"), [(4, False), (5, True)])
def test_gossip_carries_a_checksum_if_the_receiver_reads_it(highest, checksum):
    member = swim("n1", others=(record("n2", versions=bytes([1, highest, 2, 2, 5, 4])),))
    member.receive(0.0, N9, alive("n3"))
    packets = [effect for _, effect in run(member, 0.2) if isinstance(effect, Send) and effect.node == "n2" and not sent([effect], Ping)]
    assert {packet.checksum for packet in packets} == {checksum}


@pytest.mark.parametrize(("node", "checksum"), [("n2", True), ("n9", False), ("", False)])
def test_a_message_of_the_layer_above_goes_to_one_member(node, checksum):
    packet = swim("n1", "n2").send_user(endpoint("n2"), node, b"query")
    assert packet == Send(endpoint("n2"), (b"\x08query",), node, checksum)


def test_a_message_of_the_layer_above_is_handed_up():
    assert swim("n1").receive(0.0, N9, User(payload=b"event")) == [UserMessage(N9, b"event")]


@pytest.mark.parametrize("message", [PushPull(nodes=[]), StreamError(text="no")])
def test_what_belongs_on_a_stream_is_ignored_in_a_packet(message):
    assert swim("n1").receive(0.0, N9, message) == []


def test_a_forgotten_member_is_unknown_again_and_we_never_forget_ourselves():
    member = about(SUSPECT)
    for name in ("n2", "n1", "n99"):
        member.forget(name)
    assert set(member.nodes) == {"n1", "n3", "n4", "n5"}
    assert [effect for _, effect in run(member, 60.0, answered=True) if isinstance(effect, NodeDied)] == []
    assert member.receive(60.0, N9, alive("n2", 1)) == [NodeJoined("n2", endpoint("n2"), b"", VERSIONS)]


def test_every_state_has_a_row_for_every_news_and_no_cause_two():
    assert len(BY_CAUSE) == len(TRANSITIONS)
    assert {(row.state, row.news) for row in TRANSITIONS} == set(itertools.product(State, News))


def test_every_condition_and_action_of_the_table_is_used_and_rows_that_ignore_change_nothing():
    assert {row.condition for row in TRANSITIONS} == set(Condition)
    assert {row.action for row in TRANSITIONS} == set(Action)
    assert all(
        row.becomes is row.state for row in TRANSITIONS if row.action in (Action.IGNORE, Action.CONFLICT, Action.CONFIRM, Action.REFUTE)
    )


def test_a_pool_that_forgot_members_has_less_to_tell():
    settings = msgspec.structs.replace(LAN, minimum_queue_depth=2)
    member = swim("n1", settings=settings)
    for number in range(2, 6):
        member.receive(0.0, N9, alive(f"n{number}"))
    assert member.queue_depth > 2
    for number in range(2, 6):
        member.forget(f"n{number}")
    assert member.queue_depth == 2
