"""`muster event`"""

import re

from muster.cli.command import Command, Invocation
from muster.cli.flags import TEXT, Flag


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    name, arguments = invocation.text("name"), invocation.arguments
    if len(arguments) > 1:
        return invocation.refuse_with_help("Too many command line arguments.")
    if not name:
        return invocation.refuse_with_help("Event name must be specified")
    node, service, tag = (invocation.text(filter_name) for filter_name in ("node", "service", "tag"))
    if tag and not service:
        return invocation.refuse("Cannot provide tag filter without service filter.")
    for what, pattern in (("node", node), ("service", service), ("tag", tag)):
        if complaint := _complaint(what, pattern):
            return invocation.refuse(complaint)
    client = invocation.client()
    try:
        client.agent.self()
    except ClientError as error:
        return invocation.refuse(f"Error querying Consul agent: {error}")
    payload = arguments[0].encode("utf-8", "surrogateescape") if arguments else b""
    try:
        event = client.event.fire(name, payload, node=node, service=service, tag=tag)
    except ClientError as error:
        return invocation.refuse(f"Error firing event: {error}")
    invocation.out(f"Event ID: {event}")
    return 0


def _complaint(what: str, pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        reason = "missing closing )" if "unterminated subpattern" in error.msg else error.msg
        return f"Failed to compile {what} filter regexp: error parsing regexp: {reason}: `{pattern}`"
    return None


COMMAND = Command(
    usage="event [options] [payload]",
    description="Fires an event with a name and, if wanted, a short payload, for the whole datacenter or for those the filters select.",
    run=run,
    flags=(
        Flag("name", TEXT, "The name of the event."),
        Flag("node", TEXT, "A regular expression that the names of receiving nodes match."),
        Flag("service", TEXT, "A regular expression that a service of receiving nodes matches."),
        Flag("tag", TEXT, "A regular expression that a tag of that service matches. Needs -service."),
    ),
)
