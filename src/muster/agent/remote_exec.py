"""Commands for this host that `exec` left in the key-value store, announced by an event; off unless `disable_remote_exec` is false.

    <prefix>/<session>/job                 what is to be run, as JSON
    <prefix>/<session>/<node>/ack          this node has begun
    <prefix>/<session>/<node>/out/00000    its output in pieces, counted in five hexadecimal digits; an empty piece is a sign of life
    <prefix>/<session>/<node>/exit         its exit status

All are locked by the session: when whoever asked is gone so is the session, nothing can be written any more, and the command is ended.

Source: what Consul 1.8.7's `exec` and agents write.
"""

import asyncio
import base64
import binascii
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from muster.agent.events import UserEvent
from muster.agent.process_group import end_group, start_group
from muster.model.durations import SECOND
from muster.model.errors import MusterError, NotFound, Rejected
from muster.model.kv import KVEntry
from muster.wire.commands import KVSRequest
from muster.wire.requests import KeyRequest

EVENT = "_rexec"
PIECE = 4096  # bytes of output in one key
GATHERING = 0.5  # seconds for which output is gathered before it is written
NOT_STARTED = 255  # exit status

logger = logging.getLogger("agent")


class Announcement(Struct, frozen=True):
    """The payload of the event."""

    prefix: str = field(name="Prefix")
    session: str = field(name="Session")


class Job(Struct, frozen=True):
    """What is to be run: a command for the shell, arguments for none, or a script in base64. `wait`: nanoseconds between signs of life."""

    command: str = field(name="Command", default="")
    args: list[str] | None = field(name="Args", default=None)
    script: str | None = field(name="Script", default=None)
    wait: int = field(name="Wait", default=0)


class RemoteExecution:
    """Runs what is announced on this node. `call` asks the servers; `disabled`: whether nothing is to be run."""

    def __init__(self, call: Callable[[str, Any], Any], node: str, datacenter: str, disabled: bool) -> None:
        self._call, self._node, self._datacenter, self._disabled = call, node, datacenter, disabled
        self._running: set[asyncio.Task[None]] = set()

    def announced(self, event: UserEvent) -> None:
        """An event of this name has come to this node."""
        if self._disabled:
            logger.info("ignoring remote exec event, disabled.: event_id=%s", event.id)
            return
        task = asyncio.get_running_loop().create_task(self.carry_out(event.payload or b""))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        """Ends what is running."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def carry_out(self, payload: bytes) -> None:
        """All that an event asks for, to its end. What goes wrong is logged; nobody is there to be told."""
        try:
            announced = msgspec.json.decode(payload, type=Announcement)
            job = await self._job(announced)
            await self._write(announced, "ack", b"")
            status = await self._run(announced, job)
            await self._write(announced, "exit", str(status).encode())
        except (MusterError, msgspec.DecodeError, binascii.Error, OSError) as error:
            logger.error("remote exec failed: error=%s", error)

    async def _job(self, announced: Announcement) -> Job:
        """Any server may answer; one that is behind is not asked twice."""
        key = f"{announced.prefix}/{announced.session}/job"
        for stale in (True, False):
            reply = await self._ask("KVS.Get", KeyRequest(key=key, datacenter=self._datacenter, allow_stale=stale))
            entry = reply.value[0] if isinstance(reply.value, list) and reply.value else reply.value
            if entry:
                return msgspec.json.decode(entry.value or b"", type=Job)
        raise NotFound(f"no job under {key}")

    async def _write(self, announced: Announcement, name: str, value: bytes) -> None:
        """A key under the node's own. `Rejected` once the session is gone."""
        key = f"{announced.prefix}/{announced.session}/{self._node}/{name}"
        entry = KVEntry(key=key, value=value, session=announced.session)
        reply = await self._ask("KVS.Apply", KVSRequest(op="lock", entry=entry, datacenter=self._datacenter))
        if reply.value is not True:
            raise Rejected(f"{key} cannot be written: session {announced.session} is gone")

    async def _ask(self, method: str, request: Any) -> Any:
        outcome = self._call(method, request)
        return await outcome if asyncio.isfuture(outcome) else outcome

    async def _run(self, announced: Announcement, job: Job) -> int:
        """The exit status of the job."""
        script = base64.b64decode(job.script) if job.script else b""
        with tempfile.TemporaryDirectory(prefix="rexec") as folder:
            shell = os.environ.get("SHELL") or "/bin/sh"
            arguments = job.args or [shell, "-c", job.command]
            if script:
                path = Path(folder) / "script"
                path.write_bytes(script)
                path.chmod(0o700)
                arguments = [shell, "-c", str(path)]
            logger.info("remote exec: node=%s session=%s arguments=%s", self._node, announced.session, arguments)
            try:
                process = await start_group(arguments)
            except OSError as error:
                logger.warning("remote exec could not be started: error=%s", error)
                return NOT_STARTED
            try:
                await self._pass_on(announced, process, job.wait / SECOND)
                status = await process.wait()
            finally:
                await end_group(process)
        return status if status >= 0 else NOT_STARTED

    async def _pass_on(self, announced: Announcement, process: asyncio.subprocess.Process, wait: float) -> None:
        """The output as it comes, until the process has closed it."""
        assert process.stdout is not None
        number, ended = 0, False
        while not ended:
            piece, ended = await _piece(process.stdout, wait)
            if piece or not ended:
                await self._write(announced, f"out/{number:05x}", piece)
                number += 1


async def _piece(stream: asyncio.StreamReader, wait: float) -> tuple[bytes, bool]:
    """What comes within `GATHERING` seconds of the first byte, nothing if none comes within `wait`; and whether the stream ended."""
    gathered = b""
    try:
        async with asyncio.timeout(wait or None):
            gathered = await stream.read(PIECE)
    except TimeoutError:
        return b"", False
    if not gathered:
        return b"", True
    try:
        async with asyncio.timeout(GATHERING):
            while len(gathered) < PIECE:
                more = await stream.read(PIECE - len(gathered))
                if not more:
                    return gathered, True
                gathered += more
    except TimeoutError:
        pass  # what there is is written
    return gathered, False
