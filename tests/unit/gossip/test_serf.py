import base64
import random

import pytest
from serf_pool import Pool, left

from muster.gossip.effects import (
    CoordinateUpdated,
    EventReceived,
    Exchange,
    LeaveDone,
    MemberConflict,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberStatus,
    MemberUpdated,
    QueryAcknowledged,
    QueryAnswered,
    QueryReceived,
)
from muster.gossip.key_operations import KeyCommand
from muster.gossip.keyring import Keyring
from muster.gossip.lamport import Clocks
from muster.gossip.node_table import NodeRecord, Roster
from muster.gossip.serf import Serf
from muster.gossip.settings import LAN
from muster.model.errors import Rejected
from muster.wire.gossip import Alive, Dead, PushPull, User
from muster.wire.gossip_codec import decode_message
from muster.wire.serf import EventsOfTime, JoinIntent, LeaveIntent, PastEvent, SerfState
from muster.wire.serf_codec import decode_serf, encode_serf, encode_tags

HERE = (b"\x0a\0\0\1", 7946)
THERE = (b"\x0a\0\0\x0a", 7946)
VERSIONS = b"\x01\x05\x02\x02\x05\x04"
ALIVE, LEAVING, LEFT, FAILED = MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.LEFT, MemberStatus.FAILED
HOUR = 3600.0


def alone(**options) -> Serf:
    return Serf(0.0, "me", HERE, {"role": "web"}, LAN, random.Random(1), **options)


def statuses(serf: Serf) -> dict[str, MemberStatus]:
    return {member.name: member.status for member in serf.members()}


def alive(name: str = "n", incarnation: int = 1, tags: dict[str, str] | None = None, address: bytes = THERE[0]) -> Alive:
    return Alive(incarnation=incarnation, node=name, address=address, port=7946, meta=encode_tags(tags or {}), versions=VERSIONS)


def dead(name: str = "n", accuser: str = "x", incarnation: int = 1) -> Dead:
    return Dead(incarnation=incarnation, node=name, accuser=accuser)


def hear(serf: Serf, *messages, now: float = 1.0) -> list:
    effects = []
    for message in messages:
        effects += serf.receive(now, THERE, message if isinstance(message, Alive | Dead) else User(payload=encode_serf(message)))
    return effects


def state_of(serf: Serf) -> SerfState:
    state = decode_serf(serf.user_state(False))
    assert isinstance(state, SerfState)
    return state


def exchange_with(serf: Serf, state: SerfState, now: float = 1.0, *, join: bool = False) -> list:
    return serf.receive_exchange(now, THERE, PushPull(nodes=[], user_state=encode_serf(state), join=join))[1]


