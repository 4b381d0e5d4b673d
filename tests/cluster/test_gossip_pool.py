"""One pool of Muster's agents and real Consul's, each on a host of its own: what one of them does, all the others see."""

import base64
import itertools
import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import MUSTER
from namespaces import Network, needs_namespaces
from pool_agents import PoolAgent, until_all, until_all_see

LOSS = 5  # percent of the packets that arrive at each host
LOSSY_SECONDS = float(os.environ.get("MUSTER_LOSSY_SECONDS", "120"))
"""How long the lossy pool is watched; 600 is the long run."""

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.timeout(300 + LOSSY_SECONDS)]

SHORTEST_SUSPICION = 4.0  # seconds in pools of up to 10: suspicion multiplier x probe interval
HEALED = 75.0
"""Seconds in which news has come to all: in most cases one. What gossip missed (about one message in a hundred does not come to one of
seven members) is found when tables are exchanged: the first time up to 60 s after an agent's start, then every 30 s."""

RECLAIM = 31.0  # seconds: Consul's 30 for which a member must be dead until its name may be taken, and one for the clocks
CALM = {"raft_multiplier": 1}


def latest_failure(members: int) -> float:
    """Seconds within which a pool of the LAN's settings calls a dead member failed, at the very worst.

    A member may be the last of one probe round and so waits for its next probe two rounds; a probe ends with its interval; nobody
    confirms the suspicion, so that it takes the longest; and the news is gossiped.
    Source: the settings and formulas of memberlist for a LAN.
    """
    rounds = 2 * (members - 1) * 1.0
    suspicion = 6 * 4 * max(1.0, math.log10(members))
    return rounds + 1.0 + suspicion + 2.0


def new_key() -> str:
    return base64.b64encode(random.randbytes(32)).decode()


class Pool:
    """A leading server of Muster's, clients of Muster's, and clients of Consul's; all at once or by kind."""

    def __init__(self, folder: Path, consul: Path, muster_clients: int, consul_clients: int, **config: object) -> None:
        self.network = Network()
        self._folder, self._config = folder, config
        self._made: list[PoolAgent] = []
        self.server = self.add("server", "-server", "-bootstrap-expect=1")
        self.server.configure(performance=CALM)
        self.muster = [self.add(f"muster-{number}") for number in range(1, muster_clients + 1)]
        self.consul = [self.add(f"consul-{number}", program=consul) for number in range(1, consul_clients + 1)]
        self.all = [self.server, *self.muster, *self.consul]

    def add(self, name: str, *arguments: str, program: Path = MUSTER) -> PoolAgent:
        """An agent more, on a host of its own; `all` are only those that were there at the beginning."""
        self._made.append(PoolAgent(self._folder / name, name, self.network.host(), *arguments, program=program, config=dict(self._config)))
        return self._made[-1]

    def names(self) -> list[str]:
        return [agent.node for agent in self.all]

    def others(self, *but: PoolAgent) -> list[PoolAgent]:
        return [agent for agent in self.all if agent not in but]

    def start(self) -> None:
        """Everyone is started, and told by hand of those that were started before."""
        for agent in self.all:
            agent.start()
        for number, agent in enumerate(self.all):
            agent.until_answering()
            if number:
                agent.run("join", *(other.host.address for other in self.all[:number]))
        until_all_see(self.all, "alive", self.names(), HEALED)
        self.server.until_leader()

    def stop(self) -> None:
        """Everyone is killed."""
        for agent in self._made:
            agent.stop(signal.SIGKILL)
        self.network.close()

    def fire(self, agent: PoolAgent, name: str) -> None:
        """An event of that name, fired at one agent, reaches all."""
        agent.run("event", f"-name={name}", "payload")
        until_all(self.all, lambda each: name in each.events(), HEALED, f"has the event {name}")


