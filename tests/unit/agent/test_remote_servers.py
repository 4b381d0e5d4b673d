"""A client agent's way to its servers: whom it asks, what it tries again, and for how long. Time is real but short."""

import asyncio
import random
from typing import Any

import pytest
from agent_fakes import ManualClock, in_loop, settle

from muster.agent.no_servers import NoKnownServers
from muster.agent.remote_servers import RemoteServers
from muster.agent.server_list import KnownServer, ServerList, known_server
from muster.gossip.effects import Member, MemberFailed, MemberJoined, MemberStatus
from muster.model.errors import MusterError, Rejected
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply
from muster.wire.requests import KeyRequest

TAGS = {"role": "consul", "dc": "dc1", "port": "8300", "vsn": "2", "build": "1.8.7:"}


def member(name: str, last: int, status: MemberStatus = MemberStatus.ALIVE, **tags: str) -> Member:
    return Member(name, (bytes((10, 0, 0, last)), 8301), {**TAGS, **tags}, status, b"\x01\x05\x02\x02\x05\x04")


@pytest.mark.parametrize(
    ("tags", "address"),
    [
        pytest.param({}, "10.0.0.1:8300", id="a server"),
        pytest.param({"role": "node"}, None, id="a client"),
        pytest.param({"port": "x"}, None, id="no port"),
        pytest.param({"port": "70000"}, None, id="a port too high"),
        pytest.param({"build": "unknown"}, None, id="no version"),
        pytest.param({"vsn": ""}, None, id="no protocol version"),
    ],
)
def test_a_server_is_known_by_its_tags(tags: dict[str, str], address: str | None) -> None:
    found = known_server(member("s1", 1, **tags))
    assert (found.address if found else None) == address


def test_the_list_follows_the_pool() -> None:
    servers = ServerList(random.Random(1))
    servers.heard(member("s1", 1))
    servers.heard(member("s2", 2))
    servers.heard(member("s1", 1, port="8400"))
    assert sorted(one.address for one in servers.all()) == ["10.0.0.1:8400", "10.0.0.2:8300"]
    servers.heard(member("s1", 1, MemberStatus.FAILED))
    assert [one.name for one in servers.all()] == ["s2"]
    servers.heard(member("s2", 2, role="node"))
    assert servers.first() is None


def test_a_server_that_failed_goes_to_the_end_and_only_then() -> None:
    servers = ServerList(random.Random(1))
    for last in (1, 2, 3):
        servers.heard(member(f"s{last}", last))
    first, second, third = servers.all()
    servers.failed(first)
    assert servers.all() == [second, third, first]
    servers.failed(first)
    assert servers.all() == [second, third, first], "another call had moved it already"


def test_a_large_datacenter_moves_more_slowly() -> None:
    servers = ServerList(random.Random(1))
    for last in (1, 2, 3):
        servers.heard(member(f"s{last}", last))
    assert 120.0 <= servers.rebalance_delay(100) <= 180.0
    assert servers.rebalance_delay(192_000) >= 1000.0


class Pool:
    """Servers that answer as the test says: an outcome for each call at an address, the last one again and again."""

    def __init__(self, **outcomes: list[Any]) -> None:
        self.outcomes = outcomes
        self.asked: list[str] = []

    def call(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
        host = f"s{address.split(':')[0].rpartition('.')[2]}"
        self.asked.append(host)
        outcomes = self.outcomes[host]
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if isinstance(outcome, MusterError):
            future.set_exception(outcome)
        elif outcome is not None:
            future.set_result(Reply(value=outcome))
        return future


def servers_of(pool: Pool, clock: ManualClock, hold: float = 0.02) -> RemoteServers:
    remote = RemoteServers(pool, clock, random.Random(3), hold, lambda: 3, lambda: None)
    for name in sorted(pool.outcomes):
        remote.heard(MemberJoined(member(name, int(name[1:]))))
    return remote


READ, WRITE = KeyRequest(key="a", datacenter="dc1"), KVSRequest(datacenter="dc1")


@in_loop
async def test_nobody_known_is_said_at_once() -> None:
    with pytest.raises(NoKnownServers, match="No known Consul servers"):
        servers_of(Pool(), ManualClock()).call("KVS.Get", READ)


@in_loop
async def test_a_server_that_cannot_be_reached_is_passed_over() -> None:
    pool = Pool(s1=[CannotConnect("dial tcp 10.0.0.1:8300: connect: connection refused")], s2=["yes"])
    remote = servers_of(pool, ManualClock())
    replies = [(await remote.call("KVS.Apply", WRITE)).value for _ in range(3)]
    assert replies == ["yes"] * 3
    assert pool.asked.count("s1") <= 1, "it stands behind the one that answers"
    remote.stop()


@in_loop
async def test_a_missing_leader_is_waited_for_even_by_writes() -> None:
    pool = Pool(s1=[RemoteError("No cluster leader"), RemoteError("rpc error making call: No cluster leader"), "written"])
    assert (await servers_of(pool, ManualClock()).call("KVS.Apply", WRITE)).value == "written"


@in_loop
async def test_a_lost_connection_is_tried_again_by_reads_alone() -> None:
    pool = Pool(s1=[ConnectionLost("KVS.Get"), "value"])
    assert (await servers_of(pool, ManualClock()).call("KVS.Get", READ)).value == "value"
    pool = Pool(s1=[ConnectionLost("KVS.Apply"), "twice"])
    with pytest.raises(ConnectionLost):
        await servers_of(pool, ManualClock()).call("KVS.Apply", WRITE)
    assert pool.asked == ["s1"], "it may have been carried out"


@in_loop
async def test_what_a_server_says_is_handed_on() -> None:
    with pytest.raises(MusterError, match="Permission denied"):
        await servers_of(Pool(s1=[RemoteError("Permission denied")]), ManualClock()).call("KVS.Get", READ)


@in_loop
async def test_the_wait_is_bounded() -> None:
    clock = ManualClock()
    pool = Pool(s1=[RemoteError("No cluster leader")])
    call = servers_of(pool, clock).call("KVS.Get", READ)
    await settle()
    clock.advance(1.0)
    with pytest.raises(MusterError, match="No cluster leader"):
        await call


@in_loop
async def test_whoever_hangs_up_takes_the_call_along() -> None:
    pool = Pool(s1=[None])
    call = servers_of(pool, ManualClock()).call("KVS.Get", READ)
    call.cancel()
    await settle()
    assert call.cancelled()


@in_loop
async def test_a_first_server_is_told_of_once() -> None:
    told: list[int] = []
    remote = RemoteServers(Pool(), ManualClock(), random.Random(1), 1.0, lambda: 1, lambda: told.append(1))
    remote.heard(MemberJoined(member("s1", 1)))
    remote.heard(MemberJoined(member("s2", 2)))
    remote.heard(MemberFailed(member("s1", 1, MemberStatus.FAILED)))
    assert told == [1]
    assert remote.statistics()["consul"]["known_servers"] == "1"
    assert remote.servers.first() == KnownServer("s2", "10.0.0.2:8300")
    remote.stop()


@in_loop
async def test_a_refusal_by_the_pool_itself_is_an_answer_too() -> None:
    class Refuses:
        def call(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
            raise Rejected("no such method")

    remote = RemoteServers(Refuses(), ManualClock(), random.Random(1), 1.0, lambda: 1, lambda: None)
    remote.note(member("s1", 1))
    with pytest.raises(Rejected, match="no such method"):
        await remote.call("Nothing", READ)
