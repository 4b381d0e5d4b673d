"""The agent's cache: what is served from it, how old it says that it is, and what it asks in the background."""

import asyncio
import random
from typing import Any

import pytest
from agent_fakes import in_loop

from muster.agent.cache import KEPT_SECONDS, MOST_ENTRIES, REFRESH_WAIT, AgentCache, Cached
from muster.model.durations import SECOND
from muster.model.errors import MusterError, NoLeader
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, PreparedQueryExecuteRequest, ServiceRequest

WEB = ServiceRequest(datacenter="dc1", service_name="web", use_cache=True)
INSTANCES = "Health.ServiceNodes"
NAMES = "Catalog.ListDatacenters"


class Servers:
    """Calls that wait until the test answers them, and a clock that the test moves. While `away` they fail at once."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[tuple[str, Any, asyncio.Future[Reply]]] = []
        self.away = False
        self.asked = asyncio.Event()
        self.cache = AgentCache(self.call, self, random.Random(1))

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def call(self, method: str, request: Any) -> Any:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.calls.append((method, request, future))
        self.asked.set()
        if self.away:
            raise NoLeader
        return future

    def answer(self, value: str, index: int = 0) -> None:
        self.calls[-1][2].set_result(Reply(value=value, index=index))

    def fail(self) -> None:
        self.calls[-1][2].set_exception(NoLeader())


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def cached(servers: Servers, value: str = "one", index: int = 5) -> None:
    """The cache holds an answer of WEB and waits for the next."""
    waiting = servers.cache.get(INSTANCES, WEB)
    servers.answer(value, index)
    assert isinstance(waiting, asyncio.Future)
    await waiting
    await turns()


def value(found: Any) -> str:
    assert isinstance(found, Cached)
    return str(found.reply.value)


@in_loop
async def test_the_first_asker_waits_for_the_servers_and_the_next_does_not() -> None:
    servers = Servers()
    first, second = servers.cache.get(INSTANCES, WEB), servers.cache.get(INSTANCES, WEB)
    assert len(servers.calls) == 1, "both wait for one question"
    assert servers.calls[0][1].allow_stale, "any server may answer it"
    servers.answer("one", 5)
    assert [(await one).hit for one in (first, second)] == [False, False]  # type: ignore[misc]  # both are futures
    found = servers.cache.get(INSTANCES, WEB)
    assert isinstance(found, Cached)
    assert (found.reply.value, found.hit, found.age) == ("one", True, 0.0)


@in_loop
async def test_a_list_is_kept_true_by_a_question_that_waits_for_the_next_change() -> None:
    servers = Servers()
    await cached(servers)
    _, question, _ = servers.calls[-1]
    assert (question.min_query_index, question.max_query_time) == (5, REFRESH_WAIT)
    servers.answer("two", 6)
    await turns()
    assert value(servers.cache.get(INSTANCES, WEB)) == "two"
    assert servers.calls[-1][1].min_query_index == 6


@in_loop
async def test_who_asks_with_an_index_waits_for_a_later_one() -> None:
    servers = Servers()
    await cached(servers, index=5)
    waiting = servers.cache.get(INSTANCES, ServiceRequest(datacenter="dc1", service_name="web", min_query_index=5))
    assert len(servers.calls) == 2, "the question in the background serves it"
    servers.answer("two", 6)
    assert (await waiting).reply.value == "two"  # type: ignore[misc]  # a future


@in_loop
async def test_who_waits_for_an_index_gets_what_there_is_when_its_time_is_over() -> None:
    servers = Servers()
    await cached(servers)
    question = ServiceRequest(datacenter="dc1", service_name="web", min_query_index=9, max_query_time=1)
    found = await servers.cache.get(INSTANCES, question)  # type: ignore[misc]  # a future
    assert (found.reply.value, found.hit) == ("one", False)


@in_loop
async def test_without_servers_an_answer_is_served_and_grows_old() -> None:
    servers = Servers()
    await cached(servers)
    servers.away = True
    servers.fail()
    await turns(20)
    servers.now += 30.0
    found = servers.cache.get(INSTANCES, WEB)
    assert isinstance(found, Cached)
    assert (found.reply.value, found.hit, found.age) == ("one", True, 30.0)
    assert len(servers.calls) == 2 + 3, "after three tries at once it pauses"


@in_loop
async def test_a_connection_found_again_makes_it_young() -> None:
    servers = Servers()
    await cached(servers)
    servers.fail()
    await turns()
    servers.now += 30.0
    assert servers.calls[-1][1].min_query_index == 0, "it is answered at once, whether anything changed or not"
    servers.answer("one", 5)
    await turns()
    found = servers.cache.get(INSTANCES, WEB)
    assert isinstance(found, Cached)
    assert found.age == 0.0


@in_loop
async def test_servers_that_come_back_are_asked_before_the_pause_is_over() -> None:
    servers = Servers()
    await cached(servers)
    servers.away = True
    servers.fail()
    await turns(20)
    servers.away = False
    servers.asked.clear()
    servers.cache.servers_found()
    await servers.asked.wait()  # SPREAD_SECONDS at most
    servers.answer("two", 6)
    await turns()
    assert value(servers.cache.get(INSTANCES, WEB)) == "two"


@in_loop
async def test_a_call_that_is_tried_in_vain_makes_it_old_before_it_gives_up() -> None:
    servers = Servers()
    await cached(servers)

    class Trying(asyncio.Future[Reply]):
        failing_since = 100.0

    entry = next(iter(servers.cache._entries.values()))
    entry.fetch = Trying()
    servers.now = 104.0
    found = servers.cache.get(INSTANCES, WEB)
    assert isinstance(found, Cached)
    assert found.age == 4.0


@in_loop
async def test_an_error_is_not_kept_and_the_next_asker_asks_again() -> None:
    servers = Servers()
    waiting = servers.cache.get(INSTANCES, WEB)
    servers.fail()
    with pytest.raises(MusterError):
        await waiting  # type: ignore[misc]  # a future
    assert len(servers.cache) == 0
    servers.away = True
    with pytest.raises(NoLeader):
        servers.cache.get(INSTANCES, WEB)
    assert len(servers.calls) == 2


@pytest.mark.parametrize(
    ("options", "asks"),
    [
        pytest.param({}, False, id="any age"),
        pytest.param({"max_age": 10 * SECOND}, False, id="young enough"),
        pytest.param({"max_age": 4 * SECOND}, True, id="too old"),
        pytest.param({"must_revalidate": True}, True, id="must be asked again"),
        pytest.param({"max_age": 10 * SECOND, "stale_if_error": SECOND}, False, id="stale-if-error says nothing"),
    ],
)
def test_what_is_not_kept_true_is_asked_again_when_it_is_too_old(options: dict[str, Any], asks: bool) -> None:
    @in_loop
    async def test() -> None:
        servers = Servers()
        waiting = servers.cache.get(NAMES, DatacenterRequest(datacenter="dc1"))
        servers.answer("names")
        await waiting  # type: ignore[misc]  # a future
        await turns()
        assert len(servers.calls) == 1, "it is not asked in the background"
        servers.now += 5.0
        found = servers.cache.get(NAMES, DatacenterRequest(datacenter="dc1", **options))
        assert isinstance(found, asyncio.Future) is asks
        if isinstance(found, Cached):
            assert found.age == 5.0

    test()


def test_lists_that_are_kept_true_pass_over_ages() -> None:
    @in_loop
    async def test() -> None:
        servers = Servers()
        await cached(servers)
        servers.now += 5.0
        for options in ({"max_age": SECOND}, {"must_revalidate": True}, {"require_consistent": True}):
            assert isinstance(servers.cache.get(INSTANCES, ServiceRequest(datacenter="dc1", service_name="web", **options)), Cached)

    test()


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        pytest.param({"allow_stale": True}, True, id="consistency"),
        pytest.param({"service_tags": ("b", "a")}, True, id="the order of tags"),
        pytest.param({"service_tags": ("a",)}, False, id="tags"),
        pytest.param({"datacenter": "dc2"}, False, id="datacenter"),
        pytest.param({"token": "x"}, False, id="token"),
        pytest.param({"filter": "x"}, False, id="filter"),
    ],
)
def test_questions_are_told_apart(other: dict[str, Any], alike: bool) -> None:
    @in_loop
    async def test() -> None:
        servers = Servers()
        fields = {"datacenter": "dc1", "service_name": "web", "service_tags": ("a", "b")}
        servers.cache.get(INSTANCES, ServiceRequest(**fields))  # type: ignore[arg-type]  # of the right types
        servers.cache.get(INSTANCES, ServiceRequest(**(fields | other)))
        assert len(servers.cache) == (1 if alike else 2)
        servers.cache.stop()

    test()


@in_loop
async def test_what_nobody_asks_for_is_dropped() -> None:
    servers = Servers()
    await cached(servers)
    servers.now += KEPT_SECONDS + 1
    servers.answer("two", 6)
    await turns()
    assert len(servers.cache) == 0
    assert len(servers.calls) == 2, "and not asked again"


@in_loop
async def test_the_number_of_answers_has_a_bound() -> None:
    servers = Servers()
    for number in range(MOST_ENTRIES + 5):
        servers.cache.get("PreparedQuery.Execute", PreparedQueryExecuteRequest(query_id_or_name=f"q{number}"))
        servers.answer("")
    assert len(servers.cache) == MOST_ENTRIES


@in_loop
async def test_a_stop_withdraws_what_is_asked_and_who_waits() -> None:
    servers = Servers()
    waiting = servers.cache.get(INSTANCES, WEB)
    servers.cache.stop()
    await turns()
    assert servers.calls[0][2].cancelled()
    assert isinstance(waiting, asyncio.Future)
    assert waiting.cancelled()
