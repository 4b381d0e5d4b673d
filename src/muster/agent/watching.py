"""The watches of the configuration: each asks this agent's own HTTP edge and hands what changes to its handler.

A script gets the JSON on its standard input and the index as `CONSUL_INDEX`; an HTTP handler gets it as the body, with
`X-Consul-Index`. Handlers of one watch run one after the other.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

from muster.agent.checks.network import client_tls
from muster.agent.checks.result import Tail
from muster.client.errors import ClientError
from muster.client.watches import Change, InvalidWatch, WatchPlan
from muster.model.durations import parse_duration, seconds
from muster.model.errors import ConfigurationError

logger = logging.getLogger("agent")

OUTPUT_LIMIT = 4096  # bytes of a handler's output that are logged
HTTP_TIMEOUT = 10.0  # seconds
READ_SIZE = 65536  # bytes
_HANDLER_KEYS = frozenset(("args", "handler", "handler_type", "http_handler_config"))


class Watch:
    """One watch and its handler; `ConfigurationError` if either makes no sense."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        try:
            self.plan = WatchPlan(
                str(settings.get("type", "")), {name: value for name, value in settings.items() if name not in _HANDLER_KEYS}
            )
        except InvalidWatch as error:
            raise ConfigurationError(f"Failed to parse watch ({dict(settings)!r}): {error}") from error
        self.arguments = _arguments(settings)
        self.target: Mapping[str, Any] = settings.get("http_handler_config") or {}
        if bool(self.arguments) == bool(self.target):
            raise ConfigurationError("Handler must be set: a watch needs either 'args' (or 'handler'), or 'http_handler_config'")
        if self.target and not self.target.get("path"):
            raise ConfigurationError("http_handler_config.path must be set to the URL of the handler")

    async def handle(self, change: Change) -> None:
        """Run the handler; its failure is logged, and the watch goes on."""
        if self.arguments:
            await run_script(self.arguments, change)
        else:
            await send(self.target, change)


def _arguments(settings: Mapping[str, Any]) -> list[str]:
    arguments = settings.get("args") or []
    if not isinstance(arguments, list | tuple) or not all(isinstance(one, str) for one in arguments):
        raise ConfigurationError("Watch args must be a list of strings")
    handler = settings.get("handler") or ""
    return list(arguments) or ([os.environ.get("SHELL") or "/bin/sh", "-c", str(handler)] if handler else [])


async def run_script(arguments: list[str], change: Change) -> None:
    """A program with the change on its standard input, until it ends."""
    tail = Tail(OUTPUT_LIMIT)
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "CONSUL_INDEX": str(change.index)},
        )
    except OSError as error:
        logger.error("Failed to run watch handler: handler=%s error=%s", arguments[0], error)
        return
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        feeding = asyncio.ensure_future(_feed(process.stdin, change.payload()))
        while data := await process.stdout.read(READ_SIZE):
            tail.write(data)
        status = await process.wait()
        await feeding
    except asyncio.CancelledError:
        if process.returncode is None:
            process.kill()
        raise
    logger.debug("watch handler output: handler=%s output=%s", arguments[0], tail.text())
    if status:
        logger.error("Failed to run watch handler: handler=%s error=exit status %d", arguments[0], status)


async def _feed(stdin: asyncio.StreamWriter, payload: bytes) -> None:
    """A handler need not read what it gets."""
    try:
        stdin.write(payload)
        await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended, or closed its input
    finally:
        stdin.close()


async def send(target: Mapping[str, Any], change: Change) -> None:
    """The change as the body of a request."""
    import aiohttp

    url, method = str(target["path"]), str(target.get("method") or "POST")
    limit = target.get("timeout")
    wait = seconds(parse_duration(limit) if isinstance(limit, str) else limit) if limit else HTTP_TIMEOUT
    headers = [
        (name, value)
        for name, values in (target.get("header") or {}).items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    headers += [("Content-Type", "application/json"), ("X-Consul-Index", str(change.index)), ("User-Agent", "Consul Watch")]
    secure = client_tls(bool(target.get("tls_skip_verify"))) if url.startswith("https") else True
    try:
        async with (
            asyncio.timeout(wait),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, ssl=secure)) as session,
            session.request(method, url, data=change.payload(), headers=headers) as response,
        ):
            if not 200 <= response.status <= 299:
                logger.error("http watch handler failed with output: url=%s status=%d", url, response.status)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        logger.error("Failed to invoke http watch handler: url=%s error=%s", url, error or "timeout")


class Watching:
    """Runs watches against the agent at `address` (`http://host:port` or `unix:///path`).

    `ConfigurationError` at once if one of them makes no sense.
    """

    def __init__(self, address: str, settings: Iterable[Mapping[str, Any]]) -> None:
        self.address = address
        self.watches = [Watch(one) for one in settings]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(watch), name=f"watch {watch.plan.path}") for watch in self.watches]

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, watch: Watch) -> None:
        import aiohttp

        is_socket = self.address.startswith("unix://")
        connector = aiohttp.UnixConnector(self.address.removeprefix("unix://")) if is_socket else aiohttp.TCPConnector()
        base = "http://localhost" if is_socket else self.address
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout()) as session:
            while True:
                try:
                    change = await self._ask(session, base, watch.plan)
                except (aiohttp.ClientError, ClientError, OSError) as error:
                    wait = watch.plan.failed()
                    logger.error("Watch errored: type=%s error=%s retry=%.0fs", watch.plan.type, error, wait)
                    await asyncio.sleep(wait)
                    continue
                if change is not None:
                    await watch.handle(change)

    async def _ask(self, session: Any, base: str, plan: WatchPlan) -> Change | None:
        headers = {"X-Consul-Token": plan.token} if plan.token else {}
        async with session.get(f"{base}/v1/{plan.path}", params=plan.parameters(), headers=headers) as response:
            body = await response.read()
            index = response.headers.get("X-Consul-Index", "0")
            return plan.receive(response.status, int(index) if index.isdecimal() else 0, body)
