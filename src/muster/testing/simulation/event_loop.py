"""An asyncio loop on a simulated host's clock: tasks and futures of the real driver run on it, in an order known from the seed.

It never waits. Whoever owns it calls `run` to do something on it, `run_due` when its next deadline has come; both return when nothing is
left to do at that moment. It has no sockets, threads or signals.
"""

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

Result = TypeVar("Result")

EARLY = 1e-7  # seconds: a timer may come so much too soon, since turning the world's time into the host's rounds
MOST_TURNS = 10_000  # at one moment, before the program counts as hung


_LoopWithoutSockets: Any = asyncio.AbstractEventLoop  # untyped: what is about sockets, processes and signals stays unimplemented


class HungLoop(AssertionError):
    """The program keeps itself busy without time passing."""


class HostLoop(_LoopWithoutSockets):  # type: ignore[misc]  # the base is untyped: see above
    """See the module. `errors` are those of tasks that nobody asked for, as they come."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: the host's monotonic time in seconds."""
        self.errors: list[BaseException] = []
        self._now = now
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._sequence = 0
        self._closed = False
        self._tasks: dict[asyncio.Task[Any], None] = {}

    # ---- what its owner calls

    def run(self, do: Callable[..., object], *arguments: object) -> None:
        """Calls `do` on the loop, and all that follows from it now."""
        asyncio._set_running_loop(self)
        try:
            do(*arguments)
            self._drain()
        finally:
            asyncio._set_running_loop(None)

    def run_due(self) -> None:
        """Everything that is due by now."""
        self.run(self._due)

    def next_deadline(self) -> float:
        """When `run_due` has something to do; infinity if never."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        return timers[0][0] if timers else math.inf

    def end(self) -> None:
        """The machine is gone: every task is cancelled, and what it still does then reaches nobody."""
        self._closed = True
        self._timers.clear()
        self.run(lambda: [task.cancel() for task in [*self._tasks]])
        self._tasks.clear()
        self._ready.clear()

    # ---- what programs call

    def time(self) -> float:
        return self._now()

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        return self.call_at(self._now() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self._closed:
            self._sequence += 1
            heapq.heappush(self._timers, (when, self._sequence, handle))
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Result], **options: Any) -> "asyncio.Task[Result]":
        task = asyncio.Task(coro, loop=self, **options)
        self._tasks[task] = None
        task.add_done_callback(self._task_ended)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Nobody asks what became of a task when its machine is gone."""
        error = context.get("exception")
        if not self._closed and isinstance(error, BaseException):
            self.errors.append(error)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""

    # ----

    def _due(self) -> None:
        now, timers = self._now() + EARLY, self._timers
        while timers and timers[0][0] <= now:
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)

    def _drain(self) -> None:
        turns, ready = 0, self._ready
        while ready:
            turns += 1
            if turns > MOST_TURNS:
                raise HungLoop(f"no end after {MOST_TURNS} turns: {ready[0]!r}")
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]

    def _task_ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)
