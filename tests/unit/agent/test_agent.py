"""The whole agent over a toy catalog: start, aliases, events, reload, watches, leaving."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from agent_fakes import ManualClock, ToyCatalog, in_loop, settle

from muster.agent.agent import Agent
from muster.agent.config.config import Config, Definition
from muster.agent.config.sections import Addresses, Ports
from muster.agent.definitions import parse_check, parse_service
from muster.agent.events import UserEvent
from muster.agent.registrar import REMOTE
from muster.agent.watching import Watch
from muster.model.errors import ConfigurationError, Rejected

POOLS = Ports(serf_lan=0, serf_wan=0)
CONFIG = Config(
    node_name="n1",
    dev=True,
    server=True,
    ports=POOLS,
    serf_bind_address_lan="127.0.0.1",
    serf_bind_address_wan="127.0.0.1",
    services=(Definition({"Name": "web", "Check": {"TTL": "1h"}}, "a.json"),),
)


@contextlib.asynccontextmanager
async def running(
    config: Config = CONFIG, catalog: ToyCatalog | None = None, read_config: Callable[[], Config] | None = None
) -> AsyncIterator[Agent]:
    agent = Agent(config, ManualClock(), random.Random(1), catalog or ToyCatalog(), read_config=read_config)
    await agent.pools.open()
    agent.start()
    await settle()
    try:
        yield agent
    finally:
        await agent.stop()
        await agent.pools.close()


@in_loop
async def test_what_the_files_say_is_in_the_catalog_soon_after_the_start(catalog: ToyCatalog) -> None:
    async with running(catalog=catalog) as agent:
        assert list(catalog.services) == ["web"]
        assert catalog.checks["service:web"].status == "critical"
        assert catalog.node is not None
        assert catalog.node.id == agent.node_id
        written = len(catalog.written)
        agent.leader_found()
        await settle()
        assert len(catalog.written) == written, "nothing is written when nothing changed"


@in_loop
async def test_an_alias_follows_its_service_and_the_node() -> None:
    async with running() as agent:
        agent.registrar.register_check(parse_check({"Name": "alias", "AliasService": "web"}), REMOTE)
        await settle()
        assert status(agent, "alias") == "critical"
        agent.registrar.report_ttl("service:web", "passing", "")
        await settle()
        assert status(agent, "alias") == "passing"
        agent.registrar.set_node_maintenance(True)
        await settle()
        assert status(agent, "alias") == "critical"


def status(agent: Agent, check_id: str) -> str:
    check = agent.local.check(check_id)
    assert check is not None
    return check.status


@in_loop
async def test_aliases_of_each_other_come_to_rest() -> None:
    async with running() as agent:
        for name, other in (("a", "b"), ("b", "a")):
            agent.registrar.register_service(parse_service({"Name": name}), REMOTE)
            agent.registrar.register_check(parse_check({"Name": f"alias {name}", "AliasService": other, "ServiceID": name}), REMOTE)
        await settle()
        generation = agent.local.generation
        await settle()
        assert agent.local.generation == generation
        assert all(len(check.output) < 200 for check in agent.local.checks().values())


@in_loop
async def test_a_reload_takes_over_services_and_refuses_what_makes_no_sense_as_a_whole(catalog: ToyCatalog) -> None:
    wanted = [msgspec.structs.replace(CONFIG, services=(Definition({"Name": "db"}, "a.json"),))]
    async with running(catalog=catalog, read_config=lambda: wanted[0]) as agent:
        agent.reload()
        await settle()
        assert list(catalog.services) == ["db"]
        for bad in (
            msgspec.structs.replace(CONFIG, services=(Definition({"Port": 1}, "b.json"),)),
            msgspec.structs.replace(CONFIG, watches=({"type": "odd", "args": ["true"]},)),
        ):
            wanted[0] = bad
            with pytest.raises(ConfigurationError):
                agent.reload()
            await settle()
            assert list(catalog.services) == ["db"]
            assert agent.config.services[0].fields == {"Name": "db"}


@in_loop
async def test_an_event_reaches_those_who_listen_and_wait() -> None:
    async with running() as agent:
        heard: list[UserEvent] = []
        agent.event_listeners.append(heard.append)
        waiting = agent.events.wait()
        sent = agent.fire_event(UserEvent(name="deploy", payload=b"x", service_filter="web"))
        assert (sent.lamport_time, heard[0].lamport_time, heard[0].id) == (0, 1, sent.id)
        assert waiting.done()
        agent.fire_event(UserEvent(name="deploy", node_filter="another"))
        assert len(heard) == 1


@in_loop
async def test_a_segment_and_an_unknown_member_are_refused_in_the_peers_words() -> None:
    async with running() as agent:
        with pytest.raises(Rejected, match="Network segments are not supported in this version of Consul"):
            agent.members(segment="absent")
        with pytest.raises(Rejected, match="agent: No node found with name 'absent'"):
            agent.force_leave("absent")
        assert [member["Name"] for member in [*agent.members(), *agent.members(wan=True)]] == ["n1", "n1.dc1"]


@in_loop
async def test_joining_nobody_says_why() -> None:
    async with running() as agent:
        with pytest.raises(
            Rejected, match=r"1 error occurred:\n\t\* Failed to join 127.0.0.1: dial tcp 127.0.0.1:1: connect: connection refused\n\n"
        ):
            await agent.join("127.0.0.1:1")


@in_loop
async def test_leaving_is_asked_for_once() -> None:
    asked: list[int] = []

    async def on_leave() -> None:
        asked.append(1)

    agent = Agent(CONFIG, ManualClock(), random.Random(1), ToyCatalog(), on_leave=on_leave)
    await asyncio.gather(agent.leave(), agent.leave())
    assert asked == [1]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"type": "odd", "args": ["x"]}, id="an unknown type"),
        pytest.param({"type": "key", "args": ["x"]}, id="no key"),
        pytest.param({"type": "nodes"}, id="no handler"),
        pytest.param({"type": "nodes", "args": "x"}, id="arguments are text"),
        pytest.param({"type": "nodes", "http_handler_config": {"method": "PUT"}}, id="no URL"),
        pytest.param({"type": "nodes", "args": ["x"], "unknown": 1}, id="an unknown parameter"),
    ],
)
def test_a_watch_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Watch(settings)


@in_loop
async def test_a_watch_gives_its_script_the_change_and_the_index(tmp_path: Path) -> None:
    await _watch(tmp_path, {"args": ["sh", "-c", f"(cat; echo $CONSUL_INDEX) > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/out"]})


async def _watch(tmp_path: Path, handler: dict[str, Any]) -> None:
    """An HTTP edge that knows one key, a watch of it, and what its handler wrote."""
    parked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            while await reader.readline() not in (b"\r\n", b""):
                pass
            if b"index=7" in head:
                parked.set()
                await reader.read()
                break
            body = b'[{"Key":"a","Value":"eA==","Flags":0,"LockIndex":0,"CreateIndex":7,"ModifyIndex":7}]'
            writer.write(b"HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = Config(
        node_name="n1",
        dev=True,
        ports=Ports(http=port, serf_lan=0, serf_wan=0),
        addresses=Addresses(http=("127.0.0.1",)),
        watches=({"type": "key", "key": "a", **handler},),
    )
    async with running(config) as agent:
        agent.start_watches()
        async with asyncio.timeout(10):
            await parked.wait()
    server.close()
    written = (tmp_path / "out").read_text()  # a few bytes
    payload, index = written.splitlines()
    assert (json.loads(payload)["Key"], index) == ("a", "7")
