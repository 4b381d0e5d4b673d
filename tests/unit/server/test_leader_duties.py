"""What only the leader does: its own registration, sessions' time, lock delays, coordinates, tombstones, settings."""

import asyncio
import logging
from typing import Any

import pytest
from server_parts import DC, NODE_ID, Parts, run, turns

from muster.model.coordinates import Coordinate
from muster.model.errors import StorageFailed
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.model.sessions import Session
from muster.server.coordinate_batches import CoordinateBatches
from muster.wire.commands import (
    AutopilotRequest,
    CoordinateBatch,
    CoordinateUpdateRequest,
    KVSRequest,
    RegisterRequest,
    SessionRequest,
    TombstoneRequest,
)
from muster.wire.requests import (
    ConfigEntryQuery,
    DatacenterRequest,
    EventFireRequest,
    NodeRequest,
    ServiceRequest,
    SessionSpecificRequest,
)

QUIET = {"health_interval": 1e6, "coordinate_update_period": 1e6, "reconcile_interval": 1e6}


async def create(parts: Parts, **fields: Any) -> str:
    session = Session(**{"node": "n1", **fields})
    made: str = (await parts.call("Session.Apply", SessionRequest(op="create", session=session, **DC))).value
    return made


async def session(parts: Parts, session_id: str) -> Session | None:
    found: Session | None = (await parts.call("Session.Get", SessionSpecificRequest(session_id=session_id, **DC))).value
    return found


async def lock(parts: Parts, key: str, holder: str) -> bool:
    return bool((await parts.put(key, op="lock", session=holder)).value)


def test_the_leader_registers_itself_as_the_peers_do() -> None:
    async def body(parts: Parts) -> None:
        (row,) = (await parts.call("Health.ServiceNodes", ServiceRequest(service_name="consul", **DC))).value
        assert (row.node.node, row.node.id, row.node.address) == ("n1", NODE_ID, "127.0.0.1")
        assert row.service.port == 8300
        assert row.service.meta == {
            "non_voter": "false",
            "raft_version": "3",
            "serf_protocol_current": "2",
            "serf_protocol_max": "5",
            "serf_protocol_min": "1",
            "version": "1.8.7",
        }
        (check,) = row.checks
        assert (check.check_id, check.name, check.output) == ("serfHealth", "Serf Health Status", "Agent alive and reachable")

    run(body)


def test_a_registration_that_is_right_is_not_written_again_and_a_lost_one_is() -> None:
    async def body(parts: Parts) -> None:
        before = parts.index
        await asyncio.sleep(61)
        assert parts.index == before
        node = RegisterRequest(node="n1", id=NODE_ID, address="127.0.0.1", node_meta={"a": "b"}, **DC)
        await parts.call("Catalog.Register", node)
        from muster.wire.commands import DeregisterRequest

        await parts.call("Catalog.Deregister", DeregisterRequest(node="n1", service_id="consul", **DC))
        await asyncio.sleep(61)
        assert "consul" in parts.services()
        assert parts.state.store.catalog.find_node("n1").meta == {"a": "b"}  # type: ignore[union-attr]

    run(body)


def test_autopilots_settings_are_written_once() -> None:
    async def body(parts: Parts) -> None:
        found = (await parts.call("Operator.AutopilotGetConfiguration", DatacenterRequest(**DC))).value
        assert (found.max_trailing_logs, found.cleanup_dead_servers) == (7, True)
        assert sum(isinstance(command, AutopilotRequest) for command in parts.consensus.committed) == 1
        change = AutopilotRequest(cas=True, config=AutopilotConfig(modify_index=1_000), **DC)
        assert (await parts.call("Operator.AutopilotSetConfiguration", change)).value is False

    run(body, autopilot=AutopilotConfig(max_trailing_logs=7))


def test_configured_entries_are_written_where_they_are_missing() -> None:
    async def body(parts: Parts) -> None:
        found = (await parts.call("ConfigEntry.List", ConfigEntryQuery(kind="service-defaults", **DC))).value
        assert [(one.name, one.fields) for one in found] == [("web", {"Protocol": "http"})]

    run(body, bootstrap_config_entries=(ConfigEntry(kind="service-defaults", name="web", fields={"Protocol": "http"}),))


