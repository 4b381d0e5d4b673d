"""What operators do to servers that run, and to those that have lost their quorum, with whole processes and the command line."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from muster.client import Query
from muster.client.errors import ClientError
from muster.testing import Cluster
from muster.testing.cluster import Agent

pytestmark = pytest.mark.slow

MUSTER = Path(sys.executable).with_name("muster")
LIMIT = 60.0
JOINED = "Join cluster completed"  # in the log
SMALL_FILE = 100_000  # bytes
KEEP_ALL = {"autopilot": {"min_quorum": 3}, "performance": {"leave_drain_time": "100ms"}}


def command(agent: Agent, *words: str) -> subprocess.CompletedProcess[str]:
    """The program's command line, asked of one agent."""
    environment = {**os.environ, "CONSUL_HTTP_ADDR": agent.http_address}
    return subprocess.run([MUSTER, *words], capture_output=True, text=True, timeout=LIMIT, env=environment)


def written(cluster: Cluster, key: str, value: bytes = b"x") -> None:
    cluster.until(lambda: cluster.client.kv.put(key, value), f"{key} is written", LIMIT)


def peers(cluster: Cluster) -> set[str]:
    """The names of the servers that take part in Raft; empty while nobody can say it."""
    try:
        return {one.node for one in cluster.client.operator.raft_configuration().servers}
    except ClientError:
        return set()


def reconfigured(agent: Agent, **settings: object) -> None:
    """What the agent is told from its next start on."""
    path = agent.folder / "agent.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def applied(agent: Agent) -> int:
    return int(agent.client.agent.self().stats["raft"]["applied_index"])


def state(agent: Agent) -> dict[str, bytes]:
    """The keys that this very server holds."""
    return {one.key: one.value for one in agent.client.kv.list("", Query(stale=True)).value}


# ---- a cluster that is whole


@pytest.fixture(scope="module")
def whole():
    with Cluster(servers=3, clients=2, config=KEEP_ALL) as cluster:
        yield cluster


def test_a_restore_replaces_everything_on_every_server_under_load_and_wakes_who_waits(whole, tmp_path):
    for number in range(20):
        written(whole, f"kept/{number}")
    archive = tmp_path / "backup.snap"
    saved = command(whole.leader, "snapshot", "save", str(archive))
    assert saved.returncode == 0, saved.stderr
    written(whole, "later")
    stop, waited = threading.Event(), []

    def write() -> None:
        number = 0
        while not stop.is_set():
            try:
                whole.leader.client.kv.put(f"load/{number}", b"x")
            except (ClientError, AssertionError):
                continue
            number += 1

    index = whole.until(lambda: whole.servers[0].client.kv.get("later").index, "the index to wait past", LIMIT)

    def wait() -> None:
        waited.append(whole.servers[0].client.kv.get("later", Query(index=index, wait="60s")).value)

    threads = [threading.Thread(target=write, daemon=True), threading.Thread(target=wait, daemon=True)]
    for thread in threads:
        thread.start()
    restored = command(whole.clients[0], "snapshot", "restore", str(archive))
    stop.set()
    assert (restored.returncode, restored.stdout.strip()) == (0, "Restored snapshot"), restored.stderr
    for thread in threads:
        thread.join(LIMIT)
    assert waited == [None], "the key is gone, and who waited for a change of it was told"
    written(whole, "after")
    whole.until(lambda: len({applied(server) for server in whole.servers}) == 1, "all have applied the same", LIMIT)
    states = [state(server) for server in whole.servers]
    assert states[0] == states[1] == states[2]
    assert {key for key in states[0] if not key.startswith("load/")} == {*(f"kept/{number}" for number in range(20)), "after"}
    indexes = {server.client.kv.keys("", query=Query(stale=True)).index for server in whole.servers}
    assert len(indexes) == 1


def test_an_archive_that_is_none_changes_nothing(whole, tmp_path):
    (tmp_path / "no.snap").write_bytes(b"no archive")
    written(whole, "stays")
    tried = command(whole.leader, "snapshot", "restore", str(tmp_path / "no.snap"))
    assert tried.returncode == 1
    assert "Error restoring snapshot" in tried.stderr
    assert state(whole.leader)["stays"] == b"x"


def status_of(cluster: Cluster, agent: Agent) -> int:
    """What gossip says of it to the others: 1 alive, 3 left, 4 failed; 0 for nothing."""
    other = next(one for one in cluster.agents if one is not agent and one.answers)
    return next((one.status for one in other.client.agent.members() if one.name == agent.name), 0)


