"""Programs that run in a process group of their own, so that nothing which they started outlives them."""

import asyncio
import os
import signal
from collections.abc import Sequence


async def start_group(arguments: Sequence[str]) -> asyncio.subprocess.Process:
    """Starts a program without input, by no shell; `stdout` has all that it says. Raises OSError if it cannot be started."""
    return await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def end_group(process: asyncio.subprocess.Process) -> None:
    """Kill the whole group, members that outlived the program included, and reap the program."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of them have ended by themselves
    if process.returncode is None:
        await process.wait()
    transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]  # no public way to drop a pipe that others hold open
    transport.close()
