import pytest

from muster.gossip.lamport import LATEST_TIME, LamportClock


def test_a_clock_gives_its_time_and_goes_on():
    clock = LamportClock(4)
    assert clock.increment() == 4
    assert clock.time == 5


@pytest.mark.parametrize(
    ("time", "seen", "after"),
    [
        pytest.param(5, 4, 5, id="an earlier time changes nothing"),
        pytest.param(5, 5, 6, id="the same time is passed"),
        pytest.param(5, 41, 42, id="a later time is passed"),
        pytest.param(5, LATEST_TIME, LATEST_TIME + 1, id="the latest time that is believed"),
        pytest.param(5, LATEST_TIME + 1, 5, id="a time that no pool can have reached"),
        pytest.param(5, (1 << 64) - 1, 5, id="the end of 64 bits, at which the peers' clocks wrap to zero"),
        pytest.param(5, -1, 5, id="no time at all"),
    ],
)
def test_a_clock_passes_every_time_that_it_witnesses(time, seen, after):
    clock = LamportClock(time)
    clock.witness(seen)
    assert clock.time == after
