"""`muster snapshot restore`"""

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError
    from muster.client.settings import file_problem

    if complaint := invocation.too_many(1):
        return invocation.refuse(complaint)
    if not invocation.arguments or not invocation.arguments[0]:
        return invocation.refuse("Missing FILE argument")
    path = invocation.arguments[0]
    client = invocation.client()
    try:
        file = open(path, "rb")  # noqa: SIM115 - opened apart from its use, so that the two kinds of error stay apart
    except OSError as error:
        return invocation.refuse(f"Error opening snapshot file: {file_problem(path, error)}")
    with file:
        try:
            client.snapshot.restore(file)
        except ClientError as error:
            return invocation.refuse(f"Error restoring snapshot: {error}")
    invocation.out("Restored snapshot")
    return 0


COMMAND = Command(
    usage="snapshot restore [options] FILE",
    description="""
Replaces the servers' whole state by that of a snapshot file. It is meant for recovery from a disaster, into fresh servers, and
none of them should fail meanwhile.

    $ muster snapshot restore backup.snap
""",
    run=run,
    asks_servers=True,
)
