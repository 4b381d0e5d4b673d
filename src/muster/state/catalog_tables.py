"""The tables of the catalog: nodes, instances and checks, with the orders and indexes that reads need.

Names and ids are found in any case, as on the peers; records keep the case in which they were written. Instances of a service
stand in the order of node and id. Every change notes its undo in the journal, moves the indexes, and touches what waits for it.

Source: reference "FSM commands", section 3.
"""

from bisect import bisect_left, insort

from muster.model.catalog import HealthCheck, Node, NodeService
from muster.state.indexes import Indexes
from muster.state.journal import Journal
from muster.state.watches import Watches

NODES, SERVICES, CHECKS = "nodes", "services", "checks"
LAST_EXTINCTION = "service_last_extinction"
Instance = tuple[str, str]
"""Node and service id, both lower case: where an instance stands in the order."""


def service_index(name: str) -> str:
    """Names that differ in case alone share an index, as they share their instances."""
    return f"service.{name.lower()}"


def kind_index(kind: str) -> str:
    return f"service_kind.{kind or 'typical'}"


class CatalogTables:
    """What there is, by lower-case names. Checks of a node alone stand under the empty service id."""

    def __init__(self, indexes: Indexes, watches: Watches) -> None:
        self._indexes = indexes
        self._journal: Journal = indexes.journal
        self._watches = watches
        self._nodes: dict[str, Node] = {}
        self._node_order: list[str] = []
        self._by_id: dict[str, str] = {}
        self._services: dict[str, dict[str, NodeService]] = {}
        self._instances: dict[str, list[Instance]] = {}
        self._checks: dict[str, dict[str, dict[str, HealthCheck]]] = {}
        self._written_as: dict[Instance, str] = {}
        """The node's name as it was written with the instance: it may differ in case from the node's own."""
        self._connect: dict[str, dict[Instance, None]] = {}
        """Instances that take part in the mesh for a service, by the service's lower-case name."""

    # ---- nodes

    def _put_node(self, node: Node) -> None:
        name = node.node.lower()
        if name not in self._nodes:
            insort(self._node_order, name)
            self._journal.record(lambda: self._node_order.remove(name))
            self._journal.put(self._services, name, {})
            self._journal.put(self._checks, name, {})
        elif (old := self._nodes[name]).id and old.id != node.id:
            self._journal.drop(self._by_id, old.id.lower())
        self._journal.put(self._nodes, name, node)
        if node.id:
            self._journal.put(self._by_id, node.id.lower(), name)

    def _drop_node(self, node: Node) -> None:
        name = node.node.lower()
        self._journal.drop(self._nodes, name)
        self._node_order.remove(name)
        self._journal.record(lambda: insort(self._node_order, name))
        self._journal.drop(self._services, name)
        self._journal.drop(self._checks, name)
        if node.id:
            self._journal.drop(self._by_id, node.id.lower())

    def _touch_node(self, name: str) -> None:
        self._watches.touch(("node", name))

    def _node_changed(self, index: int, name: str) -> None:
        """A node's record changed: it is part of the answers for all of its services."""
        self._indexes.bump(NODES, index)
        self._watches.touch(("table", NODES))
        self._touch_node(name)
        self._all_services_changed(index, name)

    def _all_services_changed(self, index: int, name: str) -> None:
        for service in self._services.get(name, {}).values():
            self._service_changed(index, service)

    # ---- instances

    def _put_service(self, node: str, service: NodeService, written_as: str) -> None:
        services = self._services[node]
        place = (node, service.id.lower())
        old = services.get(place[1])
        if old is not None and old.service.lower() != service.service.lower():
            self._drop_instance(old.service.lower(), place)
            old = None
        if old is None:
            self._insert_instance(service.service.lower(), place)
        self._journal.put(services, place[1], service)
        self._journal.put(self._written_as, place, written_as)
        self._join_mesh(place, service)

    def _drop_service(self, node: str, service: NodeService) -> None:
        place = (node, service.id.lower())
        self._journal.drop(self._services[node], place[1])
        self._drop_instance(service.service.lower(), place)
        self._journal.drop(self._written_as, place)
        for name in list(self._connect):
            if place in self._connect[name]:
                self._journal.drop(self._connect[name], place)

    def _insert_instance(self, name: str, place: Instance) -> None:
        order = self._instances.get(name)
        if order is None:
            order = []
            self._journal.put(self._instances, name, order)
        insort(order, place)
        self._journal.record(lambda: order.remove(place))

    def _drop_instance(self, name: str, place: Instance) -> None:
        order = self._instances[name]
        del order[bisect_left(order, place)]
        self._journal.record(lambda: insort(order, place))
        if not order:
            self._journal.drop(self._instances, name)

    def _join_mesh(self, place: Instance, service: NodeService) -> None:
        """A proxy stands in the mesh for its destination, a native service for itself."""
        target = service.proxy.destination_service_name if service.kind == "connect-proxy" else service.service
        for name, places in self._connect.items():
            if place in places and name != target.lower():
                self._journal.drop(places, place)
        if service.kind == "connect-proxy" or service.connect.native:
            joined = self._connect.get(target.lower())
            if joined is None:
                joined = {}
                self._journal.put(self._connect, target.lower(), joined)
            self._journal.put(joined, place, None)

    def _service_changed(self, index: int, service: NodeService) -> None:
        """What is answered for the instance's service changed."""
        self._indexes.bump(service_index(service.service), index)
        self._indexes.bump(kind_index(service.kind), index)
        self._touch_service(service)

    def _touch_service(self, service: NodeService) -> None:
        """Answers that hold the instance are to be made anew; their indexes may stay as they are."""
        self._watches.touch(("service", service.service.lower()))
        if service.kind == "connect-proxy":
            self._watches.touch(("service", service.proxy.destination_service_name.lower()))

    # ---- checks

    def _put_check(self, node: str, check: HealthCheck) -> None:
        of_node, key = self._checks[node], check.service_id.lower()
        found = self._check(node, check.check_id)
        if found is not None and found.service_id.lower() != key:
            self._drop_check(node, found)
        checks = of_node.get(key)
        if checks is None:
            checks = {}
            self._journal.put(of_node, key, checks)
        self._journal.put(checks, check.check_id.lower(), check)

    def _drop_check(self, node: str, check: HealthCheck) -> None:
        of_node, key = self._checks[node], check.service_id.lower()
        self._journal.drop(of_node[key], check.check_id.lower())
        if not of_node[key]:
            self._journal.drop(of_node, key)

    def _check(self, node: str, check_id: str) -> HealthCheck | None:
        wanted = check_id.lower()
        for checks in self._checks.get(node, {}).values():
            if wanted in checks:
                return checks[wanted]
        return None

    def _checks_touched(self, index: int, check: HealthCheck) -> None:
        self._indexes.bump(CHECKS, index)
        self._watches.touch(("table", CHECKS))
        self._watches.touch(("state", check.status))
        self._touch_node(check.node.lower())

    def _sorted_checks(self, node: str, service_id: str) -> list[HealthCheck]:
        checks = self._checks.get(node, {}).get(service_id)
        if not checks:
            return []
        return list(checks.values()) if len(checks) == 1 else [checks[key] for key in sorted(checks)]

    def _all_checks(self, node: str) -> list[HealthCheck]:
        """All checks of a node in the order of their ids."""
        found = {key: check for checks in self._checks.get(node, {}).values() for key, check in checks.items()}
        return [found[key] for key in sorted(found)]
