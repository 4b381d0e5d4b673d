"""What production has seen of servers that agree, each incident a test with real processes. The numbers are those of docs/testing.md."""

import json
import shutil
import signal
import sys
import time
import urllib.parse
from contextlib import ExitStack, suppress
from pathlib import Path

import dns.message
import dns.query
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import conform
import random_steps
from agent import Answer
from pool_agents import PoolAgent
from server_hosts import LIMIT, RAFT, Clients, ServerHost, Servers, until
from wire import Waiters

COMMANDS = 1000
AT_ONCE = 2.0  # seconds: no answer waits for a leader, on a machine with other work

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def datacenter(tmp_path_factory):
    with Servers(tmp_path_factory.mktemp("incidents"), 3, **RAFT) as servers:
        yield servers


@pytest.fixture
def servers(datacenter) -> Servers:
    """All of them run and are level."""
    datacenter.until_level()
    return datacenter


# ---- 3


def test_when_the_disk_of_the_leader_hangs_another_server_acknowledges_and_after_the_thaw_the_old_leader_follows(tmp_path):
    """Incident 3: a disk hangs instead of failing."""
    with Servers(tmp_path, 3, disks=True) as servers:
        leader, others = servers.leader(), servers.followers()
        before = leader.descriptors()
        thaw = leader.disk.freeze(10)
        began = time.monotonic()
        until(lambda: others[0].put("/v1/kv/during", "x", 1) and leads(others), 10, "another server acknowledges")
        print(f"another server acknowledged {time.monotonic() - began:.2f} s after the disk began to hang")
        while thaw.poll() is None:
            with suppress(OSError, ValueError):
                leader.put("/v1/kv/through-the-old-leader", "x", 1)
        assert leader.descriptors() <= before + 10, "descriptors grew while the disk hung"
        servers.until_level()
        assert servers.leader() is not leader
        assert leader.keys("during") == {"during"}


def leads(servers: list[ServerHost]) -> bool:
    return servers[0].json("/v1/status/leader") in {f"{server.address}:8300" for server in servers}


# ---- 4


def test_with_the_quorum_lost_stale_reads_and_dns_answer_at_once_and_default_reads_fail_after_the_hold_time(servers):
    """Incident 4: two of three servers are gone."""
    last, gone = servers.leader(), servers.followers()
    last.put("/v1/catalog/register", json.dumps({"Node": "db1", "Address": "10.7.7.7", "Service": {"Service": "db", "Port": 1}}))
    for server in gone:
        server.kill()
    last.until(lambda: last.call("GET", "/v1/kv/level?stale")[2].get("x-consul-knownleader") == "false", 10, "no leader is known")

    began = time.monotonic()
    status, _, headers = last.call("GET", "/v1/kv/level?stale")
    answer = ask_dns(last, "db.service.consul")
    assert time.monotonic() - began < AT_ONCE
    assert (status, headers["x-consul-knownleader"], answer) == (200, "false", ["10.7.7.7"])

    began = time.monotonic()
    status, body, _ = last.call("GET", "/v1/kv/level")
    took = time.monotonic() - began
    print(f"a default read failed after {took:.2f} s")
    assert (status, body) == (500, b"No cluster leader")
    assert 6.9 <= took <= 6.9 + 3 * AT_ONCE
    for server in gone:
        server.start()
    until(lambda: last.call("GET", "/v1/kv/level")[0] == 200, LIMIT, "the quorum is back")


def ask_dns(server: ServerHost, name: str) -> list[str]:
    question = dns.message.make_query(name, "A")
    with server.inside():
        answer = dns.query.udp(question, "127.0.0.1", timeout=5, port=server.dns)
    return [row.address for rows in answer.answer for row in rows]


# ---- 8


def test_a_snapshot_restored_under_load_wakes_who_waits_and_agents_register_again_under_their_names(servers, tmp_path):
    """Incident 8: a restore on a live cluster. Meanwhile one host was set up anew: the snapshot knows its name under another id."""
    client = PoolAgent(tmp_path / "c1", "c1", servers.network.host(), config={"retry_join": servers.addresses(), "retry_interval": "1s"})
    first = servers.all[0]
    client.start()
    old_id = until(lambda: node_id(first, "c1"), LIMIT, "the agent is registered")
    client.call("PUT", "/v1/agent/service/register", json.dumps({"Name": "early", "Port": 1}))
    until(lambda: instances(first, "early"), LIMIT, "the service is in the catalog")
    first.put("/v1/kv/restored", "old")
    archive = first.call("GET", "/v1/snapshot")[1]

    client.stop(signal.SIGKILL)
    shutil.rmtree(client.folder / "data")
    client.start()
    new_id = until(lambda: (found := node_id(first, "c1")) != old_id and found, LIMIT, "the host set up anew is registered")
    client.call("PUT", "/v1/agent/service/register", json.dumps({"Name": "late", "Port": 2}))
    until(lambda: instances(first, "late"), LIMIT, "the service is in the catalog")
    try:
        with Clients(tmp_path, servers):
            restore_under_load(servers, archive)
            began = time.monotonic()
            until(lambda: node_id(first, "c1") == new_id and instances(first, "late"), 120, "the agent has registered again")
            print(f"the agent was back {time.monotonic() - began:.1f} s after the restore")
            until(lambda: not instances(first, "early"), LIMIT, "what the agent does not have goes")
        servers.until_level()
        for server in servers.all:
            assert server.call("GET", "/v1/kv/restored?raw&stale")[1] == b"old"
    finally:
        client.stop(signal.SIGKILL)


