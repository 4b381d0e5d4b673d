"""Calls to servers of other datacenters, the nearest first.

One server is asked; where it cannot be, another one is tried at once, until the hold time is over. So a datacenter that is cut off costs
one failed connection, as with the peers, and a datacenter that lost one of its servers costs nothing.

Source: reference of the RPC wire, section 6 ("Remote datacenter").
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from muster.model.clock import Clock
from muster.model.errors import MusterError
from muster.server.datacenters import Datacenters
from muster.server.deferred import Deferred
from muster.server.forwarding import Call, Forwarding, may_repeat
from muster.transport.rpc_errors import CannotConnect, ConnectionLost
from muster.wire.replies import Reply

logger = logging.getLogger("muster.server")


class _Trip(Deferred):
    """One call. Cancelling it cancels the try under way."""

    __slots__ = ("call", "tried", "until")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Call, until: float) -> None:
        super().__init__(loop=loop)
        self.call, self.until = call, until
        self.tried: set[str] = set()


class Abroad:
    """`known` gives what is known of the datacenters now; `hold`: seconds during which failed calls are tried at other servers."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, forwarding: Forwarding, known: Callable[[], Datacenters], hold: float
    ) -> None:
        self._loop, self._clock, self._forwarding, self._known, self._hold = loop, clock, forwarding, known, hold

    def call(self, call: Call) -> asyncio.Future[Reply]:
        """Asks the datacenter that the request names. Raises NoPathToDatacenter or DatacenterUnreachable; the future carries
        RemoteError, CannotConnect or ConnectionLost."""
        address = self._known().server_of(call.request.datacenter)
        trip = _Trip(self._loop, call, self._clock.monotonic() + self._hold)
        self._try(trip, address)
        return trip

    def _try(self, trip: _Trip, address: str) -> None:
        trip.tried.add(address)
        try:
            inner = self._forwarding.call(address, trip.call.method, trip.call.request)
        except MusterError as error:
            self._failed(trip, address, error)
            return
        trip.inner = inner
        inner.add_done_callback(partial(self._answered, trip, address))

    def _answered(self, trip: _Trip, address: str, inner: "asyncio.Future[Reply]") -> None:
        if trip.done():
            if not inner.cancelled():
                inner.exception()  # nobody asks for it any more
        elif inner.cancelled():
            self._failed(trip, address, ConnectionLost(trip.call.method))
        elif (error := inner.exception()) is not None:
            self._failed(trip, address, error)
        else:
            trip.set_result(inner.result())

    def _failed(self, trip: _Trip, address: str, error: BaseException) -> None:
        datacenter = trip.call.request.datacenter
        if isinstance(error, CannotConnect | ConnectionLost):
            logger.error("RPC failed to server in DC: server=%s datacenter=%s error=%s", address, datacenter, error)
            known = self._known()
            known.failed(datacenter, address)
            if may_repeat(trip.call, error) and self._clock.monotonic() < trip.until:
                other = _server_of(known, datacenter)
                if other and other not in trip.tried:
                    self._try(trip, other)
                    return
        trip.set_exception(error)


def _server_of(known: Datacenters, datacenter: str) -> str:
    """Whom to ask next; empty if there is none."""
    try:
        return known.server_of(datacenter)
    except MusterError:
        return ""
