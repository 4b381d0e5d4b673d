"""The RPC services. Each file has a table `METHODS` of what it serves; `table` joins them.

What a reply's `value` is, method by method (None stands where the wire has null or an empty map):

    KVS.Apply                       bool                            KVS.Get             KVEntry | None
    KVS.List                        list[KVEntry]                   KVS.ListKeys        list[str]
    Catalog.Register, .Deregister   None                            Catalog.ListNodes   list[Node]
    Catalog.ListServices            dict[str, list[str]]            Catalog.ServiceList list[str]
    Catalog.ServiceNodes            list[ServiceNode]               Catalog.ListDatacenters  list[str]
    Catalog.NodeServices, .NodeServiceList   NodeServices | None
    Health.NodeChecks, .ServiceChecks, .ChecksInState   list[HealthCheck]
    Health.ServiceNodes             list[CheckServiceNode]
    Session.Apply                   str, the id (empty: destroyed)  Session.Get, .Renew Session | None
    Session.List, .NodeSessions     list[Session]
    Txn.Apply, Txn.Read             state.transactions.TxnResponse
    Coordinate.Update               None                            Coordinate.Node, .ListNodes  list[NodeCoordinate]
    Coordinate.ListDatacenters      list[DatacenterCoordinates]
    PreparedQuery.Apply             str, the id                     PreparedQuery.Get, .Explain  PreparedQuery
    PreparedQuery.List              list[PreparedQuery]             PreparedQuery.Execute        QueryAnswer
    ConfigEntry.Apply               bool                            ConfigEntry.Delete  None
    ConfigEntry.Get                 ConfigEntry | None              ConfigEntry.List, .ListAll   list[ConfigEntry]
    Operator.RaftGetConfiguration   RaftConfiguration               Operator.RaftRemovePeer...   None
    Operator.AutopilotGetConfiguration  AutopilotConfig             Operator.AutopilotSetConfiguration  bool
    Operator.ServerHealth           OperatorHealthReply
    Status.Ping                     None                            Status.Leader       str
    Status.Peers                    list[str]                       Status.RaftStats    RaftStats
    Internal.NodeInfo, .NodeDump    list[NodeInfo]                  Internal.ServiceDump list[CheckServiceNode]
    Internal.EventFire              None
    Snapshot.Save                   Iterator[bytes]                 Snapshot.Restore    None
"""

from muster.server.methods import Methods


def table() -> Methods:
    """Method name to row: the whole surface of a server."""
    from muster.server.endpoints import (
        catalog,
        config_entry,
        coordinate,
        health,
        internal,
        kv,
        operator,
        prepared_query,
        session,
        snapshot,
        status,
        txn,
    )

    joined: Methods = {}
    parts = (catalog, health, kv, session, txn, coordinate, prepared_query, config_entry, operator, status, internal, snapshot)
    for part in parts:
        joined.update(part.METHODS)
    return joined
