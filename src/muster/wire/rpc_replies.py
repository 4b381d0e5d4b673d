"""The replies of RPC methods: which shape each method answers in.

Source: reference of the RPC wire, section 5; methods.json; the recorded empty replies.
"""

from typing import Final

from muster.model.coordinates import NodeCoordinate
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig
from muster.model.queries import PreparedQuery
from muster.model.sessions import Session
from muster.wire.records import decoder, encoder
from muster.wire.rpc_records import DatacenterCoordinates, Intention, RaftConfiguration, RaftStats, TxnResponse
from muster.wire.rpc_rows import (
    a_text,
    decode_check,
    decode_node,
    decode_node_info,
    decode_service_node,
    decoded_list,
    encode_check,
    encode_node,
    encode_node_info,
    encode_service_node,
)
from muster.wire.rpc_shapes import (
    ALL_CONFIG_ENTRIES,
    ANYTHING,
    CHECK_SERVICE_NODES,
    CONFIG_ENTRIES,
    CONFIG_ENTRY,
    META_ONLY,
    NODE_SERVICE_LIST,
    NODE_SERVICES,
    NOTHING,
    QUERY_ANSWER,
    SERVER_HEALTH,
    SERVICE_NAMES,
    SERVICE_TAGS,
    TEXTS,
    TXN_READ,
    Shape,
    bare,
    flat,
    listed,
    one,
    rows,
    single,
    without_freshness,
)

_CHECKS: Final = listed("HealthChecks", encode_check, decode_check)
_SESSION: Final = one("Sessions", Session)
_SESSIONS: Final = listed("Sessions", encoder(Session), decoder(Session))
_COORDINATES: Final = listed("Coordinates", encoder(NodeCoordinate), decoder(NodeCoordinate))
_encode_intention, _decode_intention = encoder(Intention), decoder(Intention)

SHAPES: Final[dict[str, Shape]] = {
    "Catalog.Deregister": NOTHING,
    "Catalog.ListDatacenters": TEXTS,
    "Catalog.ListNodes": listed("Nodes", encode_node, decode_node),
    "Catalog.ListServices": SERVICE_TAGS,
    "Catalog.NodeServiceList": NODE_SERVICE_LIST,
    "Catalog.NodeServices": NODE_SERVICES,
    "Catalog.Register": NOTHING,
    "Catalog.ServiceList": SERVICE_NAMES,
    "Catalog.ServiceNodes": listed("ServiceNodes", encode_service_node, decode_service_node),
    "ConfigEntry.Apply": bare(bool),
    "ConfigEntry.Delete": NOTHING,
    "ConfigEntry.Get": CONFIG_ENTRY,
    "ConfigEntry.List": CONFIG_ENTRIES,
    "ConfigEntry.ListAll": ALL_CONFIG_ENTRIES,
    "ConnectCA.Roots": ANYTHING,
    "Coordinate.ListDatacenters": rows(DatacenterCoordinates),
    "Coordinate.ListNodes": _COORDINATES,
    "Coordinate.Node": _COORDINATES,
    "Coordinate.Update": NOTHING,
    "DiscoveryChain.Get": ANYTHING,
    "Health.ChecksInState": _CHECKS,
    "Health.NodeChecks": _CHECKS,
    "Health.ServiceChecks": _CHECKS,
    "Health.ServiceNodes": CHECK_SERVICE_NODES,
    "Intention.Apply": bare(str),
    "Intention.List": listed("Intentions", _encode_intention, _decode_intention, never_nil=True),
    "Intention.Match": listed(
        "Matches",
        lambda found: [_encode_intention(intention) for intention in found],
        lambda value: decoded_list(_decode_intention, value),
    ),
    "Internal.EventFire": META_ONLY,
    "Internal.NodeDump": listed("Dump", encode_node_info, decode_node_info),
    "Internal.NodeInfo": listed("Dump", encode_node_info, decode_node_info),
    "Internal.ServiceDump": CHECK_SERVICE_NODES,
    "KVS.Apply": bare(bool),
    "KVS.Get": one("Entries", KVEntry),
    "KVS.List": listed("Entries", encoder(KVEntry), decoder(KVEntry)),
    "KVS.ListKeys": listed("Keys", lambda key: key, a_text),
    "Operator.AutopilotGetConfiguration": flat(AutopilotConfig),
    "Operator.AutopilotSetConfiguration": bare(bool),
    "Operator.RaftGetConfiguration": flat(RaftConfiguration),
    "Operator.RaftRemovePeerByAddress": NOTHING,
    "Operator.RaftRemovePeerByID": NOTHING,
    "Operator.ServerHealth": SERVER_HEALTH,
    "PreparedQuery.Apply": bare(str),
    "PreparedQuery.Execute": QUERY_ANSWER,
    "PreparedQuery.ExecuteRemote": QUERY_ANSWER,
    "PreparedQuery.Explain": single("Query", encoder(PreparedQuery), decoder(PreparedQuery)),
    "PreparedQuery.Get": one("Queries", PreparedQuery),
    "PreparedQuery.List": listed("Queries", encoder(PreparedQuery), decoder(PreparedQuery)),
    "Session.Apply": bare(str),
    "Session.Get": _SESSION,
    "Session.List": _SESSIONS,
    "Session.NodeSessions": _SESSIONS,
    "Session.Renew": without_freshness(_SESSION),
    "Status.Leader": bare(str),
    "Status.Peers": TEXTS,
    "Status.Ping": NOTHING,
    "Status.RaftStats": flat(RaftStats),
    "Txn.Apply": flat(TxnResponse),
    "Txn.Read": TXN_READ,
}