@pytest.fixture(scope="module")
def new_pool(consul, tmp_path_factory) -> Iterator[Callable[..., Pool]]:
    """Makes pools that end with the module, also when it fails."""
    needs_namespaces()
    made: list[Pool] = []

    def make(muster_clients: int, consul_clients: int, **config: object) -> Pool:
        made.append(Pool(tmp_path_factory.mktemp("pool"), consul, muster_clients, consul_clients, **config))
        return made[-1]

    yield make
    for pool in made:
        pool.stop()


@pytest.fixture(scope="module")
def lossy(new_pool) -> Pool:
    """A pool that has lost packets since the module began: it lives beside the other tests."""
    pool = new_pool(4, 2)
    pool.start()
    for host in pool.network.hosts:
        host.lose(LOSS)
    pool.lossy_since = time.monotonic()
    return pool


@pytest.fixture(scope="module")
def moved(new_pool) -> tuple[Pool, PoolAgent]:
    """A pool of which one host was killed and came back with another address; for half a minute nobody takes that over."""
    pool = new_pool(1, 1)
    pool.start()
    mover = pool.muster[0]
    mover.kill()
    host = pool.network.host()
    mover.inside = host.inside
    mover.command = [word.replace(mover.host.address, host.address) for word in mover.command]
    mover.new_address = host.address
    mover.start()
    mover.until_answering()
    for _ in range(3):
        mover.run("join", pool.server.host.address)
    return pool, mover


@pytest.fixture(scope="module", params=["plain", "encrypted"])
def pool(request, lossy, new_pool) -> Iterator[Pool]:
    """Every test leaves it as it found it: all are members, alive."""
    pool = new_pool(4, 2, **({"encrypt": new_key()} if request.param == "encrypted" else {}))
    pool.encrypted = request.param == "encrypted"
    pool.start()
    yield pool
    pool.stop()


def test_a_host_that_comes_back_with_another_address_gets_one_message_that_says_what_conflicts(lossy, moved):
    pool, mover = moved
    for agent in pool.others(mover):
        assert address_of(agent, mover.node) == mover.host.address
    pool.server.until(lambda: conflicts(pool.server), 5, "it says what conflicts")
    assert len(conflicts(pool.server)) == 1, "as often as it is tried, it is said once"
    assert all(word in conflicts(pool.server)[0] for word in (f"'{mover.node}'", mover.host.address, mover.new_address))
    assert len(conflicts(mover)) == 1, "it hears from the table that answers its join how the others know it"
    assert all(word in conflicts(mover)[0] for word in (f"'{mover.node}'", mover.host.address))


def test_everyone_sees_everyone_with_the_same_tags(pool):
    for agent in pool.all:
        found = {member["Name"]: (member["Addr"], member["Port"], member["Tags"]) for member in agent.json("/v1/agent/members")}
        assert sorted(found) == sorted(pool.names())
        for other in pool.all:
            address, port, tags = found[other.node]
            assert (address, port) == (other.host.address, 8301)
            assert visible(tags) == other.json("/v1/agent/self")["Member"]["Tags"]
            assert tags["role"] == ("consul" if other is pool.server else "node")


def visible(tags: dict[str, str]) -> dict[str, str]:
    """What the API of Muster shows of the tags: not those by which its servers know each other."""
    return {name: value for name, value in tags.items() if not name.startswith("muster_")}


def test_an_event_fired_at_one_agent_reaches_all(pool):
    for agent in (pool.server, pool.muster[0], pool.consul[0]):  # a client of Consul's hands its event to the server, which fires it
        pool.fire(agent, f"from-{agent.node}")
        for other in pool.all:
            assert [event["Payload"] for event in other.json(f"/v1/event/list?name=from-{agent.node}")] == ["cGF5bG9hZA=="]


