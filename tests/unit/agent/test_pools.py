"""The two pools of agents on one host: joining, the flood from LAN to WAN, keys, distances. Sockets and time are real, settings quick."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from agent_fakes import in_loop
from msgspec.structs import replace

from muster.agent.config.config import Config
from muster.agent.config.sections import Encryption, GossipSettings, Ports
from muster.agent.datacenters import PooledDatacenters
from muster.agent.keyring_operations import KeyringFailed, carry_out
from muster.agent.pools import NotInPool, Pools
from muster.agent.server_list import KnownServer
from muster.agent.telemetry import Metrics, TelemetrySettings
from muster.gossip.effects import Effect, MemberStatus
from muster.model.durations import MILLISECOND
from muster.model.errors import DatacenterUnreachable, NoPathToDatacenter, Rejected
from muster.program.clock import SystemClock
from muster.server.forwarding import NoForwarding

KEY, NEW_KEY = "pUqJrVyVRj5jsiYEkM/tFQ==", "3lg9DxVfKNzI8O+IQ5Ek+Q=="
QUICK = GossipSettings(
    gossip_interval=10 * MILLISECOND, probe_interval=50 * MILLISECOND, probe_timeout=25 * MILLISECOND, suspicion_multiplier=3
)
PATIENT = replace(QUICK, gossip_interval=300 * MILLISECOND)
"""A query may take 4.8 s: each member writes its keys to a disk that others may keep busy. It ends when all have answered."""
LIMIT = 20.0
"""Seconds until a test gives up; what it waits for takes a fraction of one."""


def config(name: str, **more: object) -> Config:
    base = Config(
        node_name=name,
        server=True,
        ports=Ports(serf_lan=0, serf_wan=0),
        serf_bind_address_lan="127.0.0.1",
        serf_bind_address_wan="127.0.0.1",
        gossip_lan=QUICK,
        gossip_wan=QUICK,
    )
    return replace(base, **more)


@contextlib.asynccontextmanager
async def open_pools(*configs: Config) -> AsyncIterator[list[Pools]]:
    clock = SystemClock()
    made = []
    try:
        for number, one in enumerate(configs):
            chance = random.Random(number)
            identity = f"00000000-0000-0000-0000-{number:012}"
            pools = Pools(one, identity, clock, chance, Metrics(clock, TelemetrySettings()))
            made.append(pools)
            await pools.open()
        yield made
    finally:
        for pools in made:
            await pools.close()


async def until(condition: Callable[[], bool], *watched: Pools) -> None:
    """Looks again whenever one of these pools has something to tell."""
    told = asyncio.Event()

    def tell(_effect: Effect) -> None:
        told.set()

    listeners = [one for pools in watched for one in (pools.lan_listeners, pools.wan_listeners)]
    for one in listeners:
        one.append(tell)
    async with asyncio.timeout(LIMIT):
        while not condition():
            told.clear()
            await told.wait()
    for one in listeners:
        one.remove(tell)


def lan_address(pools: Pools) -> str:
    return f"127.0.0.1:{pools.lan.serf.endpoint[1]}"


def alive(pools: Pools, wan: bool = False) -> list[str]:
    return sorted(member.name for member in pools.members(wan) if member.status is MemberStatus.ALIVE)


@in_loop
async def test_servers_that_meet_in_the_lan_pool_meet_in_the_wan_pool_too() -> None:
    async with open_pools(config("s1"), config("s2")) as (first, second):
        assert await second.lan.join([lan_address(first)]) == (1, [])
        await until(lambda: alive(first) == alive(second) == ["s1", "s2"], first, second)
        await until(lambda: alive(first, wan=True) == alive(second, wan=True) == ["s1.dc1", "s2.dc1"], first, second)
        assert first.alive_count() == 2


@in_loop
async def test_a_client_is_in_the_lan_pool_alone() -> None:
    async with open_pools(config("s1"), config("c1", server=False)) as (server, client):
        await client.lan.join([lan_address(server)])
        await until(lambda: alive(server) == ["c1", "s1"], server, client)
        assert client.members(wan=True) == []
        assert alive(server, wan=True) == ["s1.dc1"]
        with pytest.raises(NotInPool, match="Must be a server to join WAN cluster"):
            client.pool(wan=True)


@in_loop
async def test_a_server_without_a_wan_port_says_so() -> None:
    async with open_pools(config("s1", ports=Ports(serf_lan=0, serf_wan=-1))) as (server,):
        with pytest.raises(NotInPool, match="WAN Federation is disabled"):
            server.pool(wan=True)


@in_loop
async def test_agents_of_another_datacenter_are_refused_with_the_reason() -> None:
    async with open_pools(config("s1"), config("s2", datacenter="dc2")) as (first, second):
        joined, errors = await second.lan.join([lan_address(first)])
        assert joined == 0
        assert "part of wrong datacenter" in errors[0]
        assert alive(first) == ["s1"]


@in_loop
async def test_a_member_that_fails_can_be_made_to_leave_and_a_stranger_cannot() -> None:
    async with open_pools(config("s1"), config("s2")) as (first, second):
        await second.lan.join([lan_address(first)])
        await until(lambda: alive(first, wan=True) == ["s1.dc1", "s2.dc1"], first)
        with pytest.raises(Rejected, match="agent: No node found with name 'nobody'"):
            first.force_leave("nobody", prune=False)
        await second.close()
        await until(lambda: alive(first) == ["s1"] and alive(first, wan=True) == ["s1.dc1"], first)
        first.force_leave("s2", prune=False)
        assert [member.status for member in first.members() if member.name == "s2"] == [MemberStatus.LEFT]
        assert [member.status for member in first.members(wan=True) if member.name == "s2.dc1"] == [MemberStatus.LEFT]
        first.force_leave("s2", prune=True)
        await until(lambda: all(member.name != "s2" for member in first.members()), first)


@in_loop
async def test_keys_change_at_every_member_and_in_the_files(tmp_path: Path) -> None:
    secret = Encryption(KEY)
    configs = [
        config(name, encryption=secret, data_dir=str(tmp_path / name), gossip_lan=PATIENT, gossip_wan=PATIENT) for name in ("s1", "s2")
    ]
    async with open_pools(*configs) as (first, second):
        await second.lan.join([lan_address(first)])
        for pools in (first, second):
            await until(lambda pools=pools: alive(pools, wan=True) == ["s1.dc1", "s2.dc1"], pools)
        for operation, key in (("install", NEW_KEY), ("use", NEW_KEY), ("remove", KEY)):
            await carry_out(configs[0], first, operation, key)
        answers = await carry_out(configs[1], second, "list")
        assert [(answer.wan, answer.keys, answer.primary_keys, answer.members) for answer in answers] == [
            (True, {NEW_KEY: 2}, {NEW_KEY: 2}, 2),
            (False, {NEW_KEY: 2}, {NEW_KEY: 2}, 2),
        ]
        for name in ("s1", "s2"):
            for file in ("local.keyring", "remote.keyring"):
                assert json.loads((tmp_path / name / "serf" / file).read_text()) == [NEW_KEY]
        with pytest.raises(KeyringFailed, match="Removing the primary key is not allowed"):
            await carry_out(configs[0], first, "remove", NEW_KEY)
        with pytest.raises(KeyringFailed, match=r"2 errors occurred:\n\t\* WAN error: illegal base64 data at input byte 3"):
            await carry_out(configs[0], first, "install", "too short")


@in_loop
async def test_keys_are_a_matter_of_servers() -> None:
    async with open_pools(config("c1", server=False)) as (client,):
        with pytest.raises(Rejected, match="keyring operations must run against a server node"):
            await carry_out(config("c1", server=False), client, "list")


@in_loop
async def test_datacenters_are_known_by_their_servers_and_the_own_one_is_the_nearest() -> None:
    async with open_pools(config("s1", datacenter="east"), config("s2", datacenter="west")) as (first, second):
        known = PooledDatacenters(first, "east", SystemClock(), random.Random(1), NoForwarding())
        assert known.names() == ["east"]
        assert first.wan is not None
        assert second.wan is not None
        first.wan_listeners.append(known.heard)
        with pytest.raises(NoPathToDatacenter):
            known.server_of("west")
        await second.wan.join([f"127.0.0.1:{first.wan.serf.endpoint[1]}"])
        await until(lambda: known.names() == ["east", "west"], first)
        await until(lambda: len(known.coordinates()[1].coordinates) == 1, first)
        east, west = known.coordinates()
        assert [one.node for one in east.coordinates] == ["s1"]
        assert [one.node for one in west.coordinates] == ["s2"]
        address = known.server_of("west")
        assert address.startswith("127.0.0.1:")
        await second.close()
        await until(lambda: "s2.west" not in alive(first, wan=True), first)
        assert known.names() == ["east", "west"], "one whose servers failed is still a datacenter"
        assert known.server_of("west") == address, "and they are asked, for the pool may be wrong"
        await known.look("west", [KnownServer("s2.west", address)])
        with pytest.raises(DatacenterUnreachable):
            known.server_of("west")
        first.wan.force_leave("s2.west")
        assert known.names() == ["east"]
        with pytest.raises(NoPathToDatacenter):
            known.server_of("west")
        known.stop()
