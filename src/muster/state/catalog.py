"""The catalog: what is registered, and how registrations change it.

A refusal is an error with the peers' text; the store then takes back what the command had already done.

Source: reference "FSM commands", section 2 (Register, Deregister).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from muster.model.catalog import CRITICAL, SERF_HEALTH, HealthCheck, Node, NodeService, Weights
from muster.model.errors import CommandFailed
from muster.state.catalog_reads import CatalogReads
from muster.state.catalog_tables import LAST_EXTINCTION, SERVICES, kind_index, service_index
from muster.state.contracts import CatalogHooks
from muster.state.indexes import Indexes
from muster.state.watches import Turn, Watches
from muster.wire.commands import DeregisterRequest, RegisterRequest

T = TypeVar("T", Node, NodeService)

HIGHEST_WEIGHT = 65535
MISSING_NODE = "Missing node registration"
MISSING_SERVICE = "Missing service registration"


class Catalog(CatalogReads):
    """Nodes, services and checks. `hooks` hears of checks and nodes that end sessions."""

    def __init__(self, indexes: Indexes, watches: Watches, hooks: CatalogHooks) -> None:
        super().__init__(indexes, watches)
        self._hooks = hooks

    # ---- registrations

    def register(self, index: int, request: RegisterRequest) -> None:
        """Writes a node, then its service, then its checks; what is already so is left alone."""
        node = _node_of(request)
        existing = self._nodes.get(node.node.lower())
        if existing is None or (not request.skip_node_update and _differs(existing, node)):
            _attempt("failed inserting node", lambda: self.set_node(index, node))
        if request.service is not None:
            service = request.service  # as given: without weights it differs from what is stored, and is compared once more
            known = self._services[node.node.lower()].get(service.id.lower())
            if known is None or _with_indexes(service, known.create_index, known.modify_index) != known:
                _attempt("failed inserting service", lambda: self.set_service(index, node.node, service))
        for check in ([request.check] if request.check is not None else []) + list(request.checks or ()):
            self._register_check(index, node.node, check)

    def _register_check(self, index: int, node: str, check: HealthCheck) -> None:
        if check.node != node:
            raise CommandFailed(f'check node "{check.node}" does not match node "{node}"')
        _attempt("failed inserting check", lambda: self.set_check(index, check))

    def deregister(self, index: int, request: DeregisterRequest) -> None:
        """Removes a service if one is named, else a check if one is named, else the node; what is not there is no error."""
        if request.service_id:
            self.delete_service(index, request.node, request.service_id)
        elif request.check_id:
            self.delete_check(index, request.node, request.check_id)
        else:
            self.delete_node(index, request.node)

    # ---- nodes

    def find_node(self, name: str, node_id: str = "") -> Node | None:
        """By id if one is given, else by name."""
        return self._nodes.get(self._by_id.get(node_id.lower(), "") if node_id else name.lower())

    def set_node(self, index: int, node: Node) -> None:
        """Writes a node. A known id under a new name renames the node: the old one goes with all that is on it."""
        old = None
        if node.id:
            old = self.find_node("", node.id)
            if old is not None and old.node != node.node:
                self._refuse_similar(node, False, f'Error while renaming Node ID: "{node.id}" ({node.address})')
                self.delete_node(index, old.node)
            elif old is None:
                self._refuse_similar(node, True, f'Error while renaming Node ID: "{node.id}"')
        if old is None:
            old = self._nodes.get(node.node.lower())
        if old is None:
            node = _with_indexes(node, index, index)
        else:
            if node.datacenter == "":
                node = replace(node, datacenter=old.datacenter)
            if not _differs(old, node) and old.datacenter == node.datacenter and node.node.lower() in self._nodes:
                return
            node = _with_indexes(node, old.create_index, index)
        self._put_node(node)
        self._node_changed(index, node.node.lower())

    def _refuse_similar(self, node: Node, may_take_nameless: bool, prefix: str) -> None:
        """A living node keeps its name; one without an id may be taken over. What gossip does not watch counts as dead."""
        other = self._nodes.get(node.node.lower())
        if other is None or other.id.lower() == node.id.lower() or (not other.id and may_take_nameless):
            return
        health = self._check(other.node.lower(), SERF_HEALTH)
        if health is None or health.status == CRITICAL:
            return
        raise CommandFailed(f"{prefix}: Node name {node.node} is reserved by node {other.id} with name {other.node} ({other.address})")

    def check_and_set_node(self, index: int, node: Node) -> bool:
        """Writes a node if the one of its name, whatever its id, has the expected index."""
        if node.modify_index != _modified(self.find_node(node.node)):
            return False
        self.set_node(index, node)
        return True

    def delete_node(self, index: int, name: str) -> None:
        node = self._nodes.get(name.lower())
        if node is None:
            return
        key = name.lower()
        for service in sorted(self._services[key].values(), key=lambda one: one.id):
            self.delete_service(index, name, service.id)
        for check in self._all_checks(key):
            self.delete_check(index, name, check.check_id)
        self._drop_node(node)
        self._node_changed(index, key)
        self._hooks.node_removed(index, node.node)

    def check_and_delete_node(self, index: int, name: str, expected: int) -> bool:
        node = self._nodes.get(name.lower())
        if node is None or node.modify_index != expected:
            return False
        self.delete_node(index, name)
        return True

    # ---- services

    def find_service(self, node: str, service_id: str) -> NodeService | None:
        return self._services.get(node.lower(), {}).get(service_id.lower())

    def set_service(self, index: int, node: str, service: NodeService) -> None:
        """Writes an instance. Its node must be there."""
        key = node.lower()
        if key not in self._nodes:
            raise CommandFailed(MISSING_NODE)
        service = _weighted(service)
        old = self._services[key].get(service.id.lower())
        if old is not None:
            written_as = self._written_as[key, service.id.lower()]
            if _with_indexes(service, old.create_index, old.modify_index) == old and written_as == node:
                return
            if old.service.lower() != service.service.lower():
                self._service_removed(index, old, last=len(self._instances[old.service.lower()]) == 1)
            self._touch_service(old)  # a proxy may have stood before another service
        made = _with_indexes(service, index if old is None else old.create_index, index)
        self._put_service(key, made, node)
        self._indexes.bump(SERVICES, index)
        self._watches.touch(("table", SERVICES))
        self._touch_node(key)
        self._service_changed(index, made)

    def check_and_set_service(self, index: int, node: str, service: NodeService) -> bool:
        if service.modify_index != _modified(self.find_service(node, service.id)):
            return False
        self.set_service(index, node, service)
        return True

    def delete_service(self, index: int, node: str, service_id: str) -> None:
        """Removes an instance with its checks; nothing happens without one."""
        key = node.lower()
        service = self.find_service(node, service_id)
        if service is None:
            return
        for check in self._sorted_checks(key, service_id.lower()):
            self.delete_check(index, node, check.check_id)
        self._indexes.bump("checks", index)
        self._drop_service(key, service)
        self._indexes.bump(SERVICES, index)
        self._watches.touch(("table", SERVICES))
        self._touch_node(key)
        self._service_removed(index, service, last=service.service.lower() not in self._instances)

    def _service_removed(self, index: int, service: NodeService, last: bool) -> None:
        self._service_changed(index, service)
        if last:
            self._indexes.delete(service_index(service.service))
            self._indexes.bump(LAST_EXTINCTION, index)
            self._indexes.bump(kind_index(service.kind), index)

    def check_and_delete_service(self, index: int, node: str, service_id: str, expected: int) -> bool:
        service = self.find_service(node, service_id)
        if service is None or service.modify_index != expected:
            return False
        self.delete_service(index, node, service_id)
        return True

    # ---- checks

    def find_check(self, node: str, check_id: str) -> HealthCheck | None:
        return self._check(node.lower(), check_id)

    def set_check(self, index: int, check: HealthCheck) -> None:
        """Writes a check. Node and service must be there; it takes name and tags of its service; without a status it is critical."""
        key = check.node.lower()
        if key not in self._nodes:
            raise CommandFailed(MISSING_NODE)
        service = None
        if check.service_id:
            service = self._services[key].get(check.service_id.lower())
            if service is None:
                raise CommandFailed(f'{MISSING_SERVICE} on node "{check.node}"')
            check = replace(check, service_name=service.service, service_tags=service.tags)
        old = self._check(key, check.check_id)
        status = check.status or CRITICAL
        made = replace(
            check,
            status=status,
            create_index=index if old is None else old.create_index,
            modify_index=index if old is None else old.modify_index,
        )
        if old is None or made != old:
            if service is not None:
                self._service_changed(index, service)
            else:
                self._all_services_changed(index, key)
            made = replace(made, modify_index=index)
            self._put_check(key, made)
            if old is not None:
                self._checks_touched(index, old)
                self._touch_owners(key, old, made)
            self._checks_touched(index, made)
            self._watches.turned(Turn(made.node, made.check_id, "" if old is None else old.status, status))
        self._indexes.bump("checks", index)  # as on the peers, also where nothing changed
        self._hooks.check_changed(index, made.node, made.check_id, status)

    def _touch_owners(self, node: str, old: HealthCheck, made: HealthCheck) -> None:
        """A check that changed its owner: those who had it show it no more, though their indexes stay, as on the peers."""
        if old.service_id.lower() == made.service_id.lower():
            return
        services = self._services[node]
        had = [services.get(old.service_id.lower())] if old.service_id else services.values()
        for service in had:
            if service is not None:
                self._touch_service(service)

    def check_and_set_check(self, index: int, check: HealthCheck) -> bool:
        if check.modify_index != _modified(self.find_check(check.node, check.check_id)):
            return False
        self.set_check(index, check)
        return True

    def delete_check(self, index: int, node: str, check_id: str) -> None:
        key = node.lower()
        check = self._check(key, check_id)
        if check is None:
            return
        service = self._services[key].get(check.service_id.lower()) if check.service_id else None
        if service is not None:
            self._service_changed(index, service)
        else:
            self._all_services_changed(index, key)
            self._indexes.bump(SERVICES, index)  # as on the peers, also for a node without services
        self._drop_check(key, check)
        self._checks_touched(index, check)
        self._watches.turned(Turn(check.node, check.check_id, check.status, ""))
        self._hooks.check_changed(index, check.node, check.check_id, None)

    def check_and_delete_check(self, index: int, node: str, check_id: str, expected: int) -> bool:
        check = self.find_check(node, check_id)
        if check is None or check.modify_index != expected:
            return False
        self.delete_check(index, node, check_id)
        return True

    # ---- snapshots

    def registrations(self) -> Iterator[RegisterRequest]:
        """For each node by name: the node alone, then each service, then each check."""
        for name in list(self._node_order):
            node = self._nodes[name]
            base = RegisterRequest(
                datacenter=node.datacenter,
                id=node.id,
                node=node.node,
                address=node.address,
                tagged_addresses=node.tagged_addresses,
                node_meta=node.meta,
                create_index=node.create_index,
                modify_index=node.modify_index,
            )
            yield base
            services = self._services[name]
            for key in sorted(services):
                yield replace(base, service=services[key])
            for check in self._all_checks(name):
                yield replace(base, check=check)

    def replace(self, registrations: Iterable[RegisterRequest]) -> None:
        """Takes exactly what the records of a snapshot say, their indexes included."""
        super().__init__(self._indexes, self._watches)
        for request in registrations:
            node = replace(_node_of(request), create_index=request.create_index, modify_index=request.modify_index)
            key = node.node.lower()
            if key not in self._nodes:
                self._put_node(node)
            if request.service is not None:
                self._put_service(key, request.service, node.node)
            for check in ([request.check] if request.check is not None else []) + list(request.checks or ()):
                self._put_check(key, check)


def _node_of(request: RegisterRequest) -> Node:
    return Node(
        id=request.id,
        node=request.node,
        address=request.address,
        datacenter=request.datacenter,
        tagged_addresses=request.tagged_addresses,
        meta=request.node_meta,
    )


def _differs(old: Node, new: Node) -> bool:
    """Whether a registration changes what is stored of the node."""
    return (
        old.id != new.id
        or old.node != new.node
        or old.address != new.address
        or old.tagged_addresses != new.tagged_addresses
        or old.meta != new.meta
    )


def _with_indexes(record: T, create_index: int, modify_index: int) -> T:
    return replace(record, create_index=create_index, modify_index=modify_index)


def _weighted(service: NodeService) -> NodeService:
    """Instances without weights, or with such that cannot be, have one of each, as on the peers."""
    weights = service.weights
    if weights is not None and 1 <= weights.passing <= HIGHEST_WEIGHT and 0 <= weights.warning <= HIGHEST_WEIGHT:
        return service
    return replace(service, weights=Weights())


def _modified(record: Node | NodeService | HealthCheck | None) -> int:
    return 0 if record is None else record.modify_index


def _attempt(what: str, action: Callable[[], None]) -> None:
    """Runs one step of a registration; its refusal says which step it was."""
    try:
        action()
    except CommandFailed as error:
        raise CommandFailed(f"{what}: {error}") from error
