"""Programs that others wrote, unchanged, against Muster: the real consul command line, py-consul, dig."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.peer]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with AgentProcess(tmp_path_factory.mktemp("agent"), "-dev") as running:
        yield running


@pytest.fixture
def command(consul, agent):
    """Runs the real consul against Muster."""

    def run(*words: str, stdin: str | None = None, status: int | None = 0) -> str:
        environment = {**os.environ, "CONSUL_HTTP_ADDR": f"127.0.0.1:{agent.http}"}
        done = subprocess.run([str(consul), *words], input=stdin, capture_output=True, text=True, timeout=60, env=environment)
        assert status is None or done.returncode == status, f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_kv_by_the_real_command_line(command):
    assert "Success! Data written to: cli/a" in command("kv", "put", "cli/a", "one")
    assert command("kv", "get", "cli/a") == "one\n"
    assert "CreateIndex" in command("kv", "get", "-detailed", "cli/a")
    assert command("kv", "get", "-keys", "cli/") == "cli/a\n"
    command("kv", "put", "cli/b", "two")
    exported = json.loads(command("kv", "export", "cli/"))
    assert {entry["key"]: base64.b64decode(entry["value"]) for entry in exported} == {"cli/a": b"one", "cli/b": b"two"}
    assert "Success! Deleted keys with prefix: cli/" in command("kv", "delete", "-recurse", "cli/")
    command("kv", "get", "cli/a", status=1)
    assert "Imported: cli/a" in command("kv", "import", "-", stdin=json.dumps(exported))
    assert command("kv", "get", "cli/b") == "two\n"
    command("kv", "put", "-cas", "-modify-index=1", "cli/a", "x", status=1)


def test_services_and_catalog_by_the_real_command_line(command, tmp_path):
    definition = tmp_path / "web.json"
    definition.write_text(json.dumps({"service": {"name": "web", "port": 80, "tags": ["v1"], "check": {"ttl": "1h", "status": "passing"}}}))
    assert "Registered service: web" in command("services", "register", str(definition))
    nodes = command("catalog", "nodes")
    assert "test-node" in nodes and "127.0.0.1" in nodes
    assert command("catalog", "datacenters") == "dc1\n"
    assert "test-node" in command("members")
    assert "Deregistered service: web" in command("services", "deregister", "-id=web")
    assert "leader" in command("operator", "raft", "list-peers")


def test_snapshots_by_the_real_command_line(command, tmp_path):
    command("kv", "put", "snap/kept", "before")
    file = tmp_path / "backup.snap"
    assert "Saved and verified snapshot to index" in command("snapshot", "save", str(file))
    assert "Index" in command("snapshot", "inspect", str(file))
    command("kv", "put", "snap/kept", "after")
    assert "Restored snapshot" in command("snapshot", "restore", str(file))
    assert command("kv", "get", "snap/kept") == "before\n"


def test_lock_by_the_real_command_line(command):
    assert command("lock", "locks/a", "echo held by $CONSUL_LOCK_HELD").strip() == "held by true"
    command("lock", "-child-exit-code", "locks/a", "exit 7", status=2)
    assert command("kv", "get", "-keys", "locks/", status=None) == ""


def test_watch_by_the_real_command_line(command):
    command("kv", "put", "watched", "1")
    assert json.loads(command("watch", "-type=key", "-key=watched"))["Key"] == "watched"
    assert "consul" in json.loads(command("watch", "-type=services"))


def test_snapshots_travel_both_ways(consul, agent, tmp_path):
    with AgentProcess(tmp_path / "peer", "-dev", program=consul, node="peer-node") as peer:
        peer.call("PUT", "/v1/kv/from/peer", "theirs")
        peer.call(
            "PUT", "/v1/catalog/register", json.dumps({"Node": "ext", "Address": "10.0.0.1", "Service": {"Service": "outside", "Port": 9}})
        )
        theirs = peer.call("GET", "/v1/snapshot")[1]
        agent.call("PUT", "/v1/kv/from/muster", "ours")
        ours = agent.call("GET", "/v1/snapshot")[1]
        assert peer.call("PUT", "/v1/snapshot", ours)[0] == 200
        peer.until(lambda: peer.call("GET", "/v1/kv/from/muster?raw")[1] == b"ours", what="our key on the peer")
        status, body, _ = agent.call("PUT", "/v1/snapshot", theirs)
        assert (status, body) == (200, b"")
        agent.until(lambda: agent.call("GET", "/v1/kv/from/peer?raw")[1] == b"theirs", what="the peer's key here")
        assert agent.json("/v1/catalog/service/outside")[0]["ServicePort"] == 9


def test_py_consul_unchanged(agent):
    import consul as py_consul

    client = py_consul.Consul(host="127.0.0.1", port=agent.http)
    assert client.kv.put("py/a", "value", flags=3)
    index, entry = client.kv.get("py/a")
    assert entry["Value"] == b"value" and entry["Flags"] == 3 and int(index) >= entry["ModifyIndex"]
    assert client.agent.service.register("py-service", service_id="py1", port=7, check=py_consul.Check.ttl("1h"))
    assert client.agent.check.ttl_pass("service:py1")
    agent.until(lambda: client.health.service("py-service", passing=True)[1], what="the service in the catalog")
    session = client.session.create(name="py", lock_delay=0)
    assert client.kv.put("py/lock", "x", acquire=session)
    assert client.session.destroy(session)
    assert client.kv.get("py/lock")[1].get("Session") is None
    assert client.agent.service.deregister("py1")
    client.kv.delete("py/", recurse=True)


def test_dig_finds_the_node(agent):
    answer = subprocess.run(
        ["dig", "+short", "-p", str(agent.dns), "@127.0.0.1", "test-node.node.consul"], capture_output=True, text=True, timeout=20
    )
    assert answer.stdout.strip() == "127.0.0.1"


def test_ports_are_told_apart():
    assert len(set(free_ports(5))) == 5
