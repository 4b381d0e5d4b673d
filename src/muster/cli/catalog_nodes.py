"""`muster catalog nodes`"""

from typing import TYPE_CHECKING

from muster.cli.columns import columns, pairs
from muster.cli.command import Command, Invocation
from muster.cli.flags import PAIRS, SWITCH, TEXT, Flag

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.model.catalog import Node


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if complaint := invocation.too_many(0):
        return invocation.refuse(complaint)
    client = invocation.client()
    try:
        nodes = _nodes(invocation, client)
    except ClientError as error:
        if service := invocation.text("service"):
            return invocation.refuse(f'Error listing nodes for service "{service}": {error}')
        return invocation.refuse(f"Error listing nodes: {error}")
    if not nodes:
        invocation.error("No nodes match the given query - try expanding your search.")
        return 0
    invocation.out(columns(_table(nodes, detailed=invocation.switch("detailed"))))
    return 0


def _nodes(invocation: Invocation, client: "Client") -> "list[Node]":
    from muster.client.queries import Query
    from muster.model.catalog import Node

    query = Query(near=invocation.text("near"), filter=invocation.text("filter"), node_meta=invocation.pairs("node-meta"))
    catalog = client.catalog
    service = invocation.text("service")
    if not service:
        return catalog.nodes(query).value
    found: dict[str, Node] = {}
    for instance in catalog.service(service, query=query).value:
        node = Node(
            id=instance.id,
            node=instance.node,
            address=instance.address,
            datacenter=instance.datacenter,
            tagged_addresses=instance.tagged_addresses,
            meta=instance.node_meta,
        )
        found.setdefault(node.node, node)
    return list(found.values())


def _table(nodes: "list[Node]", *, detailed: bool) -> list[list[str]]:
    if not detailed:
        return [["Node", "ID", "Address", "DC"], *([node.node, node.id[:8], node.address, node.datacenter] for node in nodes)]
    head = ["Node", "ID", "Address", "DC", "TaggedAddresses", "Meta"]
    rows = ([node.node, node.id, node.address, node.datacenter, pairs(node.tagged_addresses), pairs(node.meta)] for node in nodes)
    return [head, *rows]


COMMAND = Command(
    usage="catalog nodes [options]",
    description="""
Lists the nodes of a datacenter: all, those that run a service, or those that metadata or a filter selects.

    $ muster catalog nodes
    $ muster catalog nodes -service=web
    $ muster catalog nodes -node-meta=rack=7
    $ muster catalog nodes -near=web-1
""",
    run=run,
    flags=(
        Flag("detailed", SWITCH, "Also show whole ids, all addresses and the metadata."),
        Flag("filter", TEXT, "An expression that selects nodes."),
        Flag("near", TEXT, 'Sort by the round-trip time from this node; "_agent" stands for the asked agent\'s.'),
        Flag("node-meta", PAIRS, "Only nodes with this metadata. May be given several times.", "key=value"),
        Flag("service", TEXT, "Only nodes that run this service.", "id or name"),
    ),
    asks_servers=True,
)
