"""`muster operator raft list-peers`"""

from muster.cli.columns import columns
from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    client = invocation.client()
    try:
        servers = client.operator.raft_configuration().servers
    except ClientError as error:
        return invocation.refuse(f"Error getting peers: Failed to retrieve raft configuration: {error}")
    rows = [["Node", "ID", "Address", "State", "Voter", "RaftProtocol"]]
    for server in servers:
        state = "leader" if server.leader else "follower"
        voter = "true" if server.voter else "false"
        rows.append([server.node, server.id, server.address, state, voter, server.protocol_version or "<=1"])
    invocation.out(columns(rows))
    return 0


COMMAND = Command(
    usage="operator raft list-peers [options]",
    description="Shows the servers that agree by Raft.",
    run=run,
    asks_servers=True,
    unconnected="Error initializing client: ",
)
