"""`muster snapshot save`"""

import os
import tempfile
from pathlib import Path

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if complaint := invocation.too_many(1):
        return invocation.refuse(complaint)
    if not invocation.arguments or not invocation.arguments[0]:
        return invocation.refuse("Missing FILE argument")
    path = Path(invocation.arguments[0])
    client = invocation.client()
    from muster.cli.snapshot_file import InvalidSnapshot, verify
    from muster.client.settings import file_problem

    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.unverified.tmp", dir=path.parent)
    except OSError as error:
        return invocation.refuse(f"Error writing unverified snapshot file: {file_problem(str(path) + '.unverified.tmp', error)}")
    unverified = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            client.snapshot.save(file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            metadata = verify(file)
        unverified.replace(path)
    except ClientError as error:
        return invocation.refuse(f"Error saving snapshot: {error}")
    except OSError as error:
        return invocation.refuse(f"Error writing snapshot file: {file_problem(str(path), error)}")
    except InvalidSnapshot as error:
        return invocation.refuse(f"Error verifying snapshot file: {error}")
    finally:
        unverified.unlink(missing_ok=True)
    invocation.out(f"Saved and verified snapshot to index {metadata.index}")
    return 0


COMMAND = Command(
    usage="snapshot save [options] FILE",
    description="""
Saves the servers' whole state, at one moment, to a file, and checks what was written.

    $ muster snapshot save backup.snap

Without a leader any server can give its state, which may be behind:

    $ muster snapshot save -stale backup.snap
""",
    run=run,
    asks_servers=True,
)
