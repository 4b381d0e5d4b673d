"""The driver of a pool: real sockets on loopback, fast settings, everything waited for by its event."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from muster.gossip.effects import (
    Effect,
    EventReceived,
    KeyringChanged,
    Member,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    QueryReceived,
)
from muster.gossip.settings import LAN, PoolSettings
from muster.model.errors import ConfigurationError, Rejected
from muster.program.clock import SystemClock
from muster.transport.endpoints import text
from muster.transport.gossip_pool import GossipPool
from muster.transport.pool_start import PoolOptions, open_pool

QUICK = replace(
    LAN,
    probe_interval=0.1,
    probe_timeout=0.05,
    gossip_interval=0.02,
    suspicion_multiplier=2,
    leave_propagate_delay=0.05,
    stream_timeout=2.0,
)
FIRST, SECOND = "AAECAwQFBgcICQoLDA0ODw==", "EBESExQVFhcYGRobHB0eHw=="


class Heard:
    """What one pool told its host; `until` waits for it."""

    def __init__(self, pool: GossipPool) -> None:
        self.effects: list[Effect] = []
        self._more = asyncio.Event()
        pool.listeners.append(self._listen)

    def _listen(self, effect: Effect) -> None:
        self.effects.append(effect)
        self._more.set()

    async def until(self, wanted: Callable[[Effect], bool]) -> Effect:
        """The first effect that is wanted, of the past or to come."""
        while True:
            for effect in self.effects:
                if wanted(effect):
                    return effect
            self._more.clear()
            await self._more.wait()

    async def of(self, kind: type, name: str) -> Effect:
        """The member of this name joined, left, failed."""
        return await self.until(lambda effect: type(effect) is kind and effect.member.name == name)


@asynccontextmanager
async def pool(
    name: str,
    *,
    start: bool = True,
    settings: PoolSettings = QUICK,
    admit: Callable[[list[Member]], str] = lambda _members: "",
    **options: object,
) -> AsyncIterator[GossipPool]:
    whole = PoolOptions(**{"name": name, "tags": {}, "bind": ("127.0.0.1", 0), "settings": settings, **options})
    opened = await open_pool(whole, SystemClock(), random.Random(name), admit=admit)
    opened.heard = Heard(opened)
    if start:
        opened.start()
    try:
        yield opened
    finally:
        await opened.stop()


def at(other: GossipPool) -> str:
    return text(other.serf.endpoint)


@asynccontextmanager
async def joined(*names: str, **options: object) -> AsyncIterator[list[GossipPool]]:
    """Pools of which the first was joined by the others; all know all."""
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(pool(name, **options)) for name in names]
        for other in pools[1:]:
            assert await other.join([at(pools[0])]) == (1, [])
        for one in pools:
            for name in names:
                if name != one.serf.name:
                    await one.heard.of(MemberJoined, name)
        yield pools


def statuses(one: GossipPool) -> dict[str, str]:
    return {member.name: str(member.status) for member in one.members()}


# ------------------------------------------------------------------ members


async def test_those_that_join_know_each_other() -> None:
    async with joined("n1", "n2", "n3") as pools:
        for one in pools:
            assert statuses(one) == {"n1": "alive", "n2": "alive", "n3": "alive"}


async def test_one_that_stops_answering_is_noticed() -> None:
    async with joined("n1", "n2", "n3") as (n1, n2, n3):
        await n3.stop()
        await n1.heard.of(MemberFailed, "n3")
        await n2.heard.of(MemberFailed, "n3")
        n1.force_leave("n3")
        await n2.heard.of(MemberLeft, "n3")
        assert statuses(n2)["n3"] == "left"


async def test_one_that_leaves_is_seen_as_left() -> None:
    async with joined("n1", "n2", "n3") as (n1, n2, n3):
        await asyncio.gather(n3.leave(), n3.leave())
        await n1.heard.of(MemberLeft, "n3")
        await n2.heard.of(MemberLeft, "n3")
        assert not any(isinstance(effect, MemberFailed) for effect in n1.heard.effects)
        assert await n3.join([at(n1)]) == (0, ["Failed to join 127.0.0.1: Serf can't Join after Leave or Shutdown"])


async def test_a_leave_that_nobody_hears_of_ends_in_time(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("muster.transport.gossip_pool.LEAVE_GRACE", 0.0)
    slow = replace(QUICK, leave_broadcast_timeout=0.01, leave_propagate_delay=0.0)
    async with pool("n1", start=False, settings=slow) as n1:  # nothing moves, for it was not started
        n1._running = False
        await n1.leave()
    assert "not told to everyone" in caplog.text


async def test_changed_tags_reach_the_others_and_too_long_ones_are_refused() -> None:
    async with joined("n1", "n2") as (n1, n2):
        n1.set_tags({"rack": "r1"})
        await n2.heard.until(lambda effect: getattr(getattr(effect, "member", None), "tags", None) == {"rack": "r1"})
        with pytest.raises(Rejected):
            n1.set_tags({"rack": "r" * 600})
    with pytest.raises(ConfigurationError):
        async with pool("n3", tags={"rack": "r" * 600}):
            pass


# ------------------------------------------------------------------ joining


async def test_whom_it_cannot_join_is_told_in_the_peers_words_and_order() -> None:
    async with joined("n1", "n2") as (n1, n2):
        port = n2.serf.endpoint[1]
        await n2.stop()
        assert await n1.join([f"127.0.0.1:{port}", "127.0.0.1:x", at(n1)]) == (
            1,
            [
                f"Failed to join 127.0.0.1: dial tcp 127.0.0.1:{port}: connect: connection refused",
                'Failed to resolve 127.0.0.1:x: strconv.ParseUint: parsing "x": invalid syntax',
            ],
        )


async def test_a_merge_is_refused_by_each_side_for_its_own_reasons() -> None:
    def nobody(members: list[Member]) -> str:
        return f"Member '{members[0].name}' part of wrong datacenter 'dc9'"

    async with pool("n1", admit=nobody) as n1, pool("n2", admit=nobody) as n2:
        assert await n2.join([at(n1)]) == (0, ["Failed to join 127.0.0.1: Member 'n1' part of wrong datacenter 'dc9'"])
        assert await n1.join([at(n2)]) == (0, ["Failed to join 127.0.0.1: Member 'n2' part of wrong datacenter 'dc9'"])
        assert list(statuses(n1)) == ["n1"]


async def test_a_member_outside_the_allowed_networks_is_never_known() -> None:
    async with pool("n2", advertise=("10.9.9.9", 1)) as n2, pool("n1", allowed_networks=("127.0.0.0/8",)) as n1:
        assert (await n1.join([at_bound(n2)]))[0] == 1
        await n2.heard.of(MemberJoined, "n1")
        assert list(statuses(n1)) == ["n1"]


def at_bound(other: GossipPool) -> str:
    return text(other.sockets.endpoint)


async def test_a_stopped_pool_joins_nobody() -> None:
    async with joined("n1", "n2") as (n1, n2):
        await n2.stop()
        assert await n2.join([at(n1)]) == (0, ["Failed to join 127.0.0.1: the pool is stopped"])


# ------------------------------------------------------------------ events and queries


async def test_an_event_reaches_everyone_once() -> None:
    async with joined("n1", "n2", "n3") as pools:
        pools[0].user_event("deploy", b"v1")
        for one in pools:
            await one.heard.until(lambda effect: isinstance(effect, EventReceived) and effect.payload == b"v1")
        with pytest.raises(Rejected):
            pools[0].user_event("deploy", b"x" * 600)
        assert [sum(isinstance(effect, EventReceived) for effect in one.heard.effects) for one in pools] == [1, 1, 1]


async def test_a_query_gathers_acks_and_answers_until_its_end() -> None:
    async with joined("n1", "n2", "n3") as pools:
        for one in pools:

            def answer(effect: Effect, one: GossipPool = one) -> None:
                if isinstance(effect, QueryReceived):
                    one.respond(effect.identity, effect.time, f"I am {one.serf.name}".encode())

            one.listeners.append(answer)
        asked = pools[0].query("who", b"", acknowledge=True, timeout=1.0)
        news = [item async for item in asked]
        assert asked.done and len(news) == 6
        assert asked.answers == {name: f"I am {name}".encode() for name in ("n1", "n2", "n3")}
        assert sorted(asked.acknowledged) == ["n1", "n2", "n3"]
        with pytest.raises(Rejected):
            pools[0].query("who", b"x" * 2000)


async def test_a_query_ends_with_the_pool() -> None:
    async with pool("n1") as n1:
        asked = n1.query("who", b"", timeout=100.0)
        waiting = asyncio.ensure_future(asked.ended())
        await n1.stop()
        assert (await waiting).done


async def test_a_listener_that_fails_stops_neither_the_clock_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async with joined("n1", "n2") as (n1, n2):

        def broken(effect: Effect) -> None:
            if isinstance(effect, EventReceived) and effect.name == "first":
                raise ValueError("a listener's own fault")

        n2.listeners.insert(0, broken)
        n1.user_event("first", b"")
        n1.user_event("second", b"")
        await n2.heard.until(lambda effect: isinstance(effect, EventReceived) and effect.name == "second")
        n2.user_event("third", b"")
        await n1.heard.until(lambda effect: isinstance(effect, EventReceived) and effect.name == "third")
    assert "a listener's own fault" in caplog.text


# ------------------------------------------------------------------ keys


async def test_keys_are_changed_everywhere_and_saved(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.keyring" for name in ("n1", "n2")}
    async with AsyncExitStack() as stack:
        n1, n2 = [await stack.enter_async_context(pool(name, encrypt=FIRST, keyring_path=str(path))) for name, path in paths.items()]
        assert await n2.join([at(n1)]) == (1, [])
        await n1.heard.of(MemberJoined, "n2")
        assert [json.loads(path.read_text()) for path in paths.values()] == [[FIRST], [FIRST]]
        installed = await n1.key_operation("install", SECOND)
        assert (installed.members, installed.answered, installed.error) == (2, 2, "")
        assert (await n1.key_operation("use", SECOND)).error == ""
        assert (await n1.key_operation("remove", FIRST)).error == ""
        listed = await n1.key_operation("list")
        assert (listed.keys, listed.primary) == ({SECOND: 2}, {SECOND: 2})
        await n2.heard.until(lambda effect: isinstance(effect, KeyringChanged))
        assert [json.loads(path.read_text()) for path in paths.values()] == [[SECOND], [SECOND]]
        refused = await n1.key_operation("remove", SECOND)
        assert refused.error == "2/2 nodes reported failure"
        assert set(refused.messages) == {"n1", "n2"}
        assert (await n1.key_operation("install", "AAEC")).error == "2/2 nodes reported failure"
        for operation, key in (("install", "x"), ("shake", FIRST)):
            with pytest.raises(Rejected):
                await n1.key_operation(operation, key)
    async with pool("n1", encrypt=FIRST, keyring_path=str(paths["n1"])) as again:
        assert again.serf.keyring.to_base64() == [SECOND], "the file overrules the configured key"


async def test_a_keyring_that_cannot_be_saved_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "local.keyring"
    async with pool("n1", encrypt=FIRST, keyring_path=str(path)) as n1:
        path.unlink()
        (tmp_path / "local.keyring.new").mkdir()
        assert (await n1.key_operation("install", SECOND)).answered == 1
    assert "cannot be written" in caplog.text


async def test_a_pool_becomes_encrypted_without_a_cut() -> None:
    """Keys first, then sealing, then refusing what is not sealed: between two steps everyone is alive to everyone."""
    async with AsyncExitStack() as stack:
        plain = {"encrypt": FIRST, "verify_incoming": False, "verify_outgoing": False}
        n1 = await stack.enter_async_context(pool("n1"))
        n2 = await stack.enter_async_context(pool("n2", **plain))
        n3 = await stack.enter_async_context(pool("n3", **{**plain, "verify_outgoing": True}))
        assert await n2.join([at(n1)]) == (1, [])
        assert await n3.join([at(n2)]) == (1, [])
        assert statuses(n3)["n2"] == "alive"
        n4 = await stack.enter_async_context(pool("n4", encrypt=FIRST))
        assert await n4.join([at(n3)]) == (1, [])
        count, faults = await n1.join([at(n4)])
        assert count == 0 and len(faults) == 1


# ------------------------------------------------------------------ the snapshot, and time


async def test_after_a_restart_it_joins_those_it_knew(tmp_path: Path) -> None:
    path = str(tmp_path / "local.snapshot")
    async with pool("n1") as n1:
        async with pool("n2", snapshot_path=path) as n2:
            await n2.join([at(n1)])
            n1.user_event("deploy", b"v1")
            await n2.heard.until(lambda effect: isinstance(effect, EventReceived))
        async with pool("n2", snapshot_path=path) as again:
            await again.heard.of(MemberJoined, "n1")
            assert again.serf.clocks.event >= 1
            assert not any(isinstance(effect, EventReceived) for effect in again.heard.effects), "an event of the former life"
            await again.leave()
        async with pool("n2", snapshot_path=path) as last:
            assert last.snapshot.previous == {}, "it has left"


async def test_a_snapshot_of_members_that_are_gone_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "local.snapshot"
    path.write_text("alive: gone 127.0.0.1:1\nalive: odd nonsense:x\n")
    caplog.set_level(logging.WARNING)
    async with pool("n1", snapshot_path=str(path)):
        while "Failed to re-join any previously known node" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_ack_that_came_while_the_process_was_held_up_counts() -> None:
    async with joined("n1", "n2") as (n1, n2):
        offset = 0.0

        class Stalled(SystemClock):
            @staticmethod
            def monotonic() -> float:
                return SystemClock.monotonic() + offset

        n1.clock = Stalled()
        for _ in range(20):
            offset += 5.0  # far beyond every timeout
            n1._due()
            await asyncio.sleep(0.01)
        assert statuses(n1)["n2"] == "alive"
        assert not any(isinstance(effect, MemberFailed) for effect in (*n1.heard.effects, *n2.heard.effects))


async def test_a_stopped_pool_has_no_timer_and_no_task() -> None:
    async with pool("n1") as n1:
        await n1.stop()
        assert n1._timer is None and n1._flush_timer is None and not n1._tasks
        n1.user_event("deploy", b"")
        assert n1._timer is None
        await n1.stop()
