"""The life of the process: configuration, start, signals, end."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from muster import CONSUL_VERSION, __version__
from muster.agent.config.config import Config
from muster.agent.logging import configure
from muster.agent.settings import log_settings
from muster.agent.telemetry import dump
from muster.model.errors import MusterError
from muster.program import systemd
from muster.program.pid_file import PidFile
from muster.program.running import RunningAgent

logger = logging.getLogger("agent")

SWITCH_INTERVAL = 0.0005
"""Seconds after which the loop's thread hands over to the disk's, which a write needs several times: ten times sooner than usual."""
COLLECTOR_THRESHOLDS = (50_000, 20, 100)
"""A full collection over a large state stalls the loop; records are no part of cycles, so it may come seldom."""
ANSWER_TIME = 0.1  # seconds in which whoever asked for the leave gets its answer
FORCED_END = 1  # exit status after a second signal


def run_agent(flags: Mapping[str, Any]) -> int:
    """Runs an agent until it is told to end; returns the exit status. Errors of the start go to standard error."""

    def read() -> Config:
        from muster.agent.config.build import load_flags

        return load_flags(flags)

    try:
        config = read()
        raise_descriptor_limit()
        with PidFile(config.pid_file):
            return _runner()(_life(config, read))
    except MusterError as error:
        print(f"==> {error}", file=sys.stderr)  # noqa: T201  # there may be no log yet
        return 1


def _runner() -> Callable[[Any], int]:
    """uvloop's runner where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[[Any], int] = uvloop.run
    return runner


def raise_descriptor_limit() -> None:
    """Connections are descriptors: takes as many as the host allows."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _life(config: Config, read: Callable[[], Config]) -> int:
    configure(log_settings(config))
    for warning in config.warnings:
        logger.warning(warning)
    running = RunningAgent(config)
    running.read_config = read
    life = Life(running)
    running.on_leave = life.leave
    running.on_failure = life.fail
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.disable()  # what is restored lives on; looking for garbage in it again and again would take as long as restoring it
    await running.start()
    gc.freeze()
    gc.enable()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    _say_hello(config)
    systemd.notify("READY=1")
    return await life.until_end()


def _say_hello(config: Config) -> None:
    logger.info(
        "Muster %s (speaks as Consul %s) is running: node=%s id=%s datacenter=%s http=%s dns=%s",
        __version__,
        CONSUL_VERSION,
        config.node_name,
        config.node_id or "new",
        config.datacenter,
        config.ports.http,
        config.ports.dns,
    )


class Life:
    """Waits for signals and carries out what they ask. INT and TERM leave or just stop, by the rules of the role."""

    def __init__(self, running: RunningAgent) -> None:
        self.running = running
        self.loop = asyncio.get_running_loop()
        self.end: asyncio.Future[int] = self.loop.create_future()
        self.ending = False
        self.drain: asyncio.Task[None] | None = None
        config = running.config
        self.loop.add_signal_handler(signal.SIGINT, self._end_signal, "interrupt", not config.skip_leave_on_interrupt)
        self.loop.add_signal_handler(signal.SIGTERM, self._end_signal, "terminated", config.leave_on_terminate)
        self.loop.add_signal_handler(signal.SIGHUP, self._reload)
        self.loop.add_signal_handler(signal.SIGUSR1, self._dump_metrics)

    async def until_end(self) -> int:
        """Runs until a signal or a leave ends the agent; returns the exit status."""
        status = await self.end
        systemd.notify("STOPPING=1")
        await self.running.stop()
        logger.info("Exit code: code=%d", status)
        return status

    def _end_signal(self, name: str, gracefully: bool) -> None:
        if self.ending:
            self._finish(FORCED_END)
            return
        self.ending = True
        logger.info("Caught: signal=%s", name)
        if gracefully:
            logger.info("Gracefully shutting down agent...")
            self.drain = self.loop.create_task(self.running.agent.leave())
        else:
            self.drain = self.loop.create_task(self._stop(FORCED_END if name == "interrupt" else 1))

    async def leave(self) -> None:
        """The pools were left: ends the process, once whoever asked for it has its answer."""
        self.ending = True
        self.loop.call_later(ANSWER_TIME, self._finish, 0)

    async def _stop(self, status: int) -> None:
        """Ends the process without leaving; a leader hands over first, so that no write waits for an election."""
        try:
            await self.running.hand_over()
        finally:
            self._finish(status)

    def fail(self, _error: MusterError) -> None:
        """The agent said why it cannot go on: ends the process."""
        self._finish(1)

    def _finish(self, status: int) -> None:
        if not self.end.done():
            self.end.set_result(status)

    def _reload(self) -> None:
        logger.info("Caught: signal=hangup")
        systemd.notify("RELOADING=1")
        try:
            self.running.agent.reload()
        except MusterError as error:
            logger.error("Reloading failed, the old configuration stays in force: error=%s", error)
        systemd.notify("READY=1")

    def _dump_metrics(self) -> None:
        sys.stderr.write(dump(self.running.metrics.finished()))
        sys.stderr.flush()
