"""Script checks: a program's exit status. 0 is passing, 1 warning, all else critical."""

import asyncio
import shutil
from dataclasses import dataclass

from muster.agent.checks.result import DEFAULT_OUTPUT_LIMIT, Result, Tail, critical, passing, warning
from muster.agent.process_group import end_group, start_group
from muster.model.durations import SECOND, format_duration

DEFAULT_TIMEOUT = 30.0  # seconds
READ_SIZE = 65536  # bytes


@dataclass(slots=True, frozen=True)
class ScriptCheck:
    """`arguments` are run as they are, by no shell."""

    arguments: tuple[str, ...]
    timeout: float = DEFAULT_TIMEOUT
    output_limit: int = DEFAULT_OUTPUT_LIMIT

    async def run(self) -> Result:
        """The result; the program and all that it started in its group are gone by then."""
        tail = Tail(self.output_limit)
        try:
            process = await start_group(self.arguments)
        except OSError as error:
            return critical(_start_error(self.arguments[0], error))
        try:
            async with asyncio.timeout(self.timeout):
                await _drain(process, tail)
                status = await process.wait()
        except TimeoutError:
            limit = format_duration(int(self.timeout * SECOND))
            return critical(f"Timed out ({limit}) running check\n\n{tail.text()}" if tail.total else f"Timed out ({limit}) running check")
        finally:
            await end_group(process)
        return {0: passing, 1: warning}.get(status, critical)(tail.text())


async def _drain(process: asyncio.subprocess.Process, tail: Tail) -> None:
    assert process.stdout is not None
    while data := await process.stdout.read(READ_SIZE):
        tail.write(data)


def _start_error(program: str, error: OSError) -> str:
    if "/" not in program and shutil.which(program) is None:
        return f'exec: "{program}": executable file not found in $PATH'
    return f"fork/exec {program}: {(error.strerror or str(error)).lower()}"
