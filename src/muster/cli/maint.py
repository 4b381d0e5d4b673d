"""`muster maint`"""

from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, TEXT, Flag

if TYPE_CHECKING:
    from muster.client.client import Client


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if complaint := _complaint(invocation):
        return invocation.refuse(complaint)
    client = invocation.client()
    if not invocation.switch("enable") and not invocation.switch("disable"):
        return _show(invocation, client)
    service, enable = invocation.text("service"), invocation.switch("enable")
    what = "service" if service else "node"
    try:
        _switch(client, service, enable=enable, reason=invocation.text("reason"))
    except ClientError as error:
        return invocation.refuse(f"Error {'enabling' if enable else 'disabling'} {what} maintenance: {error}")
    state = "enabled" if enable else "disabled"
    invocation.out(f'Service maintenance is now {state} for "{service}"' if service else f"Node maintenance is now {state}")
    return 0


def _complaint(invocation: Invocation) -> str | None:
    """What is wrong with the call, or None."""
    enable, disable = invocation.switch("enable"), invocation.switch("disable")
    if enable and disable:
        return "Only one of -enable or -disable may be provided"
    if not enable and invocation.text("reason"):
        return "Reason may only be provided with -enable"
    if not enable and not disable and invocation.text("service"):
        return "Service requires either -enable or -disable"
    return None


def _switch(client: "Client", service: str, *, enable: bool, reason: str) -> None:
    agent = client.agent
    if service and enable:
        agent.enable_service_maintenance(service, reason)
    elif service:
        agent.disable_service_maintenance(service)
    elif enable:
        agent.enable_node_maintenance(reason)
    else:
        agent.disable_node_maintenance()


def _show(invocation: Invocation, client: "Client") -> int:
    """Writes what is under maintenance and why; nothing if nothing is."""
    from muster.client.errors import ClientError
    from muster.model.catalog import NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX

    try:
        name = client.agent.self().config.get("NodeName", "")
        checks = client.agent.checks()
    except ClientError as error:
        return invocation.refuse(f"Error querying Consul agent: {error}")
    for check in checks.values():
        if check.check_id == NODE_MAINTENANCE:
            invocation.out(f"Node:\n  Name:   {name}\n  Reason: {check.notes}\n")
        elif check.check_id.startswith(SERVICE_MAINTENANCE_PREFIX):
            invocation.out(f"Service:\n  ID:     {check.service_id}\n  Reason: {check.notes}\n")
    return 0


COMMAND = Command(
    usage="maint [options]",
    description="""
Puts the node, or one service, under maintenance: a critical check takes it out of all answers of DNS and of health queries,
until maintenance is disabled again. It outlives a restart of the agent.

Without flags, what is under maintenance is shown; nothing is written if nothing is.
""",
    run=run,
    flags=(
        Flag("disable", SWITCH, "End the maintenance."),
        Flag("enable", SWITCH, "Begin the maintenance."),
        Flag("reason", TEXT, "Why, to be shown with the check."),
        Flag("service", TEXT, "The id of a service, instead of the node."),
    ),
)