class TestMembers:
    def test_a_member_alone_knows_itself(self):
        me = alone()
        (member,) = me.members()
        assert (member.name, member.endpoint, member.tags, member.status) == ("me", HERE, {"role": "web"}, ALIVE)
        assert me.status is ALIVE
        assert me.tags == {"role": "web"}

    def test_a_new_member_is_told_with_its_tags(self):
        me = alone()
        (joined,) = hear(me, alive(tags={"a": "1"}))
        assert isinstance(joined, MemberJoined)
        assert (joined.member.name, joined.member.endpoint, joined.member.tags) == ("n", THERE, {"a": "1"})
        assert hear(me, alive(tags={"a": "1"})) == []

    def test_other_tags_are_told(self):
        me = alone()
        hear(me, alive())
        (updated,) = hear(me, alive(incarnation=2, tags={"a": "2"}))
        assert isinstance(updated, MemberUpdated)
        assert updated.member.tags == {"a": "2"} == me.member("n").tags

    def test_tags_that_cannot_be_read_are_none(self):
        me = alone()
        hear(me, Alive(incarnation=1, node="n", address=THERE[0], port=1, meta=b"\xff\xc1", versions=VERSIONS))
        assert me.member("n").tags == {}

    @pytest.mark.parametrize("accuser", [pytest.param("x", id="another says so"), pytest.param("n", id="it says so itself")])
    def test_who_dies_without_an_intent_has_failed(self, accuser):
        me = alone()
        hear(me, alive())
        (failed,) = hear(me, dead(accuser=accuser))
        assert failed == MemberFailed(me.member("n"))
        assert statuses(me)["n"] is FAILED

    def test_who_dies_after_a_leave_intent_has_left(self):
        me = alone()
        assert hear(me, alive(), LeaveIntent(time=3, node="n"))[1:] == []
        assert statuses(me)["n"] is LEAVING
        assert hear(me, dead()) == [MemberLeft(me.member("n"))]
        assert statuses(me)["n"] is LEFT

    def test_a_leave_intent_after_the_death_turns_a_failure_into_a_leave(self):
        me = alone()
        hear(me, alive(), dead())
        assert hear(me, LeaveIntent(time=3, node="n")) == [MemberLeft(me.member("n"))]
        assert (state_of(me).left_members, statuses(me)["n"]) == (["n"], LEFT)

    @pytest.mark.parametrize("intents", [[], [LeaveIntent(time=3, node="n")]], ids=["failed", "left"])
    def test_who_comes_back_is_alive_again(self, intents):
        me = alone()
        hear(me, alive(), *intents, dead())
        (joined,) = hear(me, alive(incarnation=2))
        assert joined == MemberJoined(me.member("n"))
        assert statuses(me)["n"] is ALIVE
        assert state_of(me).left_members == []

    def test_an_intent_that_came_before_its_member_counts(self):
        me = alone()
        hear(me, LeaveIntent(time=3, node="n"), alive())
        assert statuses(me)["n"] is LEAVING
        assert state_of(me).status_times == {"me": 0, "n": 3}

    def test_an_intent_about_a_stranger_is_forgotten_after_five_minutes(self):
        me = alone()
        hear(me, LeaveIntent(time=3, node="n"))
        now = 1.0
        while me._attendance.next_deadline() < 400.0:
            now = me._attendance.next_deadline()
            me.tick(now)
        assert 301.0 <= now <= 320.0
        hear(me, alive(), now=now)
        assert statuses(me)["n"] is ALIVE

    def test_a_claim_to_a_members_name_is_told_once_for_each_claimant(self):
        me = alone()
        hear(me, alive())
        elsewhere = b"\x0a\0\0\x63"
        assert hear(me, alive(incarnation=2, address=elsewhere)) == [MemberConflict(me.member("n"), (elsewhere, 7946))]
        assert hear(me, alive(incarnation=3, address=elsewhere)) == []
        assert me.member("n").endpoint == THERE

    def test_a_roster_gives_members_to_start_from(self):
        roster = Roster([NodeRecord(name, (bytes([10, 0, 0, number]), 7946), b"", VERSIONS, 1) for number, name in enumerate("abc", 2)])
        me = alone(roster=roster)
        assert statuses(me) == dict.fromkeys(("a", "b", "c", "me"), ALIVE)
        hear(me, LeaveIntent(time=3, node="a"), dead("b"))
        assert statuses(me) == {"a": LEAVING, "b": FAILED, "c": ALIVE, "me": ALIVE}
        assert me.member_count() == 4


class TestAdmission:
    def refuse_red(self, members):
        return "no red ones" if any(member.tags.get("colour") == "red" for member in members) else ""

    def test_a_new_member_that_the_host_does_not_want_is_not_taken_in(self):
        me = alone(admit=self.refuse_red)
        assert hear(me, alive(tags={"colour": "red"})) == []
        assert len(hear(me, alive(tags={"colour": "blue"}))) == 1

    def test_a_pool_that_the_host_does_not_want_is_refused(self):
        me, other = alone(admit=self.refuse_red), Serf(0.0, "o", THERE, {"colour": "red"}, LAN, random.Random(2))
        (exchange,) = other.join(1.0, [HERE], ticket=1)
        with pytest.raises(Rejected, match="no red ones"):
            me.receive_exchange(1.0, THERE, decode_message(exchange.message))
        assert list(statuses(me)) == ["me"]

    def test_the_host_sees_how_members_of_the_other_pool_stand(self):
        seen = []
        other = alone()
        hear(other, alive("a"), alive("b"), dead("b"))

        def look(members):
            seen.extend(members)
            return ""

        me = Serf(0.0, "o", THERE, {}, LAN, random.Random(2), admit=look)
        (exchange,) = other.join(1.0, [HERE], ticket=1)
        me.receive_exchange(1.0, THERE, decode_message(exchange.message))
        assert {member.name: member.status for member in seen[:3]} == {"me": ALIVE, "a": ALIVE, "b": FAILED}