def restore_under_load(servers: Servers, archive: bytes) -> None:
    """All who wait are answered by it."""
    servers.all[0].put("/v1/kv/restored", "new")
    servers.until_level()
    with ExitStack() as hanging_up:
        parked = []
        for server in servers.all:
            with server.inside():
                for path in ("/v1/kv/restored", "/v1/health/service/late", "/v1/catalog/nodes"):
                    parked.append(hanging_up.enter_context(Waiters(server.http, path, 20)))
                    parked[-1].park()
        status, body, _ = servers.followers()[0].call("PUT", "/v1/snapshot", archive, timeout=60)
        assert status == 200, body
        for waiters in parked:
            waiters.answered(limit=LIMIT)


def node_id(server: ServerHost, name: str) -> str:
    return next((node["ID"] for node in server.json("/v1/catalog/nodes") if node["Node"] == name), "")


def instances(server: ServerHost, service: str) -> list:
    return server.json(f"/v1/catalog/service/{service}")


# ---- 9


class RandomWrites:
    """Random right and wrong requests, each to a server that chance chooses. What `conform.Runner` asks of an agent."""

    def __init__(self, servers: list[ServerHost], seed: int) -> None:
        self.servers, self.sequence = servers, random_steps.Sequence(seed)
        self.refused = 0

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        status, content, found = self.sequence.chance.choice(self.servers).call(method, path, body, headers=headers)
        self.refused += status >= 400
        return Answer(status, found, content, 0.0)

    def run(self, count: int) -> dict[str, str]:
        """Sends so many that write; returns the names that were saved of answers."""
        runner = conform.Runner(self)
        steps = [step for maker in random_steps.BEGINNINGS["catalog"] for step in maker(self.sequence)]
        while len(steps) < count:
            step = self.sequence.one(random_steps.CATALOG)(self.sequence)
            if step["method"] != "GET":
                steps.append(self.sequence.damaged(step) if self.sequence.rarely(0.15) else step)
        runner.run(steps)
        return runner.variables


def test_after_random_commands_and_the_rebuilding_of_a_follower_every_query_has_the_same_index_everywhere(servers):
    """Incident 9: the index differed between servers."""
    writes = RandomWrites(servers.all, seed=9)
    names = writes.run(COMMANDS)
    print(f"{COMMANDS} commands, {writes.refused} refused")
    assert COMMANDS * 0.05 < writes.refused < COMMANDS * 0.6
    queries = list(all_queries([names[name] for name in random_steps.SESSIONS if names.get(name)]))
    servers.until_level()
    compare_indexes(servers, queries)

    rebuilt = servers.followers()[0]
    rebuilt.kill()
    shutil.rmtree(rebuilt.folder / "data")
    rebuilt.start()
    until(lambda: "installed a leader's snapshot" in rebuilt.log(), LIMIT, "the follower was sent a snapshot")
    servers.until_level()
    compare_indexes(servers, queries)
    until(lambda: servers.voters() == {server.node for server in servers.all}, 2 * LIMIT, "the rebuilt server votes")


def all_queries(sessions: list[str]):
    """A path for every query that the servers answer of their state."""
    for key in [*random_steps.KEYS, "absent"]:
        yield f"/v1/kv/{urllib.parse.quote(key)}?"
    for prefix in ("", "a", "a/", "b", "lock", "nothing"):
        yield f"/v1/kv/{prefix}?recurse&"
        yield f"/v1/kv/{prefix}?keys&"
    for name in random_steps.NODES:
        for family in ("catalog/node", "catalog/node-services", "health/node", "session/node", "coordinate/node"):
            yield f"/v1/{family}/{name}?"
    for name in random_steps.SERVICES:
        for family in ("catalog/service", "health/service", "health/checks", "catalog/connect", "health/connect"):
            yield f"/v1/{family}/{name}?"
    for status in ("any", "passing", "warning", "critical"):
        yield f"/v1/health/state/{status}?"
    for session in sessions:
        yield f"/v1/session/info/{session}?"
    for path in (
        "catalog/nodes",
        "catalog/services",
        "session/list",
        "query",
        "config/service-defaults",
        "config/proxy-defaults",
        "coordinate/nodes",
    ):
        yield f"/v1/{path}?"


def compare_indexes(servers: Servers, queries: list[str]) -> None:
    """Asked of each server itself, while nobody writes. Members come and go in the catalog: what differs is looked at again."""

    def differing() -> dict[str, dict[str, str]]:
        found = {path: {server.node: index_of(server, path) for server in servers.all} for path in queries}
        return {path: indexes for path, indexes in found.items() if len(set(indexes.values())) > 1}

    for _ in range(3):
        if not (different := differing()):
            return
    raise AssertionError(f"indexes differ: {different}")


def index_of(server: ServerHost, path: str) -> str:
    status, body, headers = server.call("GET", f"{path}stale")
    assert status in (200, 404), (path, status, body)
    return headers.get("x-consul-index", f"none: {status}")
