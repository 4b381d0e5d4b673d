"""Probes, direct and by detours; pings for others; and what they say about the member that makes them."""

import itertools
import math

import msgspec
import pytest
from swim_parts import VERSIONS, endpoint, news, next_probe, record, run, sent, swim, told

from muster.gossip.effects import PingByStream, Send
from muster.gossip.node_table import NodeStatus
from muster.gossip.probing import RELAY_LIMIT
from muster.gossip.settings import LAN
from muster.gossip.swim_effects import NodeDied, ProbeSucceeded
from muster.wire.gossip import Ack, Alive, IndirectPing, Nack, Ping, Suspect
from muster.wire.gossip_codec import decode_message


def unanswered(member):
    """A probe whose ping was not answered in time: when, whom, the ping, and what was done about it."""
    sent_at, name, ping = next_probe(member)
    now = sent_at + member.settings.probe_timeout
    return now, name, ping, member.tick(now)


def test_every_probe_interval_one_member_is_pinged_each_once_a_round():
    member = swim("n1", "n2", "n3", "n4", "n5")
    pings = [(now, name) for now, effect in run(member, 11.9, answered=True) for name, _ in sent([effect], Ping)]
    names = [name for _, name in pings]
    rounds = [set(names[start : start + 4]) for start in range(0, 8, 4)]
    assert rounds == [{"n2", "n3", "n4", "n5"}] * 2
    assert [later[0] - earlier[0] for earlier, later in itertools.pairwise(pings)] == pytest.approx([1.0] * (len(pings) - 1))


def test_a_ping_names_its_target_and_where_to_answer():
    _, name, ping = next_probe(swim("n1", "n2"))
    address, port = endpoint("n1")
    assert (name, ping.node) == ("n2", "n2")
    assert (ping.source_address, ping.source_port, ping.source_node) == (address, port, "n1")


def test_the_dead_and_the_left_are_not_probed():
    member = swim("n1", "n2", others=(record("n3", NodeStatus.DEAD), record("n4", NodeStatus.LEFT)))
    assert {name for _, effect in run(member, 20.0, answered=True) for name, _ in sent([effect], Ping)} == {"n2"}


def test_an_answered_probe_tells_the_round_trip_time_and_the_payload():
    member = swim("n1", "n2")
    now, _, ping = next_probe(member)
    effects = member.receive(now + 0.25, endpoint("n2"), Ack(sequence=ping.sequence, payload=b"coordinate"))
    assert effects == [ProbeSucceeded("n2", pytest.approx(0.25), b"coordinate")]
    assert not told(member.tick(now + 0.5), PingByStream)


def test_an_ack_under_another_number_is_ignored():
    member = swim("n1", "n2")
    now, _, ping = next_probe(member)
    assert member.receive(now, endpoint("n2"), Ack(sequence=ping.sequence ^ 1)) == []
    assert told(member.tick(now + 0.5), PingByStream)


def test_without_an_ack_others_are_asked_and_a_stream_is_tried():
    member = swim("n1", "n2", "n3", "n4", "n5", "n6")
    now, target, ping, effects = unanswered(member)
    asked = sent(effects, IndirectPing)
    assert len({name for name, _ in asked}) == 3
    assert not {name for name, _ in asked} & {"n1", target}
    address, port = endpoint(target)
    for _, request in asked:
        assert (request.sequence, request.target, request.port, request.node) == (ping.sequence, address, port, target)
        assert (request.nack, request.source_node) == (True, "n1")
    [by_stream] = told(effects, PingByStream)
    assert (by_stream.to, by_stream.node, decode_message(by_stream.message)) == (endpoint(target), target, ping)
    assert by_stream.deadline == pytest.approx(now + 0.5)


@pytest.mark.parametrize(
    ("highest", "nack", "by_stream"),
    [pytest.param(2, False, False, id="2"), pytest.param(3, False, True, id="3"), pytest.param(4, True, True, id="4")],
)
def test_members_of_older_protocols_are_asked_only_what_they_understand(highest, nack, by_stream):
    versions = bytes([1, highest, 2, 2, 5, 4])
    member = swim("n1", others=(record("n2", versions=versions), record("n3", versions=versions)))
    _, _, _, effects = unanswered(member)
    [(_, request)] = sent(effects, IndirectPing)
    assert request.nack is nack
    assert bool(told(effects, PingByStream)) is by_stream


