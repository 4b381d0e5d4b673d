"""`muster migrate`"""

from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, Flag

if TYPE_CHECKING:
    from muster.program.migration import Found

SUFFRAGES = ("voter", "nonvoter", "staging")


def run(invocation: Invocation) -> int:
    import random

    from muster.model.errors import MusterError
    from muster.program.migration import migrate

    if complaint := invocation.too_many(1):
        return invocation.refuse(complaint)
    if not invocation.arguments or not invocation.arguments[0]:
        return invocation.refuse("Missing DATA_DIR argument")
    directory, check_only = invocation.arguments[0].rstrip("/") or "/", invocation.switch("check")
    try:
        found = migrate(directory, random.Random(), check_only)
    except MusterError as error:
        return invocation.refuse(f"Error migrating {directory}: {error}")
    except OSError as error:
        return invocation.refuse(f"Error migrating {directory}: {error.filename or directory}: {error.strerror or error}")
    if found is None:
        invocation.out(f"{directory} is Muster's: nothing to do")
        return 0
    for line in _lines(found):
        invocation.out(line)
    if check_only:
        invocation.out("All of it can be migrated. Nothing was changed")
    else:
        invocation.out("Migrated. What Consul wrote is kept as raft/raft.db.migrated and raft/snapshots.migrated")
    return 0


def _lines(found: "Found") -> list[str]:
    """What was found, a line each."""
    snapshot, entries = found.snapshot, found.last_index - found.first_index + 1
    rows = [
        ("Node ID", found.node_id or "none: the configuration has to give it (node_id)"),
        ("Term", f"{found.term}, vote for {found.candidate}" if found.candidate else f"{found.term}, no vote"),
        ("Snapshot", f"{snapshot.identity}, {snapshot.size} bytes" if snapshot else "none"),
        ("Log", f"{entries} entries, {found.first_index} to {found.last_index}" if entries else "empty"),
    ]
    rows += [("Damaged", f"snapshot {name}: passed over") for name in found.damaged_snapshots]
    members = found.configuration.members
    rows += [("Server", f"{member.identity} {member.address} {SUFFRAGES[member.suffrage]}") for member in members]
    if found.node_id and members and found.configuration.member(found.node_id) is None:
        rows.append(("Warning", "this server is no longer one of them: the others have removed it"))
    return [f"{name:<10}{value}" for name, value in rows]


COMMAND = Command(
    usage="migrate [options] DATA_DIR",
    description="""
Takes over the data directory of a stopped Consul server, so that "muster agent" goes on where Consul stopped: as the same member of
the cluster, with the same term, vote, log and state. Node id, gossip keys, and the agent's services and checks need no change.

Stop Consul without letting it leave, migrate, and start Muster with the same configuration:

    $ kill -INT CONSUL_PID
    $ muster migrate /opt/consul/data
    $ muster agent -config-dir=/etc/consul.d

Everything is read and checked before anything is written. What Consul wrote is kept under other names. The exit status is 0 if the
directory is Muster's now, or already was, and 1 if it was refused; then it is as before.
""",
    run=run,
    flags=(Flag("check", SWITCH, "Read and check everything, and change nothing."),),
    speaks_http=False,
)
