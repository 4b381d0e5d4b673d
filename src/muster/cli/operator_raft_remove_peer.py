"""`muster operator raft remove-peer`"""

from muster.cli.command import Command, Invocation
from muster.cli.flags import TEXT, Flag


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    address, server_id = invocation.text("address"), invocation.text("id")
    client = invocation.client()
    if not address and not server_id:
        return invocation.refuse("Error removing peer: an address or id is required for the peer to remove")
    if address and server_id:
        return invocation.refuse("Error removing peer: cannot give both an address and id")
    try:
        client.operator.remove_raft_peer(address=address, id=server_id)
    except ClientError as error:
        return invocation.refuse(f"Error removing peer: {error}")
    what = f'address "{address}"' if address else f'id "{server_id}"'
    invocation.out(f"Removed peer with {what}")
    return 0


COMMAND = Command(
    usage="operator raft remove-peer [options]",
    description="""
Removes a server from the Raft configuration that is gone for good and still stands there. If "muster members" still shows it,
"muster force-leave" is the better way.
""",
    run=run,
    flags=(
        Flag("address", TEXT, "The address and port of the server."),
        Flag("id", TEXT, "The id of the server."),
    ),
    asks_servers=True,
    unconnected="Error initializing client: ",
)
