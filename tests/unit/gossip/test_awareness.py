"""How far a member trusts itself."""

import pytest

from muster.gossip.awareness import Awareness


@pytest.mark.parametrize(
    ("changes", "score"),
    [
        pytest.param([], 0, id="healthy at first"),
        pytest.param([-1], 0, id="never better than healthy"),
        pytest.param([1, 1], 2, id="each failure counts"),
        pytest.param([3, -1], 2, id="a success takes one back"),
        pytest.param([5, 5], 7, id="never worse than the maximum less one"),
        pytest.param([5, 5, -1], 6, id="recovers from the worst at once"),
    ],
)
def test_the_score_stays_between_healthy_and_the_worst(changes, score):
    awareness = Awareness(8)
    for change in changes:
        if change < 0:
            awareness.improve()
        else:
            awareness.worsen(change)
    assert awareness.score == score


@pytest.mark.parametrize(("score", "scaled"), [(0, 1.5), (1, 3.0), (7, 12.0)])
def test_others_get_more_time_with_every_point(score, scaled):
    awareness = Awareness(8)
    awareness.worsen(score)
    assert awareness.scaled(1.5) == scaled


def test_a_maximum_of_one_turns_it_off():
    awareness = Awareness(1)
    awareness.worsen(5)
    assert (awareness.score, awareness.scaled(2.0)) == (0, 2.0)
