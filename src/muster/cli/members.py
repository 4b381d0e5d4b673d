"""`muster members`"""

import re
from typing import TYPE_CHECKING

from muster.cli.columns import columns
from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, TEXT, Flag

if TYPE_CHECKING:
    from muster.client.records import Member

STATUSES = ("none", "alive", "leaving", "left", "failed")
NO_MATCH = 2  # exit status


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    try:
        wanted = re.compile(invocation.text("status"))
    except re.error as error:
        return invocation.refuse(f"Failed to compile status regexp: {_complaint(error, invocation.text('status'))}")
    client = invocation.client()
    wan = invocation.switch("wan")
    try:
        members = client.agent.members(wan=wan, segment=invocation.text("segment"))
    except ClientError as error:
        return invocation.refuse(f"Error retrieving members: {error}")
    selected = [member for member in members if wanted.search(status(member))]
    if not selected:
        return NO_MATCH
    selected.sort(key=_order)
    invocation.out(columns(_details(selected) if invocation.switch("detailed") else _overview(selected)))
    return 0


def status(member: "Member") -> str:
    """Serf's word for a member's state."""
    return STATUSES[member.status] if member.status < len(STATUSES) else f"unknown status: {member.status}"


def segment(member: "Member") -> str:
    """The network segment. A server is in all of them, a client without one in the default."""
    named = member.tags.get("segment", "")
    if named:
        return named
    return "<all>" if member.tags.get("role") == "consul" else "<default>"


def _order(member: "Member") -> tuple[str, str]:
    return segment(member), member.name


def _address(member: "Member") -> str:
    host = f"[{member.addr}]" if ":" in member.addr else member.addr
    return f"{host}:{member.port}"


def _overview(members: "list[Member]") -> list[list[str]]:
    rows = [["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"]]
    for member in members:
        tags = member.tags
        kind = {"consul": "server", "node": "client"}.get(tags.get("role", ""), "unknown")
        build = tags.get("build", "").partition(":")[0] if kind != "unknown" else tags.get("build", "")
        row = [member.name, _address(member), status(member), kind, build, tags.get("vsn", ""), tags.get("dc", ""), segment(member)]
        rows.append(row)
    return rows


def _details(members: "list[Member]") -> list[list[str]]:
    rows = [["Node", "Address", "Status", "Tags"]]
    for member in members:
        tags = {**member.tags, "segment": segment(member)}
        shown = ",".join(f"{key}={value}" for key, value in sorted(tags.items()))
        rows.append([member.name, _address(member), status(member), shown])
    return rows


def _complaint(error: re.error, pattern: str) -> str:
    """The complaint in the words of Go's expressions where they are known."""
    if "unterminated subpattern" in error.msg:
        return f"error parsing regexp: missing closing ): `{pattern}`"
    return f"error parsing regexp: {error.msg}: `{pattern}`"


COMMAND = Command(
    usage="members [options]",
    description="Lists the members of the agent's gossip pool. The exit status is 2 when no member has the wanted status.",
    run=run,
    flags=(
        Flag("detailed", SWITCH, "Show all tags of the members."),
        Flag("segment", TEXT, "Only members of this network segment (an enterprise feature of Consul).", default="_all"),
        Flag("status", TEXT, "Only members whose status matches this regular expression.", default=".*"),
        Flag("wan", SWITCH, "List the servers of all datacenters, when the asked agent is a server."),
    ),
)
