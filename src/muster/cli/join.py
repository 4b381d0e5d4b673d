"""`muster join`"""

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, Flag


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    addresses = invocation.arguments
    if not addresses:
        return invocation.refuse_with_help("At least one address to join must be specified.")
    agent = invocation.client().agent
    joined = 0
    for address in addresses:
        try:
            agent.join(address, wan=invocation.switch("wan"))
            joined += 1
        except ClientError as error:
            invocation.error(f"Error joining address '{address}': {error}")
    if not joined:
        return invocation.refuse("Failed to join any nodes.")
    invocation.out(f"Successfully joined cluster by contacting {joined} nodes.")
    return 0


COMMAND = Command(
    usage="join [options] address ...",
    description="Makes the running agent join the cluster of the members at these addresses; one that answers is enough.",
    run=run,
    flags=(Flag("wan", SWITCH, "Join the pool of servers of all datacenters."),),
)
