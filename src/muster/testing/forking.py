"""Agents as processes that are forked off one that has loaded all their code: the second one starts in milliseconds."""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # prctl(2): the signal that a process gets when its parent ends


def preload() -> None:
    """Loads what an agent needs, once for all that are forked."""
    import muster.agent.config.build
    import muster.agent.keyring_operations
    import muster.agent.statsd
    import muster.dns.recursor
    import muster.dns.resolver
    import muster.http.routes
    import muster.program.main  # noqa: F401  # loaded once, for all copies
    from muster.server import endpoints

    endpoints.table()
    try:
        import uvloop  # noqa: F401  # as above
    except ImportError:
        pass
    gc.collect()
    gc.freeze()  # the children share these pages as long as no collection writes to them


def fork_agent(config_files: Sequence[str], output: int) -> int:
    """Starts an agent with these configuration files; returns its process id. `output`: the descriptor for what it writes.

    To be called from a process with a single thread. The agent gets a session of its own, so that Ctrl-C reaches only whoever
    started it, and is killed if that one ends.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        status = _child(config_files, output, parent)
    except BaseException:  # noqa: BLE001  # the copy of the parent's program must not go on here
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def _child(config_files: Sequence[str], output: int, parent: int) -> int:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be said
        return 1
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    from muster.program.main import run_agent

    return run_agent({"config-file": [*config_files]})
