"""How long a suspected member has, to the millisecond."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.gossip.suspicion import Suspicion, Suspicions, minimum_suspicion_time, suspicion_time


@pytest.mark.parametrize(
    ("multiplier", "members", "interval", "expected"),
    [
        pytest.param(4, 1, 1.0, 4.0, id="alone"),
        pytest.param(4, 5, 1.0, 4.0, id="a logarithm under 1 counts as 1"),
        pytest.param(4, 10, 1.0, 4.0, id="10 members"),
        pytest.param(4, 50, 1.0, 6.792, id="50 members, the logarithm cut to thousandths"),
        pytest.param(4, 1000, 1.0, 12.0, id="1,000 members"),
        pytest.param(4, 10_000, 1.0, 16.0, id="10,000 members"),
        pytest.param(6, 500, 5.0, 80.94, id="a WAN of 500"),
        pytest.param(4, 0, 1.0, 4.0, id="nobody"),
    ],
)
def test_the_least_time_grows_with_the_logarithm_of_the_pool(multiplier, members, interval, expected):
    assert minimum_suspicion_time(multiplier, members, interval) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("confirmations", "expected", "minimum", "maximum", "seconds"),
    [
        pytest.param(0, 3, 2.0, 30.0, 30.0, id="unconfirmed: the most"),
        pytest.param(1, 3, 2.0, 30.0, 16.0, id="one of three: half the way"),
        pytest.param(2, 3, 2.0, 30.0, 7.810, id="two of three, floored"),
        pytest.param(3, 3, 2.0, 30.0, 2.0, id="all three: the least"),
        pytest.param(0, 2, 4.0, 24.0, 24.0, id="a LAN of five, unconfirmed"),
        pytest.param(1, 2, 4.0, 24.0, 11.381, id="a LAN of five, one of two"),
        pytest.param(2, 2, 4.0, 24.0, 4.0, id="a LAN of five, both"),
        pytest.param(4, 3, 2.0, 30.0, 2.0, id="more than expected: never under the least"),
        pytest.param(0, 0, 2.0, 30.0, 2.0, id="none expected: the least from the start"),
        pytest.param(0, -1, 2.0, 30.0, 2.0, id="a multiplier of one expects none"),
    ],
)
def test_confirmations_shorten_the_time_to_the_millisecond(confirmations, expected, minimum, maximum, seconds):
    assert suspicion_time(confirmations, expected, minimum, maximum) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ("accusers", "deadline", "counted"),
    [
        pytest.param([], 30.0, 0, id="nobody confirms"),
        pytest.param(["me"], 30.0, 0, id="the first accuser again"),
        pytest.param(["b"], 16.0, 1, id="one"),
        pytest.param(["b", "b", "b"], 16.0, 1, id="one, three times"),
        pytest.param(["b", "c"], 7.810, 2, id="two"),
        pytest.param(["b", "c", "d"], 2.0, 3, id="three"),
        pytest.param(["b", "c", "d", "e"], 2.0, 3, id="a fourth is not awaited"),
    ],
)
def test_each_accuser_counts_once_up_to_those_expected(accusers, deadline, counted):
    suspicion = Suspicion(100.0, "me", 3, 2.0, 30.0)
    for accuser in accusers:
        if suspicion.is_new(accuser):
            suspicion.confirm(accuser)
    assert suspicion.confirmations == counted
    assert suspicion.deadline == pytest.approx(100.0 + deadline, abs=1e-9)


def test_a_late_confirmation_counts_from_the_first_accusation_and_can_ripen_at_once():
    suspicions = Suspicions()
    suspicions.start("n2", Suspicion(0.0, "me", 1, 4.0, 24.0))
    assert suspicions.ripe(20.0) == []
    suspicions.confirm("n2", "n3")
    assert suspicions.next_deadline() == 4.0
    assert suspicions.ripe(20.0) == ["n2"]


def test_the_longest_overdue_ripens_first_and_each_once():
    suspicions = Suspicions()
    for name, start in (("n2", 5.0), ("n3", 1.0), ("n4", 9.0)):
        suspicions.start(name, Suspicion(start, "me", 0, 4.0, 24.0))
    assert suspicions.ripe(9.0) == ["n3", "n2"]
    assert (suspicions.ripe(9.0), suspicions.names(), suspicions.next_deadline()) == ([], {"n4"}, 13.0)


def test_a_cleared_suspicion_does_not_ripen_even_if_another_was_started_since():
    suspicions = Suspicions()
    suspicions.start("n2", Suspicion(0.0, "me", 0, 4.0, 24.0))
    suspicions.clear("n2")
    assert suspicions.next_deadline() == math.inf
    suspicions.start("n2", Suspicion(3.0, "me", 0, 4.0, 24.0))
    assert suspicions.ripe(4.0) == []
    assert suspicions.ripe(7.0) == ["n2"]


def test_time_slept_through_does_not_count():
    suspicions = Suspicions()
    suspicions.start("n2", Suspicion(0.0, "me", 1, 4.0, 24.0))
    suspicions.postpone(60.0)
    assert suspicions.next_deadline() == 84.0
    suspicions.confirm("n2", "n3")
    assert suspicions.next_deadline() == 64.0


def test_suspicions_that_come_and_go_leave_nothing_behind():
    suspicions = Suspicions()
    for turn in range(10_000):
        suspicions.start("n2", Suspicion(float(turn), "me", 0, 4.0, 24.0))
        suspicions.clear("n2")
    assert len(suspicions._due) < 100


@given(st.lists(st.integers(0, 12), max_size=30), st.integers(0, 6), st.floats(0.5, 100.0), st.integers(1, 8))
def test_no_confirmation_ever_lengthens_a_suspicion_or_ends_it_under_the_least_time(accusers, expected, minimum, times):
    suspicion = Suspicion(0.0, "0", expected, minimum, minimum * times)
    before = suspicion.deadline
    for accuser in map(str, accusers):
        if suspicion.is_new(accuser):
            suspicion.confirm(accuser)
        assert minimum <= suspicion.deadline <= before
        before = suspicion.deadline
    assert suspicion.confirmations <= max(0, expected)
