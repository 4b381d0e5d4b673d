"""`muster lock`"""

import posixpath
from typing import TYPE_CHECKING, Any

from muster.cli.command import Command, Invocation
from muster.cli.flags import DURATION, INT, SWITCH, TEXT, Flag
from muster.model.durations import seconds

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.client.locks import Lock
    from muster.client.semaphores import Semaphore

MONITOR_RETRY_TIME = 1.0  # seconds
CHILD_FAILED = 2  # exit status


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    if complaint := _complaint(invocation):
        return invocation.refuse(complaint)
    client = invocation.client()
    try:
        client.agent.self()
    except ClientError as error:
        return invocation.refuse(f"Error querying Consul agent: {error}")
    try:
        lock = _lock(invocation, client)
    except ClientError as error:
        return invocation.refuse(f"Lock setup failed: {error}")
    from muster.cli.locked_child import LockedChild

    return LockedChild(invocation, lock).run()


def _complaint(invocation: Invocation) -> str | None:
    """What is wrong with the call, or None."""
    if len(invocation.arguments) < 2:
        return "Key prefix and child command must be specified"
    if invocation.number("n") <= 0:
        return "Lock holder limit must be positive"
    if invocation.number("try") < 0 or invocation.number("timeout") < 0:
        return "Timeout must be positive"
    if invocation.number("monitor-retry") < 0:
        return "Number for 'monitor-retry' must be >= 0"
    return None


def _lock(invocation: Invocation, client: "Client") -> "Lock | Semaphore":
    """The lock or semaphore that is wanted."""
    from muster.client.locks import Lock
    from muster.client.semaphores import Semaphore

    prefix, child = invocation.arguments[0].removeprefix("/"), invocation.arguments[1:]
    limit, bound = invocation.number("n"), invocation.number("timeout") or invocation.number("try")
    options: dict[str, Any] = {
        "session_name": invocation.text("name") or f"Consul lock for '{' '.join(child)}' at '{prefix}'",
        "timeout": seconds(bound) if bound else None,
        "monitor_retries": invocation.number("monitor-retry"),
        "monitor_retry_time": MONITOR_RETRY_TIME,
    }
    if limit == 1:
        key = posixpath.normpath(f"{prefix}/.lock").lstrip("/")
        _tell(invocation, f"Setting up lock at path: {key}")
        return Lock(client, key, **options)
    _tell(invocation, f"Setting up semaphore (limit {limit}) at prefix: {prefix}")
    return Semaphore(client, prefix, limit, **options)


def _tell(invocation: Invocation, text: str) -> None:
    if invocation.switch("verbose"):
        invocation.out(text)


COMMAND = Command(
    usage="lock [options] prefix child...",
    description="""
Waits for a lock under the prefix, runs a child process while it is held, and gives it back. The child finds CONSUL_LOCK_HELD=true
in its environment. If the lock is lost the child gets SIGTERM and, if it does not end, SIGKILL.

With -n greater than 1 it is a semaphore with so many places.

    $ muster lock service/web/leader ./serve
""",
    run=run,
    flags=(
        Flag("child-exit-code", SWITCH, "Exit with 2 if the child failed. The default is false."),
        Flag(
            "monitor-retry",
            INT,
            "How often in a row, a second apart, the lock may be out of sight before it counts as lost. The default is 3.",
            default=3,
        ),
        Flag("n", INT, "How many may hold the lock at a time. The default is 1.", default=1),
        Flag("name", TEXT, "The name of the lock's session; by default made of the child and the prefix."),
        Flag("pass-stdin", SWITCH, "Give the standard input to the child."),
        Flag("shell", SWITCH, "Run the child by a shell: that of the variable SHELL, or /bin/sh.", default=True),
        Flag("timeout", DURATION, 'How long to wait for the lock at most, such as "1s" or "3h". The default is 0: for ever.'),
        Flag("try", DURATION, "The old name of -timeout."),
        Flag("verbose", SWITCH, "Tell what is done."),
    ),
    asks_servers=True,
)