def test_only_living_members_are_asked_for_help():
    member = swim("n1", "n2", others=(record("n3", NodeStatus.DEAD, changed=9.0), record("n4", NodeStatus.LEFT, changed=9.0)))
    _, _, _, effects = unanswered(member)
    assert sent(effects, IndirectPing) == []


@pytest.mark.parametrize("late", [0.0, 0.1, 0.49])
def test_an_ack_by_a_detour_ends_the_probe_well_but_measures_nothing(late):
    member = swim("n1", "n2", "n3")
    now, target, ping, _ = unanswered(member)
    assert member.receive(now + late, endpoint("n3"), Ack(sequence=ping.sequence)) == []
    run(member, now + 0.5)
    assert member.nodes.get(target).status is NodeStatus.ALIVE


def test_a_member_that_answers_by_no_way_is_suspected_when_the_probe_interval_is_over():
    member = swim("n1", "n2", "n3")
    now, target, ping, _ = unanswered(member)
    member.tick(now + 0.499)
    assert member.nodes.get(target).status is NodeStatus.ALIVE
    member.tick(now + 0.5)
    assert member.nodes.get(target).status is NodeStatus.SUSPECT
    assert news(member) == [Suspect(incarnation=1, node=target, accuser="n1")]
    assert member.receive(now + 0.6, endpoint(target), Ack(sequence=ping.sequence)) == []
    assert member.nodes.get(target).status is NodeStatus.SUSPECT


def test_a_suspect_is_told_of_the_suspicion_in_the_ping_itself():
    member = swim("n1", "n2")
    member.receive(0.0, endpoint("n3"), Suspect(incarnation=1, node="n2", accuser="n3"))
    while not sent(effects := member.tick(member.next_deadline()), Ping):
        pass
    [packet] = [effect for effect in told(effects, Send) if isinstance(decode_message(effect.messages[0]), Ping)]
    assert decode_message(packet.messages[1]) == Suspect(incarnation=1, node="n2", accuser="n1")
    assert packet.checksum


def test_without_the_buddy_system_a_suspect_gets_a_plain_ping():
    member = swim("n1", "n2", settings=msgspec.structs.replace(LAN, buddy_system=False))
    member.receive(0.0, endpoint("n3"), Suspect(incarnation=1, node="n2", accuser="n3"))
    accusers = {message.accuser for _, effect in run(member, 1.0) for _, message in sent([effect], Suspect)}
    assert accusers == {"n3"}


@pytest.mark.parametrize(
    ("helpers", "nacks", "score"),
    [
        pytest.param(3, 3, 0, id="all helpers answer: the target's fault"),
        pytest.param(3, 2, 1, id="one stays silent"),
        pytest.param(3, 0, 3, id="nobody answers: our fault"),
        pytest.param(3, 4, 0, id="more than were asked"),
        pytest.param(0, 0, 1, id="nobody could be asked"),
    ],
)
def test_missing_nacks_lower_the_trust_in_ourselves(helpers, nacks, score):
    member = swim("n1", "n2", *(f"n{number + 3}" for number in range(helpers)))
    now, _, ping, _ = unanswered(member)
    for _ in range(nacks):
        member.receive(now + 0.2, endpoint("n3"), Nack(sequence=ping.sequence))
    member.tick(now + 0.5)
    assert member.health_score == score


def test_a_successful_probe_raises_the_trust_again():
    member = swim("n1", "n2", "n3", "n4", "n5")
    member._awareness.worsen(3)
    for left in (2, 1, 0, 0):
        now, name, ping = next_probe(member)
        member.receive(now, endpoint(name), Ack(sequence=ping.sequence))
        assert member.health_score == left


def test_a_member_that_trusts_itself_less_waits_longer_for_detours_but_not_for_the_ack():
    member = swim("n1", "n2", "n3", "n4", "n5")
    member._awareness.worsen(3)
    now, target, _, effects = unanswered(member)
    [by_stream] = told(effects, PingByStream)
    assert by_stream.deadline == pytest.approx(now + 3.5)
    run(member, now + 3.499)
    assert member.nodes.get(target).status is NodeStatus.ALIVE
    run(member, now + 3.501)
    assert member.nodes.get(target).status is NodeStatus.SUSPECT