class TestPushPull:
    def test_the_state_says_what_is_known_of_all(self):
        me = alone(clocks=Clocks(member=6, event=2, query=8))
        hear(me, alive(), dead(), LeaveIntent(time=9, node="n"))
        assert state_of(me) == SerfState(
            time=10, status_times={"me": 0, "n": 9}, left_members=["n"], event_time=3, events=[None] * 512, query_time=9
        )

    def test_the_clocks_go_up_to_those_of_the_other(self):
        me = alone()
        exchange_with(me, SerfState(time=40, event_time=50, query_time=60))
        assert me.clocks == Clocks(39, 49, 59)

    def test_who_has_left_there_has_left_here(self):
        me = alone()
        hear(me, alive(), dead())
        state = SerfState(time=9, status_times={"n": 5, "me": 0}, left_members=["n"])
        assert exchange_with(me, state) == [MemberLeft(me.member("n"))]
        assert me.broadcasts(2, 1000) == [], "everybody hears of it in an exchange of its own"

    def test_who_is_not_leaving_there_is_not_leaving_here(self):
        me = alone()
        hear(me, alive(), LeaveIntent(time=3, node="n"))
        exchange_with(me, SerfState(time=9, status_times={"n": 4}))
        assert statuses(me)["n"] is ALIVE

    def test_past_events_are_told_once(self):
        me = alone()
        state = SerfState(event_time=5, events=[None, EventsOfTime(time=4, events=[PastEvent(name="deploy", payload=b"1")])])
        assert exchange_with(me, state) == [EventReceived(4, "deploy", b"1", False)]
        assert exchange_with(me, state) == []

    @pytest.mark.parametrize(("ignore_old", "told"), [(True, 0), (False, 1)])
    def test_a_join_may_ignore_what_was_before(self, ignore_old, told):
        other = Serf(0.0, "o", THERE, {}, LAN, random.Random(2))
        other.user_event(0.5, "deploy", b"")
        me = alone()
        (exchange,) = me.join(1.0, [THERE], ticket=4, ignore_old=ignore_old)
        answer, _ = other.receive_exchange(1.0, HERE, decode_message(exchange.message))
        effects = me.exchanged(1.1, exchange, decode_message(answer))
        assert sum(isinstance(effect, EventReceived) for effect in effects) == told
        assert hear(me, decode_serf(other.user_event(2.0, "later", b"") and encode_serf(JoinIntent(time=1, node="o")))) == []
        assert me.clocks.event == 1

    def test_a_join_that_worked_is_announced(self):
        me, other = alone(), Serf(0.0, "o", THERE, {}, LAN, random.Random(2))
        (exchange,) = me.join(1.0, [THERE], ticket=4)
        answer, _ = other.receive_exchange(1.0, HERE, decode_message(exchange.message))
        assert me.broadcasts(2, 1000) == []
        me.exchanged(1.1, exchange, decode_message(answer))
        (announcement,) = me.broadcasts(2, 1000)
        assert decode_serf(decode_message(announcement).payload) == JoinIntent(time=1, node="me")
        me.exchanged(1.2, Exchange(THERE, b"", "o"), decode_message(answer))
        assert me.clocks.member == 1, "a periodic exchange is none"

    @pytest.mark.parametrize("state", [b"\x02", b"\x02\xc1", b"\x09\x80", b"\x63"])
    def test_a_state_that_cannot_be_read_is_passed_over(self, state):
        me = alone()
        assert me.receive_exchange(1.0, THERE, PushPull(nodes=[], user_state=state))[1] == []

    def test_who_is_still_leaving_there_is_leaving_here(self):
        other, me = alone(), alone()
        for serf in (other, me):
            hear(serf, alive())
        hear(other, LeaveIntent(time=6, node="n"))
        exchange_with(me, state_of(other))
        assert statuses(me)["n"] is LEAVING

    def test_who_left_but_said_since_that_it_is_back_is_not_told_as_left(self):
        me = alone()
        hear(me, alive(), LeaveIntent(time=6, node="n"), dead(accuser="n"), JoinIntent(time=8, node="n"))
        assert statuses(me)["n"] is LEFT
        assert (state_of(me).status_times["n"], state_of(me).left_members) == (8, [])

    def test_what_others_heard_of_us_and_we_did_not_say_is_contradicted(self):
        me = alone()
        exchange_with(me, SerfState(time=9, status_times={"me": 7}))
        (announcement,) = me.broadcasts(2, 1000)
        assert decode_serf(decode_message(announcement).payload) == JoinIntent(time=9, node="me")

    def test_a_leave_of_ours_that_the_others_remember_is_contradicted(self):
        me = alone()
        exchange_with(me, SerfState(time=9, status_times={"me": 7}, left_members=["me"]))
        assert me.status is ALIVE
        (refutation,) = me.broadcasts(2, 1000)
        assert decode_serf(decode_message(refutation).payload) == JoinIntent(time=9, node="me")


