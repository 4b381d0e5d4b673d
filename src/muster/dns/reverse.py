"""Names of addresses, for the reverse zones."""

from collections.abc import Callable
from ipaddress import ip_address

from muster.dns.asking import Call, settled
from muster.dns.settings import DnsSettings
from muster.wire.requests import DatacenterRequest, ServiceRequest


async def name_of(call: Call, settings: DnsSettings, address: str) -> str:
    """The name, without the domain, of the node or else of the service of this datacenter that has the address; empty if none has."""
    same = _same_address(address)
    nodes = await settled(call("Catalog.ListNodes", DatacenterRequest(datacenter=settings.datacenter, allow_stale=settings.allow_stale)))
    for node in nodes.value:
        if same(node.address):
            return f"{node.node}.node.{settings.datacenter}."
    request = ServiceRequest(datacenter=settings.datacenter, service_address=address, allow_stale=settings.allow_stale)
    rows = await settled(call("Catalog.ServiceNodes", request))
    for row in rows.value:
        if same(row.service.address):
            return f"{row.service.service}.service.{settings.datacenter}."
    return ""


def _same_address(address: str) -> Callable[[str], bool]:
    wanted = ip_address(address)

    def same(text: str) -> bool:
        if text == address:
            return True
        try:
            return ip_address(text) == wanted
        except ValueError:
            return False

    return same