def test_duties_that_fail_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def body(parts: Parts) -> None:
        parts.server.leadership(False)
        parts.consensus.error = StorageFailed("disk full")
        parts.state.store.autopilot.replace(None)
        parts.server.leadership(True)
        await turns(20)
        assert "failed to establish leadership: error=disk full" in caplog.text
        parts.consensus.error = None
        await asyncio.sleep(6)
        assert parts.state.store.autopilot.get()[1] is not None

    with caplog.at_level(logging.ERROR):
        run(body)


def test_the_health_of_the_server_is_known_after_the_first_round() -> None:
    async def body(parts: Parts) -> None:
        parts.server.leadership(False)
        parts.server.leadership(True)
        unknown = parts.server.context.health.reply
        assert (unknown.healthy, unknown.servers) == (False, None)
        await asyncio.sleep(3)
        reply = (await parts.call("Operator.ServerHealth", DatacenterRequest(**DC))).value
        assert reply.healthy
        (server,) = reply.servers
        assert (server.name, server.leader, server.voter, server.healthy) == ("n1", True, True, True)

    run(body)


def test_a_session_ends_at_twice_its_ttl_unless_it_is_renewed() -> None:
    async def body(parts: Parts) -> None:
        kept, left = await create(parts, ttl="10s"), await create(parts, ttl="10s")
        without = await create(parts)
        await asyncio.sleep(15)
        renewed = await parts.call("Session.Renew", SessionSpecificRequest(session=kept, **DC))
        assert renewed.value.id == kept
        await asyncio.sleep(4.9)
        assert await session(parts, left) is not None
        await asyncio.sleep(0.3)
        assert await session(parts, left) is None
        assert await session(parts, kept) is not None
        await asyncio.sleep(16)
        assert await session(parts, kept) is None
        assert await session(parts, without) is not None

    run(body, **QUIET)


def test_renewing_an_unknown_session_gives_nothing() -> None:
    async def body(parts: Parts) -> None:
        question = SessionSpecificRequest(session_id="00000000-0000-0000-0000-000000000001", **DC)
        assert (await parts.call("Session.Renew", question)).value is None

    run(body)


def test_a_destroyed_session_has_no_timer() -> None:
    async def body(parts: Parts) -> None:
        made = await create(parts, ttl="10s")
        assert len(parts.server.context.session_timers) == 1
        reply = await parts.call("Session.Apply", SessionRequest(op="destroy", session=Session(id=made), **DC))
        assert not reply.value
        assert len(parts.server.context.session_timers) == 0

    run(body)


def test_a_new_leader_gives_every_session_its_full_time() -> None:
    async def body(parts: Parts) -> None:
        made = await create(parts, ttl="10s")
        await asyncio.sleep(15)
        parts.server.leadership(False)
        await asyncio.sleep(30)
        assert parts.state.store.sessions.exists(made), "only a leader ends sessions"
        parts.server.leadership(True)
        await asyncio.sleep(19)
        assert await session(parts, made) is not None
        await asyncio.sleep(1.5)
        assert await session(parts, made) is None

    run(body, **QUIET)


def test_the_end_of_a_session_that_cannot_be_written_is_tried_again() -> None:
    async def body(parts: Parts) -> None:
        made = await create(parts, ttl="10s")
        parts.consensus.error = StorageFailed("disk full")
        await asyncio.sleep(20.5)
        assert parts.state.store.sessions.exists(made)
        parts.consensus.error = None
        await asyncio.sleep(1)
        assert not parts.state.store.sessions.exists(made)

    run(body, **QUIET)


def test_many_sessions_end_in_parts() -> None:
    async def body(parts: Parts) -> None:
        for _ in range(450):
            await create(parts, ttl="10s")
        await asyncio.sleep(21)
        await turns()
        assert parts.state.store.sessions.list()[1] == []

    run(body, **QUIET)


