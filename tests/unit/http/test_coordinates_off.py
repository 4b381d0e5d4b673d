"""An agent with `disable_coordinates` answers every coordinate endpoint like the peers: 401 and one sentence."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "datacenters"), ("GET", "nodes"), ("GET", "nodes?segment=a"), ("GET", "node/n1"), ("PUT", "update")],
)
def test_no_coordinates_are_told_or_taken(make_edge: Callable[..., Any], method: str, path: str) -> None:
    edge = make_edge(coordinates=False)
    answer = edge.send(method, f"/v1/coordinate/{path}", b"{}" if method == "PUT" else b"")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.endswith(b"\r\n\r\nCoordinate support disabled")
    assert edge.agent.asked == []
