"""`muster snapshot inspect`"""

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.cli.snapshot_file import InvalidSnapshot, verify
    from muster.client.settings import file_problem

    if complaint := invocation.too_many(1):
        return invocation.refuse(complaint)
    if not invocation.arguments or not invocation.arguments[0]:
        return invocation.refuse("Missing FILE argument")
    path = invocation.arguments[0]
    try:
        with open(path, "rb") as file:
            metadata = verify(file)
    except InvalidSnapshot as error:
        return invocation.refuse(f"Error verifying snapshot: {error}")
    except OSError as error:
        return invocation.refuse(f"Error opening snapshot file: {file_problem(path, error)}")
    for name, value in zip(("ID", "Size", "Index", "Term", "Version"), metadata):
        invocation.out(f"{name:<13}{value}")
    invocation.out()
    return 0


COMMAND = Command(
    usage="snapshot inspect [options] FILE",
    description="""
Checks a snapshot file and shows its id, the size of its state, and index and term of the last log entry in it.

    $ muster snapshot inspect backup.snap
""",
    run=run,
    speaks_http=False,
)
