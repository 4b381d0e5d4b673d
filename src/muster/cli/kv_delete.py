"""`muster kv delete`"""

from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE
from muster.cli.flags import SWITCH, UINT, Flag


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    key = invocation.arguments[0] if invocation.arguments else ""
    if complaint := _complaint(invocation, key):
        return invocation.refuse(complaint)
    key = key.removeprefix("/")
    kv = invocation.client().kv
    if invocation.switch("recurse"):
        return _delete_tree(invocation, key)
    cas = invocation.number("modify-index") if invocation.switch("cas") else None
    try:
        if not kv.delete(key, cas=cas):
            return invocation.refuse(f"Error! Did not delete key {key}: CAS failed")
    except ClientError as error:
        return invocation.refuse(f"Error deleting key {key}: {error}" if cas is None else f"Error! Did not delete key {key}: {error}")
    invocation.out(f"Success! Deleted key: {key}")
    return 0


def _delete_tree(invocation: Invocation, prefix: str) -> int:
    from muster.client.errors import ClientError

    try:
        invocation.client().kv.delete(prefix, recurse=True)
    except ClientError as error:
        return invocation.refuse(f"Error! Did not delete prefix {prefix}: {error}")
    invocation.out(f"Success! Deleted keys with prefix: {prefix}")
    return 0


def _complaint(invocation: Invocation, key: str) -> str | None:
    """What is wrong with the call, or None."""
    if complaint := invocation.too_many(1):
        return complaint
    if not key and not invocation.switch("recurse"):
        return "Error! Missing KEY argument"
    if invocation.switch("cas") and invocation.switch("recurse"):
        return "Cannot specify both -cas and -recurse!"
    if invocation.switch("cas") and not invocation.number("modify-index"):
        return "Must specify -modify-index with -cas!"
    if invocation.number("modify-index") and not invocation.switch("cas"):
        return "Cannot specify -modify-index without -cas!"
    return None


COMMAND = Command(
    usage="kv delete [options] KEY_OR_PREFIX",
    description="""
Removes a key; one that does not exist is no error. With -recurse every key that begins with the prefix is removed.

    $ muster kv delete redis/config/connections
    $ muster kv delete -recurse redis/
""",
    run=run,
    flags=(
        Flag("cas", SWITCH, "Remove the key only if its ModifyIndex is that of -modify-index. The default is false."),
        Flag("modify-index", UINT, "The ModifyIndex of the key for -cas."),
        NAMESPACE,
        Flag("recurse", SWITCH, "Remove all keys under the prefix. The default is false."),
    ),
    asks_servers=True,
)