def test_with_awareness_off_the_score_stays_healthy():
    member = swim("n1", "n2", "n3", settings=msgspec.structs.replace(LAN, awareness=False))
    run(member, 10.0)
    assert member.health_score == 0


def test_after_a_probe_that_outlasted_its_interval_the_next_begins_at_once():
    member = swim("n1", "n2", "n3", "n4")
    now, target, _, _ = unanswered(member)
    [(following, _)] = sent(member.tick(now + 0.5), Ping)
    assert following != target


def test_a_probe_that_outlasts_its_interval_delays_the_next_but_never_makes_two():
    member = swim("n1", "n2", "n3", "n4", "n5")
    pings = [now for now, effect in run(member, 60.0) for name, _ in sent([effect], Ping)]
    assert all(later - earlier > 0.99 for earlier, later in itertools.pairwise(pings))


def test_a_ping_is_answered_to_where_it_says_and_with_what_the_layer_above_adds():
    member = swim("n1", "n2")
    address, port = endpoint("n2")
    ping = Ping(sequence=9, node="n1", source_address=address, source_port=port, source_node="n2")
    [answer] = member.receive(0.0, endpoint("n7"), ping)
    assert (answer.to, answer.node, answer.checksum) == (endpoint("n2"), "n2", False)
    assert decode_message(answer.messages[0]) == Ack(sequence=9, payload=b"coordinate")


@pytest.mark.parametrize(
    "source", [{}, {"source_address": b"\x0a\x00\x00\x02"}, {"source_port": 5}, {"source_address": b"abc", "source_port": 5}]
)
def test_a_ping_without_a_whole_source_is_answered_to_its_sender(source):
    [answer] = swim("n1").receive(0.0, endpoint("n7"), Ping(sequence=9, node="n1", **source))
    assert answer.to == endpoint("n7")


@pytest.mark.parametrize(("name", "answered"), [("n1", True), ("", True), ("n2", False), ("N1", False)])
def test_a_ping_for_another_name_is_not_answered_by_packet_or_by_stream(name, answered):
    member = swim("n1", "n2")
    assert bool(member.receive(0.0, endpoint("n2"), Ping(sequence=9, node=name))) is answered
    assert bool(member.answer_by_stream(Ping(sequence=9, node=name))) is answered


def test_a_ping_by_stream_is_answered_on_it_without_payload():
    assert decode_message(swim("n1").answer_by_stream(Ping(sequence=9, node="n1"))) == Ack(sequence=9)


def asked_to_ping(nack: bool = True, source: str = "n2", **changes) -> IndirectPing:
    (address, port), (target, target_port) = endpoint(source), endpoint("n3")
    request = IndirectPing(
        sequence=77, target=target, port=target_port, node="n3", nack=nack, source_address=address, source_port=port, source_node=source
    )
    return msgspec.structs.replace(request, **changes)


def test_a_helper_pings_under_its_own_number_and_passes_the_ack_on_under_the_others_without_payload():
    helper = swim("n1", "n2", "n3")
    [(name, ping)] = sent(helper.receive(0.0, endpoint("n2"), asked_to_ping()))
    assert (name, ping.node, ping.source_node) == ("n3", "n3", "n1")
    assert sent(helper.receive(0.1, endpoint("n3"), Ack(sequence=ping.sequence, payload=b"coordinate"))) == [("n2", Ack(sequence=77))]
    assert helper.receive(0.2, endpoint("n3"), Ack(sequence=ping.sequence)) == []


@pytest.mark.parametrize("nack", [True, False])
def test_a_helper_says_that_the_target_is_silent_if_it_was_asked_to(nack):
    helper = swim("n1", "n2", "n3")
    [(_, ping)] = sent(helper.receive(0.0, endpoint("n2"), asked_to_ping(nack)))
    assert [message for now, effect in run(helper, 0.499) for message in sent([effect], (Ack, Nack))] == []
    found = [message for now, effect in run(helper, 0.5) for message in sent([effect], (Ack, Nack))]
    assert found == ([("n2", Nack(sequence=77))] if nack else [])
    assert helper.receive(0.6, endpoint("n3"), Ack(sequence=ping.sequence)) == []


