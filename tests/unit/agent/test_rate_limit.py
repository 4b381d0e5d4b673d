"""The bucket of calls to the servers."""

import math

import pytest
from agent_fakes import ManualClock

from muster.agent.rate_limit import RateExceeded, RateLimit


def taken(limit: RateLimit, tries: int) -> int:
    done = 0
    for _ in range(tries):
        try:
            limit.take()
        except RateExceeded:
            continue
        done += 1
    return done


def test_a_burst_passes_and_then_the_rate_counts() -> None:
    clock = ManualClock()
    limit = RateLimit(clock, rate=10.0, burst=5)
    assert taken(limit, 20) == 5
    clock.advance(0.25)
    assert taken(limit, 20) == 2
    clock.advance(1000.0)
    assert taken(limit, 20) == 5, "no more is saved up than a burst"


def test_without_a_rate_everything_passes() -> None:
    assert taken(RateLimit(ManualClock(), math.inf, burst=1), 1000) == 1000


def test_a_reload_counts_from_its_moment() -> None:
    limit = RateLimit(ManualClock(), rate=1.0, burst=1)
    assert taken(limit, 3) == 1
    limit.configure(1.0, 3)
    assert taken(limit, 10) == 3


def test_the_refusal_is_the_peers() -> None:
    with pytest.raises(RateExceeded, match="RPC rate limit exceeded"):
        RateLimit(ManualClock(), rate=1.0, burst=0).take()
