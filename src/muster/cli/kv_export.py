"""`muster kv export`"""

from base64 import b64encode

from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError, RequestFailed
    from muster.client.go_json import dumps

    if complaint := invocation.too_many(1):
        return invocation.refuse(complaint)
    prefix = invocation.arguments[0] if invocation.arguments else ""
    try:
        entries = invocation.client().kv.list(prefix).value
    except RequestFailed as error:
        return invocation.refuse(f"Error querying Consul agent: {error.short}")
    except ClientError as error:
        return invocation.refuse(f"Error querying Consul agent: {error}")
    exported = [{"key": entry.key, "flags": entry.flags, "value": b64encode(entry.value or b"").decode()} for entry in entries]
    invocation.out(dumps(exported, "\t"))
    return 0


COMMAND = Command(
    usage="kv export [KEY_OR_PREFIX]",
    description="""
Writes all entries under a prefix as JSON, which "muster kv import" reads; so trees travel between clusters.

    $ muster kv export vault
""",
    run=run,
    flags=(NAMESPACE,),
    asks_servers=True,
)