def ended(cluster: Cluster, agent: Agent, sign: signal.Signals, **settings: object) -> int | None:
    """The exit status of an agent that was started with these settings and then got the signal."""
    agent.process.end(signal.SIGKILL, LIMIT)
    reconfigured(agent, **settings)
    joined = agent.log.count(JOINED)
    agent.start()
    cluster.until(lambda: agent.log.count(JOINED) > joined, "it has joined", LIMIT)
    cluster.until(lambda: agent.client.status.leader(), "it is back", LIMIT)
    cluster.until(lambda: status_of(cluster, agent) == 1, "the others see it", LIMIT)
    return agent.process.end(sign, LIMIT)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=lambda sign: sign.name)
def test_a_server_that_gets_a_signal_stops_and_does_not_leave(whole, sign):
    whole.until_ready(LIMIT)
    stopped = whole.leader
    assert stopped.process.end(sign, LIMIT) == 1
    written(whole, f"without/{stopped.name}")
    assert whole.until(lambda: peers(whole), "the configuration is read", LIMIT) == {"n1", "n2", "n3"}
    assert status_of(whole, stopped) in (1, 4)
    stopped.start()
    whole.until_ready(LIMIT)


@pytest.mark.parametrize(
    ("sign", "settings"),
    [
        pytest.param(signal.SIGTERM, {"leave_on_terminate": True}, id="a server that is to leave when it is terminated"),
        pytest.param(signal.SIGINT, {"skip_leave_on_interrupt": False}, id="a server that does not skip the leave"),
    ],
)
def test_a_server_leaves_where_its_settings_say_so(whole, sign, settings):
    leaving = whole.servers[2]  # each time the same one: when it comes back it does not vote for a while
    given = (leaving.folder / "agent.json").read_text()
    assert ended(whole, leaving, sign, **settings) == 0
    whole.until(lambda: peers(whole) == {"n1", "n2"}, "it takes no part", LIMIT)
    whole.until(lambda: status_of(whole, leaving) == 3, "the others see that it left", LIMIT)
    (leaving.folder / "agent.json").write_text(given)
    leaving.start()
    whole.until(lambda: peers(whole) == {"n1", "n2", "n3"}, "it takes part again", LIMIT)


@pytest.mark.parametrize(
    ("sign", "settings", "leaves"),
    [
        pytest.param(signal.SIGTERM, {}, True, id="terminated"),
        pytest.param(signal.SIGTERM, {"leave_on_terminate": False}, False, id="terminated, and not to leave then"),
        pytest.param(signal.SIGINT, {}, True, id="interrupted"),
        pytest.param(signal.SIGINT, {"skip_leave_on_interrupt": True}, False, id="interrupted, and to skip the leave"),
    ],
)
def test_whether_a_client_leaves_is_for_its_signal_and_its_settings(whole, sign, settings, leaves):
    client = whole.clients[1]
    given = (client.folder / "agent.json").read_text()
    assert ended(whole, client, sign, **settings) == (0 if leaves else 1)
    whole.until(lambda: status_of(whole, client) in ((3,) if leaves else (1, 4)), "the others see what became of it", LIMIT)
    (client.folder / "agent.json").write_text(given)


def test_a_dead_server_is_removed_by_its_address_and_comes_back_as_a_new_one(whole):
    dead, other = whole.servers[2], whole.servers[0]
    whole.until(lambda: peers(whole) == {"n1", "n2", "n3"}, "all take part", LIMIT)
    dead.kill()
    shown = whole.until(lambda: command(other, "operator", "raft", "list-peers").stdout, "the peers are shown", LIMIT)
    assert dead.rpc_address in shown
    whole.until(lambda: status_of(whole, dead) == 4, "gossip has noticed", LIMIT)
    remove = ("operator", "raft", "remove-peer", f"-address={dead.rpc_address}")
    removed = command(other, *remove)
    assert removed.stdout.strip() == f'Removed peer with address "{dead.rpc_address}"', removed.stderr
    assert dead.rpc_address not in command(other, "operator", "raft", "list-peers").stdout
    again = command(other, *remove)
    assert again.returncode == 1
    assert "was not found in the Raft configuration" in again.stderr
    dead.start()
    whole.until(lambda: peers(whole) == {"n1", "n2", "n3"}, "it takes part again", LIMIT)
    whole.until(lambda: state(dead) == state(whole.leader), "it holds the same", LIMIT)