def test_killed_members_fail_in_time_and_come_back_by_their_snapshots_even_if_forced_out(pool):
    forced, failed = pool.muster[1], pool.consul[0]
    dead = (forced, failed)
    living = pool.others(*dead)
    pool.fire(pool.server, "before-the-kill")  # Consul writes what it has of its snapshot when there is more
    until_all(dead, known_by_snapshot, 10, "has written its snapshot")
    killed = time.time()
    for agent in dead:
        agent.kill()
    until_all_see(living, "failed", [agent.node for agent in dead], latest_failure(len(pool.all)))
    for agent, other in itertools.product(living, dead):
        assert agent.saw("MemberFailed", other.node, killed) >= killed + SHORTEST_SUSPICION, f"{agent.node} accused {other.node} too early"

    # Nobody tells them whom to join. Consul's is not forced out: its Serf does not say that it is back, and may be held for leaving then.
    failed.start()
    until_all_see([*living, failed], "alive", [failed.node], HEALED)
    pool.consul[1].run("force-leave", forced.node)
    until_all_see(living, "left", [forced.node], HEALED)
    forced.start()
    until_all_see(pool.all, "alive", pool.names(), HEALED)
    for agent in dead:
        assert "Re-joined to previously known node" in agent.log()


def known_by_snapshot(agent: PoolAgent) -> set[str]:
    lines = (agent.folder / "data" / "serf" / "local.snapshot").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith("alive: ")} - {agent.node}


def test_members_that_leave_are_seen_as_left_are_pruned_and_can_come_again(pool):
    leaving = (pool.muster[2], pool.consul[1])
    staying = pool.others(*leaving)
    for agent in leaving:
        agent.run("leave")
    # A member that missed the intent to leave calls them failed until tables are exchanged, as Serf's do.
    until_all_see(staying, "left", [agent.node for agent in leaving], HEALED)
    for agent in leaving:
        assert agent.process.wait(15) == 0
    pool.muster[0].run("force-leave", "-prune", leaving[0].node)
    until_all_see(staying, "gone", [leaving[0].node], HEALED)

    for agent in leaving:
        agent.start()
        agent.until_answering()
        assert list(agent.members()) == [agent.node], "who has left joins nobody of itself"
        agent.run("join", *(other.host.address for other in staying))
    until_all_see(pool.all, "alive", pool.names(), HEALED)


def test_keys_are_rotated_while_the_pool_lives(pool):
    if not pool.encrypted:
        pool.server.until(lambda: pool.server.call("GET", "/v1/operator/keyring")[0] == 500, 5, "a plain pool has no keys")
        return
    old, new = pool.server.keyring()[0], new_key()
    begun = time.time()
    change_keys(pool, f"-install={new}")
    assert all(set(agent.keyring()) == {old, new} for agent in pool.all)
    change_keys(pool, f"-use={new}")
    assert all(agent.keyring()[0] == new for agent in pool.all)
    change_keys(pool, f"-remove={old}")
    for agent in pool.all:
        assert agent.keyring() == [new], agent.node
    assert f"{new} [{len(pool.all)}/{len(pool.all)}]" in pool.server.run("keyring", "-list")
    pool.fire(pool.server, "under-the-new-key")
    until_all_see(pool.all, "alive", pool.names(), 5)
    for agent, other in itertools.product(pool.all, pool.all):
        assert agent.saw("MemberFailed", other.node, begun) is None


def change_keys(pool: Pool, change: str) -> None:
    """Once in thirty times a member of seven does not hear a query of Serf's; then the operator is told so, and asks again."""
    for _ in range(3):
        try:
            pool.server.run("keyring", change)
        except AssertionError as error:
            assert f"{len(pool.all) - 1}/{len(pool.all)} nodes reported success" in str(error)
        else:
            return
    raise AssertionError(f"{change} failed three times")


