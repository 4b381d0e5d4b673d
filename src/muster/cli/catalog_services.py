"""`muster catalog services`"""

from typing import TYPE_CHECKING

from muster.cli.columns import columns
from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE
from muster.cli.flags import PAIRS, SWITCH, TEXT, Flag

if TYPE_CHECKING:
    from muster.client.client import Client


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if complaint := invocation.too_many(0):
        return invocation.refuse(complaint)
    client = invocation.client()
    node = invocation.text("node")
    try:
        services = _services_of(client, node) if node else _services(invocation, client)
    except ClientError as error:
        return invocation.refuse(f'Error listing services for node "{node}": {error}' if node else f"Error listing services: {error}")
    if not services:
        invocation.error("No services match the given query - try expanding your search.")
        return 0
    _show(invocation, services)
    return 0


def _services(invocation: Invocation, client: "Client") -> dict[str, list[str]]:
    from muster.client.queries import Query

    return client.catalog.services(Query(node_meta=invocation.pairs("node-meta"))).value


def _services_of(client: "Client", node: str) -> dict[str, list[str]]:
    """The services of a node with the tags of all their instances."""
    found = client.catalog.node(node).value
    tags: dict[str, list[str]] = {}
    for instance in (found.services or {}).values() if found else ():
        tags[instance.service] = [*tags.get(instance.service, []), *(instance.tags or [])]
    return tags


def _show(invocation: Invocation, services: dict[str, list[str]]) -> None:
    names = sorted(services)
    if not invocation.switch("tags"):
        for name in names:
            invocation.out(name)
        return
    rows = [(name, ",".join(sorted(services[name]))) for name in names]
    if any(tags for _, tags in rows):
        invocation.out(columns([(f"{name}    ", tags) for name, tags in rows]))
    else:
        invocation.out("\n".join(names))


COMMAND = Command(
    usage="catalog services [options]",
    description="""
Lists the services of a datacenter, or those of one node.

    $ muster catalog services
    $ muster catalog services -tags
    $ muster catalog services -node=web-1
""",
    run=run,
    flags=(
        NAMESPACE,
        Flag("node", TEXT, "Only the services of this node.", "id or name"),
        Flag("node-meta", PAIRS, "Only the services of nodes with this metadata. May be given several times.", "key=value"),
        Flag("tags", SWITCH, "Also show the tags of each service, with commas."),
    ),
    asks_servers=True,
)
