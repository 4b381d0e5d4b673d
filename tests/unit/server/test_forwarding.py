"""Calls on a server that does not lead: passed on, held, tried again, refused, and answered from an old view."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from pool_parts import Network, address, server
from server_parts import DC, Parts, run, turns, waiting

from muster.gossip.effects import MemberFailed, MemberJoined
from muster.model.errors import MusterError, NoLeader, NoPathToDatacenter
from muster.model.kv import KVEntry
from muster.server.commit_batch import LeadershipLost
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, EventFireRequest, KeyRequest, SessionSpecificRequest

READ = KeyRequest(key="a", **DC)
STALE = KeyRequest(key="a", allow_stale=True, **DC)
WRITE = KVSRequest(op="set", entry=KVEntry(key="a", value=b"1"), **DC)
QUIET = {"health_interval": 1e6, "coordinate_update_period": 1e6, "reconcile_interval": 1e6, "autopilot_interval": 1e6}


def follow(test: Any, leader: int = 2) -> None:
    """Runs the test on server 1 while server `leader` leads; 0: nobody."""
    network = Network()
    members = [server(1), server(2), server(3)]

    async def body(parts: Parts) -> None:
        await parts.put("a", b"local")
        parts.consensus.leads = False
        parts.server.leadership(False)
        await turns()
        led_by(parts, leader)
        network.forget()
        await test(parts, network)

    run(body, members=lambda: members, forwarding=network, **QUIET)


def led_by(parts: Parts, number: int) -> None:
    parts.consensus.leader_elsewhere = address(number) if number else ""


def test_a_write_goes_to_the_leader_as_it_is_and_its_reply_comes_back() -> None:
    async def body(parts: Parts, network: Network) -> None:
        reply = Reply(value=True)
        network.answers[address(2), "KVS.Apply"] = reply
        assert await parts.server.call("KVS.Apply", WRITE) is reply
        assert network.calls == [(address(2), "KVS.Apply", WRITE)]
        assert network.calls[0][2] is WRITE

    follow(body)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        pytest.param("KVS.Get", READ, id="a default read"),
        pytest.param("KVS.Get", KeyRequest(key="a", require_consistent=True, **DC), id="a consistent read"),
        pytest.param("KVS.Get", KeyRequest(key="a", min_query_index=7, **DC), id="a blocking read"),
        pytest.param("Operator.RaftGetConfiguration", DatacenterRequest(**DC), id="a read without an index"),
        pytest.param("Operator.ServerHealth", DatacenterRequest(allow_stale=True, **DC), id="what only the leader knows, even if stale"),
        pytest.param("Session.Renew", SessionSpecificRequest(session_id="s", **DC), id="a renewal, whose timer is the leader's"),
        pytest.param("Internal.EventFire", EventFireRequest(name="e", **DC), id="an event"),
    ],
)
def test_what_must_not_be_stale_goes_to_the_leader(method: str, request_: Any) -> None:
    async def body(parts: Parts, network: Network) -> None:
        outcome = waiting(parts.server.call(method, request_))
        assert network.calls == [(address(2), method, request_)]
        network.pending[0].set_result(Reply(value="theirs"))
        assert (await outcome).value == "theirs"

    follow(body)


@pytest.mark.parametrize("method", ["Status.Ping", "Status.Leader", "Status.Peers", "Status.RaftStats", "Catalog.ListDatacenters"])
def test_what_every_server_knows_is_answered_by_itself(method: str) -> None:
    async def body(parts: Parts, network: Network) -> None:
        assert isinstance(parts.server.call(method, DatacenterRequest()), Reply)
        assert network.calls == []

    follow(body)


def test_a_stale_read_is_answered_here_and_tells_the_age_of_the_view() -> None:
    async def body(parts: Parts, network: Network) -> None:
        parts.consensus.contact = 0.0439
        reply = parts.server.call("KVS.Get", STALE)
        assert (reply.value.value, reply.known_leader, reply.last_contact) == (b"local", True, 43_000_000)
        led_by(parts, 0)
        assert parts.server.call("KVS.Get", STALE).known_leader is False
        assert network.calls == []

    follow(body)


def test_a_stale_blocking_read_waits_here_and_tells_the_age_at_its_end() -> None:
    async def body(parts: Parts, network: Network) -> None:
        question = KeyRequest(key="a", allow_stale=True, min_query_index=parts.index, max_query_time=1_000_000_000, **DC)
        outcome = waiting(parts.server.call("KVS.Get", question))
        assert parts.server.blocking.parked == 1
        parts.consensus.contact = 0.5
        reply = await outcome
        assert (reply.value.value, reply.last_contact) == (b"local", 500_000_000)
        left = waiting(parts.server.call("KVS.Get", question))
        left.cancel()
        await turns()
        assert parts.server.blocking.parked == 0
        assert network.calls == []

    follow(body)


def test_answers_of_one_view_share_what_the_edges_made_of_them() -> None:
    async def body(parts: Parts, network: Network) -> None:
        question = DatacenterRequest(allow_stale=True, **DC)
        first, second = (parts.server.call("Catalog.ListNodes", question) for _ in range(2))
        first.encodings["json"] = b"[]"
        assert second.encodings["json"] == b"[]"

    follow(body)


def test_a_server_that_never_heard_a_leader_answers_no_stale_read() -> None:
    async def body(parts: Parts, network: Network) -> None:
        parts.consensus.contact = None
        with pytest.raises(NoLeader):
            await waiting(parts.server.call("KVS.Get", STALE))

    follow(body, leader=0)


def test_an_error_of_the_leader_is_told_as_it_came() -> None:
    async def body(parts: Parts, network: Network) -> None:
        network.answers[address(2), "KVS.Apply"] = RemoteError("rpc error making call: Permission denied")
        with pytest.raises(RemoteError) as caught:
            await parts.server.call("KVS.Apply", WRITE)
        assert caught.value.wire_text == "rpc error making call: rpc error making call: Permission denied"
        assert len(network.calls) == 1

    follow(body)


def test_no_cluster_leader_is_tried_again_for_seven_seconds_in_random_steps() -> None:
    async def body(parts: Parts, network: Network) -> None:
        network.answers[address(2), "KVS.Apply"] = RemoteError("No cluster leader")
        start, times = parts.clock.monotonic(), []
        network.ask = lambda *_: times.append(parts.clock.monotonic()) or RemoteError("No cluster leader")  # type: ignore[func-returns-value]
        with pytest.raises(RemoteError, match="rpc error making call: No cluster leader"):
            await parts.server.call("KVS.Apply", WRITE)
        assert 7.0 <= parts.clock.monotonic() - start <= 7.01
        steps = [later - earlier for earlier, later in pairwise(times)]
        assert max(steps) <= 0.4375 + 1e-6
        assert len(set(steps)) > len(steps) / 2, "they come by chance"
        assert 16 < len(times) < 80

    follow(body)


def test_a_call_succeeds_once_the_server_asked_leads_again() -> None:
    async def body(parts: Parts, network: Network) -> None:
        answers = iter([RemoteError("No cluster leader"), RemoteError("No cluster leader"), Reply(value=True)])
        network.ask = lambda *_: next(answers)
        assert (await parts.server.call("KVS.Apply", WRITE)).value is True
        assert network.asked("KVS.Apply") == [address(2)] * 3

    follow(body)


@pytest.mark.parametrize(
    ("error", "method", "request_", "repeated"),
    [
        pytest.param(RemoteError("No cluster leader"), "KVS.Apply", WRITE, True, id="no leader: a write too"),
        pytest.param(CannotConnect("dial tcp: refused"), "KVS.Apply", WRITE, True, id="no connection: nothing was sent"),
        pytest.param(ConnectionLost("KVS.Get"), "KVS.Get", READ, True, id="a lost connection: a read"),
        pytest.param(ConnectionLost("KVS.Apply"), "KVS.Apply", WRITE, False, id="a lost connection: not a write, which may be done"),
        pytest.param(RemoteError("Permission denied"), "KVS.Get", READ, False, id="a refusal is an answer"),
        pytest.param(RemoteError("leadership lost while committing log"), "KVS.Apply", WRITE, False, id="a write that may be done"),
    ],
)
def test_what_may_be_tried_again(error: MusterError, method: str, request_: Any, repeated: bool) -> None:
    async def body(parts: Parts, network: Network) -> None:
        answers = iter([error, Reply(value="done")])
        network.ask = lambda *_: next(answers)
        outcome = parts.server.call(method, request_)
        if repeated:
            assert (await outcome).value == "done"
        else:
            with pytest.raises(type(error)):
                await outcome

    follow(body)


def test_a_held_call_goes_to_a_new_leader_at_once() -> None:
    async def body(parts: Parts, network: Network) -> None:
        outcome = waiting(parts.server.call("KVS.Apply", WRITE))
        await asyncio.sleep(1.0)
        assert network.calls == []
        led_by(parts, 3)
        network.answers[address(3), "KVS.Apply"] = Reply(value=True)
        start = parts.clock.monotonic()
        await outcome
        assert parts.clock.monotonic() - start <= 0.05

    follow(body, leader=0)


def test_a_held_call_need_not_look_when_consensus_tells_of_a_leader() -> None:
    async def body(parts: Parts, network: Network) -> None:
        outcome = waiting(parts.server.call("KVS.Apply", WRITE))
        await asyncio.sleep(1.0)
        led_by(parts, 3)
        network.answers[address(3), "KVS.Apply"] = Reply(value=True)
        start = parts.clock.monotonic()
        parts.server.leader_changed(address(3))
        await outcome
        assert parts.clock.monotonic() == start

    follow(body, leader=0)


def test_a_call_that_its_leader_failed_goes_to_the_next_one_at_once() -> None:
    async def body(parts: Parts, network: Network) -> None:
        parts.server._forwarder._hold_time = 70.0  # so that a step by chance is seconds long
        network.answers[address(2), "KVS.Apply"] = CannotConnect("dial tcp 127.0.0.2:8300: connect: connection refused")
        network.answers[address(3), "KVS.Apply"] = Reply(value=True)
        outcome = waiting(parts.server.call("KVS.Apply", WRITE))
        led_by(parts, 3)
        start = parts.clock.monotonic()
        await outcome
        assert parts.clock.monotonic() - start <= 0.05

    follow(body)


def test_a_held_call_is_answered_here_once_this_server_leads() -> None:
    async def body(parts: Parts, network: Network) -> None:
        outcome = waiting(parts.server.call("KVS.Apply", WRITE))
        parts.consensus.leads = True
        parts.server.leadership(True)
        await outcome
        assert (await parts.call("KVS.Get", READ)).value.value == b"1"
        assert network.calls == []

    follow(body, leader=0)


def test_the_leader_must_be_in_the_pool_under_exactly_its_address() -> None:
    async def body(parts: Parts, network: Network) -> None:
        parts.consensus.leader_elsewhere = "127.0.0.9:8300"
        with pytest.raises(NoLeader):
            await parts.server.call("KVS.Get", READ)
        assert network.calls == []

    follow(body)


def test_a_leader_that_fails_in_the_pool_is_asked_no_more() -> None:
    members = [server(1), server(2)]
    network = Network()

    async def body(parts: Parts) -> None:
        parts.consensus.leads = False
        parts.server.leadership(False)
        led_by(parts, 2)
        await turns()
        network.forget()
        waiting(parts.server.call("KVS.Get", READ)).cancel()
        assert len(network.calls) == 1
        members.pop()
        parts.server.member_event(MemberFailed(server(2)))
        held = waiting(parts.server.call("KVS.Get", READ))
        assert len(network.calls) == 1
        members.append(server(2))
        parts.server.member_event(MemberJoined(server(2)))
        await asyncio.sleep(0.05)
        assert len(network.calls) == 2
        held.cancel()

    run(body, members=lambda: members, forwarding=network, **QUIET)


def test_leaving_ends_what_is_held_and_refuses_what_comes() -> None:
    async def body(parts: Parts, network: Network) -> None:
        held = waiting(parts.server.call("KVS.Get", READ))
        start = parts.clock.monotonic()
        parts.server._refuse()
        with pytest.raises(NoLeader):
            await held
        with pytest.raises(NoLeader):
            parts.server.call("KVS.Apply", WRITE)
        assert parts.clock.monotonic() == start, "at once"
        assert parts.server.call("KVS.Get", STALE).value.value == b"local"

    follow(body, leader=0)


def test_a_call_that_fails_at_the_leader_while_this_server_leaves_is_not_held() -> None:
    async def body(parts: Parts, network: Network) -> None:
        outcome = waiting(parts.server.call("KVS.Get", READ))
        parts.server._refuse()
        network.pending[0].set_exception(RemoteError("No cluster leader"))
        start = parts.clock.monotonic()
        with pytest.raises(RemoteError):
            await outcome
        assert parts.clock.monotonic() == start

    follow(body)


def test_a_client_that_goes_away_ends_its_call_at_the_leader() -> None:
    async def body(parts: Parts, network: Network) -> None:
        outcome = waiting(parts.server.call("KVS.Get", READ))
        outcome.cancel()
        await turns()
        assert network.pending[0].cancelled()
        assert len(parts.server._forwarder) == 0

    follow(body)


def test_an_answer_that_comes_after_its_client_went_is_dropped() -> None:
    async def body(parts: Parts, network: Network) -> None:
        outcome = waiting(parts.server.call("KVS.Get", READ))
        network.pending[0].set_exception(ConnectionLost("KVS.Get"))
        outcome.cancel()
        await turns()
        assert len(parts.server._forwarder) == 0

    follow(body)


@pytest.mark.parametrize("method_request", [("KVS.Get", READ), ("KVS.Apply", WRITE)])
def test_another_datacenter_has_no_path(method_request: tuple[str, Any]) -> None:
    import msgspec

    async def body(parts: Parts, network: Network) -> None:
        method, request = method_request
        with pytest.raises(NoPathToDatacenter):
            parts.server.call(method, msgspec.structs.replace(request, datacenter="dc2"))

    follow(body)


def test_a_consistent_read_that_loses_its_leader_goes_to_the_next_one() -> None:
    network = Network()

    async def body(parts: Parts) -> None:
        confirmed: asyncio.Future[None] = parts.loop.create_future()
        parts.consensus.verify_leader = lambda: confirmed  # type: ignore[method-assign]
        outcome = waiting(parts.server.call("KVS.Get", KeyRequest(key="a", require_consistent=True, **DC)))
        parts.consensus.leads = False
        parts.server.leadership(False)
        led_by(parts, 2)
        confirmed.set_exception(NoLeader())
        network.answers[address(2), "KVS.Get"] = Reply(value="theirs")
        assert (await outcome).value == "theirs"

    run(body, members=lambda: [server(1), server(2)], forwarding=network, **QUIET)


def test_a_write_that_may_have_been_written_is_not_sent_again() -> None:
    network = Network()

    async def body(parts: Parts) -> None:
        committed: asyncio.Future[object] = parts.loop.create_future()
        parts.consensus.commit = lambda *_: committed  # type: ignore[method-assign]
        outcome = waiting(parts.server.call("KVS.Apply", WRITE))
        parts.consensus.leads = False
        parts.server.leadership(False)
        led_by(parts, 2)
        committed.set_exception(LeadershipLost())
        with pytest.raises(LeadershipLost):
            await outcome
        assert network.asked("KVS.Apply") == []

    run(body, members=lambda: [server(1), server(2)], forwarding=network, **QUIET)


def test_many_held_calls_are_tried_some_each_turn_of_the_loop() -> None:
    async def body(parts: Parts, network: Network) -> None:
        held = [waiting(parts.server.call("KVS.Get", READ)) for _ in range(250)]
        led_by(parts, 2)
        network.answers[address(2), "KVS.Get"] = Reply(value="theirs")
        assert {(await one).value for one in held} == {"theirs"}
        assert len(network.calls) == 250

    follow(body, leader=0)


def test_of_many_calls_that_a_dead_leader_failed_one_tries_again_and_all_go_to_the_next_leader() -> None:
    async def body(parts: Parts, network: Network) -> None:
        network.ask = lambda *_: CannotConnect("dial tcp: refused")
        held = [waiting(parts.server.call("KVS.Get", READ)) for _ in range(500)]
        await asyncio.sleep(5)
        assert 500 + 10 < len(network.calls) < 500 + 100
        network.ask = lambda *_: Reply(value="theirs")
        led_by(parts, 3)
        start = parts.clock.monotonic()
        assert {(await one).value for one in held} == {"theirs"}
        assert parts.clock.monotonic() - start < 0.1

    follow(body)


@pytest.mark.parametrize("parks", [False, True], ids=["answered", "parked there"])
def test_when_the_one_that_tries_again_is_taken_all_follow(parks: bool) -> None:
    async def body(parts: Parts, network: Network) -> None:
        network.ask = lambda *_: CannotConnect("dial tcp: refused")
        held = [waiting(parts.server.call("KVS.Get", READ)) for _ in range(500)]
        await asyncio.sleep(3)
        network.ask = lambda *_: None if parks else Reply(value="theirs")
        before = len(network.calls)
        await asyncio.sleep(1)
        assert len(network.calls) - before == 500
        for parked in network.pending:
            parked.set_result(Reply(value="theirs"))
        assert {(await one).value for one in held} == {"theirs"}

    follow(body)


def test_many_calls_that_nobody_takes_end_together_after_the_hold_time() -> None:
    async def body(parts: Parts, network: Network) -> None:
        network.ask = lambda *_: CannotConnect("dial tcp: refused")
        start = parts.clock.monotonic()
        held = [waiting(parts.server.call("KVS.Get", READ)) for _ in range(500)]
        held[0].cancel()
        for one in held[1:]:
            with pytest.raises(CannotConnect):
                await one
        assert 7.0 <= parts.clock.monotonic() - start <= 7.01
        assert len(network.calls) < 500 + 200

    follow(body)


def test_a_server_that_stops_answers_all_that_waits() -> None:
    async def body(parts: Parts, network: Network) -> None:
        held = waiting(parts.server.call("KVS.Get", READ))
        parts.server.stop()
        with pytest.raises(NoLeader):
            await held

    follow(body, leader=0)