class TestLeaving:
    def test_a_leave_is_told_then_done_then_lingers(self):
        pool = Pool()
        pool.together("a", "b", "c")
        begun = pool.now
        pool.do("c", pool.members["c"].leave(pool.now))
        assert statuses(pool.members["c"])["c"] is LEAVING
        pool.run_until(lambda: bool(pool.heard("a", MemberLeft)))
        told = pool.now
        pool.run_until(lambda: left(pool, "c"))
        assert begun < told < pool.now < begun + 6.0
        assert pool.now - told >= 2.0, "we stay for those that have not heard"
        for name in "abc":
            assert statuses(pool.members[name]) == {"a": ALIVE, "b": ALIVE, "c": LEFT}
        assert pool.heard("a", MemberFailed) == []

    def test_who_leaves_alone_waits_for_nobody(self):
        me = alone()
        me.leave(1.0)
        effects = me.tick(me.next_deadline())
        for _ in range(40):
            effects += me.tick(me.next_deadline())
        assert LeaveDone() in effects
        assert me.status is LEFT

    def test_a_leave_that_nobody_takes_in_ends_all_the_same(self):
        me = alone()
        hear(me, alive())
        begun = 1.0
        me.leave(begun)
        effects, now = [], begun
        while LeaveDone() not in effects:
            now = me.next_deadline()
            effects += me.tick(now)
            assert now < begun + 20.0

    def test_leaving_twice_is_leaving_once(self):
        me = alone()
        me.leave(1.0)
        before = me.clocks
        assert me.leave(1.5) == []
        assert me.clocks == before

    def test_who_leaves_does_not_join(self):
        me = alone()
        me.leave(1.0)
        with pytest.raises(Rejected, match=r"^Serf can't Join after Leave or Shutdown$"):
            me.join(1.5, [THERE], ticket=1)

    def test_a_join_that_ends_after_the_leave_has_begun_does_not_take_it_back(self):
        me, other = alone(), Serf(0.0, "o", THERE, {}, LAN, random.Random(2))
        (exchange,) = me.join(1.0, [THERE], ticket=4)
        answer, _ = other.receive_exchange(1.0, HERE, decode_message(exchange.message))
        hear(me, alive("o"))
        me.leave(1.05)
        assert me.status is LEAVING
        me.exchanged(1.1, exchange, decode_message(answer))
        assert me.status is LEAVING
        told = [decode_serf(decode_message(one).payload) for one in me.broadcasts(2, 1000) if isinstance(decode_message(one), User)]
        assert [type(one) for one in told] == [LeaveIntent]

    def test_who_leaves_contradicts_nobody(self):
        me = alone()
        hear(me, alive())
        me.leave(1.0)
        hear(me, LeaveIntent(time=9, node="me"))
        assert me.status in (LEAVING, LEFT)


class TestForceLeave:
    def test_a_failed_member_has_left_for_all(self):
        pool = Pool()
        pool.together("a", "b", "c")
        pool.stop("c")
        pool.run_until(lambda: all(pool.heard(name, MemberFailed) for name in "ab"))
        pool.do("a", pool.members["a"].force_leave(pool.now, "c"))
        pool.run_until(lambda: bool(pool.heard("b", MemberLeft)))
        assert statuses(pool.members["a"])["c"] is statuses(pool.members["b"])["c"] is LEFT

    def test_prune_makes_all_forget(self):
        pool = Pool()
        pool.together("a", "b", "c")
        pool.stop("c")
        pool.run_until(lambda: all(pool.heard(name, MemberFailed) for name in "ab"))
        pool.do("a", pool.members["a"].force_leave(pool.now, "c", prune=True))
        pool.run_until(lambda: bool(pool.heard("b", MemberReaped)))
        for name in "ab":
            assert statuses(pool.members[name]) == {"a": ALIVE, "b": ALIVE}
            assert "c" not in pool.members[name].swim.nodes

    def test_a_living_member_contradicts(self):
        pool = Pool()
        pool.together("a", "b", "c")
        pool.do("a", pool.members["a"].force_leave(pool.now, "c", prune=True))
        assert statuses(pool.members["a"])["c"] is LEAVING
        pool.run(30.0)
        for name in "abc":
            assert statuses(pool.members[name]) == dict.fromkeys("abc", ALIVE)
            assert pool.heard(name, MemberReaped) == []

    def test_a_member_that_is_leaving_is_pruned_after_its_leave(self):
        me = alone()
        hear(me, alive(), LeaveIntent(time=3, node="n"))
        assert me.force_leave(1.0, "n", prune=True) == []
        assert [type(effect) for effect in me.tick(9.0) if not isinstance(effect, Exchange)][-1] is MemberReaped
        assert me.member("n") is None

    def test_we_ourselves_are_not_forced_out(self):
        me = alone()
        hear(me, alive())
        me.force_leave(1.0, "me", prune=True)
        assert me.status is ALIVE


