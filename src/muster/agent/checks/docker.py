"""Docker checks: a program's exit status inside a container, by the Docker API on its Unix socket."""

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from muster.agent.checks.network import reason
from muster.agent.checks.result import DEFAULT_OUTPUT_LIMIT, Result, Tail, critical, passing, warning

SOCKET = "/var/run/docker.sock"
DEFAULT_TIMEOUT = 30.0  # seconds
READ_SIZE = 65536  # bytes


@dataclass(slots=True, frozen=True)
class DockerCheck:
    container: str
    arguments: tuple[str, ...]
    timeout: float = DEFAULT_TIMEOUT
    output_limit: int = DEFAULT_OUTPUT_LIMIT
    socket: str = ""

    def _socket(self) -> str:
        host = os.environ.get("DOCKER_HOST", "")
        return self.socket or (host.removeprefix("unix://") if host.startswith("unix://") else SOCKET)

    async def run(self) -> Result:
        import aiohttp

        tail = Tail(self.output_limit)
        socket = self._socket()
        base = f"http://{quote(socket, safe='')}"
        where = f"/containers/{quote(self.container)}/exec"
        try:
            async with asyncio.timeout(self.timeout), aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=socket)) as session:
                status = await self._execute(session, tail)
        except TimeoutError:
            return critical(f"Timed out running check in container {self.container}\n\n{tail.text()}")
        except aiohttp.ClientConnectorError as error:
            cause = f"dial unix {socket}: connect: {reason(error.os_error)}"
            return critical(f'create exec failed for container {self.container}: Post "{base}{where}": {cause}')
        except (aiohttp.ClientError, OSError, ValueError, KeyError) as error:
            return critical(f"create exec failed for container {self.container}: {error}")
        return {0: passing, 1: warning}.get(status, critical)(tail.text())

    async def _execute(self, session: Any, tail: Tail) -> int:
        """Run the program and return its exit status; its output goes to `tail`."""
        create = {"AttachStdin": False, "AttachStdout": True, "AttachStderr": True, "Cmd": list(self.arguments)}
        async with session.post(f"http://docker/containers/{quote(self.container)}/exec", json=create) as response:
            answer = await _json(response)
        exec_id = answer["Id"]
        async with session.post(f"http://docker/exec/{exec_id}/start", json={"Detach": False, "Tty": True}) as response:
            while data := await response.content.read(READ_SIZE):
                tail.write(data)
        async with session.get(f"http://docker/exec/{exec_id}/json") as response:
            return int((await _json(response))["ExitCode"])


async def _json(response: Any) -> dict[str, Any]:
    body = (await response.content.read(READ_SIZE)).decode("utf-8", "replace")
    if response.status >= 300:
        raise ValueError(f"status code {response.status}: {body.strip()}")
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError(f"unexpected answer {body.strip()}")
    return value