def test_a_helper_answers_to_the_sender_if_the_request_names_no_source():
    helper = swim("n1", "n2", "n3")
    [(_, ping)] = sent(helper.receive(0.0, endpoint("n2"), asked_to_ping(source_address=b"", source_port=0)))
    assert sent(helper.receive(0.1, endpoint("n3"), Ack(sequence=ping.sequence))) == [("n2", Ack(sequence=77))]


@pytest.mark.parametrize("changes", [{"target": b""}, {"target": b"12345"}, {"port": 0}])
def test_a_helper_pings_nobody_where_nobody_can_be(changes):
    assert swim("n1", "n2").receive(0.0, endpoint("n2"), asked_to_ping(**changes)) == []


def test_a_helper_helps_only_so_many_at_a_time():
    helper = swim("n1", "n2", "n3")
    answers = [helper.receive(0.0, endpoint("n2"), asked_to_ping(sequence=number)) for number in range(RELAY_LIMIT + 10)]
    assert sum(map(bool, answers)) == RELAY_LIMIT
    nacks = [message for _, effect in run(helper, 0.5) for message in sent([effect], Nack)]
    assert len(nacks) == RELAY_LIMIT
    assert helper.receive(1.0, endpoint("n2"), asked_to_ping())


def test_sequence_numbers_wrap_at_32_bits():
    member = swim("n1", "n2")
    member._prober._sequence = 2**32 - 2
    numbers = [ping.sequence for _, effect in run(member, 3.9, answered=True) for _, ping in sent([effect], Ping)]
    assert numbers[:3] == [2**32 - 1, 0, 1]


def test_a_member_alone_probes_nobody_but_goes_on_looking():
    member = swim("n1")
    assert [effect for _, effect in run(member, 100.0)] == []
    assert member.next_deadline() < math.inf


@pytest.mark.parametrize("first_call", ["tick", "receive"])
def test_who_sleeps_through_its_own_deadlines_does_not_hold_it_against_others(first_call):
    member = swim("n1", "n2", "n3")
    member.receive(0.0, endpoint("n3"), Suspect(incarnation=1, node="n2", accuser="n3"))
    next_probe(member)
    woken = member.next_deadline() + 600.0
    if first_call == "receive":
        member.receive(woken, endpoint("n3"), Ping(sequence=1, node="n1"))
    assert told(member.tick(woken), NodeDied) == []
    assert [record.status for record in member.nodes.records()] == [NodeStatus.ALIVE, NodeStatus.SUSPECT, NodeStatus.ALIVE]
    address, port = endpoint("n2")
    member.receive(woken, endpoint("n3"), Alive(incarnation=2, node="n2", address=address, port=port, versions=VERSIONS))
    assert member.nodes.get("n2").status is NodeStatus.ALIVE


def test_an_ack_after_a_sleep_ends_the_probe_but_measures_nothing():
    member = swim("n1", "n2")
    now, _, ping = next_probe(member)
    assert member.receive(now + 600.0, endpoint("n2"), Ack(sequence=ping.sequence)) == []
    assert member._prober._probe is None


def test_who_slept_still_declares_the_dead_dead_after_the_rest_of_the_time():
    member = swim("n1", "n2", "n3")
    member.receive(0.0, endpoint("n3"), Suspect(incarnation=1, node="n2", accuser="n3"))
    woken = member.next_deadline() + 600.0
    member.tick(woken)
    assert NodeDied("n2", False) in [effect for _, effect in run(member, woken + 4.0, answered=True)]


def test_long_dead_members_are_forgotten_at_the_end_of_a_round():
    others = (
        record("n3", NodeStatus.DEAD, changed=0.0),
        record("n4", NodeStatus.LEFT, changed=0.0),
        record("n5", NodeStatus.DEAD, changed=25.0),
    )
    member = swim("n1", "n2", others=others)
    run(member, 30.0, answered=True)
    assert set(member.nodes) == {"n1", "n2", "n3", "n4", "n5"}
    run(member, 40.0, answered=True)
    assert set(member.nodes) == {"n1", "n2", "n5"}
    run(member, 65.0, answered=True)
    assert set(member.nodes) == {"n1", "n2"}
