"""`muster reload`"""

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    client = invocation.client()
    try:
        client.agent.reload()
    except ClientError as error:
        return invocation.refuse(f"Error reloading: {error}")
    invocation.out("Configuration reload triggered")
    return 0


COMMAND = Command(usage="reload", description="Makes the agent read its configuration again, like the signal HUP.", run=run)
