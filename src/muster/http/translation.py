"""`translate_wan_addrs`: what lives in another datacenter is shown under the address at which it is reached from here.

Of a node's or a service's tagged addresses the one for IPv6 comes first, then the one for IPv4, then `wan`; where the WAN has none of a
family the LAN's counts. The port is the one tagged `wan`, if that is set.

Source: answers of Consul 1.8.7.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec.structs import replace

from muster.http.lists import ListView
from muster.http.routing import Context
from muster.model.catalog import CheckServiceNode, Node, NodeService, NodeServices, ServiceNode

TAGS = ("wan_ipv6", "lan_ipv6", "wan_ipv4", "lan_ipv4", "wan")


def is_translated(context: Context, datacenter: str) -> bool:
    """Whether what lives in this datacenter is shown under other addresses."""
    return bool(context.settings.translate_wan_addresses and datacenter != context.settings.datacenter)


def translating(context: Context, datacenter: str, view: Any) -> Any:
    """The view for rows of this datacenter: the given one, or one that translates first."""
    if not is_translated(context, datacenter):
        return view
    return _translating_list(view) if isinstance(view, ListView) else _translating_value(view)


@cache
def _translating_list(view: ListView) -> ListView:
    return ListView(lambda row: view.row(translate(row)), view.keep, view.slice)


@cache
def _translating_value(view: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: view(translate(value))


def translate(row: Any) -> Any:
    """A row of any kind with the addresses for elsewhere; null stays null."""
    match row:
        case Node():
            return node(row)
        case ServiceNode():
            return replace(row, node=node(row.node), service=service(row.service))
        case CheckServiceNode():
            return replace(row, node=node(row.node), service=service(row.service))
        case NodeServices():
            return replace(row, node=node(row.node), services=[service(one) for one in row.services])
        case _:
            return row


def node(one: Node) -> Node:
    """A node at its address for elsewhere."""
    tagged = one.tagged_addresses or {}
    address = next((tagged[tag] for tag in TAGS if tagged.get(tag)), one.address)
    return one if address == one.address else replace(one, address=address)


def service(one: NodeService) -> NodeService:
    """A service at its address and port for elsewhere."""
    tagged = one.tagged_addresses
    if not tagged:
        return one
    address = next((tagged[tag].address for tag in TAGS if tag in tagged and tagged[tag].address), one.address)
    wan = tagged.get("wan")
    return replace(one, address=address, port=wan.port if wan is not None and wan.port else one.port)
