"""The pool of the servers of all datacenters, and pools over IPv6: Muster's servers and a real one, each on a host of its own."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from namespaces import Network, needs_namespaces
from pool_agents import PoolAgent, until_all, until_all_see

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.timeout(240)]

HEALED = 75.0
"""Seconds: what gossip missed is found at the latest when tables are exchanged, in the pool of the servers every 60 s, later than this."""
CALM = {"performance": {"raft_multiplier": 1}}


@pytest.fixture(params=["IPv4", "IPv6"])
def network(request):
    needs_namespaces()
    with Network() as made:
        made.family = request.param
        yield made


@pytest.fixture
def new_agent(network, tmp_path):
    """Starts agents that end with the test."""
    made: list[PoolAgent] = []

    def new(name: str, *arguments: str, **options) -> PoolAgent:
        host = network.host()
        bind = host.address6 if network.family == "IPv6" else host.address
        agent = PoolAgent(tmp_path / name, name, host, *arguments, bind=bind, config=dict(CALM), **options)
        made.append(agent)
        agent.start()
        agent.until_answering()
        return agent

    yield new
    for agent in made:
        agent.stop(signal.SIGKILL)


def test_servers_of_all_datacenters_are_one_pool_and_clients_are_of_one(consul, new_agent):
    one = new_agent("one", "-server", "-bootstrap-expect=1", "-datacenter=dc1")
    two = new_agent("two", "-server", "-bootstrap-expect=1", "-datacenter=dc2")
    real = new_agent("real", "-server", "-bootstrap-expect=1", "-datacenter=dc3", program=consul)
    for server in (one, two, real):
        server.until_leader()
    two.run("join", "-wan", one.address)
    real.run("join", "-wan", one.address)
    servers = [one, two, real]
    everybody = {"one.dc1", "two.dc2", "real.dc3"}
    until_all(servers, lambda agent: wide_members(agent) == everybody, HEALED, "sees the servers of all datacenters")

    # A server that joins its own datacenter is brought into the pool of all by those that are there.
    second = new_agent("second", "-server", "-datacenter=dc1")
    client = new_agent("client", "-datacenter=dc1")
    real_client = new_agent("real-client", "-datacenter=dc1", program=consul)
    for agent in (second, client, real_client):
        agent.run("join", one.address)
    until_all_see([one, second, client, real_client], "alive", ["one", "second", "client", "real-client"], HEALED)
    until_all([*servers, second], lambda agent: wide_members(agent) == everybody | {"second.dc1"}, HEALED, "sees the second server, too")
    for agent in (client, real_client):
        assert agent.json("/v1/agent/members?wan=1") is None

    addresses = {member["Name"]: member["Addr"] for member in real.json("/v1/agent/members?wan=1")}
    assert addresses["two.dc2"] == two.address and addresses["second.dc1"] == second.address
    client.run("event", "-name=over-all")
    until_all([one, second, client, real_client], lambda agent: "over-all" in agent.events(), HEALED, "has the event")
    assert "over-all" not in two.events()


def wide_members(agent: PoolAgent) -> set[str]:
    return {member["Name"] for member in agent.json("/v1/agent/members?wan=1") if member["Status"] == 1}
