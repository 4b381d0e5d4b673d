"""The whole state as a stream of records, and back: the content of state.bin, and the body of InstallSnapshot.

The stream is a msgpack map {LastIndex: n}, then records until its end, each one byte of type and one msgpack value. There
are no lengths and no end mark. The types are those of log entries; what differs in the values:

    0   RegisterRequest: the node alone, then once per service, then once per check; all name the node
    2   the entry                    5   an entry with only Key and ModifyIndex: a tombstone
    6   an array of coordinates      7   the query           9   Autopilot's settings
    3, 12, 13, 14, 15, 17, 19, 23, 25, 27   the object itself
    16  {Key, Value}: the table of indexes, literally, after what it counts
    22  a config entry's request     30  a federation state's request
    29  {ChunkMap}: commands of which not all pieces came; always last

Source: reference "FSM commands", section 6.
"""

from typing import Any

from msgspec import Struct, field

from muster.model.coordinates import NodeCoordinate
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.model.queries import PreparedQuery
from muster.model.sessions import Session
from muster.state.opaque import Table
from muster.wire.commands import RegisterRequest


class Content(Struct, kw_only=True):
    """What a stream holds, read completely and found good."""

    last_index: int = 0
    registrations: list[RegisterRequest] = field(default_factory=list)
    coordinates: list[NodeCoordinate] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    entries: dict[str, KVEntry] = field(default_factory=dict)
    tombstones: list[tuple[str, int]] = field(default_factory=list)
    queries: list[PreparedQuery] = field(default_factory=list)
    autopilot: AutopilotConfig | None = None
    config_entries: list[ConfigEntry] = field(default_factory=list)
    opaque: list[tuple[Table, Any]] = field(default_factory=list)
    indexes: dict[str, int] = field(default_factory=dict)
    chunks: dict[int, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
