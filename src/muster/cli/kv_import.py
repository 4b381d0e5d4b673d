"""`muster kv import`"""

from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE
from muster.cli.data_argument import UnreadableData, read_data

if TYPE_CHECKING:
    from muster.cli.kv_exported import ExportedEntry


def run(invocation: Invocation) -> int:
    from muster.cli.kv_exported import InvalidExport, entries

    count = len(invocation.arguments)
    if count > 1:
        return invocation.refuse(f"Error! Too many arguments (expected 1, got {count})")
    if not count:
        return invocation.refuse("Error! Missing DATA argument")
    if not invocation.arguments[0]:
        return invocation.refuse("Error! Empty DATA argument")
    try:
        found = entries(read_data(invocation.arguments[0]))
    except UnreadableData as error:
        return invocation.refuse(f"Error! {error}")
    except InvalidExport as error:
        return invocation.refuse(str(error))
    return _write(invocation, found)


def _write(invocation: Invocation, found: "list[ExportedEntry]") -> int:
    from muster.client.errors import ClientError

    kv = invocation.client().kv
    for entry in found:
        try:
            kv.put(entry.key, entry.value, flags=entry.flags)
        except ClientError as error:
            return invocation.refuse(f"Error! Failed writing data for key {entry.key}: {error}")
        invocation.out(f"Imported: {entry.key}")
    return 0


COMMAND = Command(
    usage="kv import [DATA]",
    description="""
Writes the entries of a JSON text made by "muster kv export". It comes from a file (@), the standard input (-), or stands on the
command line.

    $ muster kv import @filename.json
    $ cat filename.json | muster kv import -
""",
    run=run,
    flags=(NAMESPACE,),
    asks_servers=True,
)
