"""One thread that does a disk's work in order, so that the event loop never waits for it."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol, TypeVar

Result = TypeVar("Result")
Job = Callable[[], object]
Done = Callable[[object, Exception | None], None]


class Worker(Protocol):
    """Runs jobs one after the other. `done(result, error)` is called on the event loop, in the same order."""

    def submit(self, job: Job, done: Done) -> None:
        """Runs `job` when those before it have ended."""
        ...

    async def close(self) -> None:
        """Ends after the jobs that were submitted."""
        ...


class DiskThread:
    """A Worker with a thread of its own."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Job, Done] | None] = SimpleQueue()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job, done: Done) -> None:
        """See Worker."""
        self._jobs.put((job, done))

    async def close(self) -> None:
        """See Worker."""
        self._jobs.put(None)
        await self._ended.wait()
        self._thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            try:
                result, error = job(), None
            except Exception as failure:  # noqa: BLE001 - whoever submitted the job is told, nothing is lost
                result, error = None, failure
            self._loop.call_soon_threadsafe(done, result, error)
        self._loop.call_soon_threadsafe(self._ended.set)


class InlineWorker:
    """A Worker for storage that does not block, and for simulations: each job runs at once."""

    def submit(self, job: Job, done: Done) -> None:
        """See Worker."""
        try:
            result, error = job(), None
        except Exception as failure:  # noqa: BLE001 - see DiskThread
            result, error = None, failure
        done(result, error)

    async def close(self) -> None:
        """See Worker."""


async def run(worker: Worker, job: Callable[[], Result]) -> Result:
    """The result of one job, for those who wait in a coroutine. Raises what the job raised."""
    future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def done(result: object, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    worker.submit(job, done)
    return await future
