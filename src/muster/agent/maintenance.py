"""Maintenance mode: a critical check that its owner put there by hand."""

from muster.model.catalog import CRITICAL, NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX, HealthCheck, NodeService

DEFAULT_NODE_REASON = "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."
DEFAULT_SERVICE_REASON = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."


def node_check(node: str, reason: str) -> HealthCheck:
    """The check that takes the whole node out."""
    return HealthCheck(
        node=node,
        check_id=NODE_MAINTENANCE,
        name="Node Maintenance Mode",
        status=CRITICAL,
        notes=reason or DEFAULT_NODE_REASON,
        type="maintenance",
    )


def service_check_id(service_id: str) -> str:
    return SERVICE_MAINTENANCE_PREFIX + service_id


def service_check(node: str, service: NodeService, reason: str) -> HealthCheck:
    """The check that takes one service out."""
    return HealthCheck(
        node=node,
        check_id=service_check_id(service.id),
        name="Service Maintenance Mode",
        status=CRITICAL,
        notes=reason or DEFAULT_SERVICE_REASON,
        service_id=service.id,
        service_name=service.service,
        service_tags=service.tags,
        type="maintenance",
    )
