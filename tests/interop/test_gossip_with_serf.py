"""One Serf pool of Muster's gossip and two real `serf` agents, plain and encrypted: each side is a full member to the other."""

import asyncio
import inspect
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from muster.gossip.effects import Effect, EventReceived, MemberStatus, QueryReceived
from muster.gossip.settings import LAN
from muster.program.clock import SystemClock
from muster.transport.gossip_pool import GossipPool
from muster.transport.pool_queries import PoolQuery
from muster.transport.pool_start import PoolOptions, open_pool

pytestmark = [pytest.mark.slow, pytest.mark.peer]

PORT, RPC_PORT = 21001, 21101
DEADLINE = 25.0  # seconds for anything to come about
SETTINGS = replace(LAN, gossip_interval=0.1, leave_propagate_delay=0.5, reconnect_interval=300.0, push_pull_interval=2.0)
"""A pool so small may miss a broadcast, of which each member sends four packets, also to the dead: exchanges of tables mend that."""
KEYS = ("AAECAwQFBgcICQoLDA0ODw==", "EBESExQVFhcYGRobHB0eHw==", "ICEiIyQlJicoKSorLC0uLw==")
ALIVE, LEFT, FAILED = "alive", "left", "failed"


@pytest.fixture(scope="session")
def serf(consul: Path) -> Path:
    """The real serf program, which comes with the real consul."""
    program = consul.parent / "serf"
    if not os.access(program, os.X_OK):
        pytest.skip("the real serf is not here: scripts/get-peers brings it")
    return program


def addresses() -> Iterator[str]:
    """Loopback addresses of this process only, so that tests can run side by side."""
    net = f"127.{64 + os.getpid() % 64}.{os.getpid() // 64 % 250 + 1}"
    return (f"{net}.{number}" for number in range(1, 250))


FREE = addresses()


async def eventually(what: str, condition: Callable[[], object]) -> None:
    """Until it (or what it returns to await) holds; asked again every 50 ms, because the other side is another process."""
    end = time.monotonic() + DEADLINE
    while True:
        found = condition()
        if await found if inspect.isawaitable(found) else found:
            return
        assert time.monotonic() < end, f"not in {DEADLINE} seconds: {what}"
        await asyncio.sleep(0.05)


async def every(checks: Iterable[Awaitable[bool]]) -> bool:
    return all(await asyncio.gather(*checks))


