"""The arguments of RPC methods: which record each method takes, and which fields of it the peers write.

Source: reference of the RPC wire, section 5; methods.json.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from muster.wire import rpc_config_entries
from muster.wire.commands import (
    AutopilotRequest,
    CoordinateUpdateRequest,
    DeregisterRequest,
    KVSRequest,
    PreparedQueryRequest,
    RegisterRequest,
    SessionRequest,
    TxnRequest,
)
from muster.wire.records import decoder, encoder
from muster.wire.requests import (
    ChecksInStateRequest,
    ConfigEntryQuery,
    DatacenterRequest,
    EventFireRequest,
    KeyListRequest,
    KeyRequest,
    NodeRequest,
    PreparedQueryExecuteRemoteRequest,
    PreparedQueryExecuteRequest,
    PreparedQuerySpecificRequest,
    RaftRemovePeerRequest,
    ServiceDumpRequest,
    ServiceRequest,
    SessionSpecificRequest,
)
from muster.wire.rpc_records import (
    DatacentersRequest,
    DiscoveryChainRequest,
    IntentionQuery,
    IntentionRequest,
    NoArgument,
    ServiceDumpFields,
    TxnReadRequest,
)


class Argument(msgspec.Struct, frozen=True):
    """How a method's argument goes to a msgpack value and back. `record` has its fields under their names; None for bytes of values."""

    record: type[msgspec.Struct] | None
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _of(record: type[msgspec.Struct], written: type[msgspec.Struct] | None = None) -> Argument:
    """An argument that is one record; `written` has those of its fields that the peers write, if not all."""
    decode = decoder(record)
    return Argument(record, encoder(written or record), lambda value: decode({} if value is None else value))


_encode_txn_read = encoder(TxnReadRequest)


def _txn_read(request: TxnReadRequest | TxnRequest) -> Any:
    """A transaction that only reads comes as one that may write, without the options of a read."""
    if isinstance(request, TxnRequest):
        request = TxnReadRequest(datacenter=request.datacenter, ops=request.ops, token=request.token)
    return _encode_txn_read(request)


_TXN_READ: Final = Argument(TxnReadRequest, _txn_read, _of(TxnReadRequest).decode)
_CONFIG_APPLY: Final = Argument(None, rpc_config_entries.encode_apply, rpc_config_entries.decode_request)
_CONFIG_DELETE: Final = Argument(None, rpc_config_entries.encode_delete, rpc_config_entries.decode_request)
_NONE: Final = _of(DatacenterRequest, NoArgument)
_DATACENTER: Final = _of(DatacenterRequest)
_NODE: Final = _of(NodeRequest)
_SERVICE: Final = _of(ServiceRequest)
_KEY: Final = _of(KeyRequest)
_SESSION: Final = _of(SessionSpecificRequest)
_QUERY: Final = _of(PreparedQueryExecuteRequest)
_CONFIG_QUERY: Final = _of(ConfigEntryQuery)
_INTENTION_QUERY: Final = _of(IntentionQuery)

ARGUMENTS: Final[dict[str, Argument]] = {
    "Catalog.Deregister": _of(DeregisterRequest),
    "Catalog.ListDatacenters": _of(DatacenterRequest, DatacentersRequest),
    "Catalog.ListNodes": _DATACENTER,
    "Catalog.ListServices": _DATACENTER,
    "Catalog.NodeServiceList": _NODE,
    "Catalog.NodeServices": _NODE,
    "Catalog.Register": _of(RegisterRequest),
    "Catalog.ServiceList": _DATACENTER,
    "Catalog.ServiceNodes": _SERVICE,
    "ConfigEntry.Apply": _CONFIG_APPLY,
    "ConfigEntry.Delete": _CONFIG_DELETE,
    "ConfigEntry.Get": _CONFIG_QUERY,
    "ConfigEntry.List": _CONFIG_QUERY,
    "ConfigEntry.ListAll": _CONFIG_QUERY,
    "ConnectCA.Roots": _DATACENTER,
    "Coordinate.ListDatacenters": _NONE,
    "Coordinate.ListNodes": _DATACENTER,
    "Coordinate.Node": _NODE,
    "Coordinate.Update": _of(CoordinateUpdateRequest),
    "DiscoveryChain.Get": _of(DiscoveryChainRequest),
    "Health.ChecksInState": _of(ChecksInStateRequest),
    "Health.NodeChecks": _NODE,
    "Health.ServiceChecks": _SERVICE,
    "Health.ServiceNodes": _SERVICE,
    "Intention.Apply": _of(IntentionRequest),
    "Intention.List": _DATACENTER,
    "Intention.Match": _INTENTION_QUERY,
    "Internal.EventFire": _of(EventFireRequest),
    "Internal.NodeDump": _DATACENTER,
    "Internal.NodeInfo": _NODE,
    "Internal.ServiceDump": _of(ServiceDumpRequest, ServiceDumpFields),
    "KVS.Apply": _of(KVSRequest),
    "KVS.Get": _KEY,
    "KVS.List": _KEY,
    "KVS.ListKeys": _of(KeyListRequest),
    "Operator.AutopilotGetConfiguration": _DATACENTER,
    "Operator.AutopilotSetConfiguration": _of(AutopilotRequest),
    "Operator.RaftGetConfiguration": _DATACENTER,
    "Operator.RaftRemovePeerByAddress": _of(RaftRemovePeerRequest),
    "Operator.RaftRemovePeerByID": _of(RaftRemovePeerRequest),
    "Operator.ServerHealth": _DATACENTER,
    "PreparedQuery.Apply": _of(PreparedQueryRequest),
    "PreparedQuery.Execute": _QUERY,
    "PreparedQuery.ExecuteRemote": _of(PreparedQueryExecuteRemoteRequest),
    "PreparedQuery.Explain": _QUERY,
    "PreparedQuery.Get": _of(PreparedQuerySpecificRequest),
    "PreparedQuery.List": _DATACENTER,
    "Session.Apply": _of(SessionRequest),
    "Session.Get": _SESSION,
    "Session.List": _SESSION,
    "Session.NodeSessions": _NODE,
    "Session.Renew": _SESSION,
    "Status.Leader": _DATACENTER,
    "Status.Peers": _DATACENTER,
    "Status.Ping": _NONE,
    "Status.RaftStats": _NONE,
    "Txn.Apply": _of(TxnRequest),
    "Txn.Read": _TXN_READ,
}
