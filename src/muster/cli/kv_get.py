"""`muster kv get`"""

from base64 import b64encode
from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE
from muster.cli.flags import SWITCH, TEXT, Flag

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.model.kv import KVEntry


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError, RequestFailed

    key = invocation.arguments[0] if invocation.arguments else ""
    if complaint := invocation.too_many(1):
        return invocation.refuse(complaint)
    keys, recurse = invocation.switch("keys"), invocation.switch("recurse")
    if not key and not (keys or recurse):
        return invocation.refuse("Error! Missing KEY argument")
    client = invocation.client()
    try:
        if keys:
            return _list_keys(invocation, client, key)
        if recurse:
            return _list_entries(invocation, client, key)
        return _one(invocation, client, key)
    except RequestFailed as error:
        return invocation.refuse(f"Error querying Consul agent: {error.short}")
    except ClientError as error:
        return invocation.refuse(f"Error querying Consul agent: {error}")


def _list_keys(invocation: Invocation, client: "Client", prefix: str) -> int:
    for key in client.kv.keys(prefix, invocation.text("separator")).value:
        invocation.out(key)
    return 0


def _list_entries(invocation: Invocation, client: "Client", prefix: str) -> int:
    entries = client.kv.list(prefix).value
    for at, entry in enumerate(entries):
        if not invocation.switch("detailed"):
            invocation.out(entry.key.encode("utf-8", "surrogateescape") + b":" + _value(invocation, entry))
            continue
        invocation.out(_details(invocation, entry))
        if at < len(entries) - 1:
            invocation.out()
    return 0


def _one(invocation: Invocation, client: "Client", key: str) -> int:
    entry = client.kv.get(key).value
    if entry is None:
        return invocation.refuse(f"Error! No key exists at: {key.removeprefix('/')}")
    invocation.out(_details(invocation, entry) if invocation.switch("detailed") else _value(invocation, entry))
    return 0


def _value(invocation: Invocation, entry: "KVEntry") -> bytes:
    value = entry.value or b""
    return b64encode(value) if invocation.switch("base64") else value


def _details(invocation: Invocation, entry: "KVEntry") -> bytes:
    """Everything known of an entry, in two columns."""
    rows = (
        ("CreateIndex", entry.create_index),
        ("Flags", entry.flags),
        ("Key", entry.key),
        ("LockIndex", entry.lock_index),
        ("ModifyIndex", entry.modify_index),
        ("Session", entry.session or "-"),
    )
    lines = [f"{name:<17}{value}".encode("utf-8", "surrogateescape") for name, value in rows]
    value = _value(invocation, entry)
    return b"\n".join([*lines, b"Value" + b" " * 12 + value if value else b"Value"])


COMMAND = Command(
    usage="kv get [options] [KEY_OR_PREFIX]",
    description="""
Reads the value of a key and writes it as it is. A key that does not exist is an error; one without data gives nothing.

    $ muster kv get redis/config/connections

To see everything that is known of it, or all entries or keys under a prefix:

    $ muster kv get -detailed redis/config/connections
    $ muster kv get -recurse redis/
    $ muster kv get -keys redis/
""",
    run=run,
    flags=(
        Flag("base64", SWITCH, "Write values in base 64. The default is false."),
        Flag("detailed", SWITCH, "Also show indexes, flags and session. The default is false."),
        Flag("keys", SWITCH, "List the keys under the prefix without their values. The default is false."),
        NAMESPACE,
        Flag("recurse", SWITCH, "Read all entries under the prefix. The default is false."),
        Flag("separator", TEXT, 'With -keys: list keys only up to the next separator. The default is "/".', default="/"),
    ),
    asks_servers=True,
)