@pytest.mark.parametrize("who", ["a follower", "the leader"])
def test_a_server_whose_disk_fails_is_shown_as_unhealthy_and_the_others_go_on(who):
    with Cluster(servers=3, config=KEEP_ALL) as cluster:
        bad = cluster.leader if who == "the leader" else cluster.followers[0]
        cluster.until(lambda: bad.client.operator.autopilot_health().healthy, "all are healthy", LIMIT)
        resource.prlimit(bad.pid, resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))  # no file of its grows beyond that
        for number in range(2 * SMALL_FILE // 5000):
            written(cluster, f"k/{number}", bytes(5000))

        def health() -> dict[str, bool]:
            good = next(server for server in cluster.servers if server is not bad)
            return {one.name: one.healthy for one in good.client.operator.autopilot_health().servers}

        others = {server.name: True for server in cluster.servers if server is not bad}
        cluster.until(lambda: health() == {**others, bad.name: False}, "autopilot shows it", LIMIT)
        assert cluster.leader is not bad
        assert "File too large" in bad.client.agent.self().stats["muster"]["disk"]
        cluster.until(lambda: gauge(bad, "muster.storage.failed") == 1, "its metric shows it", LIMIT)
        assert bad.client.kv.get("k/0", Query(stale=True)).value.value == bytes(5000), "stale reads go on"
        bad.stop()
        bad.start()
        cluster.until(lambda: all(health().values()) and len(health()) == 3, "it is healthy again", LIMIT)
        cluster.until(lambda: state(bad) == state(cluster.leader), "it holds the same", LIMIT)


def gauge(agent: Agent, name: str) -> float | None:
    """Its value in the last interval that is over; None if it was not set then."""
    return next((one["Value"] for one in agent.client.agent.metrics()["Gauges"] if one["Name"] == name), None)


# ---- a cluster that has lost its quorum


def test_without_a_quorum_the_state_can_be_saved_and_peers_json_brings_the_last_server_back(tmp_path):
    with Cluster(servers=3, config=KEEP_ALL) as cluster:
        for number in range(10):
            written(cluster, f"kept/{number}")
        last = cluster.followers[0]
        cluster.until(lambda: len(state(last)) == 10, "it holds all", LIMIT)
        lost = [server for server in cluster.servers if server is not last]
        for server in lost:
            server.kill()
        cluster.until(lambda: not last.client.status.leader(), "it knows of no leader", LIMIT)

        refused = command(last, "operator", "raft", "list-peers")
        assert (refused.returncode, "No cluster leader" in refused.stderr) == (1, True), refused
        shown = command(last, "operator", "raft", "list-peers", "-stale")
        assert shown.returncode == 0, shown.stderr
        assert all(server.rpc_address in shown.stdout for server in cluster.servers)
        archive = tmp_path / "stale.snap"
        refused = command(last, "snapshot", "save", str(archive))
        assert (refused.returncode, archive.exists()) == (1, False)
        saved = command(last, "snapshot", "save", "-stale", str(archive))
        assert saved.returncode == 0, saved.stderr
        assert command(last, "snapshot", "inspect", str(archive)).returncode == 0

        identity = last.client.agent.self().config["NodeID"]
        assert last.stop() == 1
        recovery = last.folder / "data" / "raft" / "peers.json"
        recovery.write_text(json.dumps([{"id": identity, "address": last.rpc_address, "non_voter": False}]))
        last.start()
        cluster.until(lambda: last.client.status.leader() == last.rpc_address, "it leads alone", LIMIT)
        assert not recovery.exists()
        assert sorted(state(last)) == [f"kept/{number}" for number in range(10)]
        assert peers(cluster) == {last.name}
        written(cluster, "after")

        for server in lost:  # set up anew: what they held is not to come back
            shutil.rmtree(server.folder / "data")
            server.start()
        cluster.until(lambda: peers(cluster) == {"n1", "n2", "n3"}, "they have joined it", LIMIT)
        cluster.until(lambda: all(state(server) == state(last) for server in cluster.servers), "all hold the same", LIMIT)


@pytest.mark.parametrize("content", ["[]", "{", '[{"id": "a"}]'])
def test_a_peers_json_that_means_nothing_stops_the_start_and_stays(content):
    with Cluster(servers=1) as cluster:
        written(cluster, "kept")
        (server,) = cluster.servers
        server.stop()
        path = server.folder / "data" / "raft" / "peers.json"
        path.write_text(content)
        server.start()
        cluster.until(lambda: server.process.status is not None, "it ends", LIMIT)
        assert server.process.status == 1
        assert f"{path}: " in server.log
        assert path.read_text() == content
        path.unlink()
        server.start()
        cluster.until_ready()
        assert state(server) == {"kept": b"x"}
