"""`muster info`"""

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    client = invocation.client()
    try:
        stats = client.agent.self().stats
    except ClientError as error:
        return invocation.refuse(f"Error querying agent: {error}")
    for part in sorted(stats):
        invocation.out(f"{part}:")
        for name in sorted(stats[part]):
            invocation.out(f"\t{name} = {stats[part][name]}")
    return 0


COMMAND = Command(
    usage="info [options]",
    description="Shows figures of the agent's parts, for those who look after it.",
    run=run,
)
