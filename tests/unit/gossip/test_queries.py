import random

import pytest

from muster.gossip.effects import QueryAcknowledged, QueryAnswered, QueryEnded, QueryReceived, Send
from muster.gossip.filters import are_for
from muster.gossip.lamport import LamportClock
from muster.gossip.queries import UNANSWERED_LIMIT, QueriesAsked, QueriesReceived, filters_for, new_identity
from muster.gossip.serf import Serf
from muster.gossip.settings import LAN
from muster.model.errors import Rejected
from muster.wire.gossip import Alive, User
from muster.wire.gossip_codec import decode_message
from muster.wire.msgpack import unpack
from muster.wire.serf import ACKNOWLEDGE, NO_BROADCAST, Query, QueryResponse, Relay
from muster.wire.serf_codec import decode_serf, encode_serf

SECOND = 1_000_000_000
HERE = (b"\x0a\0\0\1", 7946)
ASKER = (b"\x0a\0\0\x63", 7946)
VERSIONS = b"\x01\x05\x02\x02\x05\x04"


def serf(**tags: str) -> Serf:
    return Serf(0.0, "me", HERE, tags, LAN, random.Random(1))


def query(**fields) -> Query:
    given = {
        "time": 5,
        "identity": 7,
        "address": ASKER[0],
        "port": ASKER[1],
        "source_node": "asker",
        "timeout": 10 * SECOND,
        "name": "load",
    }
    return Query(**{**given, **fields})


def hear(member: Serf, message, now: float = 1.0) -> list:
    return member.receive(now, ASKER, User(payload=encode_serf(message)))


def sent(effects: list) -> list:
    """The Serf messages that go out, each with its receiver."""
    messages = []
    for effect in effects:
        if isinstance(effect, Send):
            for encoded in effect.messages:
                message = decode_message(encoded)
                assert isinstance(message, User)
                messages.append((effect.to, decode_serf(message.payload)))
    return messages


def learn(member: Serf, *names: str, versions: bytes = VERSIONS) -> None:
    for number, name in enumerate(names, 10):
        alive = Alive(incarnation=1, node=name, address=bytes([10, 0, 0, number]), port=7946, versions=versions)
        member.receive(0.0, HERE, alive)


def test_a_query_is_given_to_the_host_once_and_passed_on():
    me = serf()
    assert hear(me, query()) == [QueryReceived(5, 7, "load", b"", "asker", 11.0)]
    assert hear(me, query()) == []
    assert [decode_serf(decode_message(message).payload) for message in me.broadcasts(2, 1000)] == [query()]


def test_two_queries_of_one_time_are_told_apart_by_their_number():
    me = serf()
    assert len(hear(me, query(identity=7)) + hear(me, query(identity=8))) == 2


def test_the_flag_against_passing_on_is_obeyed():
    me = serf()
    assert hear(me, query(flags=NO_BROADCAST)) != []
    assert me.broadcasts(2, 1000) == []


def test_an_ack_goes_straight_to_who_asked_before_the_answer():
    me = serf()
    effects = hear(me, query(flags=ACKNOWLEDGE))
    assert sent(effects) == [(ASKER, QueryResponse(time=5, identity=7, sender="me", flags=ACKNOWLEDGE))]
    assert isinstance(effects[-1], QueryReceived)


def test_the_host_answers_once_and_in_time():
    me = serf()
    hear(me, query())
    hear(me, query(identity=8))
    assert sent(me.respond(2.0, 7, 5, b"0.5")) == [(ASKER, QueryResponse(time=5, identity=7, sender="me", payload=b"0.5"))]
    with pytest.raises(Rejected, match="response already sent"):
        me.respond(2.0, 7, 5, b"0.5")
    with pytest.raises(Rejected, match="response is past the deadline"):
        me.respond(11.1, 8, 5, b"0.5")


def test_too_big_an_answer_is_refused_and_a_smaller_one_still_counts():
    me = serf()
    hear(me, query())
    with pytest.raises(Rejected, match=r"^response exceeds limit of 1024 bytes$"):
        me.respond(2.0, 7, 5, b"x" * 1024)
    assert sent(me.respond(2.0, 7, 5, b"x" * 900))


def test_a_query_older_than_the_buffer_is_dropped():
    me = serf()
    hear(me, query(time=1000))
    assert hear(me, query(time=487)) == []
    assert len(hear(me, query(time=489))) == 1


def test_a_query_without_an_address_cannot_be_answered():
    assert hear(serf(), query(port=0, flags=ACKNOWLEDGE)) == []


