"""A reply that comes later, by way of other futures, without a task."""

import asyncio
from collections.abc import Callable
from typing import Any

from muster.model.errors import MusterError
from muster.wire.replies import Reply

Outcome = Reply | asyncio.Future[Reply]


class Deferred(asyncio.Future[Reply]):
    """Cancelling it cancels what it waits for now."""

    __slots__ = ("inner",)

    inner: asyncio.Future[Any] | None

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.inner = None

    def cancel(self, msg: Any | None = None) -> bool:
        """The client is gone."""
        if not super().cancel(msg):
            return False
        if self.inner is not None:
            self.inner.cancel(msg)
        return True


def follow(outer: Deferred, inner: asyncio.Future[Any], then: Callable[[], Outcome]) -> Deferred:
    """`outer` becomes what `then` gives once `inner` is done, or the error of `inner`."""

    def done(finished: asyncio.Future[Any]) -> None:
        if finished.cancelled():
            outer.cancel()
        elif (error := finished.exception()) is not None:
            if not outer.done():
                outer.set_exception(error)
        elif not outer.done():
            settle(outer, then)

    outer.inner = inner
    inner.add_done_callback(done)
    return outer


def settle(outer: Deferred, then: Callable[[], Outcome]) -> None:
    """Gives `outer` the outcome of `then`, now or when that is there."""
    try:
        outcome = then()
    except MusterError as error:
        outer.set_exception(error)
        return
    if isinstance(outcome, Reply):
        outer.set_result(outcome)
        return
    final = outcome
    follow(outer, final, lambda: final.result())
