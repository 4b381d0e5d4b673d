"""Blocking queries: who is woken, when a wait ends, and what equal questions share."""

import asyncio
import io
import itertools

import pytest
from server_parts import DC, Parts, run, turns, waiting

from muster.model.catalog import HealthCheck, NodeService
from muster.model.errors import MusterError, NotFound, Rejected
from muster.server.blocking import ANSWERS_PER_TURN, KEPT_ANSWERS, essence
from muster.wire.requests import (
    DatacenterRequest,
    KeyRequest,
    NodeRequest,
    PreparedQuerySpecificRequest,
    QuerySource,
    ServiceRequest,
)

SECOND = 1_000_000_000


def key(name: str, index: int = 0, wait: int = 0) -> KeyRequest:
    return KeyRequest(key=name, min_query_index=index, max_query_time=wait * SECOND, **DC)


def test_a_query_is_answered_at_once_when_its_index_is_passed() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a")
        assert parts.server.call("KVS.Get", key("a", parts.index - 1)).index == parts.index

    run(body)


def test_a_write_answers_the_query_that_waits_for_it() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a", b"1")
        waiter = waiting(parts.server.call("KVS.Get", key("a", parts.index, 10)))
        await parts.put("a", b"2")
        reply = await waiter
        assert (reply.value.value, reply.index) == (b"2", parts.index)
        assert parts.server.blocking.parked == 0

    run(body)


def test_writes_elsewhere_neither_answer_nor_wake_it() -> None:
    async def body(parts: Parts) -> None:
        waiters = [waiting(parts.server.call("KVS.Get", key(f"k{n}", parts.index + 100, 10))) for n in range(50)]
        for n in range(20):
            await parts.put(f"other{n}")
        await turns()
        assert parts.server.blocking.woken == 0
        assert not any(waiter.done() for waiter in waiters)
        assert parts.server.blocking.parked == 50

    run(body)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        pytest.param(2 * SECOND, 2.0, 2.0 + 2 / 16, id="as long as asked, and up to a sixteenth more"),
        pytest.param(0, 300.0, 300 + 300 / 16, id="five minutes if it says nothing"),
        pytest.param(-SECOND, 300.0, 300 + 300 / 16, id="five minutes if it is negative"),
        pytest.param(4000 * SECOND, 600.0, 600 + 600 / 16, id="never more than ten minutes"),
    ],
)
def test_a_wait_ends(asked: int, least: float, most: float) -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a")
        start = parts.clock.monotonic()
        request = KeyRequest(key="a", min_query_index=parts.index, max_query_time=asked, **DC)
        reply = await waiting(parts.server.call("KVS.Get", request))
        assert least <= parts.clock.monotonic() - start <= most + 0.05
        assert reply.index == parts.index
        assert parts.server.blocking.parked == 0
        assert parts.state.store.watches.parked_now == 0

    run(body, health_interval=1e6, coordinate_update_period=1e6, reconcile_interval=1e6)


def test_a_wait_for_an_index_of_the_future_ends_only_by_time() -> None:
    async def body(parts: Parts) -> None:
        waiter = waiting(parts.server.call("KVS.Get", key("a", 10_000, 5)))
        await parts.put("a")
        await turns()
        assert not waiter.done()
        reply = await waiter
        assert reply.index == parts.state.store.kv.get("a")[0]

    run(body)


def test_equal_questions_share_one_answer_and_one_read() -> None:
    async def body(parts: Parts) -> None:
        waiters = [waiting(parts.server.call("KVS.Get", key("a", parts.index, wait))) for wait in (5, 10, 20)]
        await parts.put("a")
        replies = [await waiter for waiter in waiters]
        assert all(reply is replies[0] for reply in replies)

    run(body)


def test_only_those_are_answered_whose_index_is_passed() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a")
        near, far = (waiting(parts.server.call("KVS.Get", key("a", index, 10))) for index in (parts.index, parts.index + 5))
        await parts.put("a", b"2")
        await near
        assert not far.done()
        assert parts.server.blocking.parked == 1
        for n in range(6):
            await parts.put("a", b"%d" % n)
        assert (await far).value.value == b"4"

    run(body)


def test_a_client_that_is_gone_leaves_nothing_behind() -> None:
    async def body(parts: Parts) -> None:
        waiters = [waiting(parts.server.call("KVS.Get", key(f"k{n}", 1000, 10))) for n in range(100)]
        assert parts.state.store.watches.parked_now == 100
        for waiter in waiters:
            waiter.cancel()
        assert parts.server.blocking.parked == 0
        assert parts.state.store.watches.parked_now == 0

    run(body)


def test_many_waiters_are_answered_some_each_turn() -> None:
    async def body(parts: Parts) -> None:
        waiters = [waiting(parts.server.call("KVS.Get", key("a", parts.index, 10))) for _ in range(3 * ANSWERS_PER_TURN)]
        await parts.put("a")
        seen = []
        while not all(waiter.done() for waiter in waiters):
            seen.append(sum(waiter.done() for waiter in waiters))
            await asyncio.sleep(0)
        assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= ANSWERS_PER_TURN

    run(body)


