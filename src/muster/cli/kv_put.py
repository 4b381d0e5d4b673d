"""`muster kv put`"""

from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE
from muster.cli.data_argument import UnreadableData, read_data
from muster.cli.flags import SWITCH, TEXT, UINT, Flag


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if complaint := _complaint(invocation):
        return invocation.refuse(complaint)
    key = invocation.arguments[0]
    try:
        data = read_data(invocation.arguments[1]) if len(invocation.arguments) > 1 else b""
    except UnreadableData as error:
        return invocation.refuse(f"Error! {error}")
    if invocation.switch("base64"):
        from muster.model.base64_text import InvalidBase64, decode

        try:
            data = decode(data)
        except InvalidBase64 as error:
            # Consul complains and then writes what it could decode, often nothing: here the old value stays
            return invocation.refuse(f"Error! Cannot base 64 decode data: {error}")
    try:
        return _write(invocation, key, data)
    except ClientError as error:
        return invocation.refuse(f"Error! Failed writing data: {error}")


def _complaint(invocation: Invocation) -> str | None:
    """What is wrong with the call, or None."""
    count = len(invocation.arguments)
    if count > 2:
        return f"Error! Too many arguments (expected 1 or 2, got {count})"
    if not count:
        return "Error! Missing KEY argument"
    if invocation.switch("cas") and not invocation.number("modify-index"):
        return "Must specify -modify-index with -cas!"
    if (invocation.switch("acquire") or invocation.switch("release")) and not invocation.text("session"):
        return "Error! Missing -session (required with -acquire and -release)"
    return None


def _write(invocation: Invocation, key: str, data: bytes) -> int:
    kv, flags, session = invocation.client().kv, invocation.number("flags"), invocation.text("session")
    if invocation.switch("cas"):
        written = kv.put(key, data, flags=flags, cas=invocation.number("modify-index"))
        success, failure = f"Data written to: {key}", f"Did not write to {key}: CAS failed"
    elif invocation.switch("acquire"):
        written = kv.put(key, data, flags=flags, acquire=session)
        success, failure = f"Lock acquired on: {key}", "Did not acquire lock"
    elif invocation.switch("release"):
        written = kv.put(key, data, flags=flags, release=session)
        success, failure = f"Lock released on: {key}", "Did not release lock"
    else:
        written = kv.put(key, data, flags=flags)
        success, failure = f"Data written to: {key}", f"Did not write to {key}"
    if not written:
        return invocation.refuse(f"Error! {failure}")
    invocation.out(f"Success! {success}")
    return 0


COMMAND = Command(
    usage="kv put [options] KEY [DATA]",
    description="""
Writes data under a key. The data stands on the command line, in a file (@), or comes from the standard input (-); without
any, the key has an empty value.

    $ muster kv put config/redis/maxconns 5
    $ muster kv put config/program/license @license.lic
    $ echo "abcd1234" | muster kv put config/redis/password -

To write only if nobody has changed the key since it was read:

    $ muster kv put -cas -modify-index=844 config/redis/maxconns 5
""",
    run=run,
    flags=(
        Flag("acquire", SWITCH, "Take the lock on the key, and make the key if need be. Needs -session. The default is false."),
        Flag("base64", SWITCH, "The data is in base 64. The default is false."),
        Flag("cas", SWITCH, "Check and set: write only if the key's ModifyIndex is that of -modify-index. The default is false."),
        Flag("flags", UINT, "A number to keep with the key; only clients give it a meaning. The default is 0."),
        Flag("modify-index", UINT, "The ModifyIndex of the key for -cas."),
        NAMESPACE,
        Flag("release", SWITCH, "Give back the lock on the key. Needs -session. The default is false."),
        Flag("session", TEXT, "The id of the session that takes or gives back the lock."),
    ),
    asks_servers=True,
)
