"""`muster catalog datacenters`"""

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if complaint := invocation.too_many(0):
        return invocation.refuse(complaint)
    client = invocation.client()
    try:
        datacenters = client.catalog.datacenters()
    except ClientError as error:
        return invocation.refuse(f"Error listing datacenters: {error}")
    for name in datacenters:
        invocation.out(name)
    return 0


COMMAND = Command(
    usage="catalog datacenters [options]",
    description="""
Lists all known datacenters, those first that are nearest by the median round-trip time between servers.

    $ muster catalog datacenters
""",
    run=run,
    asks_servers=True,
)
