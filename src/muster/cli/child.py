"""Child processes of `lock` and `watch`: how they are started, and how their end is told."""

import os
import shutil
import signal
import subprocess
from typing import Any


class StartFailed(Exception):
    """The program cannot be started; the message says why."""


def start(arguments: list[str], *, shell: bool, environment: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a program, by default through the user's shell, with more in its environment. Other options are `Popen`'s."""
    if shell:
        arguments = [os.environ.get("SHELL") or "/bin/sh", "-c", " ".join(arguments)]
    program = arguments[0]
    if "/" not in program and shutil.which(program) is None:
        raise StartFailed(f'exec: "{program}": executable file not found in $PATH')
    try:
        return subprocess.Popen(arguments, env={**os.environ, **environment}, **options)
    except OSError as error:
        raise StartFailed(f"fork/exec {program}: {os.strerror(error.errno or 0).lower()}") from error


def complaint(status: int) -> str | None:
    """What was wrong with how a child ended, or None: `exit status 7`, `signal: terminated`."""
    if status == 0:
        return None
    if status > 0:
        return f"exit status {status}"
    return f"signal: {(signal.strsignal(-status) or str(-status)).lower()}"
