import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.gossip.coordinates import ERROR_MAXIMUM, HEIGHT_MINIMUM, VivaldiClient, is_valid
from muster.gossip.swim_effects import ProbeSucceeded
from muster.gossip.whereabouts import Whereabouts
from muster.model.coordinates import DIMENSIONS, Coordinate
from muster.wire.serf_codec import encode_coordinate


def client(seed: int = 1) -> VivaldiClient:
    return VivaldiClient(random.Random(seed))


def at(x: float, *, error: float = 0.5, height: float = HEIGHT_MINIMUM, adjustment: float = 0.0) -> Coordinate:
    return Coordinate(vec=[x, *([0.0] * (DIMENSIONS - 1))], error=error, height=height, adjustment=adjustment)


def test_everybody_starts_at_the_origin_with_the_largest_error():
    assert client().coordinate == Coordinate(vec=[0.0] * DIMENSIONS, error=ERROR_MAXIMUM, adjustment=0.0, height=HEIGHT_MINIMUM)


def test_one_step_is_that_of_the_algorithm():
    ours = client()
    assert ours.update("n", at(0.010, error=0.5), 0.020)
    weight = 1.5 / (1.5 + 0.5)
    distance = 0.010 + 2 * HEIGHT_MINIMUM
    wrongness = abs(distance - 0.020) / 0.020
    force = 0.25 * weight * (0.020 - distance)
    height = 2 * HEIGHT_MINIMUM * force / 0.010 + HEIGHT_MINIMUM
    assert ours.error == pytest.approx(0.25 * weight * wrongness + 1.5 * (1 - 0.25 * weight))
    assert ours.vector[0] == pytest.approx(-force, rel=1e-4)
    assert ours.height == pytest.approx(height, rel=1e-4)
    assert ours.adjustment == pytest.approx((0.020 - (0.010 + force + height + HEIGHT_MINIMUM)) / 40, rel=1e-4)


def test_the_error_grows_no_further_than_its_maximum():
    ours = client()
    for _ in range(20):
        ours.update("n", at(9.0, error=0.0), 0.001)
    assert ours.error <= ERROR_MAXIMUM


def test_two_on_top_of_each_other_part():
    ours = client()
    ours.update("n", at(0.0), 0.010)
    assert math.hypot(*ours.vector) == pytest.approx(0.25 * 0.75 * (0.010 - 2 * HEIGHT_MINIMUM), rel=1e-3)


def test_gravity_pulls_towards_the_origin():
    ours = client()
    ours.vector = [30.0] + [0.0] * (DIMENSIONS - 1)
    ours.error = 0.0
    ours.update("n", at(30.0, error=1.0), 0.0)
    assert ours.vector[0] == pytest.approx(30.0 - (30.0 / 150.0) ** 2, rel=1e-3)


def test_a_single_delayed_answer_does_not_move_us_much():
    steady, disturbed = client(), client()
    for round_number in range(30):
        steady.update("n", at(0.010), 0.010)
        disturbed.update("n", at(0.010), 5.0 if round_number == 25 else 0.010)
    assert disturbed.coordinate.distance_to(at(0.010)) == pytest.approx(steady.coordinate.distance_to(at(0.010)), abs=1e-6)


def test_each_peer_has_its_own_latency_filter_and_loses_it_when_forgotten():
    ours = client()
    assert [ours._median_latency("n", rtt) for rtt in (0.1, 0.2, 0.3, 0.4)] == [0.1, 0.2, 0.2, 0.3]
    assert ours._median_latency("other", 0.7) == 0.7
    ours.forget("n")
    assert ours._median_latency("n", 0.9) == 0.9


@pytest.mark.parametrize(
    ("other", "rtt"),
    [
        pytest.param(Coordinate(vec=[0.0] * 7, error=1.0, height=0.1), 0.1, id="another dimension"),
        pytest.param(Coordinate(), 0.1, id="no coordinate"),
        pytest.param(at(math.nan), 0.1, id="not a number"),
        pytest.param(at(math.inf), 0.1, id="infinity"),
        pytest.param(at(0.0, adjustment=-math.inf), 0.1, id="infinite adjustment"),
        pytest.param(at(0.0, error=-1.0), 0.1, id="negative error"),
        pytest.param(at(0.0, height=-1.0), 0.1, id="negative height"),
        pytest.param(at(0.0), -0.001, id="negative time"),
        pytest.param(at(0.0), 10.1, id="more than ten seconds"),
        pytest.param(at(0.0), math.nan, id="no time"),
    ],
)
def test_what_cannot_be_is_counted_and_moves_nothing(other, rtt):
    ours = client()
    before = ours.coordinate
    assert not ours.update("n", other, rtt)
    assert (ours.coordinate, ours.rejected) == (before, 1)


def test_a_coordinate_that_runs_away_starts_anew():
    ours = client()
    ours.update("n", at(1e308, height=1e308), 0.1)
    ours.update("n", at(-1e308, height=1e308), 0.1)
    assert ours.resets >= 1
    assert is_valid(ours.coordinate)


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(), min_size=DIMENSIONS, max_size=DIMENSIONS), st.floats(), st.floats(), st.floats(), st.floats(-1.0, 11.0)
        ),
        max_size=8,
    )
)
def test_no_coordinate_of_others_makes_ours_invalid(measured):
    ours = client()
    for vec, error, adjustment, height, rtt in measured:
        ours.update("n", Coordinate(vec=vec, error=error, adjustment=adjustment, height=height), rtt)
        assert is_valid(ours.coordinate)


def test_the_coordinates_of_others_are_remembered_until_they_are_forgotten():
    places = Whereabouts(random.Random(1))
    assert len(places.probed(ProbeSucceeded("n", 0.01, encode_coordinate(at(0.5))))) == 1
    assert places.of("n") == at(0.5)
    places.forget("n")
    assert places.of("n") is None


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x02\x80", b"\x01\x80", encode_coordinate(at(0.0))[:-3]])
def test_an_ack_without_a_usable_coordinate_moves_nothing(payload):
    places = Whereabouts(random.Random(1))
    assert places.probed(ProbeSucceeded("n", 0.01, payload)) == []
    assert (places.of("n"), places.own) == (None, client().coordinate)


def test_the_payload_follows_the_coordinate():
    places = Whereabouts(random.Random(1))
    before = places.payload()
    assert before is places.payload()
    places.probed(ProbeSucceeded("n", 0.01, encode_coordinate(at(0.5))))
    assert places.payload() == encode_coordinate(places.own) != before
