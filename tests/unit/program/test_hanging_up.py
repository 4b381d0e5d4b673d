"""Calls at a server that vanished without a word end when gossip notices, and only then."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))
from pool_parts import client, server

from muster.gossip.effects import Effect, MemberFailed, MemberJoined, MemberLeft, MemberStatus, MemberUpdated
from muster.program.hanging_up import hanging_up


class Pool:
    def __init__(self) -> None:
        self.closed: list[str] = []

    def close(self, address: str) -> None:
        self.closed.append(address)


@pytest.mark.parametrize(
    ("effect", "closed"),
    [
        pytest.param(MemberFailed(server(2, MemberStatus.FAILED)), ["127.0.0.2:8300"], id="a server fails"),
        pytest.param(MemberFailed(client("c1", MemberStatus.FAILED)), [], id="a client fails"),
        pytest.param(MemberJoined(server(2)), [], id="a server comes"),
        pytest.param(MemberUpdated(server(2)), [], id="a server changes"),
        pytest.param(MemberLeft(server(2, MemberStatus.LEFT)), [], id="a server leaves: it ends its calls itself"),
    ],
)
def test_whose_calls_end(effect: Effect, closed: list[str]) -> None:
    pool = Pool()
    hanging_up(pool)(effect)  # type: ignore[arg-type]
    assert pool.closed == closed
