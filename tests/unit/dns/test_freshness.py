"""How old an answer DNS takes, and from where."""

import random
from typing import Any

import pytest

from muster.agent.cache import Cached
from muster.dns.resolver import Resolver
from muster.dns.settings import DnsSettings
from muster.model.durations import SECOND
from muster.wire import dns
from muster.wire.dns import Message, Question
from muster.wire.replies import Reply


class Clock:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0


class Cache:
    """Holds an empty answer to everything."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, method: str, request: Any) -> Cached:
        self.asked.append(method)
        return Cached(Reply(value=[]), hit=True)


class Servers:
    """Servers that last heard of their leader `age` seconds ago, and the leader."""

    def __init__(self, age: float) -> None:
        self.age, self.asked = age, []  # type: tuple[float, list[bool]]

    def call(self, method: str, request: Any) -> Reply:
        self.asked.append(request.allow_stale)
        return Reply(
            value=[] if method == "Health.ServiceNodes" else None, last_contact=int(self.age * SECOND) if request.allow_stale else 0
        )


def ask(resolver: Resolver, name: str) -> None:
    """Asks a question that needs nobody to be waited for."""
    query = Message(id=1, flags=0, questions=[Question(name, dns.TYPE_A)])
    answering = resolver.answer(query, b"", "127.0.0.1", False)
    with pytest.raises(StopIteration):
        answering.send(None)


@pytest.mark.parametrize("name", ["web.service.consul.", "n1.node.consul."])
@pytest.mark.parametrize(("age", "asked"), [pytest.param(4.0, [True], id="young enough"), pytest.param(6.0, [True, False], id="too old")])
def test_the_leader_is_asked_when_the_others_have_not_heard_of_it_for_too_long(name: str, age: float, asked: list[bool]) -> None:
    servers = Servers(age)
    resolver = Resolver(servers.call, DnsSettings(max_stale=5 * SECOND), Clock(), random.Random(1), None)  # type: ignore[arg-type]  # none is needed
    ask(resolver, name)
    assert servers.asked == asked


@pytest.mark.parametrize(("use_cache", "cached"), [(True, ["Health.ServiceNodes"]), (False, [])])
def test_the_cache_answers_if_it_may(use_cache: bool, cached: list[str]) -> None:
    servers, cache = Servers(0.0), Cache()
    settings = DnsSettings(use_cache=use_cache)
    ask(Resolver(servers.call, settings, Clock(), random.Random(1), None, cache), "web.service.consul.")  # type: ignore[arg-type]
    assert cache.asked == cached
    assert len(servers.asked) == (0 if use_cache else 1)
