"""Whole servers for a test: they come up, die, stand still and come back, and leave nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from muster.client.errors import AgentUnreachable
from muster.testing import Cluster
from muster.testing.agent_process import ForkServer
from muster.testing.cluster import NotReady

pytestmark = pytest.mark.slow


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def cluster():
    with Cluster(servers=3, clients=1, config={"autopilot": {"min_quorum": 3}}) as running:
        yield running


@pytest.fixture(autouse=True)
def whole(request):
    """A test that uses the shared cluster finds all agents of it running, and a leader."""
    if "cluster" in request.fixturenames:
        running = request.getfixturevalue("cluster")
        for agent in running.agents:
            agent.resume()
            if not agent.answers:
                agent.start()
        running.until_ready()


def test_what_is_written_at_one_agent_is_read_at_every_other(cluster):
    assert [agent.name for agent in cluster.agents] == ["n1", "n2", "n3", "c1"]
    for agent in cluster.agents:
        assert agent.client.kv.put(f"by/{agent.name}", b"x")
    for agent in cluster.agents:
        assert agent.client.kv.keys("by/").value == ["by/c1", "by/n1", "by/n2", "by/n3"]
    assert cluster.client is cluster.clients[0].client


def test_one_server_leads_and_the_others_follow(cluster):
    leader = cluster.leader
    assert [one.address for one in cluster.client.operator.raft_configuration().servers if one.leader] == [leader.rpc_address]
    assert leader not in cluster.followers
    assert len(cluster.followers) == 2


def test_when_the_leader_is_killed_another_one_leads_and_nothing_is_lost(cluster):
    dead = cluster.leader
    cluster.client.kv.put("before", b"x")
    dead.kill()
    assert dead.process.status == -signal.SIGKILL
    assert not dead.answers
    assert cluster.client.kv.put("after", b"x")
    assert cluster.leader is not dead
    dead.start()
    cluster.until(lambda: dead.client.kv.get("after").value, "the killed server answers")
    assert dead.client.kv.get("before").value.value == b"x"


def test_a_server_that_is_told_to_stop_hands_over_and_keeps_its_vote(cluster):
    stopped = cluster.leader
    assert stopped.stop() == 1, "as Consul's: a server that does not leave ends with 1"
    assert cluster.client.kv.put("stopped", b"x")
    assert len(cluster.client.operator.raft_configuration().servers) == 3
    with pytest.raises(AgentUnreachable):
        stopped.client.status.leader()


def test_a_paused_leader_is_replaced_and_follows_when_it_goes_on(cluster):
    paused = cluster.leader
    paused.pause()
    cluster.until(lambda: cluster.leader is not paused, "another leader")
    assert cluster.leader.client.kv.put("paused", b"x")
    paused.resume()
    cluster.until(lambda: paused.client.status.leader() == cluster.leader.rpc_address, "it follows")
    assert paused.client.kv.get("paused").value.value == b"x"


def test_an_agent_runs_once_at_a_time(cluster):
    with pytest.raises(RuntimeError, match="runs already"):
        cluster.servers[0].start()
    with pytest.raises(RuntimeError, match="runs already"):
        cluster.start()


def test_what_does_not_happen_in_time_is_told_with_the_logs(cluster):
    with pytest.raises(NotReady, match=r"not within 0\.1 s: a miracle\n---- n1\n(.|\n)*\[INFO\] (.|\n)*---- c1\n"):
        cluster.until(lambda: False, "a miracle", 0.1)


def test_an_agent_that_does_not_come_up_is_told_at_once_with_its_log():
    began = time.monotonic()
    with pytest.raises(NotReady, match=r"n1 ended\n---- n1\n(.|\n)*datacenter"):
        Cluster(servers=1, config={"datacenter": "no name/"}).start()
    assert time.monotonic() - began < 20, "the limit of 30 s was not waited for"


def test_nothing_is_left_behind():
    with Cluster(servers=1) as cluster:
        pid, folder = cluster.servers[0].pid, cluster.servers[0].folder
        assert lives(pid)
        assert (folder / "data" / "node-id").exists()
    assert not lives(pid)
    assert not folder.exists()
    cluster.stop()  # a second time does nothing


def test_a_cluster_finds_what_an_earlier_one_kept_although_all_addresses_are_others(tmp_path):
    with Cluster(data_dir=tmp_path) as first:
        first.client.kv.put("kept", b"x")
        before = {one.id: one.address for one in first.client.operator.raft_configuration().servers}
    with Cluster(data_dir=tmp_path) as second:
        assert second.client.kv.get("kept").value.value == b"x"
        second.until(
            lambda: (
                {one.address for one in second.client.operator.raft_configuration().servers}
                == {server.rpc_address for server in second.servers}
            ),
            "the configuration holds the new addresses",
        )
        after = {one.id: one.address for one in second.client.operator.raft_configuration().servers}
        assert all(one.voter for one in second.client.operator.raft_configuration().servers)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_the_configuration_is_that_of_a_file():
    with Cluster(servers=1, config={"datacenter": "east", "services": [{"name": "web"}]}) as cluster:
        assert cluster.client.catalog.datacenters() == ["east"]
        cluster.until(lambda: "web" in cluster.client.catalog.services().value, "the service")


def test_agents_end_with_the_process_that_started_them():
    program = "from muster.testing import Cluster\ncluster = Cluster(servers=1).start()\nprint(cluster.servers[0].pid, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        assert lives(pid)
        process.kill()
    end = time.monotonic() + 20
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not lives(pid)


def test_a_process_that_starts_agents_and_died_is_replaced():
    process = ForkServer.shared()._process
    process.kill()
    process.wait()
    with Cluster(servers=1) as cluster:
        assert cluster.client.kv.put("key", b"x")
