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


def written(cluster: Cluster, key: str, client=None) -> bool:
    """Writes a key, again if it could not be done: on a busy machine a leader may lose its lease at any time."""
    return cluster.until(lambda: (client or cluster.client).kv.put(key, b"x"), f"{key} is written")


def read(cluster: Cluster, key: str, client=None) -> bytes:
    """The value of a key, once there is one."""
    return cluster.until(lambda: (client or cluster.client).kv.get(key).value, f"{key} is read").value


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
        assert written(cluster, f"by/{agent.name}", agent.client)
    for agent in cluster.agents:
        found = cluster.until(lambda: agent.client.kv.keys("by/").value, "the keys are read")
        assert found == ["by/c1", "by/n1", "by/n2", "by/n3"]
    assert cluster.client is cluster.clients[0].client


def test_one_server_leads_and_the_others_follow(cluster):
    def shown() -> list[str]:
        return [one.address for one in cluster.client.operator.raft_configuration().servers if one.leader]

    cluster.until(lambda: shown() == [cluster.leader.rpc_address], "the API shows the same leader")
    cluster.until(lambda: len(cluster.followers) == 2 and cluster.leader not in cluster.followers, "the two others follow")


def test_when_the_leader_is_killed_another_one_leads_and_nothing_is_lost(cluster):
    written(cluster, "before")
    dead = cluster.leader
    dead.kill()
    assert dead.process.status == -signal.SIGKILL
    assert not dead.answers
    assert written(cluster, "after")
    assert cluster.leader is not dead
    dead.start()
    assert read(cluster, "after", dead.client) == read(cluster, "before", dead.client) == b"x"


def test_a_server_that_is_told_to_stop_hands_over_and_keeps_its_vote(cluster):
    stopped = cluster.leader
    assert stopped.stop() == 1, "as Consul's: a server that does not leave ends with 1"
    assert written(cluster, "stopped")
    assert len(cluster.until(lambda: cluster.client.operator.raft_configuration().servers, "the configuration")) == 3
    with pytest.raises(AgentUnreachable):
        stopped.client.status.leader()


def test_a_paused_leader_is_replaced_and_follows_when_it_goes_on(cluster):
    paused = cluster.leader
    paused.pause()
    cluster.until(lambda: cluster.leader is not paused, "another leader")
    assert cluster.until(lambda: cluster.leader.client.kv.put("paused", b"x"), "a write meanwhile")
    paused.resume()
    cluster.until(lambda: paused.client.status.leader() == cluster.leader.rpc_address, "it knows who leads now")
    assert read(cluster, "paused", paused.client) == b"x"


def test_an_agent_runs_once_at_a_time(cluster):
    with pytest.raises(RuntimeError, match="runs already"):
        cluster.servers[0].start()
    with pytest.raises(RuntimeError, match="runs already"):
        cluster.start()


def test_what_does_not_happen_in_time_is_told_with_the_logs(cluster):
    with pytest.raises(NotReady, match=r"not within 0\.1 s: a miracle\n---- n1\n(.|\n)*\[INFO\] (.|\n)*---- c1\n"):
        cluster.until(lambda: False, "a miracle", 0.1)


def test_an_agent_that_does_not_come_up_is_told_at_once_with_its_log():
    with pytest.raises(NotReady, match=r"^n1 ended\n---- n1\n(.|\n)*datacenter"):
        Cluster(servers=1, config={"datacenter": "no name/"}).start()


def test_nothing_is_left_behind():
    with Cluster(servers=1) as cluster:
        pid, folder = cluster.servers[0].pid, cluster.servers[0].folder
        assert lives(pid)
        assert (folder / "data" / "node-id").exists()
    assert not lives(pid)
    assert not folder.exists()
    cluster.stop()  # a second time does nothing


def configured(cluster: Cluster) -> dict[str, tuple[str, bool]]:
    """Address and vote of each server by its id."""
    servers = cluster.until(lambda: cluster.client.operator.raft_configuration().servers, "the configuration is read")
    return {one.id: (one.address, one.voter) for one in servers}


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
        assert written(cluster, "key")
