"""What a server is told about itself and its timings."""

from msgspec import Struct

from muster.model.durations import SECOND
from muster.model.operator import AutopilotConfig, ConfigEntry


class ServerSettings(Struct, frozen=True, kw_only=True):
    """Names and addresses, and times in seconds except where the name says nanoseconds (`_ns`)."""

    datacenter: str
    node_name: str
    node_id: str
    address: str
    """The advertised IP address."""
    port: int = 8300
    version: str = "1.8.7"
    non_voter: bool = False
    primary_datacenter: str = ""
    session_ttl_minimum_ns: int = 10 * SECOND
    rpc_hold_timeout: float = 7.0
    coordinate_update_period: float = 5.0
    coordinate_batch_size: int = 128
    coordinate_maximum_batches: int = 5
    health_interval: float = 2.0
    autopilot_interval: float = 10.0
    bootstrap_expect: int = 0
    """How many servers found the datacenter together; 0: this one founds none."""
    tombstone_ttl: float = 900.0
    tombstone_granularity: float = 30.0
    reconcile_interval: float = 60.0
    unknown_node_grace: float = 600.0
    """How long a node of the catalog may be unknown to the pool before it is removed."""
    autopilot: AutopilotConfig = AutopilotConfig()
    bootstrap_config_entries: tuple[ConfigEntry, ...] = ()

    @property
    def rpc_address(self) -> str:
        """The "ip:port" under which Raft and the others know this server."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