def test_an_answer_is_kept_until_something_it_depends_on_changes() -> None:
    async def body(parts: Parts) -> None:
        await parts.register("a", service=NodeService(service="web"))
        question = ServiceRequest(service_name="web", **DC)
        first = await parts.call("Health.ServiceNodes", question)
        await parts.put("elsewhere")
        assert await parts.call("Health.ServiceNodes", question) is first
        await parts.register("b", service=NodeService(service="web"))
        second = await parts.call("Health.ServiceNodes", question)
        assert [row.node.node for row in second.value] == ["a", "b"]
        assert second.index == parts.index

    run(body)


def test_the_index_of_a_kept_answer_follows_its_table() -> None:
    async def body(parts: Parts) -> None:
        check = HealthCheck(name="c", status="passing")
        await parts.register("a", checks=[check])
        await parts.call("Health.NodeChecks", NodeRequest(node="a", **DC))
        await parts.register("b", checks=[check])
        assert (await parts.call("Health.NodeChecks", NodeRequest(node="a", **DC))).index == parts.index

    run(body)


def test_the_index_of_a_service_that_is_not_there_follows_the_catalog() -> None:
    async def body(parts: Parts) -> None:
        question = ServiceRequest(service_name="absent", **DC)
        await parts.call("Health.ServiceNodes", question)
        await parts.register("b")
        assert (await parts.call("Health.ServiceNodes", question)).index == parts.index

    run(body)


def test_answers_that_are_kept_are_bounded() -> None:
    async def body(parts: Parts) -> None:
        for n in range(KEPT_ANSWERS + 200):
            await parts.call("Health.ServiceNodes", ServiceRequest(service_name=f"s{n}", **DC))
        assert parts.state.store.watches.parked_now == KEPT_ANSWERS

    run(body)


def test_what_does_not_change_the_answer_is_no_part_of_the_question() -> None:
    plain = ServiceRequest(service_name="web", **DC)
    other = ServiceRequest(service_name="web", min_query_index=7, max_query_time=1, allow_stale=True, token="t", use_cache=True, **DC)
    assert essence(other) == essence(plain)
    for different in (ServiceRequest(service_name="web", filter="x", **DC), ServiceRequest(service_name="web", connect=True, **DC)):
        assert essence(different) != essence(plain)


def test_a_restored_snapshot_answers_every_waiter() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a")
        content = b"".join(parts.state.snapshot({}))
        waiters = [waiting(parts.server.call("KVS.Get", key(f"k{n}", 1000, 100))) for n in range(5)]
        parts.state.restore(io.BytesIO(content))
        for waiter in waiters:
            await waiter
        assert parts.server.blocking.parked == 0

    run(body)


def test_a_read_that_fails_when_it_looks_again_fails_its_waiters() -> None:
    async def body(parts: Parts) -> None:
        from muster.model.queries import PreparedQuery, QueryService
        from muster.wire.commands import PreparedQueryRequest

        query = PreparedQuery(name="q", service=QueryService(service="web"))
        made = await parts.call("PreparedQuery.Apply", PreparedQueryRequest(op="create", query=query, **DC))
        question = PreparedQuerySpecificRequest(query_id=made.value, min_query_index=parts.index, **DC)
        waiter = waiting(parts.server.call("PreparedQuery.Get", question))
        gone = PreparedQuery(id=made.value)
        await parts.call("PreparedQuery.Apply", PreparedQueryRequest(op="delete", query=gone, **DC))
        with pytest.raises(NotFound, match="Query not found"):
            await waiter

    run(body)


def test_a_bad_filter_is_refused_at_once_even_with_an_index() -> None:
    async def body(parts: Parts) -> None:
        with pytest.raises(Rejected):
            parts.server.call("Catalog.ListNodes", DatacenterRequest(filter="(", min_query_index=1000, **DC))
        assert parts.server.blocking.parked == 0

    run(body)


def test_an_answer_sorted_by_distance_follows_the_coordinates() -> None:
    async def body(parts: Parts) -> None:
        from muster.model.coordinates import Coordinate
        from muster.wire.commands import CoordinateUpdateRequest

        for name in ("a", "b"):
            await parts.register(name)
        near_b = DatacenterRequest(source=QuerySource(node="b", **DC), filter='Node != "n1"', **DC)
        assert [node.node for node in (await parts.call("Catalog.ListNodes", near_b)).value] == ["a", "b"]
        for place, name in enumerate(("a", "b")):
            coord = Coordinate(vec=[float(place)] * 8, height=0.1)
            await parts.call("Coordinate.Update", CoordinateUpdateRequest(node=name, coord=coord, **DC))
        await asyncio.sleep(6)
        assert [node.node for node in (await parts.call("Catalog.ListNodes", near_b)).value] == ["b", "a"]

    run(body)


def test_stopping_cancels_what_is_parked() -> None:
    async def body(parts: Parts) -> None:
        waiter = waiting(parts.server.call("KVS.Get", key("a", 1000, 10)))
        parts.server.stop()
        assert waiter.cancelled()
        with pytest.raises(MusterError, match="No cluster leader"):
            parts.server.call("KVS.Get", key("a"))

    run(body)