@pytest.mark.parametrize(
    ("nodes", "tags", "passes"),
    [
        pytest.param([], [], True, id="no filter"),
        pytest.param(["other", "me"], [], True, id="our name"),
        pytest.param(["other"], [], False, id="another name"),
        pytest.param([], [("role", "^we")], True, id="a part of the tag"),
        pytest.param([], [("role", "^eb")], False, id="another tag"),
        pytest.param([], [("absent", "^$")], True, id="a tag that is not there is empty"),
        pytest.param([], [("absent", "x")], False, id="a tag that is not there"),
        pytest.param(["me"], [("role", "web"), ("dc", "eu")], True, id="all must pass"),
        pytest.param(["me"], [("role", "web"), ("dc", "us")], False, id="all but one pass"),
        pytest.param([], [("role", "(")], False, id="no expression"),
        pytest.param([], [("role", "(a{1000}){1000}")], False, id="an expression that is too big"),
        pytest.param([], [("role", "\udcff")], False, id="bytes that are no text"),
    ],
)
def test_filters_choose_the_members(nodes, tags, passes):
    assert are_for(filters_for(nodes, tags), "me", {"role": "web", "dc": "eu"}) is passes


@pytest.mark.parametrize("encoded", [b"", b"\x02\x80", b"\x00", b"\x01\x80\xff", b"\x00\xc1"])
def test_a_filter_that_cannot_be_read_lets_nobody_pass(encoded):
    assert not are_for([encoded], "me", {})


def test_what_is_not_for_us_is_passed_on_all_the_same():
    me = serf(role="web")
    assert hear(me, query(filters=filters_for(["other"], ()), flags=ACKNOWLEDGE)) == []
    assert len(me.broadcasts(2, 1000)) == 1


def test_filters_look_at_the_tags_of_now():
    me = serf(role="web")
    me.set_tags(0.5, {"role": "db"})
    assert hear(me, query(filters=filters_for((), [("role", "db")]))) != []


def test_an_answer_is_relayed_through_others():
    me = serf()
    learn(me, "a", "b", "c")
    effects = hear(me, query(flags=ACKNOWLEDGE, relay_factor=2))
    (direct, ack), *relayed = [(to, message) for to, message in sent(effects) if not isinstance(message, Query)]
    assert direct == ASKER
    assert len({to for to, _ in relayed}) == 2
    for to, relay in relayed:
        assert to not in (HERE, ASKER)
        assert (relay.address, relay.port, relay.node) == (*ASKER, "asker")
        assert decode_serf(relay.message) == ack


@pytest.mark.parametrize(
    ("others", "versions", "factor", "relays"),
    [
        pytest.param("abc", VERSIONS, 200, 0, id="fewer members than relays"),
        pytest.param("abc", b"\x01\x04\x02\x02\x05\x04", 2, 0, id="members that cannot relay"),
        pytest.param("abcdefghij", VERSIONS, 9, 5, id="more relays than we make"),
    ],
)
def test_relays_have_their_limits(others, versions, factor, relays):
    me = serf()
    learn(me, *others, versions=versions)
    effects = hear(me, query(flags=ACKNOWLEDGE, relay_factor=factor))
    assert sum(isinstance(message, Relay) for _, message in sent(effects)) == relays


def test_a_relay_is_passed_on_as_it_is():
    inner = encode_serf(QueryResponse(time=5, identity=7, sender="x", payload=b"y"))
    effects = hear(serf(), Relay(address=ASKER[0], port=ASKER[1], node="asker", message=inner))
    assert [(to, encode_serf(message)) for to, message in sent(effects)] == [(ASKER, inner)]


@pytest.mark.parametrize("fields", [{"port": 0}, {"address": b""}, {"message": b""}, {"message": b"\x05" * 1400}])
def test_a_relay_to_nowhere_or_of_nothing_or_too_big_is_dropped(fields):
    given = {"address": ASKER[0], "port": 1, "message": b"\x05\x80"}
    assert hear(serf(), Relay(**{**given, **fields})) == []


def test_our_own_query_is_for_us_too():
    me = serf()
    ticket, effects = me.query(1.0, "load", b"?", acknowledge=True)
    acknowledged, received = effects
    assert acknowledged == QueryAcknowledged(ticket, "me")
    assert (received.name, received.payload, received.source_node) == ("load", b"?", "me")
    assert me.respond(1.5, received.identity, received.time, b"!") == [QueryAnswered(ticket, "me", b"!")]


def test_tickets_of_queries_differ():
    me = serf()
    assert me.query(1.0, "a", b"")[0] != me.query(1.0, "a", b"")[0]


