"""`muster force-leave`"""

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, Flag


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if len(invocation.arguments) != 1:
        return invocation.refuse_with_help("A single node name must be specified to force leave.")
    client = invocation.client()
    try:
        client.agent.force_leave(invocation.arguments[0], prune=invocation.switch("prune"))
    except ClientError as error:
        return invocation.refuse(f"Error force leaving: {error}")
    return 0


COMMAND = Command(
    usage="force-leave [options] name",
    description="""
Marks a failed member as having left, so that nobody tries to reach it any more. One that still lives comes back by itself.
""",
    run=run,
    flags=(Flag("prune", SWITCH, "Also remove it from the list of members at once."),),
)
