"""The wall clock jumps by an hour, or a host is suspended: nothing ends, begins or waits because of that (incident 16 of docs/testing.md)."""

import asyncio
import re
from pathlib import Path

import pytest
from many_servers import Cluster, together
from server_parts import DC, Parts, run
from test_many_servers import founded, get, put

import muster
from muster.model.sessions import Session
from muster.wire.commands import SessionRequest
from muster.wire.requests import KeyRequest

SOURCES = Path(muster.__file__).parent
JUMPS = pytest.mark.parametrize("jump", [3600.0, -3600.0, 600.0], ids=["an hour ahead", "an hour back", "ten minutes asleep"])

READ_THE_WALL_CLOCK = {
    "agent/logging.py": "the age of a log file",
    "agent/registrar.py": "`Expires` of a check's state, which outlives the process",
    "agent/telemetry.py": "the time shown beside metrics",
    "dns/resolver.py": "the serial of a zone",
    "http/agent_node.py": "the time of this host, shown",
    "http/listener.py": "the Date of answers",
    "http/muster.py": "the age of a check's state, shown",
    "program/clock.py": "the clock itself",
    "server/consensus_snapshots.py": "the date of a snapshot",
    "server/health.py": "StableSince, shown",
    "server/peers_file.py": "the date of a snapshot",
    "server/server.py": "when a check turned, shown",
}
"""All that may, and what for: what is shown, or stored as a date."""


def test_the_wall_clock_is_read_only_for_what_is_shown_or_stored_as_a_date() -> None:
    reading = re.compile(r"\.wall\(\)|\btime\.time\b|datetime\.now|utcnow")
    files = [path for path in SOURCES.rglob("*.py") if path.relative_to(SOURCES).parts[0] not in ("cli", "client", "testing")]
    assert len(files) > 200
    assert {str(path.relative_to(SOURCES)) for path in files if reading.search(path.read_text())} == set(READ_THE_WALL_CLOCK)


def jumps(clock: object, seconds: float) -> None:
    wall = clock.wall  # type: ignore[attr-defined]
    clock.wall = lambda: wall() + seconds  # type: ignore[attr-defined]


@JUMPS
def test_a_session_lives_its_time_whatever_the_wall_clock_says(jump: float) -> None:
    async def body(parts: Parts) -> None:
        asked = SessionRequest(op="create", session=Session(node="n1", ttl="10s", checks=[]), **DC)
        await parts.register("n1")
        session = (await parts.call("Session.Apply", asked)).value
        jumps(parts.clock, jump)
        await asyncio.sleep(19.8)
        assert parts.state.store.sessions.exists(session)
        await asyncio.sleep(0.4)
        assert not parts.state.store.sessions.exists(session)

    run(body, health_interval=1e6, coordinate_update_period=1e6, autopilot_interval=1e6)


@JUMPS
def test_a_lease_and_an_election_take_their_time_whatever_the_wall_clocks_say(jump: float) -> None:
    async def body(cluster: Cluster) -> None:
        leader = await founded(cluster, 1, 2, 3)
        await asyncio.sleep(3)
        term = leader.consensus.term
        for one in cluster.up()[:2]:
            jumps(one.server.context.clock, jump)
        await put(leader, "k")
        for _ in range(100):
            assert leader.consensus.lease_valid()
            await asyncio.sleep(0.1)
        assert leader.consensus.term == term
        await leader.crash()
        assert await cluster.until(lambda: len(cluster.leaders()) == 1, 10) < 4.0
        assert await get(cluster.leader(), "k") == b"1"

    together(body)


@JUMPS
def test_a_parked_query_waits_its_time_whatever_the_wall_clock_says(jump: float) -> None:
    async def body(parts: Parts) -> None:
        await parts.put("a", b"1")
        index = (await parts.call("KVS.Get", KeyRequest(key="a", **DC))).index
        start = parts.clock.monotonic()
        waiting = asyncio.ensure_future(
            parts.call("KVS.Get", KeyRequest(key="a", min_query_index=index, max_query_time=30_000_000_000, **DC))
        )
        await asyncio.sleep(1)
        jumps(parts.clock, jump)
        await waiting
        assert 30.0 <= parts.clock.monotonic() - start <= 32.0

    run(body)