def test_each_member_answers_once():
    me = serf()
    ticket, effects = me.query(1.0, "load", b"")
    identity = effects[0].identity
    for flags, told in ((ACKNOWLEDGE, QueryAcknowledged(ticket, "n")), (0, QueryAnswered(ticket, "n", b"1"))):
        response = QueryResponse(time=ticket, identity=identity, sender="n", flags=flags, payload=b"1")
        assert hear(me, response) == [told]
        assert hear(me, response) == []


@pytest.mark.parametrize(
    ("time", "identity", "now"),
    [pytest.param(0, 0, 0.0, id="another number"), pytest.param(1, 1, 0.0, id="another time"), pytest.param(0, 1, 10.0, id="late")],
)
def test_answers_to_nothing_of_ours_are_ignored(time, identity, now):
    me = serf()
    ticket, effects = me.query(1.0, "load", b"")
    number = effects[0].identity if identity else effects[0].identity ^ 1
    assert hear(me, QueryResponse(time=ticket + time, identity=number, sender="n"), 1.0 + now) == []


def test_answers_of_invented_members_have_a_bound():
    me = serf()
    ticket, effects = me.query(1.0, "load", b"")
    told = [hear(me, QueryResponse(time=ticket, identity=effects[0].identity, sender=f"n{number}")) for number in range(1000)]
    assert sum(map(len, told)) < 100


def test_a_query_ends_when_its_time_is_over():
    me = serf()
    ticket, _ = me.query(1.0, "load", b"", timeout=2.5)
    assert me.next_deadline() <= 3.5
    assert QueryEnded(ticket) not in me.tick(3.4)
    assert QueryEnded(ticket) in me.tick(3.5)
    assert QueryEnded(ticket) not in me.tick(3.6)


@pytest.mark.parametrize(("members", "seconds"), [(1, 3.2), (9, 3.2), (10, 6.4), (99, 6.4), (1000, 12.8)])
def test_the_time_for_a_query_grows_with_the_pool(members, seconds):
    assert QueriesAsked(LAN).default_timeout(members) == pytest.approx(seconds)


def test_too_big_a_query_is_refused():
    me = serf()
    with pytest.raises(Rejected, match=r"^query exceeds limit of 1024 bytes$"):
        me.query(1.0, "load", b"x" * 1000)
    assert me.clocks.query == 0


def test_queries_that_wait_for_the_host_have_a_bound():
    received = QueriesReceived(LAN, LamportClock())
    for number in range(UNANSWERED_LIMIT + 5):
        received.expect_answer(0.0, query(identity=number), ASKER)
    with pytest.raises(Rejected, match="already sent"):
        received.find(0.0, 4, 5)
    assert received.find(0.0, 5, 5).query.identity == 5


def test_late_queries_make_room_first():
    received = QueriesReceived(LAN, LamportClock())
    received.expect_answer(0.0, query(identity=1, timeout=100 * SECOND), ASKER)
    for number in range(2, UNANSWERED_LIMIT + 5):
        received.expect_answer(0.0 if number < 9 else 20.0, query(identity=number), ASKER)
    assert received.find(20.0, 1, 5)


def test_numbers_of_queries_have_31_bits():
    chance = random.Random(1)
    assert all(0 <= new_identity(chance) < 1 << 31 for _ in range(100))


def test_a_ping_is_acknowledged_and_not_told():
    effects = hear(serf(), query(name="_serf_ping", flags=ACKNOWLEDGE))
    assert [message.flags for _, message in sent(effects)] == [ACKNOWLEDGE]
    assert len(effects) == 1


@pytest.mark.parametrize("name", ["_serf_new", "_serf_"])
def test_internal_queries_of_later_versions_are_passed_on_and_not_told(name):
    me = serf()
    assert hear(me, query(name=name)) == []
    assert len(me.broadcasts(2, 1000)) == 1


def test_a_conflict_is_answered_with_whom_we_know():
    me = serf()
    learn(me, "n")
    ((to, response),) = sent(hear(me, query(name="_serf_conflict", payload=b"n")))
    assert (to, response.payload[:1]) == (ASKER, b"\x06")
    assert unpack(response.payload[1:]) == {
        "Addr": "\x0a\0\0\x0a",
        "DelegateCur": 4,
        "DelegateMax": 5,
        "DelegateMin": 2,
        "Name": "n",
        "Port": 7946,
        "ProtocolCur": 2,
        "ProtocolMax": 5,
        "ProtocolMin": 1,
        "Status": 1,
        "Tags": {"role": ""},
    }


def test_a_conflict_about_a_stranger_is_answered_with_nobody():
    ((_, response),) = sent(hear(serf(), query(name="_serf_conflict", payload=b"n")))
    assert response.payload == b"\x06\xc0"


def test_who_is_asked_about_itself_is_silent():
    assert sent(hear(serf(), query(name="_serf_conflict", payload=b"me"))) == []
