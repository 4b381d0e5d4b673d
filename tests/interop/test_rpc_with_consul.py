"""RPC beside the real Consul: our pool asks its server, and its client agent lives on ours."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess

from muster.model.catalog import HealthCheck, NodeService
from muster.model.kv import KVEntry
from muster.transport.rpc_errors import CannotConnect, RemoteError
from muster.transport.rpc_pool import RpcPool
from muster.wire import archive
from muster.wire.commands import KVSRequest, RegisterRequest
from muster.wire.requests import DatacenterRequest, KeyRequest, NodeRequest

pytestmark = [pytest.mark.slow, pytest.mark.peer]

DC = "dc1"
HERE = DatacenterRequest(datacenter=DC)
NOTHING = DatacenterRequest()


def loopback(number: int) -> str:
    """An address of this process only: real servers count connections by address."""
    return f"127.{64 + os.getpid() % 64}.{os.getpid() // 64 % 250 + 1}.{number}"


@pytest.fixture(scope="module")
def server(consul: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """A real server in development mode."""
    folder = tmp_path_factory.mktemp("consul")
    with AgentProcess(folder, "-dev", program=consul, node="real", bind=loopback(1), client=loopback(1), log_level="debug") as agent:
        yield agent


def rpc(agent: AgentProcess) -> str:
    return f"{agent.client}:{agent.rpc}"


@asynccontextmanager
async def pooled() -> AsyncIterator[RpcPool]:
    pool = RpcPool(source=loopback(9))
    try:
        yield pool
    finally:
        pool.close()
        await asyncio.sleep(0)


def in_loop(test: Callable[[AgentProcess], Coroutine[None, None, None]]) -> Callable[[AgentProcess], None]:
    def run(server: AgentProcess) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await test(server)

        asyncio.run(limited())

    run.__name__ = test.__name__
    return run


@in_loop
async def test_status_and_catalog_are_read(server: AgentProcess) -> None:
    async with pooled() as pool:
        assert (await pool.call(rpc(server), "Status.Ping", NOTHING)).value is None
        assert (await pool.call(rpc(server), "Status.Leader", HERE)).value == rpc(server)
        assert (await pool.call(rpc(server), "Status.Peers", HERE)).value == [rpc(server)]
        stats = (await pool.call(rpc(server), "Status.RaftStats", NOTHING)).value
        assert stats.last_index > 0
        nodes = await pool.call(rpc(server), "Catalog.ListNodes", HERE)
        assert [(node.node, node.address) for node in nodes.value] == [("real", server.client)]
        assert nodes.index > 0 and nodes.known_leader
        assert len(connections_of(loopback(9), server)) == 1


def connections_of(client: str, server: AgentProcess) -> list[str]:
    """The connections from an address to the server's port, as the system sees them."""
    words = ["ss", "-Htn", "state", "established", "src", client, "dport", "=", f":{server.rpc}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


@in_loop
async def test_what_is_written_is_read_back(server: AgentProcess) -> None:
    async with pooled() as pool:
        service = NodeService(id="web1", service="web", port=80, tags=["a"])
        check = HealthCheck(node="n1", check_id="c1", name="c", status="passing", service_id="web1")
        register = RegisterRequest(datacenter=DC, node="n1", address="10.0.0.1", service=service, check=check)
        assert (await pool.call(rpc(server), "Catalog.Register", register)).value is None
        services = await pool.call(rpc(server), "Catalog.NodeServices", NodeRequest(datacenter=DC, node="n1"))
        assert [(one.id, one.port, one.tags) for one in services.value.services] == [("web1", 80, ["a"])]
        checks = await pool.call(rpc(server), "Health.NodeChecks", NodeRequest(datacenter=DC, node="n1"))
        assert [(one.check_id, one.status) for one in checks.value] == [("c1", "passing")]
        value = bytes(range(256)) * 2000
        written = KVSRequest(datacenter=DC, op="set", entry=KVEntry(key="big", value=value, flags=7))
        await pool.call(rpc(server), "KVS.Apply", written)
        read = await pool.call(rpc(server), "KVS.Get", KeyRequest(datacenter=DC, key="big"))
        assert (read.value.value, read.value.flags) == (value, 7)
        assert json.loads(server.call("GET", "/v1/kv/big")[1])[0]["Flags"] == 7


@in_loop
async def test_a_large_answer_crosses_in_windows(server: AgentProcess) -> None:
    async with pooled() as pool:
        for number in range(20):
            entry = KVEntry(key=f"many/{number:02}", value=os.urandom(250_000))
            await pool.call(rpc(server), "KVS.Apply", KVSRequest(datacenter=DC, op="set", entry=entry))
        found = await pool.call(rpc(server), "KVS.List", KeyRequest(datacenter=DC, key="many/"))
        assert [len(entry.value) for entry in found.value] == [250_000] * 20


@in_loop
async def test_a_blocking_query_is_woken_by_a_write(server: AgentProcess) -> None:
    async with pooled() as pool:
        await pool.call(rpc(server), "KVS.Apply", KVSRequest(datacenter=DC, op="set", entry=KVEntry(key="w", value=b"1")))
        first = await pool.call(rpc(server), "KVS.Get", KeyRequest(datacenter=DC, key="w"))
        question = KeyRequest(datacenter=DC, key="w", min_query_index=first.index, max_query_time=30_000_000_000)
        waiting = [pool.call(rpc(server), "KVS.Get", question) for _ in range(300)]
        given_up = waiting.pop()
        assert (await pool.call(rpc(server), "Status.Ping", NOTHING)).value is None
        assert not any(call.done() for call in waiting)
        given_up.cancel()
        await pool.call(rpc(server), "KVS.Apply", KVSRequest(datacenter=DC, op="set", entry=KVEntry(key="w", value=b"2")))
        assert {(reply.value.value, reply.index > first.index) for reply in await asyncio.gather(*waiting)} == {(b"2", True)}
        assert len(connections_of(loopback(9), server)) == 1


@in_loop
async def test_errors_come_in_the_servers_words(server: AgentProcess) -> None:
    async with pooled() as pool:
        with pytest.raises(RemoteError, match=r"^rpc error making call: No path to datacenter$"):
            await pool.call(rpc(server), "KVS.Get", KeyRequest(key="w"))
        calls = [pool.call(rpc(server), "KVS.Get", KeyRequest(key="w")) for _ in range(50)]
        assert {str(error) for error in await asyncio.gather(*calls, return_exceptions=True)} == {
            "rpc error making call: No path to datacenter"
        }
        assert (await pool.call(rpc(server), "Status.Ping", NOTHING)).value is None
        unknown = f"{server.client}:{server.http + 1}"
        with pytest.raises(CannotConnect, match=f"dial tcp {loopback(9)}:0->{unknown}: connect: connection refused"):
            await pool.call(unknown, "Status.Ping", NOTHING)


@in_loop
async def test_a_snapshot_is_saved_and_restored(server: AgentProcess) -> None:
    async with pooled() as pool:
        await pool.call(rpc(server), "KVS.Apply", KVSRequest(datacenter=DC, op="set", entry=KVEntry(key="s", value=b"before")))
        reply = await pool.snapshot_save(rpc(server), DC)
        saved = b"".join([piece async for piece in reply.value])
        assert archive.read(saved).metadata.index == reply.index > 0
        await pool.call(rpc(server), "KVS.Apply", KVSRequest(datacenter=DC, op="set", entry=KVEntry(key="s", value=b"after")))
        await pool.snapshot_restore(rpc(server), DC, saved)
        assert (await pool.call(rpc(server), "KVS.Get", KeyRequest(datacenter=DC, key="s"))).value.value == b"before"
        with pytest.raises(RemoteError, match="failed to read snapshot file"):
            await pool.snapshot_restore(rpc(server), DC, saved[:100])
        with pytest.raises(RemoteError, match="No path to datacenter"):
            await pool.snapshot_save(rpc(server), "nowhere")


@in_loop
async def test_the_connection_outlives_its_pings(server: AgentProcess) -> None:
    """Real time: both sides ping every 30 seconds."""
    async with pooled() as pool:
        first = await pool.call(rpc(server), "Catalog.ListNodes", HERE)
        question = DatacenterRequest(datacenter=DC, min_query_index=first.index + 1000, max_query_time=32_000_000_000)
        started = time.monotonic()
        await pool.call(rpc(server), "Catalog.ListNodes", question)
        assert 31 < time.monotonic() - started < 40
        assert len(connections_of(loopback(9), server)) == 1


class ClientAgent(AgentProcess):
    """A real client agent that joins a pool; it has no leader of its own to wait for."""

    def __enter__(self) -> "ClientAgent":
        self.start()
        self.until(lambda: self.call("GET", "/v1/agent/self", timeout=5)[0] == 200, what="the agent answers")
        return self


@pytest.fixture
def pool(consul: Path, tmp_path: Path) -> Iterator[tuple[AgentProcess, ClientAgent]]:
    """A server of ours and a real client agent that joined it."""
    ours = AgentProcess(
        tmp_path / "ours", "-server", "-bootstrap-expect=1", f"-data-dir={tmp_path / 'ours-data'}",
        node="ours", bind=loopback(2), client=loopback(2), log_level="info",
    )  # fmt: skip
    with ours:
        theirs = ClientAgent(
            tmp_path / "theirs", f"-data-dir={tmp_path / 'theirs-data'}", f"-retry-join={ours.client}:{ours.lan}", f"-datacenter={DC}",
            program=consul, node="theirs", bind=loopback(3), client=loopback(3), log_level="debug",
        )  # fmt: skip
        with theirs:
            yield ours, theirs


def test_a_real_client_agent_lives_on_our_server(pool: tuple[AgentProcess, ClientAgent]) -> None:
    ours, theirs = pool
    theirs.until(lambda: theirs.call("GET", "/v1/status/leader")[1] == json.dumps(rpc(ours)).encode(), what="the leader is known")
    theirs.until(lambda: theirs.call("PUT", "/v1/kv/x", "from the client")[1].strip() == b"true", what="a write through the agent")
    assert ours.json("/v1/kv/x")[0]["Key"] == "x"
    assert theirs.json("/v1/kv/x?consistent")[0]["Value"] == ours.json("/v1/kv/x")[0]["Value"]

    service = {"Name": "web", "Port": 80, "Check": {"TTL": "60s", "Status": "passing"}}
    assert theirs.call("PUT", "/v1/agent/service/register", json.dumps(service))[0] == 200
    ours.until(lambda: [one["Node"] for one in ours.json("/v1/catalog/service/web")] == ["theirs"], what="its service is in our catalog")
    ours.until(lambda: ours.json("/v1/health/service/web?passing"), what="and passes")
    assert [one["Node"]["Node"] for one in theirs.json("/v1/health/service/web?passing")] == ["theirs"]

    index = theirs.call("GET", "/v1/kv/x")[2]["x-consul-index"]
    with contextlib.ExitStack() as stack:
        waiting = subprocess.Popen(
            ["curl", "-s", f"http://{theirs.client}:{theirs.http}/v1/kv/x?index={index}&wait=30s"], stdout=subprocess.PIPE, text=True
        )
        stack.callback(waiting.kill)
        theirs.until(lambda: connections_of(theirs.client, ours))
        ours.call("PUT", "/v1/kv/x", "woken")
        answer, _ = waiting.communicate(timeout=20)
        assert json.loads(answer)[0]["Value"] == "d29rZW4="

    status, saved, _ = theirs.call("GET", "/v1/snapshot")
    assert status == 200 and archive.read(saved).metadata.index > 0
    ours.call("PUT", "/v1/kv/x", "later")
    assert theirs.call("PUT", "/v1/snapshot", saved)[0] == 200
    theirs.until(lambda: ours.json("/v1/kv/x")[0]["Value"] == "d29rZW4=", what="the restored value")

    theirs.until(lambda: "Synced node info" in theirs.log(), what="anti-entropy ran")
    synced = theirs.log().count("agent: Synced")
    refused = [line for line in theirs.log().splitlines() if "rpc error" in line and "No cluster leader" not in line]
    assert refused == []
    assert synced < 20