def test_a_host_that_comes_back_with_another_name_is_told_what_conflicts_until_the_old_name_is_gone(new_pool):
    pool = new_pool(1, 1)
    pool.start()
    renamed = pool.muster[0]
    staying = pool.others(renamed)
    old = renamed.node
    renamed.kill()
    renamed.node = "renamed"
    renamed.command = [word.replace(f"-node={old}", "-node=renamed") for word in renamed.command]
    renamed.start()
    renamed.until_answering()
    for _ in range(3):
        with pytest.raises(AssertionError, match=f"'{old}' has conflicting node ID"):
            renamed.run("join", pool.server.host.address)
    assert len(conflicts(renamed)) == 1, renamed.log()

    until_all_see(staying, "failed", [old], latest_failure(len(pool.all)))
    pool.consul[0].run("force-leave", "-prune", old)
    until_all_see(staying, "gone", [old], HEALED)
    renamed.run("join", *(agent.host.address for agent in staying))
    until_all_see(pool.all, "alive", pool.names(), HEALED)
    pool.stop()


def conflicts(agent: PoolAgent) -> list[str]:
    return [line for line in agent.log().splitlines() if "conflict" in line and "To mend it" in line]


def address_of(agent: PoolAgent, name: str) -> str:
    return next(member["Addr"] for member in agent.json("/v1/agent/members") if member["Name"] == name)


def test_a_pool_becomes_encrypted_while_it_lives(new_pool):
    pool = new_pool(2, 1, leave_on_terminate=False)
    pool.start()
    outages: list[tuple[str, float, float]] = []
    key = new_key()
    for incoming, outgoing in [(False, False), (False, True), (True, True)]:
        for agent in pool.all:
            agent.configure(encrypt=key, encrypt_verify_incoming=incoming, encrypt_verify_outgoing=outgoing)
            stopped = time.time()
            agent.stop()
            agent.start()
            until_all_see([agent], "alive", pool.names(), HEALED)
            outages.append((agent.node, stopped, time.time()))
        pool.server.until_leader()
        pool.fire(pool.server, f"verifying-{incoming}-{outgoing}")
        until_all_see(pool.all, "alive", pool.names(), HEALED)
    plain = pool.add("plain")
    plain.start()
    plain.until_answering()
    with pytest.raises(AssertionError, match="Failed to join"):
        plain.run("join", pool.server.host.address)
    for agent in pool.all:
        for seen in agent.sightings():
            if seen.what == "MemberFailed":
                assert any(node == seen.member and begin <= seen.time <= end + 1 for node, begin, end in outages), (agent.node, seen)
    pool.stop()


def test_a_host_at_another_address_is_taken_over_once_the_old_one_was_failed_for_long_enough(moved):
    pool, mover = moved
    staying = pool.others(mover)
    until_all(staying, lambda agent: agent.saw("MemberFailed", mover.node), latest_failure(len(pool.all)), "has seen it failed")
    failed = max(agent.saw("MemberFailed", mover.node) for agent in staying)
    time.sleep(max(0.0, failed + RECLAIM - time.time()))  # the time is the peers'; it passed during the other tests
    mover.run("join", *(agent.host.address for agent in staying))
    until_all(staying, lambda agent: address_of(agent, mover.node) == mover.new_address, HEALED, "has the new address")
    until_all_see(pool.all, "alive", pool.names(), HEALED)
    pool.stop()


def test_no_living_member_is_called_failed_while_packets_are_lost(lossy):
    rest = lossy.lossy_since + LOSSY_SECONDS - time.monotonic()
    time.sleep(max(0.0, rest))  # the time itself is what is tested: so long, nothing may happen
    dropped = [host.lost() for host in lossy.network.hosts]
    # One host loses 25 packets in two minutes, give or take chance (12 was seen); the sum of seven is what can be relied on.
    assert min(dropped) > 0 and sum(dropped) > LOSSY_SECONDS, f"the rules lose nothing: {dropped}"
    for agent in lossy.all:
        failed = [seen.member for seen in agent.sightings() if seen.what == "MemberFailed"]
        assert not failed, f"{agent.node} called living members failed: {failed}"
        assert set(agent.members().values()) == {"alive"}, agent.node
