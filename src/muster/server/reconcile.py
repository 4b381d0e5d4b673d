"""The catalog's entry of a server, as the leader writes it from what gossip knows.

Source: reference of the Raft wire, section 7; the record that Consul 1.8.7 writes in development mode.
"""

import msgspec

from muster.model.catalog import (
    CONSUL_SERVICE_ID,
    CONSUL_SERVICE_NAME,
    PASSING,
    SERF_HEALTH,
    HealthCheck,
    NodeService,
    Weights,
)
from muster.server.settings import ServerSettings
from muster.state.store import Store
from muster.wire.commands import RegisterRequest

SERF_CHECK_NAME = "Serf Health Status"
SERF_ALIVE = "Agent alive and reachable"
SERF_PROTOCOL = {"serf_protocol_current": "2", "serf_protocol_min": "1", "serf_protocol_max": "5"}
RAFT_PROTOCOL = "3"


def own_registration(settings: ServerSettings, store: Store) -> RegisterRequest | None:
    """What to register of this server; None if the catalog holds it already. The node's meta and tagged addresses stay."""
    service, check = own_service(settings), own_check(settings)
    node = store.catalog.find_node(settings.node_name)
    if node is not None and node.id == settings.node_id and node.address == settings.address:
        known_service = store.catalog.find_service(settings.node_name, service.id)
        known_check = store.catalog.find_check(settings.node_name, check.check_id)
        if _equals(known_service, service, "port", "meta", "weights") and _equals(known_check, check, "status", "name", "output"):
            return None
    return RegisterRequest(
        datacenter=settings.datacenter,
        node=settings.node_name,
        id=settings.node_id,
        address=settings.address,
        tagged_addresses=None if node is None else node.tagged_addresses,
        node_meta=None if node is None else node.meta,
        service=service,
        checks=[check],
    )


def own_service(settings: ServerSettings) -> NodeService:
    """The service `consul`, by which servers are found."""
    meta = {
        "non_voter": "true" if settings.non_voter else "false",
        "raft_version": RAFT_PROTOCOL,
        **SERF_PROTOCOL,
        "version": settings.version,
    }
    return NodeService(
        id=CONSUL_SERVICE_ID, service=CONSUL_SERVICE_NAME, port=settings.port, weights=Weights(passing=1, warning=1), meta=meta
    )


def own_check(settings: ServerSettings) -> HealthCheck:
    """Gossip sees the node alive."""
    return HealthCheck(node=settings.node_name, check_id=SERF_HEALTH, name=SERF_CHECK_NAME, status=PASSING, output=SERF_ALIVE)


def _equals(known: msgspec.Struct | None, wanted: msgspec.Struct, *fields: str) -> bool:
    return known is not None and all(getattr(known, name) == getattr(wanted, name) for name in fields)
