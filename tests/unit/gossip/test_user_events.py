import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.gossip import events
from muster.gossip.effects import EventReceived
from muster.gossip.events import ENTRY_WEIGHT, UserEvents
from muster.gossip.lamport import LATEST_TIME, LamportClock
from muster.gossip.recent import Recent
from muster.gossip.settings import LAN
from muster.model.errors import Rejected
from muster.wire.serf import EventsOfTime, PastEvent, UserEvent
from muster.wire.serf_codec import decode_serf


def member(clock: int = 1) -> UserEvents:
    return UserEvents(LAN, LamportClock(clock))


def event(time: int, name: str = "deploy", payload: bytes = b"") -> UserEvent:
    return UserEvent(time=time, name=name, payload=payload)


def test_an_event_of_ours_carries_the_clocks_time():
    ours = member(7)
    fired, encoded = ours.fire("deploy", b"1", True)
    assert decode_serf(encoded) == fired == UserEvent(time=7, name="deploy", payload=b"1", coalesce=True)
    assert ours.clock.time == 8
    assert ours.receive(fired) == EventReceived(7, "deploy", b"1", True)


def test_an_event_is_told_once():
    ours = member()
    assert ours.receive(event(5)) is not None
    assert ours.receive(event(5)) is None
    assert ours.clock.time == 6


def test_events_of_one_time_are_told_apart_by_name_and_payload():
    ours = member()
    told = [ours.receive(event(5, name, payload)) for name in ("a", "b") for payload in (b"1", b"2")]
    assert None not in told


@pytest.mark.parametrize(
    ("time", "is_told"),
    [
        pytest.param(1000, True, id="the newest"),
        pytest.param(489, True, id="the oldest that the buffer holds"),
        pytest.param(488, False, id="older than the buffer"),
        pytest.param(0, False, id="from the beginning"),
        pytest.param(LATEST_TIME + 1, False, id="a time that cannot be"),
    ],
)
def test_events_older_than_the_buffer_are_dropped(time, is_told):
    ours = member()
    ours.receive(event(1000, "newest"))
    assert (ours.receive(event(time)) is not None) is is_told


def test_a_slot_is_taken_over_by_a_later_time():
    ours = member()
    ours.receive(event(3))
    ours.receive(event(3 + 512))
    assert ours.past()[3] == EventsOfTime(time=515, events=[PastEvent(name="deploy")])


@pytest.mark.parametrize(
    ("size", "text"),
    [
        pytest.param(513, "user event exceeds configured limit of 512 bytes before encoding", id="name and payload"),
        pytest.param(490, "encoded user event exceeds configured limit of 512 bytes after encoding", id="the message"),
    ],
)
def test_too_big_an_event_is_refused_in_the_peers_words(size, text):
    ours = member()
    with pytest.raises(Rejected, match=f"^{text}$"):
        ours.fire("deploy", b"x" * (size - len("deploy")), False)
    assert ours.clock.time == 1


def test_the_past_is_a_slot_for_each_time():
    ours = member()
    assert ours.past() == [None] * 512
    ours.receive(event(513, "a"))
    ours.receive(event(513, "b"))
    past = ours.past()
    assert past[1] == EventsOfTime(time=513, events=[PastEvent(name="a"), PastEvent(name="b")])
    assert past.count(None) == 511


def test_another_members_past_is_told_where_it_is_new():
    ours, theirs = member(), member()
    for time in (3, 4):
        theirs.receive(event(time))
    ours.receive(event(4))
    assert [told.time for told in ours.replay(theirs.past())] == [3]
    assert ours.replay(theirs.past()) == []


def test_a_short_list_is_a_past_too():
    assert len(member().replay([None, EventsOfTime(time=1, events=[PastEvent(name="a")])])) == 1
    assert member().replay([]) == []


def test_what_was_before_a_join_can_be_ignored():
    ours = member()
    ours.ignore_before(10)
    assert ours.receive(event(9)) is None
    assert ours.receive(event(10)) is not None


def test_the_buffer_has_a_bound_in_bytes(monkeypatch):
    monkeypatch.setattr(events, "BUFFER_BUDGET", 10 * (ENTRY_WEIGHT + 100))
    ours = member()
    told = [ours.receive(event(5, "flood", bytes([number]) * 95)) for number in range(30)]
    assert sum(one is not None for one in told) == 10
    assert ours.receive(event(6)) is not None, "later times are taken again"
    assert ours.receive(event(5, "flood", b"\0" * 95)) is None, "what was given up is not told twice"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=80), st.integers(1, 30))
def test_nothing_is_new_twice_and_the_budget_holds(things, budget):
    recent: Recent[int] = Recent(8, budget)
    clock = LamportClock()
    seen = set()
    for time, item in things:
        clock.witness(time)
        if recent.add(clock.time, time, item):
            assert (time, item) not in seen
            seen.add((time, item))
        assert sum(len(slot.items) for slot in recent) <= budget
        assert len(recent) <= 8
