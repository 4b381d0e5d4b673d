"""`muster services forget`"""

from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.diagnosis import ALIVE
from muster.cli.flags import INT, TEXT, Flag

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.client.records import Member


class _Failed(Exception):
    """It cannot be done; the message says why and what would be right."""


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    node, service = invocation.text("node"), invocation.text("id")
    if not node or not service:
        return invocation.refuse_with_help("Name the node (-node) and the id of the service (-id)")
    client = invocation.client()
    try:
        _require(client, node, service)
        owner = _owner(client, node)
        if owner is None:
            client.catalog.deregister({"Node": node, "ServiceID": service})
            invocation.out(f"Removed {service} of node {node} from the catalog: no living agent owns it")
        else:
            invocation.out(_ask_owner(client, owner, service, invocation.number("owner-port")))
    except _Failed as error:
        return invocation.refuse(str(error))
    except ClientError as error:
        return invocation.refuse(f"Error forgetting the service: {error}")
    return 0


def _require(client: "Client", node: str, service: str) -> None:
    found = client.catalog.node(node).value
    if found is None:
        raise _Failed(f"The catalog has no node {node}: see muster catalog nodes")
    if service not in (found.services or {}):
        known = ", ".join(sorted(found.services or {})) or "none"
        raise _Failed(f"Node {node} has no service with the id {service}; it has: {known}")


def _owner(client: "Client", node: str) -> "Member | None":
    """The living agent of the node: what it holds it brings back."""
    return next((member for member in client.agent.members() if member.name == node and member.status == ALIVE), None)


def _ask_owner(client: "Client", owner: "Member", service: str, port: int) -> str:
    """Has the owner let go of the service; what was done."""
    from muster.client.client import Client
    from muster.client.errors import AgentUnreachable

    host = f"[{owner.addr}]" if ":" in owner.addr else owner.addr
    address = f"{host}:{port or _port(client)}"
    try:
        with Client(settings=client.settings._replace(address=address)) as asked:
            if asked.agent.self().config.get("NodeName") != owner.name:
                raise _Failed(f"At {address} another agent answers than {owner.name}, which owns {service}: name its port with -owner-port")
            if service in asked.agent.services():
                asked.agent.deregister_service(service)
                return f"Deregistered {service} at its owner, the agent {owner.name} at {address}"
    except AgentUnreachable as error:
        raise _Failed(
            f"The agent {owner.name} owns {service}, is alive and would bring it back, and does not answer at {address}: {error.cause}\n"
            f"Run there: muster services deregister -id={service}"
        ) from error
    client.catalog.deregister({"Node": owner.name, "ServiceID": service})
    return f"Removed {service} of node {owner.name} from the catalog: its agent does not know it"


def _port(client: "Client") -> int:
    """The HTTP port of the asked agent: those of one datacenter mostly have the same."""
    text = client.settings.address.rpartition(":")[2]
    return int(text) if text.isdigit() else 8500


COMMAND = Command(
    usage="services forget [options]",
    description="""
Removes a service of any node for good. What is only removed from the catalog comes back within a minute if an agent is alive that has
registered it: so the agent is asked to let go of it, and named if it does not answer. Without such an agent the service is removed
from the catalog.
""",
    run=run,
    flags=(
        Flag("id", TEXT, "The id of the service."),
        Flag("node", TEXT, "The name of its node."),
        Flag("owner-port", INT, "The HTTP port of the node's agent; by default that of the asked one."),
    ),
)
