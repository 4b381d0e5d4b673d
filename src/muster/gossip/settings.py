"""The figures of a pool: how often, how long, how many.

Source: reference of the gossip wire, section 2 (defaults of memberlist for a LAN, a WAN and one host) and section 3.
"""

from msgspec import Struct


class PoolSettings(Struct, frozen=True, kw_only=True):
    """Durations in seconds. The defaults are those of a LAN with what Consul sets on top."""

    probe_interval: float = 1.0
    probe_timeout: float = 0.5
    suspicion_multiplier: int = 4
    suspicion_maximum_multiplier: int = 6
    gossip_interval: float = 0.2
    gossip_nodes: int = 3
    gossip_to_the_dead_time: float = 30.0
    push_pull_interval: float = 30.0
    retransmit_multiplier: int = 4
    indirect_checks: int = 3
    stream_timeout: float = 10.0
    awareness_maximum: int = 8
    dead_node_reclaim_time: float = 30.0
    packet_size: int = 1400
    """The most bytes of a packet."""
    packet_overhead: int = 0
    """Bytes that encryption, a label and a checksum add to a packet; set by who owns the keyring."""

    reap_interval: float = 15.0
    reconnect_interval: float = 30.0
    reconnect_timeout: float = 72 * 3600.0
    tombstone_timeout: float = 24 * 3600.0
    leave_propagate_delay: float = 3.0
    leave_broadcast_timeout: float = 5.0
    recent_intent_timeout: float = 300.0
    minimum_queue_depth: int = 4096
    event_buffer: int = 512
    query_buffer: int = 512
    event_size_limit: int = 512
    query_size_limit: int = 1024
    query_response_size_limit: int = 1024
    query_timeout_multiplier: int = 16

    awareness: bool = True
    """Lifeguard's self-awareness; off only in simulations that measure what it brings."""
    dynamic_suspicion: bool = True
    """Lifeguard's shrinking suspicion time; off only in simulations."""
    buddy_system: bool = True
    """Lifeguard's word to the suspect itself, in the ping; off only in simulations."""


LAN = PoolSettings()
WAN = PoolSettings(
    probe_interval=5.0,
    probe_timeout=3.0,
    suspicion_multiplier=6,
    gossip_interval=0.5,
    gossip_nodes=4,
    gossip_to_the_dead_time=60.0,
    push_pull_interval=60.0,
    stream_timeout=30.0,
)
LOCAL = PoolSettings(
    probe_timeout=0.2,
    suspicion_multiplier=3,
    gossip_interval=0.1,
    gossip_to_the_dead_time=15.0,
    push_pull_interval=15.0,
    retransmit_multiplier=2,
    indirect_checks=1,
    stream_timeout=1.0,
)
