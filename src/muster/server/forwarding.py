"""The way of a call to the leader: passed on, held while there is none, tried again where that does no harm.

A call is held for `rpc_hold_timeout` at most, counted from the first time that it could not be answered. A leader that
becomes known is tried at once; one that could not answer is tried again after a time that chance chooses, so that not
all calls of a datacenter come together, and by one of the calls only: ten thousand that try a dead leader again and again
leave no time for the election of the next one.

Source: reference of the RPC wire, section 6 ("Retries and holds").
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from muster.model.clock import Clock
from muster.model.errors import MusterError, NoLeader
from muster.server.deferred import Deferred, Outcome, follow, settle
from muster.server.routing import Route, Routing, Way
from muster.transport.rpc_errors import CannotConnect, ConnectionLost
from muster.wire.replies import Reply
from muster.wire.requests import QueryOptions

NO_LEADER = "No cluster leader"
JITTER_FRACTION = 16
"""A pause before the next try is by chance up to this part of the hold time."""
LOOK_SECONDS = 0.02
"""Between two looks for a leader while calls are held."""
CALLS_PER_TURN = 100  # of the loop
ACCEPTED_SECONDS = 0.1
"""A call that did not fail within so much time is taken to be answered some time: then all that wait are sent to the same server."""


class Forwarding(Protocol):
    """The connections to other servers: `muster.transport.rpc_pool.RpcPool`."""

    def call(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
        """One call of the server at "ip:port". Raises, or the future does, RemoteError, CannotConnect or ConnectionLost."""
        ...


class NoForwarding:
    """What stands in where no other server can be asked."""

    def call(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
        """Raises CannotConnect."""
        raise CannotConnect(f"dial tcp {address}: no connections are made")


class Call(Struct, frozen=True, gc=False):
    """A call and the ways to answer it on this server.

    `here` is for a leader that is ready. `stale` is for any server that has heard one; None where only the leader's word counts.
    """

    method: str
    request: Any
    here: Callable[[], Outcome]
    stale: Callable[[], Outcome] | None = None

    @property
    def is_read(self) -> bool:
        """Whether carrying it out twice does no harm."""
        return self.stale is not None or isinstance(self.request, QueryOptions)


class Journey(Deferred):
    """The reply of a call that could not be answered at once. Cancelling it cancels what is under way for it."""

    __slots__ = ("call", "error", "timer", "tried", "until")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Call) -> None:
        super().__init__(loop=loop)
        self.call = call
        self.error: MusterError = NoLeader()
        self.timer: asyncio.TimerHandle | None = None
        self.tried = ""  # where the last try failed
        self.until = 0.0  # when it ends, once it was held


class Forwarder:
    """All calls that are not answered at once. `is_ready`: this server leads and serves."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        chance: random.Random,
        routing: Routing,
        forwarding: Forwarding,
        hold: float,
        is_ready: Callable[[], bool],
        stamp: Callable[[Reply], Reply],
        abroad: Callable[["Call"], "asyncio.Future[Reply]"],
    ) -> None:
        """`stamp` makes of a reply the one of a server that does not lead; `abroad` asks another datacenter; `hold` in seconds."""
        self._loop, self._clock, self._random = loop, clock, chance
        self._routing, self._forwarding = routing, forwarding
        self._hold_time, self._is_ready, self._stamp, self._abroad = hold, is_ready, stamp, abroad
        self._held: dict[Journey, None] = {}
        self._woken: deque[Journey] = deque()
        self._scouts: dict[str, Journey] = {}
        """By the address where they failed: the one call of many that tries there again."""
        self._looking: asyncio.TimerHandle | None = None
        self._seen = ""

    def __len__(self) -> int:
        """How many calls are held."""
        return len(self._held)

    def bring(self, call: Call) -> Outcome:
        """The reply of a call, from wherever it can be had. Raises MusterError, or the future does."""
        route = self._route(call)
        match route.way:
            case Way.HERE:
                return call.here()
            case Way.STALE:
                return self._stale(call)
            case Way.AWAY:
                return self._abroad(call)
            case Way.REFUSE:
                raise NoLeader
        journey = Journey(self._loop, call)
        journey.add_done_callback(self._ended)
        if route.way is Way.LEADER:
            self._send(journey, route.address)
        else:
            self._hold(journey, NoLeader())
        return journey

    def stamped(self, outcome: Outcome) -> Outcome:
        """What this server answers though another one leads, with the signs of that."""
        if isinstance(outcome, Reply):
            return self._stamp(outcome)
        later = Deferred(loop=self._loop)
        inner = outcome
        return follow(later, inner, lambda: self._stamp(inner.result()))

    def verified(self, call: Call, confirmed: "asyncio.Future[None]", then: Callable[[], Outcome]) -> Outcome:
        """What `then` gives once `confirmed` is done. If leadership was lost meanwhile the call goes to the new leader."""
        journey = Journey(self._loop, call)
        journey.add_done_callback(self._ended)
        journey.inner = confirmed
        confirmed.add_done_callback(partial(self._confirmed, journey, then))
        return journey

    def wake(self) -> None:
        """This server became ready, or will not serve any more: every held call is decided anew, some each turn of the loop."""
        self._woken.extend(self._held)
        self._wake_some()

    def leader_changed(self) -> None:
        """Consensus knows another leader, or none: held calls look at once."""
        if self._looking is not None:
            self._looking.cancel()
            self._look()

    def close(self) -> None:
        """Every held call ends with what kept it from being answered."""
        for journey in list(self._held):
            self._give_up(journey)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    # ---- tries

    def _route(self, call: Call) -> Route:
        stale = call.stale is not None and getattr(call.request, "allow_stale", False)
        return self._routing.decide(call.request.datacenter, stale, self._is_ready())

    def _stale(self, call: Call) -> Outcome:
        assert call.stale is not None
        return self.stamped(call.stale())

    def _send(self, journey: Journey, address: str) -> None:
        call = journey.call
        try:
            inner = self._forwarding.call(address, call.method, call.request)
        except MusterError as error:
            self._failed(journey, address, error)
            return
        journey.inner = inner
        inner.add_done_callback(partial(self._answered, journey, address))
        if self._scouts.get(address) is journey:
            self._loop.call_later(ACCEPTED_SECONDS, self._stands, journey, address, inner)

    def _answered(self, journey: Journey, address: str, inner: "asyncio.Future[Reply]") -> None:
        if journey.done():
            if not inner.cancelled():
                inner.exception()  # nobody asks for it any more
            return
        if inner.cancelled():
            self._failed(journey, address, ConnectionLost(journey.call.method))
        elif (error := inner.exception()) is not None:
            self._failed(journey, address, error)
        else:
            journey.set_result(inner.result())

    def _failed(self, journey: Journey, address: str, error: BaseException) -> None:
        if isinstance(error, MusterError) and may_repeat(journey.call, error):
            journey.tried = address
            self._hold(journey, error)
        else:
            journey.set_exception(error)

    def _confirmed(self, journey: Journey, then: Callable[[], Outcome], confirmed: "asyncio.Future[None]") -> None:
        if confirmed.cancelled():
            journey.cancel()
        elif (error := confirmed.exception()) is None:
            if not journey.done():
                settle(journey, then)
        elif not journey.done():
            if isinstance(error, NoLeader) and not self._is_ready():
                self._hold(journey, error)
            else:
                journey.set_exception(error)

    # ---- holding

    def _hold(self, journey: Journey, error: MusterError) -> None:
        now = self._clock.monotonic()
        if not journey.until:
            journey.until = now + self._hold_time
        left = journey.until - now
        if left <= 0 or self._routing.leaving:
            journey.set_exception(error)
            return
        journey.inner, journey.error = None, error
        leader = self._routing.leader()
        if leader and leader != journey.tried:
            left = 0.0
        elif journey.tried and self._is_scout(journey):
            left = min(left, self._random.uniform(0.0, self._hold_time / JITTER_FRACTION))
        journey.timer = self._loop.call_later(left, self._again, journey)
        self._held[journey] = None
        if self._looking is None:
            self._seen = leader
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look)

    def _is_scout(self, journey: Journey) -> bool:
        """Whether it is the one that tries again where it failed; it becomes that if nobody is."""
        scout = self._scouts.get(journey.tried)
        if scout is None or scout.done() or scout.tried != journey.tried:
            self._scouts[journey.tried] = scout = journey
        return scout is journey

    def _stands(self, journey: Journey, address: str, inner: "asyncio.Future[Reply]") -> None:
        if journey.inner is inner and not inner.done():
            self._accepted(journey, address)

    def _accepted(self, journey: Journey, address: str) -> None:
        """The scout's call was answered, or will be some time."""
        if self._scouts.get(address) is journey:
            del self._scouts[address]
            self._woken.extend([held for held in self._held if held.tried == address])
            self._wake_some()

    def _replace_scout(self, journey: Journey) -> None:
        """A scout has ended: another one takes its place."""
        if self._scouts.get(journey.tried) is not journey:
            return
        del self._scouts[journey.tried]
        waiting = next((held for held in self._held if held.tried == journey.tried), None)
        if waiting is not None:
            self._forget(waiting)
            self._hold(waiting, waiting.error)

    def _look(self) -> None:
        """Another leader than before is tried at once."""
        self._looking = None
        if not self._held:
            return
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look)
        leader = self._routing.leader()
        if leader == self._seen:
            return
        self._seen = leader
        if leader:
            self._woken.extend(self._held)
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(CALLS_PER_TURN, len(self._woken))):
            self._again(self._woken.popleft())
        if self._woken:
            self._loop.call_soon(self._wake_some)

    def _again(self, journey: Journey) -> None:
        if journey not in self._held:
            return
        self._forget(journey)
        route = self._route(journey.call)
        if journey.tried and route.address == journey.tried and self._scouts.get(journey.tried) is not journey and self._is_over(journey):
            journey.set_exception(journey.error)
            return
        match route.way:
            case Way.HERE:
                settle(journey, journey.call.here)
            case Way.STALE:
                settle(journey, partial(self._stale, journey.call))
            case Way.LEADER:
                self._send(journey, route.address)
            case Way.HOLD:
                self._hold(journey, journey.error)
            case _:
                journey.set_exception(NoLeader())

    def _is_over(self, journey: Journey) -> bool:
        """Whether it was held for as long as may be; a timer may come a little early."""
        return self._clock.monotonic() >= journey.until - LOOK_SECONDS

    def _give_up(self, journey: Journey) -> None:
        self._forget(journey)
        if not journey.done():
            journey.set_exception(journey.error)

    def _ended(self, journey: "asyncio.Future[Reply]") -> None:
        assert isinstance(journey, Journey)
        self._forget(journey)
        if not journey.cancelled() and journey.exception() is None:
            self._accepted(journey, journey.tried)
        self._replace_scout(journey)

    def _forget(self, journey: Journey) -> None:
        self._held.pop(journey, None)
        if journey.timer is not None:
            journey.timer.cancel()
            journey.timer = None


def may_repeat(call: Call, error: MusterError) -> bool:
    """Whether a failed call may be tried again: nothing was done, or doing it twice does no harm.

    The peers give up where no connection can be made. The leader's death is known to Raft only after the election time, so
    here the call waits: it was not sent.
    """
    if NO_LEADER in error.wire_text or isinstance(error, CannotConnect):
        return True
    return isinstance(error, ConnectionLost) and call.is_read