def test_a_key_cannot_be_locked_until_the_delay_is_over() -> None:
    async def body(parts: Parts) -> None:
        first, second = await create(parts, lock_delay=1_000_000_000), await create(parts)
        assert await lock(parts, "k", first)
        await parts.call("Session.Apply", SessionRequest(op="destroy", session=Session(id=first), **DC))
        before = parts.index
        assert not await lock(parts, "k", second)
        assert parts.index == before, "a refusal is not logged"
        assert await lock(parts, "other", second)
        await asyncio.sleep(1.01)
        assert await lock(parts, "k", second)

    run(body, **QUIET)


def test_delays_that_are_over_are_forgotten() -> None:
    async def body(parts: Parts) -> None:
        delays = parts.server.context.lock_delays
        for n in range(5000):
            delays.start(f"k{n}", 1_000_000)
            if n % 500 == 0:
                await asyncio.sleep(0.01)
        assert len(delays._until) < 2100
        delays.start("none", 0)
        assert not delays.holds("none")

    run(body, **QUIET)


def test_coordinates_are_committed_together() -> None:
    async def body(parts: Parts) -> None:
        for name in ("a", "b"):
            await parts.register(name)
        before = parts.index
        for value in (1.0, 2.0):
            for name in ("a", "b"):
                coord = Coordinate(vec=[value] * 8)
                await parts.call("Coordinate.Update", CoordinateUpdateRequest(node=name, coord=coord, **DC))
        assert parts.index == before
        await asyncio.sleep(5.1)
        assert parts.index == before + 1
        (found,) = (await parts.call("Coordinate.Node", NodeRequest(node="a", **DC))).value
        assert found.coord.vec[0] == 2.0
        (found,) = (await parts.call("Coordinate.Node", NodeRequest(node="A", **DC))).value
        assert found.node == "A", "as it was asked for"

    run(body)


def test_more_coordinates_than_the_batches_hold_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def body(parts: Parts) -> None:
        batches = CoordinateBatches(parts.settings)
        for n in range(700):
            batches.add(CoordinateUpdateRequest(node=f"n{n}", coord=Coordinate(vec=[0.0] * 8)))
        taken: list[CoordinateBatch] = batches.take()
        assert [len(batch.updates) for batch in taken] == [128] * 5
        assert "number_discarded=60" in caplog.text
        assert batches.take() == []

    run(body)


def test_tombstones_are_reaped_after_a_quarter_of_an_hour() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a")
        await parts.call("KVS.Apply", KVSRequest(op="delete", entry=KVEntry(key="a"), **DC))
        deleted_at = parts.index
        await asyncio.sleep(899)
        assert len(parts.state.store.kv.tombstones.items()) == 1
        await asyncio.sleep(40)
        assert parts.state.store.kv.tombstones.items() == []
        reaps = [command for command in parts.consensus.committed if isinstance(command, TombstoneRequest)]
        assert [reap.reap_index for reap in reaps] == [deleted_at]

    run(body, **QUIET)


def test_a_new_leader_reaps_the_tombstones_that_it_finds() -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a")
        await parts.call("KVS.Apply", KVSRequest(op="delete", entry=KVEntry(key="a"), **DC))
        parts.server.leadership(False)
        await asyncio.sleep(1000)
        assert parts.state.store.kv.tombstones.items() != []
        parts.server.leadership(True)
        await asyncio.sleep(940)
        assert parts.state.store.kv.tombstones.items() == []

    run(body, **QUIET)


def test_events_reach_all_listeners() -> None:
    async def body(parts: Parts) -> None:
        heard: list[tuple[str, bytes]] = []
        parts.server.on_user_event.append(lambda name, payload: heard.append((name, payload)))
        await parts.call("Internal.EventFire", EventFireRequest(name="deploy", payload=b"\x81", **DC))
        assert heard == [("consul:event:deploy", b"\x81")]
        parts.server.leadership(False)
        parts.server.leadership(True)
        await turns()
        assert heard[1:] == [("consul:new-leader", b"n1")]

    run(body)
