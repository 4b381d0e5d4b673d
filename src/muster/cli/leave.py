"""`muster leave`"""

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if invocation.arguments:
        invocation.out(invocation.command.help())
        return invocation.refuse(f"Error found unexpected args: [{' '.join(invocation.arguments)}]")
    client = invocation.client()
    try:
        client.agent.leave()
    except ClientError as error:
        return invocation.refuse(f"Error leaving: {error}")
    invocation.out("Graceful leave complete")
    return 0


COMMAND = Command(usage="leave [options]", description="Makes the agent leave its cluster in good order and end.", run=run)
