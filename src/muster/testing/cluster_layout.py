"""Who is in a cluster on one machine: every agent has a loopback address of its own, and all have the same ports.

So each agent looks to the others like a host, and the ports stay below those that the system gives to outgoing connections:
an agent that was stopped finds its ports free when it starts again.
"""

import json
import os
import random
import socket
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from msgspec import Struct

from muster.model.errors import ConfigurationError

LEAST_PORT, MOST_PORT = 12_000, 28_000  # system services lie below, ports of outgoing connections above 32,767
FIRST_BLOCK, BLOCKS = int(IPv4Address("127.64.0.0")) >> 8, 1 << 14  # of 256 addresses each, up to 127.127.255.255
ATTEMPTS = 100
RETRY_INTERVAL = "200ms"  # the agents come up within so much time of each other


class Ports(Struct, frozen=True):
    """The ports of every agent. `http` is TCP, `dns` and the two of gossip are UDP and TCP, `server` is TCP."""

    http: int = 8500
    dns: int = 8600
    server: int = 8300
    serf_lan: int = 8301
    serf_wan: int = 8302

    def moved(self, offset: int) -> "Ports":
        """All of them higher by so much."""
        return Ports(*(getattr(self, name) + offset for name in self.__struct_fields__))

    def numbers(self) -> list[int]:
        """All of them."""
        return [getattr(self, name) for name in self.__struct_fields__]


class Place(Struct, frozen=True):
    """One agent: its name, which is that of its folder too, and where it listens."""

    name: str
    is_server: bool
    address: str
    ports: Ports
    folder: Path

    @property
    def http_address(self) -> str:
        """`IP:PORT`, the form that CONSUL_HTTP_ADDR takes."""
        return f"{self.address}:{self.ports.http}"

    @property
    def dns_address(self) -> str:
        """`IP:PORT`, by UDP and TCP."""
        return f"{self.address}:{self.ports.dns}"

    @property
    def config_file(self) -> Path:
        """What the agent is started with; `muster agent -config-file` takes it too."""
        return self.folder / "agent.json"


def places(servers: int, clients: int, first: str, ports: Ports, folder: Path) -> list[Place]:
    """The servers `n1`, `n2`, … and then the clients `c1`, …, at `first` and the addresses behind it.

    Raises ConfigurationError if there would be no server, or an address that is none of this machine's loopback.
    """
    if servers < 1 or clients < 0:
        raise ConfigurationError(f"{servers} servers and {clients} clients: at least 1 server and no fewer than 0 clients would be right")
    names = [f"n{number}" for number in range(1, servers + 1)] + [f"c{number}" for number in range(1, clients + 1)]
    try:
        start = IPv4Address(first)
        addresses = [start + number for number in range(len(names))]
    except ValueError as error:
        raise ConfigurationError(f"{first!r}: an address such as 127.0.0.1 would be right") from error
    if not all(address.is_loopback for address in addresses):
        raise ConfigurationError(f"{first} to {addresses[-1]}: not all of them are loopback addresses; 127.0.0.1 would be right")
    return [Place(name, name[0] == "n", str(address), ports, folder / name) for name, address in zip(names, addresses)]


def write_config(place: Place, others: Sequence[Place], common: Mapping[str, Any]) -> None:
    """Writes the agent's configuration file: its own addresses, whom it joins, then what `common` says for all, which comes last."""
    servers = [other for other in others if other.is_server]
    own: dict[str, Any] = {
        "node_name": place.name,
        "data_dir": str(place.folder / "data"),
        "bind_addr": place.address,
        "client_addr": place.address,
        "ports": {name: getattr(place.ports, name) for name in place.ports.__struct_fields__} | {"grpc": -1},
        "server": place.is_server,
        "retry_join": [f"{other.address}:{other.ports.serf_lan}" for other in servers if other != place],
        "retry_interval": RETRY_INTERVAL,
        "performance": {"raft_multiplier": 1},
    }
    if place.is_server:
        own["bootstrap_expect"] = len(servers)
    place.folder.mkdir(parents=True, exist_ok=True)
    place.config_file.write_text(json.dumps(joined(own, common), indent=2))


def joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two configurations; the second one's values stand, blocks are joined."""
    result = dict(first)
    for name, value in second.items():
        before = result.get(name)
        result[name] = joined(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


class Block:
    """256 loopback addresses and a set of ports that no other cluster takes while this object is open."""

    def __init__(self, chance: random.Random, agents: int) -> None:
        """Raises ConfigurationError if no free ones are found."""
        for _ in range(ATTEMPTS):
            network = (FIRST_BLOCK + chance.randrange(BLOCKS)) << 8
            self.first = str(IPv4Address(network + 1))
            self.ports = Ports(*range(port := chance.randrange(LEAST_PORT, MOST_PORT), port + len(Ports.__struct_fields__)))
            self._guard = socket.socket()
            try:
                self._guard.bind((str(IPv4Address(network + 254)), LEAST_PORT))
                check_free([str(IPv4Address(network + number)) for number in range(1, agents + 1)], self.ports)
            except (OSError, ConfigurationError):
                self._guard.close()
            else:
                return
        raise ConfigurationError(f"no free ports on loopback addresses after {ATTEMPTS} attempts; name addresses and ports yourself")

    def close(self) -> None:
        """Gives the addresses back."""
        self._guard.close()


def check_free(addresses: Sequence[str], ports: Ports) -> None:
    """Raises ConfigurationError for the first port that somebody else has."""
    for address in addresses:
        for port in ports.numbers():
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    if kind == socket.SOCK_STREAM:  # a connection that has ended is in nobody's way
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        probe.bind((address, port))
                    except OSError as error:
                        raise ConfigurationError(
                            f"{address}:{port}: {os.strerror(error.errno or 0).lower()}; choose other addresses or ports"
                        ) from error
