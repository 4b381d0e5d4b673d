"""The catalog: what the servers know of nodes and services, whoever registered them."""

from collections.abc import Mapping
from typing import Any

from muster.client.base import Endpoints
from muster.client.queries import Answer, Query
from muster.client.records import AgentService, CatalogNode, CatalogService
from muster.model.catalog import Node


class Catalog(Endpoints):
    """Reads of the catalog, and registrations that no agent looks after."""

    def datacenters(self) -> list[str]:
        """The known datacenters, nearest first."""
        return self._read_list("catalog/datacenters", str, None).value

    def nodes(self, query: Query | None = None) -> Answer[list[Node]]:
        """All nodes of the datacenter."""
        return self._read_list("catalog/nodes", Node, query)

    def services(self, query: Query | None = None) -> Answer[dict[str, list[str]]]:
        """The names of all services with the tags of their instances."""
        return self._read("catalog/services", dict[str, list[str]], query)

    def service(self, name: str, tags: tuple[str, ...] = (), query: Query | None = None) -> Answer[list[CatalogService]]:
        """The instances of a service that have all of the tags, healthy or not."""
        return self._read_list(f"catalog/service/{name}", CatalogService, query, *(("tag", tag) for tag in tags))

    def node(self, name: str, query: Query | None = None) -> Answer[CatalogNode | None]:
        """A node with its services, or None if it is not known."""
        return self._read_optional(f"catalog/node/{name}", CatalogNode, query)

    def register(self, registration: Mapping[str, Any]) -> None:
        """Adds or changes a node with services and checks, written under the API's own names (`Node`, `Address`, `Service`, …)."""
        self._put("catalog/register", (), registration)

    def deregister(self, removal: Mapping[str, Any]) -> None:
        """Removes a node, or only the service or check that is named beside it (`Node`, `ServiceID`, `CheckID`)."""
        self._put("catalog/deregister", (), removal)


def instances(node: CatalogNode | None) -> list[AgentService]:
    """The services of a node in the order of their ids."""
    services = (node.services if node else None) or {}
    return [services[id_] for id_ in sorted(services)]
