"""The settings of the HTTP edge, prepared for its hot path."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DEFAULT_KV_MAX_VALUE_SIZE = 512 * 1024  # bytes, as Consul's
DEFAULT_CONNECTIONS_PER_CLIENT = 200
HEAD_TIME = 10.0  # seconds for request line and headers, once they have begun
BODY_TIME = 60.0  # seconds without a byte of a body that has begun


@dataclass(slots=True)
class Settings:
    """What the edge does with every request. `write_networks` empty: writes from everywhere."""

    datacenter: str = "dc1"
    node_name: str = ""
    pretty: bool = False
    kv_max_value_size: int = DEFAULT_KV_MAX_VALUE_SIZE
    txn_max_req_len: int = DEFAULT_KV_MAX_VALUE_SIZE
    connections_per_client: int = DEFAULT_CONNECTIONS_PER_CLIENT
    block_endpoints: tuple[str, ...] = ()
    write_networks: tuple[Network, ...] = ()
    response_headers: dict[str, str] = field(default_factory=dict)
    translate_wan_addresses: bool = False
    unprintable_paths: bool = False
    coordinates: bool = True
    head_time: float = HEAD_TIME
    body_time: float = BODY_TIME
    discovery_max_stale: int = 0  # ns
    use_cache: bool = True
    is_server: bool = True
    """Whether the servers' newest answers are in this process."""

    def is_blocked(self, path: str) -> bool:
        return path.startswith(self.block_endpoints)

    def may_write(self, remote: str) -> bool:
        """Whether a client of this address may write; one of a Unix socket always may."""
        if not self.write_networks:
            return True
        try:
            address = ipaddress.ip_address(remote)
        except ValueError:
            return False
        return any(address in network for network in self.write_networks)

    def common_headers(self) -> bytes:
        """The lines that every answer of an endpoint carries."""
        lines = [f"{name}: {value}\r\n" for name, value in sorted(self.response_headers.items())]
        if self.translate_wan_addresses:
            lines.append("X-Consul-Translate-Addresses: true\r\n")
        return "".join(lines).encode("latin-1", "replace") + b"Vary: Accept-Encoding\r\n"


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """CIDR texts as networks."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
