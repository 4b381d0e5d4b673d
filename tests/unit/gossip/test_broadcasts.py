"""What is told first, how often, and when no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.gossip.broadcasts import CONGESTION, HEARD_WEIGHT, BroadcastQueue, retransmit_limit


@pytest.mark.parametrize(
    ("multiplier", "members", "limit"),
    [(4, 0, 0), (4, 1, 4), (4, 9, 4), (4, 10, 8), (4, 99, 8), (4, 100, 12), (4, 999, 12), (4, 5000, 16), (2, 5000, 8)],
)
def test_the_number_of_transmissions_grows_with_the_logarithm_of_the_pool(multiplier, members, limit):
    assert retransmit_limit(multiplier, members) == limit


def queue_of(*names_and_messages: tuple[str, bytes]) -> BroadcastQueue:
    queue = BroadcastQueue()
    for name, message in names_and_messages:
        queue.queue(name, message)
    return queue


def test_the_longest_goes_first_and_the_newest_of_equal_length():
    queue = queue_of(("a", b"11"), ("b", b"333"), ("c", b"22"))
    assert queue.take(2, 100, 9, 255) == [b"333", b"22", b"11"]


def test_what_was_sent_less_often_goes_first_however_short():
    queue = queue_of(("a", b"a long one"))
    assert queue.take(2, 100, 9, 255) == [b"a long one"]
    queue.queue("b", b"b")
    assert queue.take(2, 100, 9, 255) == [b"b", b"a long one"]


@pytest.mark.parametrize(
    ("room", "taken"),
    [
        pytest.param(2, [], id="no room but for the overhead"),
        pytest.param(3, [b"1"], id="just the shortest"),
        pytest.param(7, [b"55555"], id="just the longest"),
        pytest.param(9, [b"55555"], id="nothing fits beside it"),
        pytest.param(10, [b"55555", b"1"], id="the next that fits, over the one that does not"),
        pytest.param(12, [b"55555", b"333"], id="the longest that fits beside it"),
        pytest.param(15, [b"55555", b"333", b"1"], id="all to the last byte"),
    ],
)
def test_each_message_costs_its_length_and_the_overhead(room, taken):
    assert queue_of(("a", b"1"), ("b", b"333"), ("c", b"55555")).take(2, room, 9, 255) == taken


def test_a_broadcast_is_sent_up_to_its_limit():
    queue = queue_of(("a", b"news"))
    assert [queue.take(2, 100, 3, 255) for _ in range(4)] == [[b"news"], [b"news"], [b"news"], []]
    assert ("a" in queue, len(queue)) == (False, 0)


def test_newer_news_about_a_node_replaces_the_older_and_starts_anew():
    queue = queue_of(("a", b"suspect"), ("b", b"alive"))
    queue.take(2, 100, 9, 255)
    queue.queue("a", b"dead")
    assert len(queue) == 2
    assert queue.take(2, 100, 9, 255) == [b"dead", b"alive"]


def test_no_message_goes_twice_into_one_packet():
    assert queue_of(("a", b"news")).take(2, 1400, 9, 255) == [b"news"]


def test_a_packet_takes_no_more_messages_than_a_compound_can_count():
    queue = queue_of(*((str(number), b"x") for number in range(400)))
    assert len(queue.take(2, 100_000, 9, 255)) == 255
    assert len(queue.take(2, 100_000, 9, 255)) == 255


def test_pruning_drops_what_was_told_most():
    queue = queue_of(("a", b"old"), ("b", b"older"))
    queue.take(2, 100, 9, 255)
    queue.queue("c", b"new")
    queue.prune(1)
    assert ("c" in queue, len(queue)) == (True, 1)


operations = st.one_of(
    st.tuples(st.just("queue"), st.sampled_from("abcdef"), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("take"), st.integers(0, 60), st.integers(1, 4)),
    st.tuples(st.just("drop"), st.sampled_from("abcdef")),
    st.tuples(st.just("prune"), st.integers(0, 6)),
)


@given(st.lists(operations, max_size=40))
def test_whatever_happens_each_name_waits_once_and_packets_are_never_too_full(steps):
    queue, waiting = BroadcastQueue(), {}
    for step in steps:
        match step:
            case "queue", name, message:
                queue.queue(name, message)
                waiting[name] = message
            case "take", room, limit:
                taken = queue.take(2, room, limit, 255)
                assert sum(len(message) + 2 for message in taken) <= room
                assert all(message in waiting.values() for message in taken)
            case "drop", name:
                queue.drop(name)
            case "prune", most:
                queue.prune(most)
                assert len(queue) <= most
        waiting = {name: message for name, message in waiting.items() if name in queue}
        assert {broadcast.name: broadcast.message for broadcast in queue} == waiting
        assert sorted(broadcast.name for tier in queue._tiers for _, broadcast in tier) == sorted(waiting)


def test_in_a_long_queue_what_others_tell_needs_fewer_sends_of_ours():
    queue = BroadcastQueue()
    for number in range(CONGESTION):
        queue.queue(f"n{number}", b"news")
    for _ in range(2):
        queue.heard("n0", limit=8)
    assert {broadcast.name: broadcast.transmissions for broadcast in queue}["n0"] == 2 * HEARD_WEIGHT
    queue.heard("n0", limit=8)
    assert "n0" not in queue, "the third time others have told it often enough"
    queue.heard("nobody", limit=8)


def test_in_a_short_queue_hearing_changes_nothing():
    queue = BroadcastQueue()
    queue.queue("n0", b"news")
    for _ in range(100):
        queue.heard("n0", limit=8)
    assert [broadcast.transmissions for broadcast in queue] == [0]