class TestReaping:
    @pytest.mark.parametrize(
        ("tags", "intents", "hours"),
        [
            pytest.param({}, [], 72, id="failed"),
            pytest.param({}, [LeaveIntent(time=3, node="n")], 24, id="left"),
            pytest.param({"rc_tm": "8h"}, [], 8, id="failed, with a time of its own"),
            pytest.param({"rc_tm": "8h"}, [LeaveIntent(time=3, node="n")], 8, id="left, with a time of its own"),
            pytest.param({"rc_tm": "soon"}, [], 72, id="failed, with a time that is none"),
        ],
    )
    def test_who_is_gone_for_long_is_forgotten(self, tags, intents, hours):
        me = alone()
        hear(me, alive(tags=tags), *intents, dead())
        assert MemberReaped not in map(type, me.tick(1.0 + hours * HOUR))
        reaped = [effect for effect in me.tick(1.0 + hours * HOUR + 31.0) if isinstance(effect, MemberReaped)]
        assert [effect.member.name for effect in reaped] == ["n"]
        assert me.member("n") is me.coordinate_of("n") is None
        assert "n" not in state_of(me).status_times
        assert me._attendance.next_deadline() == float("inf")

    def test_the_coordinate_of_who_is_forgotten_is_forgotten(self):
        pool = Pool()
        a, _ = pool.together("a", "b")
        pool.run(5.0)
        assert a.coordinate_of("b") is not None
        pool.stop("b")
        pool.run_until(lambda: bool(pool.heard("a", MemberFailed)))
        pool.do("a", a.force_leave(pool.now, "b", prune=True))
        assert a.member("b") is a.coordinate_of("b") is None

    def test_who_came_back_is_kept(self):
        me = alone()
        hear(me, alive(), dead(), alive(incarnation=2))
        assert MemberReaped not in map(type, me.tick(100 * HOUR))

    def test_a_failed_member_is_tried_again_until_it_is_back(self):
        pool = Pool()
        pool.together("a", "b", "c")
        pool.down |= {"b", "c"}
        pool.run_until(lambda: len(pool.heard("a", MemberFailed)) == 2)
        pool.run(120.0)
        pool.down.clear()
        pool.run_until(lambda: all(set(statuses(pool.members[name]).values()) == {ALIVE} for name in "abc"))
        assert len(pool.members["a"].members()) == 3

    def test_the_pool_tries_each_failed_member_about_once_an_interval(self):
        me = alone()
        hear(me, *(alive(f"n{number}", address=bytes([10, 0, 1, number])) for number in range(20)))
        hear(me, *(dead(f"n{number}") for number in range(5)))
        tried, now, intervals = 0, 1.0, 400
        for _ in range(intervals):
            now += 30.0
            tried += sum(isinstance(effect, Exchange) for effect in me._attendance.reconnect(now))
        assert tried / intervals == pytest.approx(5 / 16, abs=0.08)


class TestTags:
    def test_new_tags_reach_all(self):
        pool = Pool()
        pool.together("a", "b", "c")
        pool.do("a", pool.members["a"].set_tags(pool.now, {"role": "db"}))
        pool.run_until(lambda: all(pool.heard(name, MemberUpdated) for name in "bc"))
        assert pool.members["b"].member("a").tags == pool.members["a"].tags == {"role": "db"}

    def test_tags_of_more_than_512_bytes_are_refused(self):
        text = "^Encoded length of tags exceeds limit of 512 bytes$"
        with pytest.raises(Rejected, match=text):
            Serf(0.0, "me", HERE, {"a": "x" * 600}, LAN, random.Random(1))
        me = alone()
        with pytest.raises(Rejected, match=text):
            me.set_tags(1.0, {"a": "x" * 600})
        assert me.tags == {"role": "web"}


