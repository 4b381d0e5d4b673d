"""The catalog follows the pool: members that are alive, failed, left and forgotten, and what is left alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pool_parts import client, identity, server
from server_parts import DC, Parts, run, turns

from muster.gossip.effects import (
    EventReceived,
    Member,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberStatus,
    MemberUpdated,
)
from muster.model.catalog import HealthCheck, NodeService
from muster.model.errors import CommandFailed, StorageFailed
from muster.model.sessions import Session
from muster.server.member_reconcile import IN_FLIGHT
from muster.wire.commands import DeregisterRequest, RegisterRequest, SessionRequest
from muster.wire.requests import NodeRequest, ServiceRequest, SessionSpecificRequest

ALIVE, FAILED, LEFT, LEAVING = MemberStatus.ALIVE, MemberStatus.FAILED, MemberStatus.LEFT, MemberStatus.LEAVING
QUIET = {"health_interval": 1e6, "coordinate_update_period": 1e6, "autopilot_interval": 1e6}


class Pool:
    """The members that this server sees. What is changed here is told to it."""

    def __init__(self, *members: Member) -> None:
        self.members = {member.name: member for member in (server(1), *members)}
        self.parts: Parts

    def becomes(self, event: type, member: Member, told: bool = True) -> None:
        if event is MemberReaped:
            self.members.pop(member.name, None)
        else:
            self.members[member.name] = member
        if told:
            self.parts.server.member_event(event(member))


def led(test: Callable[[Parts, Pool], Awaitable[None]], *members: Member, **settings: Any) -> None:
    """Runs the test while this server leads and the pool has these members besides it."""
    pool = Pool(*members)

    async def body(parts: Parts) -> None:
        pool.parts = parts
        await settled()
        await test(parts, pool)

    run(body, members=lambda: list(pool.members.values()), **{**QUIET, **settings})


async def settled() -> None:
    await turns(12)


async def serf_health(parts: Parts, node: str) -> str:
    checks = (await parts.call("Health.NodeChecks", NodeRequest(node=node, **DC))).value
    return next((check.status for check in checks if check.check_id == "serfHealth"), "")


def nodes(parts: Parts) -> set[str]:
    return {node.node for node in parts.state.store.catalog.nodes()[1]}


async def check_output(parts: Parts, node: str) -> str:
    found = parts.state.store.catalog.find_check(node, "serfHealth")
    return "" if found is None else found.output


# ---- alive


def test_at_the_start_of_leadership_every_living_member_is_registered() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        assert nodes(parts) == {"n1", "n2", "c1"}
        found = parts.state.store.catalog.find_node("c1")
        assert found is not None
        assert (found.address, found.id) == ("10.0.0.1", identity(7))
        assert await serf_health(parts, "c1") == "passing"
        assert await check_output(parts, "c1") == "Agent alive and reachable"

    led(body, server(2), client("c1", id=identity(7)))


def test_a_server_stands_in_the_catalog_as_the_service_consul() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        rows = (await parts.call("Health.ServiceNodes", ServiceRequest(service_name="consul", **DC))).value
        assert [row.node.node for row in rows] == ["n1", "n2"]
        service = rows[1].service
        assert (service.id, service.port, service.weights.passing, service.weights.warning) == ("consul", 8300, 1, 1)
        assert service.meta == {
            "non_voter": "true",
            "raft_version": "3",
            "serf_protocol_current": "2",
            "serf_protocol_max": "5",
            "serf_protocol_min": "1",
            "version": "1.9.1",
        }

    led(body, server(2, nonvoter="1", build="1.9.1:abc"), client("c1"))


def test_a_member_that_joins_is_registered_at_once() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberJoined, client("c1"))
        await settled()
        assert await serf_health(parts, "c1") == "passing"

    led(body)


def test_a_host_that_was_set_up_anew_takes_its_name_from_the_id_that_it_had() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        old, new = identity(7), identity(8)
        pool.becomes(MemberJoined, client("c1", id=old))
        await settled()
        session = await parts.call("Session.Apply", SessionRequest(op="create", session=Session(node="c1", checks=["serfHealth"]), **DC))
        pool.becomes(MemberUpdated, client("c1", id=new))
        await settled()
        found = parts.state.store.catalog.find_node("c1")
        assert found is not None and found.id == new
        assert await serf_health(parts, "c1") == "passing"
        assert not parts.state.store.sessions.exists(session.value), "who held it is no more"

    led(body)


def test_what_the_agent_registered_of_its_node_stays() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        meta, tagged = {"rack": "7"}, {"wan": "198.51.100.1"}
        await parts.register("c1", node_meta=meta, tagged_addresses=tagged)
        pool.becomes(MemberJoined, client("c1", at="10.0.0.2"))
        await settled()
        found = parts.state.store.catalog.find_node("c1")
        assert found is not None
        assert (found.address, found.meta, found.tagged_addresses) == ("10.0.0.2", meta, tagged)

    led(body)


def test_what_the_agent_registers_in_the_same_moment_is_not_wiped_out() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        context, consensus = parts.server.context, parts.server.consensus
        context.registered_after["c1"] = consensus.applied_index  # the agent's own word is on its way into the log
        arrives = RegisterRequest(**DC, node="c1", address="10.0.0.2", node_meta={"rack": "a"})
        consensus.barrier = lambda: context.commit(arrives)  # type: ignore[method-assign]  # what was before it is applied then
        pool.becomes(MemberJoined, client("c1", at="10.0.0.2"))
        await settled()
        node = parts.state.store.catalog.find_node("c1")
        assert node is not None
        assert node.meta == {"rack": "a"}
        assert await serf_health(parts, "c1") == "passing"

    led(body)


def test_nothing_is_written_when_nothing_changed() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        before = parts.index
        for member in list(pool.members.values()):
            pool.becomes(MemberUpdated, member)
        await settled()
        await asyncio.sleep(200)
        assert parts.index == before

    members = [client("c1", id=identity(7)), client("c2", FAILED), client("c3", LEFT), client("c4", LEAVING)]
    led(body, server(2), *members)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(server(2, build="1.9.0:"), id="another version"),
        pytest.param(server(2, port="8400"), id="another port"),
        pytest.param(server(2, at="127.0.0.9"), id="another address"),
        pytest.param(server(2, raft_vsn="2"), id="another Raft protocol"),
    ],
)
def test_a_server_that_shows_something_else_is_registered_anew(changed: Member) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        before = parts.state.store.catalog.find_service("n2", "consul"), parts.state.store.catalog.find_node("n2")
        pool.becomes(MemberUpdated, changed)
        await settled()
        after = parts.state.store.catalog.find_service("n2", "consul"), parts.state.store.catalog.find_node("n2")
        assert after != before

    led(body, server(2))


def test_a_lost_registration_is_made_again_by_the_next_full_round() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        await parts.call("Catalog.Deregister", DeregisterRequest(node="n1", service_id="consul", **DC))
        await parts.call("Catalog.Deregister", DeregisterRequest(node="c1", **DC))
        await asyncio.sleep(61)
        assert nodes(parts) == {"n1", "c1"}
        assert "consul" in parts.services()

    led(body, client("c1"))


# ---- failed


def test_a_failed_member_turns_critical_and_keeps_what_is_on_it() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        web = NodeService(id="web", service="web", port=80)
        await parts.register("c1", service=web, node_meta={"rack": "7"})
        pool.becomes(MemberFailed, client("c1", FAILED, at="10.9.9.9"))
        await settled()
        assert await serf_health(parts, "c1") == "critical"
        assert await check_output(parts, "c1") == "Agent not live or unreachable"
        found = parts.state.store.catalog.find_node("c1")
        assert found is not None
        assert (found.address, found.meta) == ("10.0.0.1", {"rack": "7"})
        assert "web" in parts.services()

    led(body, client("c1"))


def test_a_member_that_stays_failed_is_written_once() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberFailed, client("c1", FAILED))
        await settled()
        before = parts.index
        pool.becomes(MemberFailed, client("c1", FAILED, at="10.0.0.2"))
        await asyncio.sleep(200)
        assert parts.index == before

    led(body, client("c1"))


def test_a_failed_member_that_returns_passes_again() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberFailed, client("c1", FAILED))
        await settled()
        pool.becomes(MemberJoined, client("c1"))
        await settled()
        assert await serf_health(parts, "c1") == "passing"

    led(body, client("c1"))


def test_a_failed_member_that_the_catalog_does_not_know_is_passed_over() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        before = parts.index
        pool.becomes(MemberFailed, client("c1", FAILED))
        await settled()
        assert (nodes(parts), parts.index) == ({"n1"}, before)

    led(body)


def test_the_sessions_of_a_dead_node_end() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        request = SessionRequest(op="create", session=Session(node="c1", node_checks=["serfHealth"]), **DC)
        session = (await parts.call("Session.Apply", request)).value
        pool.becomes(MemberFailed, client("c1", FAILED))
        await settled()
        assert (await parts.call("Session.Get", SessionSpecificRequest(session_id=session, **DC))).value is None

    led(body, client("c1"))


def test_the_newest_word_about_a_member_counts() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        for _ in range(50):
            pool.becomes(MemberFailed, client("c1", FAILED))
            pool.becomes(MemberJoined, client("c1"))
        before = parts.index
        await settled()
        assert await serf_health(parts, "c1") == "passing"
        assert parts.index == before, "it flapped faster than anybody looked"

    led(body, client("c1"))


# ---- left and forgotten


@pytest.mark.parametrize(
    ("event", "member"),
    [
        pytest.param(MemberLeft, client("c1", LEFT), id="left"),
        pytest.param(MemberReaped, client("c1", FAILED), id="forgotten"),
    ],
)
def test_a_member_that_is_gone_takes_everything_with_it(event: type, member: Member) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        await parts.register("c1", service=NodeService(id="web", service="web"))
        pool.becomes(event, member)
        await settled()
        assert nodes(parts) == {"n1"}
        assert "web" not in parts.services()

    led(body, client("c1"))


@pytest.mark.parametrize("event", [MemberLeft, MemberReaped])
def test_this_server_never_deregisters_itself(event: type) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        parts.consensus.configuration = parts.consensus.configuration.with_voter(identity(2), "127.0.0.2:8300")
        parts.consensus.configurations.clear()
        pool.becomes(event, server(1, LEFT))
        await settled()
        assert "n1" in nodes(parts)
        assert parts.consensus.configurations == []

    led(body, server(2))


def test_a_node_that_was_forgotten_while_nobody_led_goes_once_it_has_been_unknown_for_long() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberReaped, client("c1"), told=False)
        await asyncio.sleep(500)
        assert "c1" in nodes(parts), "after a restart of all servers it may still come back"
        await asyncio.sleep(200)
        assert nodes(parts) == {"n1"}

    led(body, client("c1"))


def test_a_node_that_comes_back_in_time_stays() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberReaped, client("c1"), told=False)
        await asyncio.sleep(500)
        pool.becomes(MemberJoined, client("c1"))
        await asyncio.sleep(100)
        pool.becomes(MemberReaped, client("c1"), told=False)
        await asyncio.sleep(500)
        assert "c1" in nodes(parts), "its time begins anew"

    led(body, client("c1"))


def test_nodes_of_other_origin_are_left_alone() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        await parts.register("external", checks=[HealthCheck(node="external", check_id="ping", name="ping", status="passing")])
        await asyncio.sleep(2000)
        assert "external" in nodes(parts)

    led(body)


def test_a_leader_whose_pool_is_not_open_deregisters_nobody() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.members.clear()
        parts.server.context.servers.changed(server(1))
        await asyncio.sleep(2000)
        assert nodes(parts) == {"n1", "c1"}

    led(body, client("c1"))


# ---- who is looked after, and when


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(client("c1", dc="dc2"), id="of another datacenter"),
        pytest.param(client("c1", role="other"), id="no agent"),
        pytest.param(client("c1", segment="alpha"), id="of another segment"),
        pytest.param(server(2, port="x"), id="a server without a port"),
    ],
)
def test_a_member_that_is_no_agent_of_this_datacenter_is_passed_over(member: Member, caplog: pytest.LogCaptureFixture) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        assert nodes(parts) == {"n1"}
        assert f"skipping reconcile of node: member={member.name}" in caplog.text

    led(body, member)


def test_only_the_leader_writes() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        parts.server.leadership(False)
        before = parts.index
        pool.becomes(MemberJoined, client("c1"))
        await settled()
        assert parts.index == before
        parts.server.leadership(True)
        await settled()
        assert "c1" in nodes(parts)

    led(body)


def test_other_news_of_the_pool_is_passed_over() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        before = parts.index
        parts.server.member_event(EventReceived(time=1, name="e", payload=b"", coalesce=False))
        await settled()
        assert parts.index == before

    led(body)


def test_members_are_written_many_at_a_time_but_not_all() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        open_writes, most = 0, 0
        commit = parts.consensus.commit

        def counted(message_type: int, data: bytes, command: object) -> asyncio.Future[object]:
            nonlocal open_writes, most
            future = commit(message_type, data, command)
            if isinstance(command, RegisterRequest):
                open_writes += 1
                most = max(most, open_writes)
                future.add_done_callback(closed)
            return future

        def closed(_: object) -> None:
            nonlocal open_writes
            open_writes -= 1

        parts.consensus.commit = counted  # type: ignore[method-assign]
        for n in range(1000):
            pool.becomes(MemberJoined, client(f"c{n}"), told=False)
        await asyncio.sleep(61)
        assert len(nodes(parts)) == 1001
        assert 16 <= most <= IN_FLIGHT

    led(body)


@pytest.mark.parametrize("error", [StorageFailed("disk full"), CommandFailed("reserved")])
def test_what_fails_is_told_and_tried_again_by_the_next_full_round(error: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        parts.consensus.error = error
        pool.becomes(MemberJoined, client("c1"))
        await settled()
        assert f"failed to reconcile member: member=c1 error={error}" in caplog.text
        parts.consensus.error = None
        await asyncio.sleep(61)
        assert "c1" in nodes(parts)

    led(body)
