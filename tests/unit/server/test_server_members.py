"""Which members of the pool are servers, and where they are reached."""

import pytest
from pool_parts import VERSIONS, client, identity, server

from muster.gossip.effects import Member, MemberStatus
from muster.server.server_members import ServerMembers, own_member, peer_of
from muster.server.settings import ServerSettings
from muster.transport.endpoints import endpoint


def test_a_servers_tags_say_who_it_is_and_where_it_is_reached() -> None:
    found = peer_of(server(2, expect="3", build="1.8.7:abc", nonvoter="1"))
    assert found is not None
    assert (found.identity, found.name, found.address, found.port) == (identity(2), "n2", "127.0.0.2:8300", 8300)
    assert (found.build, found.raft_version, found.expect, found.bootstrap, found.is_voter_candidate) == ("1.8.7", 3, 3, False, False)


@pytest.mark.parametrize("port", ["0", "-1"])
def test_a_server_that_others_cannot_reach_is_a_server(port: str) -> None:
    found = peer_of(server(2, port=port))
    assert found is not None
    assert found.port == int(port)


def test_an_address_of_version_6_is_written_as_raft_writes_it() -> None:
    found = peer_of(Member("n", endpoint("fd00::2", 8301), server(2).tags, MemberStatus.ALIVE, VERSIONS))
    assert found is not None
    assert found.address == "[fd00::2]:8300"


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(client("c1"), id="a client agent"),
        pytest.param(server(2, role="other"), id="another role"),
        pytest.param(server(2, port="x"), id="a port that is no number"),
        pytest.param(server(2, port="-2"), id="a negative port"),
        pytest.param(server(2, port="70000"), id="a port beyond 65535"),
        pytest.param(server(2, port="٣٠٠"), id="digits of another script"),
        pytest.param(server(2, vsn=""), id="without a version"),
        pytest.param(server(2, expect="many"), id="an expect value that is no number"),
        pytest.param(server(2, raft_vsn="-1"), id="a Raft version that is no number"),
    ],
)
def test_what_does_not_show_all_of_it_is_no_server(member: Member) -> None:
    assert peer_of(member) is None


def test_only_servers_of_the_own_datacenter_are_known() -> None:
    servers = ServerMembers(lambda: [server(1), server(2, dc="dc2"), client("c1")], "dc1")
    assert [peer.name for peer in servers.all()] == ["n1"]
    assert servers.at("127.0.0.2:8300") is None


def test_a_server_is_found_by_exactly_its_address_and_only_while_it_is_there() -> None:
    servers = ServerMembers(lambda: [server(1), server(2, MemberStatus.FAILED)], "dc1")
    assert servers.reachable("127.0.0.1:8300")
    assert not servers.reachable("127.0.0.01:8300")
    assert not servers.reachable("127.0.0.2:8300")
    assert servers.at("127.0.0.2:8300") is not None


def test_a_living_server_stands_for_an_address_that_a_dead_one_had() -> None:
    servers = ServerMembers(lambda: [server(2), server(3, MemberStatus.FAILED, at="127.0.0.2")], "dc1")
    found = servers.at("127.0.0.2:8300")
    assert found is not None
    assert found.name == "n2"


def test_a_server_that_moved_is_found_by_its_id_at_its_new_address() -> None:
    members = [server(2)]
    servers = ServerMembers(lambda: members, "dc1")
    assert servers.address_of(identity(2)) == "127.0.0.2:8300"
    members[0] = server(2, at="127.0.0.9")
    servers.changed(members[0])
    assert servers.address_of(identity(2)) == "127.0.0.9:8300"
    assert servers.address_of("nobody") == ""


def test_a_server_that_becomes_a_client_is_one_no_more() -> None:
    members = [server(2)]
    servers = ServerMembers(lambda: members, "dc1")
    assert len(servers.all()) == 1
    members[0] = client("n2")
    servers.changed(members[0])
    assert servers.all() == []


def test_changes_of_clients_do_not_have_the_servers_gathered_anew() -> None:
    looked: list[int] = []

    def members() -> list[Member]:
        looked.append(1)
        return [server(1), client("c1")]

    servers = ServerMembers(members, "dc1")
    for _ in range(10):
        servers.all()
        servers.changed(client("c1"))
    assert len(looked) == 1


def test_without_a_pool_a_server_knows_itself() -> None:
    settings = ServerSettings(datacenter="dc1", node_name="n1", node_id=identity(1), address="127.0.0.1", non_voter=True)
    found = peer_of(own_member(settings))
    assert found is not None
    assert (found.address, found.identity, found.build, found.is_voter_candidate) == (settings.rpc_address, identity(1), "1.8.7", False)
