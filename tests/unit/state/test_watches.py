"""Who is woken by what."""

import gc
import sys

import pytest

from muster.state.watches import Watches


def woken_by(watches, *keys):
    for key in keys:
        watches.touch_key(key)
    return watches.take_woken()


@pytest.mark.parametrize(
    ("watched", "changed", "wakes"),
    [
        pytest.param(("key", "a/b"), "a/b", True, id="the key itself"),
        pytest.param(("key", "a/b"), "a/bc", False, id="a longer key"),
        pytest.param(("key", "a/b"), "a/", False, id="a shorter key"),
        pytest.param(("prefix", "a/"), "a/b", True, id="a key under the prefix"),
        pytest.param(("prefix", "a/b"), "a/b", True, id="the prefix itself"),
        pytest.param(("prefix", "a/b"), "a/", False, id="a key above the prefix"),
        pytest.param(("prefix", "a/"), "b/a/", False, id="a key elsewhere"),
        pytest.param(("prefix", ""), "anything", True, id="the empty prefix"),
        pytest.param(("prefix", ""), "", True, id="the empty prefix and key"),
    ],
)
def test_a_changed_key_wakes_only_those_that_asked_for_it(watched, changed, wakes):
    watches = Watches()
    watches.park("t", [watched])
    assert woken_by(watches, changed) == (["t"] if wakes else [])


def test_a_ticket_is_woken_once_by_many_changes_and_stays_parked():
    watches = Watches()
    watches.park("t", [("key", "a"), ("prefix", ""), ("table", "nodes")])
    watches.touch(("table", "nodes"))
    assert woken_by(watches, "a", "b") == ["t"]
    assert woken_by(watches, "b") == ["t"]
    assert (watches.parked_now, watches.woken_total) == (1, 2)


def test_waiters_of_one_key_wake_in_the_order_in_which_they_came():
    watches = Watches()
    for number in (3, 1, 2):
        watches.park(number, [("key", "a")])
    watches.park(3, [("key", "a")])
    assert woken_by(watches, "a") == [1, 2, 3]


@pytest.mark.parametrize("withdrawn", [1, 2, 3])
def test_a_withdrawn_ticket_is_not_woken_and_the_others_are(withdrawn):
    watches = Watches()
    for number in (1, 2, 3):
        watches.park(number, [("prefix", "a"), ("service", "web")])
    watches.withdraw(withdrawn)
    assert woken_by(watches, "ab") == [number for number in (1, 2, 3) if number != withdrawn]


def test_nothing_is_left_behind_when_all_have_gone():
    watches = Watches()
    for number in range(10):
        watches.park(number, [("prefix", "a" * (number % 3)), ("key", "k"), ("key", "k"), ("node", str(number))])
    for number in range(10):
        watches.withdraw(number)
        watches.withdraw(number)
    assert watches.parked_now == 0
    assert not watches._prefix_lengths
    assert not any(watches._tables.values())


def test_a_failed_command_wakes_nobody():
    watches = Watches()
    watches.park("t", [("key", "a")])
    watches.touch_key("a")
    watches.forget_woken()
    assert watches.take_woken() == []


def test_a_restored_snapshot_wakes_everybody():
    watches = Watches()
    for number in range(3):
        watches.park(number, [("key", str(number))])
    watches.touch_all()
    assert watches.take_woken() == [0, 1, 2]


def test_a_hundred_thousand_waiters_cost_a_few_hundred_bytes_each():
    watches = Watches()
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(100_000):
        watches.park(number, [("key", f"key/{number}")])
    blocks = sys.getallocatedblocks() - before
    tables = sys.getsizeof(watches.tickets) + sys.getsizeof(watches._tables["key"])
    assert blocks / 100_000 < 6  # the ticket's number, the name, and two tuples
    assert tables / 100_000 < 150
    assert woken_by(watches, "key/77") == [77]
