"""Anti-entropy without I/O: what of this host differs from the catalog, and which calls mend it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from muster.agent.services import CheckEntry, LocalState, ServiceEntry
from muster.model.catalog import CONSUL_SERVICE_ID, SERF_HEALTH, HealthCheck, Node, NodeService
from muster.wire.commands import DeregisterRequest, RegisterRequest

SLICE = 250
"""Records compared before the loop gets its turn; about a millisecond."""


class Identity(NamedTuple):
    """What the catalog should hold of this node."""

    datacenter: str
    node_id: str
    node: str
    address: str
    tagged_addresses: dict[str, str]
    meta: dict[str, str]
    is_server: bool = False


class Call(NamedTuple):
    """One request to the servers, and the records that it brings in line."""

    method: str
    request: RegisterRequest | DeregisterRequest
    service: NodeService | None = None
    checks: tuple[HealthCheck, ...] = ()
    sends_node_info: bool = False


def compare(
    local: LocalState, identity: Identity, node: Node | None, services: list[NodeService], checks: list[HealthCheck]
) -> Iterator[None]:
    """Mark what differs; yields where the caller may do other things. A second walk after it finds nothing new."""
    local.node_info_in_sync = node is not None and _same_node(identity, node)
    yield from _compare_services(local, identity, {service.id: service for service in services})
    yield from _compare_checks(local, {check.check_id: check for check in checks})


def _same_node(identity: Identity, node: Node) -> bool:
    return (
        node.id == identity.node_id
        and node.address == identity.address
        and (node.tagged_addresses or {}) == identity.tagged_addresses
        and (node.meta or {}) == identity.meta
    )


def _compare_services(local: LocalState, identity: Identity, remote: dict[str, NodeService]) -> Iterator[None]:
    for count, (service_id, entry) in enumerate(list(local.service_entries.items())):
        if count % SLICE == SLICE - 1:
            yield
        if local.service_entries.get(service_id) is not entry:
            continue
        theirs = remote.get(service_id)
        if entry.deleted:
            if theirs is None:
                local.drop_service(service_id)
            continue
        if theirs is not None and entry.service.enable_tag_override and entry.service.tags != theirs.tags:
            entry.service = msgspec.structs.replace(entry.service, tags=theirs.tags)
        entry.in_sync = theirs is not None and _same_service(entry.service, theirs)
        _file(local.unsynced_services, service_id, entry.in_sync)
    for service_id, theirs in remote.items():
        if service_id in local.service_entries or (identity.is_server and service_id == CONSUL_SERVICE_ID):
            continue
        local.service_entries[service_id] = ServiceEntry(theirs, deleted=True)
        local.unsynced_services[service_id] = None
    yield


def _compare_checks(local: LocalState, remote: dict[str, HealthCheck]) -> Iterator[None]:
    for count, (check_id, entry) in enumerate(list(local.check_entries.items())):
        if count % SLICE == SLICE - 1:
            yield
        if local.check_entries.get(check_id) is not entry:
            continue
        theirs = remote.get(check_id)
        if entry.deleted:
            if theirs is None:
                local.drop_check(check_id)
            continue
        entry.in_sync = theirs is not None and _same_check(entry, theirs)
        _file(local.unsynced_checks, check_id, entry.in_sync)
    for check_id, theirs in remote.items():
        if check_id in local.check_entries or check_id == SERF_HEALTH:
            continue
        local.check_entries[check_id] = CheckEntry(theirs, deleted=True)
        local.checks_of_service.setdefault(theirs.service_id, {})[check_id] = None
        local.unsynced_checks[check_id] = None


def _file(unsynced: dict[str, None], name: str, in_sync: bool) -> None:
    if in_sync:
        unsynced.pop(name, None)
    else:
        unsynced[name] = None


def _same_service(ours: NodeService, theirs: NodeService) -> bool:
    return (
        ours.id == theirs.id
        and ours.service == theirs.service
        and (ours.tags or []) == (theirs.tags or [])
        and ours.address == theirs.address
        and ours.port == theirs.port
        and (ours.tagged_addresses or {}) == (theirs.tagged_addresses or {})
        and (ours.meta or {}) == (theirs.meta or {})
        and ours.weights == theirs.weights
        and ours.kind == theirs.kind
        and ours.enable_tag_override == theirs.enable_tag_override
        and ours.proxy == theirs.proxy
        and ours.connect == theirs.connect
    )


def _same_check(entry: CheckEntry, theirs: HealthCheck) -> bool:
    """An output that waits for its deferral does not count: writing it now is what the deferral is against."""
    ours = entry.check
    return (
        ours.status == theirs.status
        and (ours.output == theirs.output or entry.deferred_until is not None)
        and ours.name == theirs.name
        and ours.notes == theirs.notes
        and ours.service_id == theirs.service_id
        and ours.service_name == theirs.service_name
        and (ours.service_tags or []) == (theirs.service_tags or [])
        and ours.definition == theirs.definition
    )


def calls(local: LocalState, identity: Identity) -> Iterator[Call]:
    """The calls that bring the catalog in line, each made when it is asked for, so that it sends what is true then."""
    if not local.node_info_in_sync:
        yield Call("Catalog.Register", _register(local, identity), sends_node_info=True)
    for service_id in list(local.unsynced_services):
        entry = local.service_entries.get(service_id)
        if entry is None or entry.in_sync:
            local.unsynced_services.pop(service_id, None)
        elif entry.deleted:
            yield Call("Catalog.Deregister", _deregister(identity, entry.token, service_id=service_id), service=entry.service)
        else:
            yield _service_call(local, identity, entry)
    for check_id in list(local.unsynced_checks):
        checked = local.check_entries.get(check_id)
        if checked is None or checked.in_sync:
            local.unsynced_checks.pop(check_id, None)
        elif checked.deleted:
            yield Call("Catalog.Deregister", _deregister(identity, checked.token, check_id=check_id), checks=(checked.check,))
        else:
            yield _check_call(local, identity, checked)


def _service_call(local: LocalState, identity: Identity, entry: ServiceEntry) -> Call:
    """A service goes with those of its checks that are new too, if one token covers both."""
    entries = [local.check_entries[check_id] for check_id in local.checks_of_service.get(entry.service.id, ())]
    checks = tuple(checked.check for checked in entries if not checked.in_sync and not checked.deleted and checked.token == entry.token)
    request = _register(local, identity, entry.service, checks, entry.token)
    return Call("Catalog.Register", request, entry.service, checks, not request.skip_node_update)


def _check_call(local: LocalState, identity: Identity, entry: CheckEntry) -> Call:
    """A check goes with its service: the catalog refuses a check of a service that it does not know."""
    service = local.service(entry.check.service_id) if entry.check.service_id else None
    request = _register(local, identity, service, (entry.check,), entry.token)
    return Call("Catalog.Register", request, None, (entry.check,), not request.skip_node_update)


def _register(
    local: LocalState, identity: Identity, service: NodeService | None = None, checks: tuple[HealthCheck, ...] = (), token: str = ""
) -> RegisterRequest:
    return RegisterRequest(
        datacenter=identity.datacenter,
        id=identity.node_id,
        node=identity.node,
        address=identity.address,
        tagged_addresses=identity.tagged_addresses,
        node_meta=identity.meta,
        service=service,
        check=checks[0] if len(checks) == 1 else None,
        checks=list(checks) if len(checks) > 1 else None,
        skip_node_update=local.node_info_in_sync,
        token=token,
    )


def _deregister(identity: Identity, token: str, service_id: str = "", check_id: str = "") -> DeregisterRequest:
    return DeregisterRequest(datacenter=identity.datacenter, node=identity.node, service_id=service_id, check_id=check_id, token=token)


def settled(local: LocalState, call: Call) -> None:
    """The servers took the call: what it sent and has not changed since is in sync."""
    if isinstance(call.request, DeregisterRequest):
        if call.request.service_id:
            local.drop_service(call.request.service_id)
        else:
            local.drop_check(call.request.check_id)
        return
    if call.sends_node_info:
        local.node_info_in_sync = True
    if call.service is not None:
        entry = local.service_entries.get(call.service.id)
        if entry is not None and entry.service is call.service and not entry.deleted:
            entry.in_sync = True
            local.unsynced_services.pop(call.service.id, None)
    for check in call.checks:
        checked = local.check_entries.get(check.check_id)
        if checked is not None and checked.check is check and not checked.deleted:
            checked.in_sync = True
            local.unsynced_checks.pop(check.check_id, None)
