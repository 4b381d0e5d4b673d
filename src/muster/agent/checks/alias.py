"""Alias checks: the health of another service, or of a whole node, as one's own. Pure."""

from collections.abc import Iterable

from muster.agent.checks.result import Result
from muster.model.catalog import CRITICAL, PASSING, WARNING, HealthCheck

ALL_PASSING = "All checks passing."


def alias_result(checks: Iterable[HealthCheck], service_id: str, service_exists: bool, node: str = "") -> Result:
    """The worst of the service's checks and of the node's own; `node` is empty for this host.

    An alias of a node (`service_id` empty) sees that node's checks only.
    """
    status, output, seen = PASSING, "No checks found.", False
    for check in checks:
        if node and check.node.lower() != node.lower():
            continue
        if check.service_id and check.service_id != service_id:
            continue
        if check.status in (CRITICAL, WARNING):
            status, output, seen = check.status, f'Aliased check "{check.name}" failing: {check.output}', True
            if status == CRITICAL:
                return Result(status, output)
        elif status == PASSING:
            output, seen = ALL_PASSING, True  # a later passing check must not hide an earlier warning
    if service_id and not service_exists:
        return Result(CRITICAL, f"Service {service_id} could not be found on node {node}")
    return Result(status, output if seen else "No checks found.")
