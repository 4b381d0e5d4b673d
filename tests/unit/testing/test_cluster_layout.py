"""Where the agents of a cluster on one machine listen, and what they are told."""

import json
import random
import socket
from pathlib import Path

import pytest

from muster.model.errors import ConfigurationError
from muster.testing.cluster_layout import Block, Ports, check_free, joined, places, write_config


def test_every_agent_has_an_address_of_its_own_and_all_have_the_same_ports(tmp_path):
    found = places(2, 1, "127.0.13.254", Ports(), tmp_path)
    assert [(one.name, one.is_server, one.http_address) for one in found] == [
        ("n1", True, "127.0.13.254:8500"),
        ("n2", True, "127.0.13.255:8500"),
        ("c1", False, "127.0.14.0:8500"),
    ]


@pytest.mark.parametrize(
    ("servers", "clients", "first", "why"),
    [
        pytest.param(0, 1, "127.0.0.1", "at least 1 server", id="no server"),
        pytest.param(1, -1, "127.0.0.1", "no fewer than 0 clients", id="less than no client"),
        pytest.param(1, 0, "localhost", "'localhost': an address such as", id="a name"),
        pytest.param(1, 0, "10.0.0.1", "not all of them are loopback", id="another host's address"),
        pytest.param(3, 0, "127.255.255.254", "not all of them are loopback", id="beyond the last one"),
        pytest.param(3, 0, "255.255.255.254", "an address such as", id="beyond all addresses"),
    ],
)
def test_what_cannot_be_a_cluster_is_refused(servers, clients, first, why):
    with pytest.raises(ConfigurationError, match=why):
        places(servers, clients, first, Ports(), Path("/x"))


def test_an_agent_is_told_of_the_servers_beside_it_and_what_is_said_for_all_comes_last(tmp_path):
    found = places(2, 1, "127.0.13.1", Ports().moved(1000), tmp_path)
    for one in found:
        write_config(one, found, {"performance": {"leave_drain_time": "1s"}, "ports": {"dns": -1}, "retry_interval": "1s"})
    server, _, client = (json.loads(one.config_file.read_text()) for one in found)
    assert (server["retry_join"], server["bootstrap_expect"], server["server"]) == (["127.0.13.2:9301"], 2, True)
    assert client["retry_join"] == ["127.0.13.1:9301", "127.0.13.2:9301"]
    assert "bootstrap_expect" not in client
    assert server["performance"] == {"raft_multiplier": 1, "leave_drain_time": "1s"}
    assert server["ports"] == {"http": 9500, "dns": -1, "server": 9300, "serf_lan": 9301, "serf_wan": 9302, "grpc": -1}
    assert server["retry_interval"] == "1s"


def test_joined_configurations_leave_their_parts_as_they_were():
    first, second = {"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]}
    assert joined(first, second) == {"a": {"b": 1, "d": 2}, "c": [2]}
    assert (first, second) == ({"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "c": [2]})


def test_two_blocks_from_the_same_chance_are_two_while_the_first_is_taken():
    first = Block(random.Random(1), 3)
    second = Block(random.Random(1), 3)
    try:
        assert first.first != second.first
    finally:
        second.close()
    first.close()
    third = Block(random.Random(1), 3)
    third.close()
    assert (third.first, third.ports) == (first.first, first.ports)


@pytest.mark.parametrize("kind", [pytest.param(socket.SOCK_STREAM, id="TCP"), pytest.param(socket.SOCK_DGRAM, id="UDP")])
def test_a_taken_port_is_named(kind):
    ports = Ports().moved(11_000)
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.13.2", ports.serf_lan))
        if kind == socket.SOCK_STREAM:
            other.listen()
        with pytest.raises(ConfigurationError, match=rf"127\.0\.13\.2:{ports.serf_lan}: address already in use; choose other"):
            check_free(["127.0.13.1", "127.0.13.2"], ports)
    check_free(["127.0.13.1", "127.0.13.2"], ports)
