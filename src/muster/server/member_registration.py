"""What the catalog must say of a member of the pool: the commands that make it so, or None where it is so already.

Source: reference of the Raft wire, section 7.
"""

from muster.gossip.effects import Member
from muster.model.catalog import (
    CONSUL_SERVICE_ID,
    CONSUL_SERVICE_NAME,
    CRITICAL,
    PASSING,
    SERF_HEALTH,
    HealthCheck,
    Node,
    NodeService,
    Weights,
)
from muster.server.server_members import Peer, peer_of
from muster.state.store import Store
from muster.transport import endpoints
from muster.wire.commands import DeregisterRequest, RegisterRequest

SERF_CHECK_NAME = "Serf Health Status"
SERF_ALIVE = "Agent alive and reachable"
SERF_FAILED = "Agent not live or unreachable"


def alive(store: Store, datacenter: str, member: Member) -> RegisterRequest | None:
    """A node that gossip sees alive, with the service `consul` if it is a server. The node's meta and tagged addresses stay.

    A host that was set up anew has its name under another id. The catalog gives a living node's name to nobody, but gossip knows who lives
    now: the old one fails first, and the next command registers the new one.
    """
    peer = peer_of(member)
    service = server_service(peer) if peer is not None else None
    address, identity = endpoints.host(member.endpoint), member.tags.get("id", "")
    node = store.catalog.find_node(member.name)
    if node is not None and _is_right(store, node, address, identity, service):
        return None
    if node is not None and node.id and _is_another(node, identity) and _status(store, node.node) != CRITICAL:
        return _failure(datacenter, node.node, node.id, node.address)
    return RegisterRequest(
        datacenter=datacenter,
        node=member.name,
        id=identity,
        address=address,
        tagged_addresses=None if node is None else node.tagged_addresses,
        node_meta=None if node is None else node.meta,
        service=service,
        checks=[_check(member.name, PASSING, SERF_ALIVE)],
    )


def _is_another(node: Node, identity: str) -> bool:
    return bool(identity) and identity.lower() != node.id.lower()


def _is_right(store: Store, node: Node, address: str, identity: str, service: NodeService | None) -> bool:
    if node.address != address or _is_another(node, identity):
        return False
    if service is not None:
        known = store.catalog.find_service(node.node, service.id)
        if known is None or known.meta != service.meta or known.port != service.port:
            return False
    return _status(store, node.node) == PASSING


def failed(store: Store, datacenter: str, member: Member) -> RegisterRequest | None:
    """A node that gossip sees no more: its check is critical, all else stays. Nothing for a node that is not in the catalog."""
    node = store.catalog.find_node(member.name)
    if node is None or _status(store, member.name) == CRITICAL:
        return None
    return _failure(datacenter, member.name, member.tags.get("id", ""), endpoints.host(member.endpoint))


def _failure(datacenter: str, name: str, identity: str, address: str) -> RegisterRequest:
    return RegisterRequest(
        datacenter=datacenter,
        node=name,
        id=identity,
        address=address,
        skip_node_update=True,
        checks=[_check(name, CRITICAL, SERF_FAILED)],
    )


def gone(store: Store, datacenter: str, name: str) -> DeregisterRequest | None:
    """A node that left, or that the pool has forgotten."""
    return DeregisterRequest(datacenter=datacenter, node=name) if store.catalog.find_node(name) is not None else None


def watched_nodes(store: Store) -> list[Node]:
    """The nodes that came from a pool, by their check; those of other origin are nobody's to remove."""
    catalog = store.catalog
    return [node for node in catalog.nodes()[1] if catalog.find_check(node.node, SERF_HEALTH) is not None]


def server_service(peer: Peer) -> NodeService:
    """The service `consul`, by which servers are found."""
    versions = peer.member.versions.ljust(3, b"\0")
    meta = {
        "non_voter": "false" if peer.is_voter_candidate else "true",
        "raft_version": str(peer.raft_version),
        "serf_protocol_current": str(versions[2]),
        "serf_protocol_max": str(versions[1]),
        "serf_protocol_min": str(versions[0]),
        "version": peer.build,
    }
    return NodeService(id=CONSUL_SERVICE_ID, service=CONSUL_SERVICE_NAME, port=peer.port, weights=Weights(passing=1, warning=1), meta=meta)


def _check(node: str, status: str, output: str) -> HealthCheck:
    return HealthCheck(node=node, check_id=SERF_HEALTH, name=SERF_CHECK_NAME, status=status, output=output)


def _status(store: Store, node: str) -> str:
    check = store.catalog.find_check(node, SERF_HEALTH)
    return "" if check is None else check.status
