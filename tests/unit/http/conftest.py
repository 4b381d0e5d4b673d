"""Fixtures: one connection of the HTTP edge without sockets."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from http_edge import Edge

from muster.http.settings import Settings


@pytest.fixture
def make_edge() -> Iterator[Callable[..., Edge]]:
    loop = asyncio.new_event_loop()
    edges: list[Edge] = []

    def make(**settings: Any) -> Edge:
        edges.append(Edge(loop, Settings(**settings)))
        return edges[-1]

    yield make
    for edge in edges:
        loop.run_until_complete(edge.listener.close(drain=0.0))
    loop.close()


@pytest.fixture
def edge(make_edge: Callable[..., Edge]) -> Edge:
    return make_edge()
