"""The process that agents for tests are forked off: `python -m muster.testing.fork_server`.

Reads a line of JSON for each agent to start, [CONFIG FILE, FILE FOR ITS OUTPUT], and answers each by [0, PROCESS ID]. Tells of each that
has ended by [PROCESS ID, STATUS], negative for a signal. Ends, and all agents with it, when its standard input does.
"""

import json
import os
import selectors
import signal
import socket
import sys

from muster.testing.forking import fork_agent, preload


def main() -> None:
    """Runs until nobody can ask any more."""
    preload()
    for number in (signal.SIGINT, signal.SIGTERM):  # a Ctrl-C is for whoever runs the tests
        signal.signal(number, signal.SIG_IGN)
    waking, woken = socket.socketpair()
    waking.setblocking(False)
    woken.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(waking.fileno())
    children: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(4096)
                _tell_ends(children)
            if sys.stdin.fileno() in ready:
                line = sys.stdin.buffer.readline()
                if not line:
                    break
                children.add(_start(*json.loads(line)))
    for child in children:
        os.kill(child, signal.SIGKILL)


def _start(config_file: str, output: str) -> int:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    child = fork_agent([config_file], descriptor)
    os.close(descriptor)
    _tell(0, child)
    return child


def _tell_ends(children: set[int]) -> None:
    for child in [*children]:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            children.discard(child)
            _tell(child, os.waitstatus_to_exitcode(status))


def _tell(process: int, value: int) -> None:
    sys.stdout.write(f"[{process}, {value}]\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