class SerfAgent:
    """A real serf agent. Its handlers answer the query `load` and write down the events `deploy`."""

    def __init__(self, program: Path, name: str, folder: Path, key: str, *words: str) -> None:
        self.program, self.name, self.address = program, name, next(FREE)
        self.heard = folder / f"{name}.heard"
        self.log = (folder / f"{name}.log").open("wb")
        flags = ["-node", name, "-bind", f"{self.address}:{PORT}", "-rpc-addr", f"{self.address}:{RPC_PORT}", "-profile", "lan"]
        handlers = [f"query:load=echo {name} is idle", f"user:deploy=cat >> {self.heard}"]
        flags += [word for handler in handlers for word in ("-event-handler", handler)] + (["-encrypt", key] if key else [])
        self.process = subprocess.Popen([program, "agent", *flags, *words], stdout=self.log, stderr=self.log)

    async def run(self, command: str, *words: str) -> str:
        """What a command of serf answers, standard error included."""
        words = (command, "-rpc-addr", f"{self.address}:{RPC_PORT}", *words)
        process = await asyncio.create_subprocess_exec(self.program, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = await process.communicate()
        return output.decode()

    async def members(self) -> dict[str, str]:
        """Status by name; empty while it starts."""
        try:
            return {member["name"]: member["status"] for member in json.loads(await self.run("members", "-format", "json"))["members"]}
        except ValueError:
            return {}

    async def tags(self, name: str) -> dict[str, str]:
        members = json.loads(await self.run("members", "-format", "json"))["members"]
        return next(member["tags"] for member in members if member["name"] == name)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


class Ours:
    """A pool of Muster's. It answers the query `load`, and writes down what happened."""

    def __init__(self, pool: GossipPool) -> None:
        self.pool, self.name = pool, pool.serf.name
        self.happened: list[Effect] = []
        pool.listeners.append(self._listen)

    def _listen(self, effect: Effect) -> None:
        self.happened.append(effect)
        if isinstance(effect, QueryReceived) and effect.name == "load":
            self.pool.respond(effect.identity, effect.time, f"{self.name} is idle".encode())

    async def members(self) -> dict[str, str]:
        return {member.name: str(member.status) for member in self.pool.members()}

    def events(self) -> list[tuple[str, bytes]]:
        return [(effect.name, effect.payload) for effect in self.happened if isinstance(effect, EventReceived)]


class Whole:
    """The mixed pool: `m1` to `m3` are ours, `s1` and `s2` are serf's."""

    def __init__(self, ours: list[Ours], serfs: list[SerfAgent]) -> None:
        self.ours, self.serfs = ours, serfs
        self.ended: set[str] = set()

    def alive(self) -> list[Ours | SerfAgent]:
        return [one for one in (*self.ours, *self.serfs) if one.name not in self.ended]

    async def agree(self, **expected: str) -> None:
        """Until everyone that runs sees these members so."""
        await eventually(f"all see {expected}", lambda: every(_sees(one, expected) for one in self.alive()))


async def _sees(one: Ours | SerfAgent, expected: dict[str, str]) -> bool:
    return expected.items() <= (await one.members()).items()


async def _knows(one: Ours | SerfAgent, names: list[str]) -> bool:
    return sorted(await one.members()) == names


async def _has_tags(agent: SerfAgent, name: str, tags: dict[str, str]) -> bool:
    return await agent.tags(name) == tags


@asynccontextmanager
async def whole_pool(serf: Path, folder: Path, key: str) -> AsyncIterator[Whole]:
    serfs = [SerfAgent(serf, name, folder, key) for name in ("s1", "s2")]
    ours: list[Ours] = []
    try:
        for number, name in enumerate(("m1", "m2", "m3")):
            options = PoolOptions(
                name=name, tags={"role": "ours"}, bind=(next(FREE), PORT), settings=SETTINGS, encrypt=key,
                keyring_path=str(folder / f"{name}.keyring") if key else "",
            )  # fmt: skip
            pool = await open_pool(options, SystemClock(), random.Random(number))
            ours.append(Ours(pool))
            pool.start()
        await eventually("serf runs", lambda: every(_sees(one, {one.name: ALIVE}) for one in serfs))
        assert await ours[0].pool.join([serfs[0].address, ours[1].pool.serf.name + "/" + _at(ours[1])]) == (2, [])
        assert await ours[2].pool.join([_at(ours[0])]) == (1, [])
        assert "Successfully joined" in await serfs[1].run("join", _at(ours[1]))
        whole = Whole(ours, serfs)
        await whole.agree(m1=ALIVE, m2=ALIVE, m3=ALIVE, s1=ALIVE, s2=ALIVE)
        yield whole
    finally:
        for one in ours:
            await one.pool.stop()
        for agent in serfs:
            agent.end()


def _at(one: Ours) -> str:
    return ".".join(map(str, one.pool.serf.endpoint[0]))


def in_loop(test: Callable[[Path, Path, str], Coroutine[None, None, None]]) -> Callable[[Path, Path, str], None]:
    def run(serf: Path, tmp_path: Path, key: str) -> None:
        asyncio.run(test(serf, tmp_path, key))

    run.__name__ = test.__name__
    return run


plain_and_encrypted = pytest.mark.parametrize("key", [pytest.param("", id="plain"), pytest.param(KEYS[0], id="encrypted")])


@plain_and_encrypted
@in_loop
async def test_tags_events_and_queries_cross_both_ways(serf: Path, folder: Path, key: str) -> None:
    async with whole_pool(serf, folder, key) as whole:
        m1, (s1, s2) = whole.ours[0], whole.serfs

        m1.pool.set_tags({"role": "ours", "rack": "r7"})
        await s1.run("tags", "-set", "rack=r8")
        await eventually("our tags reach serf", lambda: _has_tags(s2, "m1", {"role": "ours", "rack": "r7"}))
        await eventually("serf's tags reach us", lambda: all(one.pool.serf.member("s1").tags == {"rack": "r8"} for one in whole.ours))

        m1.pool.user_event("deploy", b"from us\n")
        await s1.run("event", "-coalesce=false", "deploy", "from serf\n")
        both = {("deploy", b"from us\n"), ("deploy", b"from serf\n")}
        await eventually("we hear both events", lambda: all(set(one.events()) == both for one in whole.ours))
        await eventually("serf hears both events", lambda: all(_heard(one) == ["from serf", "from us"] for one in (s1, s2)))
        assert all(len(one.events()) == 2 for one in whole.ours), "each event once"

        asked = await _asked_until_all_answer(m1)
        assert {name: answer.decode().strip() for name, answer in asked.answers.items()} == {
            name: f"{name} is idle" for name in ("m1", "m2", "m3", "s1", "s2")
        }
        assert sorted(asked.acknowledged) == ["m1", "m2", "m3", "s1", "s2"]
        some = await m1.pool.query("load", b"", nodes=["s2", "m3"], relay_factor=2, timeout=1.0).ended()
        assert sorted(some.answers) == ["m3", "s2"]
        tagged = await m1.pool.query("load", b"", tags=[("rack", "r8")], timeout=1.0).ended()
        assert sorted(tagged.answers) == ["s1"]

        await eventually("all answer serf's query", lambda: _all_answer(s2))
        few = json.loads(await s2.run("query", "-format", "json", "-timeout", "1s", "-tag", "rack=r7", "load"))
        assert list(few["Responses"]) == ["m1"]


async def _asked_until_all_answer(one: Ours) -> PoolQuery:
    """Asks again if somebody did not hear of it: nothing brings a query that was missed."""
    for _ in range(3):
        asked = await one.pool.query("load", b"", acknowledge=True, timeout=1.0).ended()
        if len(asked.answers) == 5 == len(asked.acknowledged):
            break
    return asked


async def _all_answer(agent: SerfAgent) -> bool:
    found = json.loads(await agent.run("query", "-format", "json", "-timeout", "1s", "load"))
    answers = {name: text.strip() for name, text in found["Responses"].items()}
    names = ["m1", "m2", "m3", "s1", "s2"]
    return sorted(found["Acks"]) == names and answers == {name: f"{name} is idle" for name in names}


def _heard(agent: SerfAgent) -> list[str]:
    return sorted(agent.heard.read_text().splitlines()) if agent.heard.exists() else []


@plain_and_encrypted
@in_loop
async def test_the_killed_are_noticed_and_force_leave_works_both_ways(serf: Path, folder: Path, key: str) -> None:
    async with whole_pool(serf, folder, key) as whole:
        m1, m2, _ = whole.ours
        s1, s2 = whole.serfs
        s2.process.kill()
        await m2.pool.stop()
        whole.ended |= {"s2", "m2"}
        await whole.agree(m1=ALIVE, m2=FAILED, m3=ALIVE, s1=ALIVE, s2=FAILED)
        await s1.run("force-leave", "m2")
        m1.pool.force_leave("s2")
        await whole.agree(m1=ALIVE, m2=LEFT, m3=ALIVE, s1=ALIVE, s2=LEFT)
        await eventually("the pruned are forgotten", lambda: _pruned(whole, m1, s1))


async def _says(agent: SerfAgent, wanted: str, *command: str) -> bool:
    return wanted in await agent.run(*command)


async def _done(pool: GossipPool, operation: str, key: str) -> bool:
    """Whether every member did so; asked again if one missed the query, as an operator would."""
    found = await pool.key_operation(operation, key)
    return found.error == "" and found.answered == 5


async def _pruned(whole: Whole, ours: Ours, agent: SerfAgent) -> bool:
    """Prunes what each side killed of the other, again at each look: exchanges of tables do not carry it to those who missed it."""
    ours.pool.force_leave("m2", prune=True)
    await agent.run("force-leave", "-prune", "s2")
    return await every(_knows(one, ["m1", "m3", "s1"]) for one in whole.alive())


@plain_and_encrypted
@in_loop
async def test_those_that_leave_are_seen_as_left(serf: Path, folder: Path, key: str) -> None:
    async with whole_pool(serf, folder, key) as whole:
        m2, s2 = whole.ours[1], whole.serfs[1]
        whole.ended |= {"s2", "m2"}
        leaving = asyncio.create_task(m2.pool.leave())
        await s2.run("leave")
        await leaving
        await m2.pool.stop()
        await whole.agree(m1=ALIVE, m2=LEFT, m3=ALIVE, s1=ALIVE, s2=LEFT)
        assert m2.pool.serf.member("m2").status is MemberStatus.LEFT


@pytest.mark.parametrize("key", [pytest.param(KEYS[0], id="encrypted")])
@in_loop
async def test_keys_are_rotated_from_both_sides(serf: Path, folder: Path, key: str) -> None:
    first, second, third = KEYS
    async with whole_pool(serf, folder, key) as whole:
        m1, s1 = whole.ours[0].pool, whole.serfs[0]

        await eventually("serf installs", lambda: _says(s1, "Successfully installed", "keys", "-install", second))
        assert all(one.pool.serf.keyring.to_base64() == [first, second] for one in whole.ours)
        await eventually("we use", lambda: _done(m1, "use", second))
        await eventually("serf removes", lambda: _says(s1, "Successfully removed", "keys", "-remove", first))
        assert (await m1.key_operation("list")).keys.keys() == {second}

        await eventually("we install", lambda: _done(m1, "install", third))
        await eventually("serf uses", lambda: _says(s1, "Successfully changed", "keys", "-use", third))
        await eventually("we remove", lambda: _done(m1, "remove", second))
        assert "nodes reported failure" in (await m1.key_operation("use", first)).error
        assert all(json.loads((folder / f"{one.name}.keyring").read_text()) == [third] for one in whole.ours)
        shown = await s1.run("keys", "-list")
        assert third in shown and second not in shown

        m1.user_event("deploy", b"under the third key\n")
        await eventually("an event crosses under the new key", lambda: all(_heard(one) == ["under the third key"] for one in whole.serfs))


@pytest.mark.parametrize("key", [pytest.param(KEYS[0], id="encrypted")])
@in_loop
async def test_nobody_without_the_key_comes_in(serf: Path, folder: Path, key: str) -> None:
    async with whole_pool(serf, folder, key) as whole:
        options = PoolOptions(name="thief", tags={}, bind=(next(FREE), PORT), settings=SETTINGS, encrypt=KEYS[1])
        thief = await open_pool(options, SystemClock(), random.Random(9))
        thief.start()
        try:
            count, faults = await thief.join([whole.serfs[0].address, _at(whole.ours[0])])
            assert count == 0 and len(faults) == 2
        finally:
            await thief.stop()
        assert await every(_knows(one, ["m1", "m2", "m3", "s1", "s2"]) for one in whole.alive())


def test_each_rejoins_by_the_snapshot_that_the_other_wrote(serf: Path, tmp_path: Path) -> None:
    asyncio.run(_rejoining(serf, tmp_path))


async def _written(agent: SerfAgent, snapshot: Path, line: str) -> bool:
    """Whether the file has it; serf writes what it has noted only when there is more to note."""
    await agent.run("event", "more")
    return _holds(snapshot, line)


def _holds(snapshot: Path, line: str) -> bool:
    return line in snapshot.read_text()


async def _rejoining(serf: Path, folder: Path) -> None:
    ours_to_serf, serfs_to_us = folder / "ours.snapshot", folder / "serfs.snapshot"
    agents = [SerfAgent(serf, "s1", folder, "", "-snapshot", str(serfs_to_us))]
    pools: list[GossipPool] = []

    async def start(name: str, snapshot: Path) -> GossipPool:
        options = PoolOptions(name=name, tags={}, bind=(next(FREE), PORT), settings=SETTINGS, snapshot_path=str(snapshot))
        pools.append(await open_pool(options, SystemClock(), random.Random(name)))
        pools[-1].start()
        return pools[-1]

    try:
        m1 = await start("m1", ours_to_serf)
        await eventually("serf runs", lambda: _sees(agents[0], {"s1": ALIVE}))
        assert await m1.join([agents[0].address]) == (1, [])
        await eventually("serf's snapshot names us", lambda: _written(agents[0], serfs_to_us, "alive: m1 "))
        m2 = await start("m2", Path(shutil.copy(serfs_to_us, folder / "read by us")))
        await eventually("we rejoin by serf's", lambda: {"m1", "m2", "s1"} <= {member.name for member in m2.members()})
        await eventually("our snapshot names all", lambda: ours_to_serf.read_text().count("alive: ") >= 2)
        agents.append(SerfAgent(serf, "s2", folder, "", "-snapshot", shutil.copy(ours_to_serf, folder / "read by serf")))
        await eventually("serf rejoins by ours", lambda: _knows(agents[1], ["m1", "m2", "s1", "s2"]))
    finally:
        for pool in pools:
            await pool.stop()
        for agent in agents:
            agent.end()