class TestWholePool:
    def test_an_event_reaches_each_member_once(self):
        pool = Pool()
        pool.together("a", "b", "c", "d")
        pool.do("a", pool.members["a"].user_event(pool.now, "deploy", b"1", coalesce=True))
        pool.run(60.0)
        for name in "abcd":
            assert pool.heard(name, EventReceived) == [EventReceived(1, "deploy", b"1", True)]

    def test_a_query_is_acknowledged_and_answered_by_all(self):
        pool = Pool()
        pool.together("a", "b", "c")
        ticket, effects = pool.members["a"].query(pool.now, "load", b"", acknowledge=True)
        pool.do("a", effects)
        pool.run_until(lambda: all(pool.heard(name, QueryReceived) for name in "abc"))
        for name in "abc":
            (asked,) = pool.heard(name, QueryReceived)
            pool.do(name, pool.members[name].respond(pool.now, asked.identity, asked.time, name.encode()))
        pool.run(1.0)
        assert {effect.node for effect in pool.heard("a", QueryAcknowledged)} == set("abc")
        assert {(effect.ticket, effect.node, effect.payload) for effect in pool.heard("a", QueryAnswered)} == {
            (ticket, name, name.encode()) for name in "abc"
        }

    def test_keys_are_rotated_in_all_members(self):
        old, new = b"o" * 16, b"n" * 32
        pool = Pool()
        for name in "abc":
            pool.start(name, keyring=Keyring([old]))
        for name in "bc":
            pool.do(name, pool.members[name].join(pool.now, [pool.members["a"].endpoint], ticket=1))
        pool.run_until(lambda: all(len(pool.members[name].members()) == 3 for name in "abc"))
        for command, key in ((KeyCommand.INSTALL, new), (KeyCommand.USE, new), (KeyCommand.REMOVE, old), (KeyCommand.LIST, b"")):
            operation, effects = pool.members["a"].key_operation(pool.now, command, key)
            pool.do("a", effects)
            pool.run_until(lambda: [operation.observe(effect) for effect in pool.heard("a", QueryAnswered)][-1:] == [True])
            assert (operation.failure, operation.response_count) == ("", 3)
        assert operation.keys == operation.primary_keys == {base64.b64encode(new).decode(): 3}
        assert all(pool.members[name].keyring.keys == (new,) for name in "abc")

    def test_coordinates_are_learnt_from_probes(self):
        pool = Pool()
        a, _ = pool.together("a", "b")
        pool.run(60.0)
        assert len(pool.heard("a", CoordinateUpdated)) > 40
        assert a.coordinate_of("b") is not None
        assert a.coordinate.distance_to(a.coordinate_of("b")) == pytest.approx(0.002, rel=0.2)
        assert a.coordinate_of("a") == a.coordinate

    def test_an_idle_pool_owes_nothing(self):
        pool = Pool()
        a, *_ = pool.together("a", "b", "c")
        pool.run(60.0)
        assert (a.broadcasts(2, 1400), a._own_deadline()) == ([], float("inf"))


class TestLives:
    def test_a_new_life_goes_on_where_the_clocks_stood(self):
        me = alone(clocks=Clocks(member=7, event=8, query=9))
        assert me.clocks == Clocks(member=7, event=8, query=9)
        state = SerfState(event_time=9, events=[EventsOfTime(time=8, events=[PastEvent(name="old")])])
        assert exchange_with(me, state) == [], "the earlier life was told"

    def test_the_statistics_are_those_of_the_peers(self):
        me = alone(keyring=Keyring([b"k" * 16]))
        hear(me, alive("a"), alive("b"), alive("c"), dead("b"), dead("c"), LeaveIntent(time=3, node="c"))
        me.user_event(1.0, "deploy", b"")
        assert me.statistics() == {
            "coordinate_resets": "0",
            "encrypted": "true",
            "event_queue": "1",
            "event_time": "2",
            "failed": "1",
            "health_score": "0",
            "intent_queue": "1",
            "left": "1",
            "member_time": "4",
            "members": "4",
            "query_queue": "0",
            "query_time": "1",
        }
