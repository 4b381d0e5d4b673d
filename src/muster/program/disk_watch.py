"""Looks at the room of a server's disk again and again: metrics, and a warning in the log before it is full."""

import asyncio
import logging

from muster.agent.telemetry import Metrics
from muster.storage.budget import Level, SpaceWatch, Usage, measure
from muster.storage.disk_thread import DiskThread, run
from muster.storage.files import Files
from muster.storage.raft_storage import RaftStorage

PERIOD = 10.0  # seconds, that of the metrics
END_LIMIT = 1.0  # seconds to wait for a look that hangs; the thread holds nothing up

logger = logging.getLogger("muster.storage")


class DiskWatch:
    """From `start` to `stop`, on one loop. A disk that hangs delays the next look and nothing else."""

    def __init__(self, files: Files, directory: str, storage: RaftStorage, metrics: Metrics, limit: int) -> None:
        """`directory`: the data directory; `limit`: free bytes below which to warn, 0 for the default."""
        self._files, self._directory, self._storage, self._metrics = files, directory, storage, metrics
        self._space = SpaceWatch(limit)
        self._task: asyncio.Task[None] | None = None
        self._thread: DiskThread

    def start(self) -> None:
        """Looks at once, and then again and again."""
        self._thread = DiskThread("disk-space")
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Looks no more."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(END_LIMIT):
                await self._thread.close()
        except TimeoutError:
            logger.warning("the disk does not say how much room it has: directory=%s", self._directory)

    async def _watch(self) -> None:
        while True:
            try:
                usage = await run(self._thread, lambda: measure(self._files, self._directory, self._storage))
            except OSError as error:
                logger.warning("cannot see how much room the disk has: directory=%s error=%s", self._directory, error)
            else:
                self._report(usage)
            await asyncio.sleep(PERIOD)

    def _report(self, usage: Usage) -> None:
        gauge = self._metrics.gauge
        gauge("muster.storage.log_bytes", usage.log)
        gauge("muster.storage.snapshot_bytes", usage.snapshots)
        gauge("muster.storage.free_bytes", usage.free)
        gauge("muster.storage.total_bytes", usage.total)
        is_news = self._space.look(usage)
        gauge("muster.storage.space_level", self._space.level)
        if is_news:
            self._tell(usage)

    def _tell(self, usage: Usage) -> None:
        room = f"directory={self._directory} free={usage.free} limit={self._space.limit} log={usage.log} snapshots={usage.snapshots}"
        if self._space.level == Level.ENOUGH:
            logger.info("the disk has room again: %s", room)
        elif self._space.level == Level.SHORT:
            logger.warning("the disk is filling up; when it is full this server acknowledges nothing any more: %s", room)
        else:
            logger.error("the disk is nearly full; free some room now, or this server will acknowledge nothing any more: %s", room)
