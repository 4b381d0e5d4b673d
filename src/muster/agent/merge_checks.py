"""Who may be in a pool with this agent: asked before the members of another host are taken over.

Source: reference of the gossip wire, section 4; the texts are the peers'.
"""

from collections.abc import Callable
from uuid import UUID

from muster.gossip.effects import Member, MemberStatus

Admit = Callable[[list[Member]], str]
"""Why a merge with these members is refused; empty if it is not."""
PRESENT = (MemberStatus.ALIVE, MemberStatus.LEAVING)
SERVER_ROLE = "consul"
ROLES = (SERVER_ROLE, "node")


def lan(node_name: str, node_id: str, datacenter: str) -> Admit:
    """Only agents of this datacenter, and no two living ones with the same id."""

    def admit(members: list[Member]) -> str:
        owners: dict[str, str] = {}
        for member in members:
            identity = _identity(member)
            if identity and member.status in PRESENT:
                if identity == node_id and member.name != node_name:
                    return f"Member '{member.name}' has conflicting node ID '{identity}' with this agent's ID"
                other = owners.setdefault(identity, member.name)
                if other != member.name:
                    return f"Member '{member.name}' has conflicting node ID '{identity}' with member '{other}'"
            if member.tags.get("role") in ROLES and member.tags.get("dc", "") != datacenter:
                return f"Member '{member.name}' part of wrong datacenter '{member.tags.get('dc', '')}'"
            if member.tags.get("segment"):
                return f"Member '{member.name}' part of wrong segment '{member.tags['segment']}' (expected '')"
        return ""

    return admit


def wan(members: list[Member]) -> str:
    """Only servers."""
    for member in members:
        if member.tags.get("role") != SERVER_ROLE:
            return f"Member '{member.name}' is not a server"
    return ""


def remedy(refusal: str) -> str:
    """What the operator can do about a refusal; empty if its text says all."""
    if "conflicting node ID" in refusal:
        return (
            "two hosts have the same node id: remove the file node-id from the data directory of the copied one, or set its node_id; "
            "if it is one host under a new name, let the old name leave first (muster leave there, or muster force-leave OLD-NAME)"
        )
    if "wrong datacenter" in refusal:
        return "set `datacenter` alike on both hosts, or join servers of different datacenters by their WAN pool (muster join -wan)"
    return ""


def _identity(member: Member) -> str:
    """The node id of the tags, or empty if it is none: old agents have none, and what is no UUID is not compared."""
    identity = member.tags.get("id", "")
    try:
        UUID(identity)
    except ValueError:
        return ""
    return identity
