"""What the catalog answers. Every read gives the index of its answer and notes what it depends on.

Source: reference "FSM commands", section 3; orders as in the peers' answers.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from muster.model.catalog import ANY, CheckServiceNode, HealthCheck, Node, NodeInfo, NodeService, NodeServices, ServiceNode
from muster.state.catalog_tables import CHECKS, LAST_EXTINCTION, NODES, SERVICES, CatalogTables, Instance, kind_index, service_index
from muster.state.watches import WatchSet

Meta = Sequence[tuple[str, str]]
SHORTEST_ID_PREFIX = 2  # characters of a node id that may stand for it


def has_meta(node: Node, wanted: Meta) -> bool:
    meta = node.meta
    return not wanted or (meta is not None and all(meta.get(key) == value for key, value in wanted))


def has_tags(service: NodeService, wanted: Iterable[str]) -> bool:
    """Whether the instance has all tags, in any case."""
    tags = {tag.lower() for tag in service.tags or ()}
    return all(tag.lower() in tags for tag in wanted)


class CatalogReads(CatalogTables):
    """The reading half of the catalog."""

    def nodes(self, meta: Meta = (), watch: WatchSet | None = None) -> tuple[int, list[Node]]:
        """All nodes with these metadata, by name."""
        _note(watch, ("table", NODES))
        nodes = self._nodes
        return self._indexes.get(NODES), [node for name in self._node_order if has_meta(node := nodes[name], meta)]

    def node(self, name: str, watch: WatchSet | None = None) -> tuple[int, Node | None]:
        _note(watch, ("node", name.lower()))
        return self._indexes.get(NODES), self._nodes.get(name.lower())

    def services(self, meta: Meta = (), watch: WatchSet | None = None) -> tuple[int, dict[str, list[str]]]:
        """Names of services, each with the tags of all its instances."""
        _note(watch, ("table", SERVICES))
        if meta:
            _note(watch, ("table", NODES))
        found: dict[str, dict[str, None]] = {}
        for name in self._node_order:
            if not has_meta(self._nodes[name], meta):
                continue
            for service in self._services[name].values():
                found.setdefault(service.service, {}).update(dict.fromkeys(service.tags or ()))
        index = self._indexes.max(SERVICES, NODES) if meta else self._indexes.get(SERVICES)
        return index, {name: list(tags) for name, tags in sorted(found.items())}

    def service_nodes(self, name: str, tags: Sequence[str] = (), watch: WatchSet | None = None) -> tuple[int, list[ServiceNode]]:
        """The instances of a service with their nodes; of all services for an empty name."""
        if not name:
            return self._all_instances(watch)
        _note(watch, ("service", name.lower()))
        places = self._instances.get(name.lower(), ())
        rows = [self._row(place) for place in places]
        if tags:
            rows = [row for row in rows if has_tags(row.service, tags)]
        return self._index_of(name, bool(places), NODES, SERVICES), rows

    def has_service(self, name: str) -> bool:
        """Whether the service has an instance."""
        return name.lower() in self._instances

    def _row(self, place: Instance) -> ServiceNode:
        """An instance with its node, under the name that it was written with."""
        node, name = self._nodes[place[0]], self._written_as[place]
        return ServiceNode(node=node if node.node == name else replace(node, node=name), service=self._services[place[0]][place[1]])

    def _all_instances(self, watch: WatchSet | None) -> tuple[int, list[ServiceNode]]:
        _note(watch, ("table", SERVICES))
        _note(watch, ("table", NODES))
        rows = [self._row((name, service_id)) for name in self._node_order for service_id in sorted(self._services[name])]
        return self._indexes.max(NODES, SERVICES), rows

    def check_service_nodes(
        self, name: str, tags: Sequence[str] = (), connect: bool = False, watch: WatchSet | None = None
    ) -> tuple[int, list[CheckServiceNode]]:
        """The instances of a service with their nodes and the checks of both; with `connect` those that stand for it in the mesh."""
        lowered = name.lower()
        _note(watch, ("service", lowered))
        places: Sequence[Instance] = sorted(self._connect.get(lowered, ())) if connect else self._instances.get(lowered, ())
        rows = [self._joined(place) for place in places]
        index = self._index_of_names(rows, name) if connect else self._index_of(name, bool(places), NODES, SERVICES, CHECKS)
        if connect and watch is not None:
            watch.extend(("service", row.service.service.lower()) for row in rows)
        if tags:
            rows = [row for row in rows if has_tags(row.service, tags)]
        return index, rows

    def _joined(self, place: Instance) -> CheckServiceNode:
        node, service = place
        checks = self._sorted_checks(node, "") + self._sorted_checks(node, service)
        return CheckServiceNode(node=self._nodes[node], service=self._services[node][service], checks=checks)

    def _index_of(self, name: str, exists: bool, *tables: str) -> int:
        indexes = self._indexes
        if not exists and LAST_EXTINCTION in indexes:
            return indexes.get(LAST_EXTINCTION)
        own = service_index(name)
        return indexes.get(own) if own in indexes else indexes.max(*tables)

    def _index_of_names(self, rows: list[CheckServiceNode], name: str) -> int:
        if not rows:
            return self._index_of(name, False, NODES, SERVICES, CHECKS)
        return max(self._index_of(one, True, NODES, SERVICES, CHECKS) for one in {row.service.service for row in rows})

    def node_services(self, name_or_id: str, watch: WatchSet | None = None) -> tuple[int, NodeServices | None]:
        """A node, by name or by the beginning of its id, with its services in the order of their ids."""
        name = self._name_of(name_or_id)
        _note(watch, ("node", name or name_or_id.lower()))
        if watch is not None and name is None:
            watch.append(("table", NODES))
        index = self._indexes.max(NODES, SERVICES)
        if name is None:
            return index, None
        services = self._services[name]
        return index, NodeServices(node=self._nodes[name], services=[services[key] for key in sorted(services)])

    def _name_of(self, name_or_id: str) -> str | None:
        lowered = name_or_id.lower()
        if lowered in self._nodes:
            return lowered
        prefix = lowered[: len(lowered) & ~1].replace("-", "")  # the peers look for whole bytes: an odd last digit does not count
        if len(prefix) < SHORTEST_ID_PREFIX or len(prefix) % 2:
            return None
        found = [name for node_id, name in self._by_id.items() if node_id.replace("-", "").startswith(prefix)]
        return found[0] if len(found) == 1 else None

    def node_checks(self, node: str, watch: WatchSet | None = None) -> tuple[int, list[HealthCheck]]:
        """All checks of a node and its services, by id."""
        _note(watch, ("node", node.lower()))
        return self._indexes.get(CHECKS), self._all_checks(node.lower())

    def service_checks(self, name: str, meta: Meta = (), watch: WatchSet | None = None) -> tuple[int, list[HealthCheck]]:
        """The checks of all instances of a service, by node and id."""
        _note(watch, ("service", name.lower()))
        found = []
        for node in dict.fromkeys(node for node, _ in self._instances.get(name.lower(), ())):
            if has_meta(self._nodes[node], meta):
                found += [check for check in self._all_checks(node) if check.service_id and check.service_name.lower() == name.lower()]
        if meta:
            return self._index_of(name, True, NODES, SERVICES, CHECKS), found
        return self._indexes.get(CHECKS), found

    def checks_in_state(self, state: str, meta: Meta = (), watch: WatchSet | None = None) -> tuple[int, list[HealthCheck]]:
        """All checks of a state, or of any, by node and id."""
        _note(watch, ("table", CHECKS) if state == ANY else ("state", state))
        if meta:
            _note(watch, ("table", NODES))
        found = []
        for name in self._node_order:
            if has_meta(self._nodes[name], meta):
                found += [check for check in self._all_checks(name) if state in (ANY, check.status)]
        return self._indexes.get(CHECKS), found

    def node_info(self, node: str, watch: WatchSet | None = None) -> tuple[int, NodeInfo | None]:
        """A node with all that is on it."""
        _note(watch, ("node", node.lower()))
        return self._indexes.max(NODES, SERVICES, CHECKS), self._info(node.lower()) if node.lower() in self._nodes else None

    def node_dump(self, watch: WatchSet | None = None) -> tuple[int, list[NodeInfo]]:
        """All nodes with all that is on them."""
        self._note_all(watch)
        return self._indexes.max(NODES, SERVICES, CHECKS), [self._info(name) for name in self._node_order]

    def service_dump(self, kind: str | None = None, watch: WatchSet | None = None) -> tuple[int, list[CheckServiceNode]]:
        """All instances, or those of a kind, with nodes and checks."""
        self._note_all(watch)
        index = self._indexes.max(NODES, SERVICES, CHECKS) if kind is None else self._indexes.get(kind_index(kind))
        rows = [self._joined((name, key)) for name in self._node_order for key in sorted(self._services[name])]
        return index, [row for row in rows if kind is None or row.service.kind == kind]

    def _info(self, name: str) -> NodeInfo:
        services = self._services[name]
        return NodeInfo(node=self._nodes[name], services=[services[key] for key in sorted(services)], checks=self._all_checks(name))

    @staticmethod
    def _note_all(watch: WatchSet | None) -> None:
        if watch is not None:
            watch += [("table", NODES), ("table", SERVICES), ("table", CHECKS)]


def _note(watch: WatchSet | None, key: tuple[str, str]) -> None:
    if watch is not None:
        watch.append(key)
