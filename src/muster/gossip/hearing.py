"""What comes up from the failure detector, and what it means for the host: members, intents, events, queries, coordinates.

Source: reference of the gossip wire, section 3; behaviour where that is silent as of Serf 0.10.1.
"""

from collections.abc import Callable
from typing import ClassVar

from muster.gossip.answering import Answering
from muster.gossip.attendance import Attendance
from muster.gossip.effects import Effect
from muster.gossip.endpoints import endpoint_of
from muster.gossip.events import UserEvents
from muster.gossip.lamport import is_plausible
from muster.gossip.leaving import Departure
from muster.gossip.serf_broadcasts import SerfBroadcasts
from muster.gossip.swim import Swim
from muster.gossip.swim_effects import (
    LeftPool,
    NodeConflict,
    NodeDied,
    NodeJoined,
    NodeUpdated,
    ProbeSucceeded,
    SwimEffect,
    UserMessage,
    UserState,
)
from muster.gossip.whereabouts import Whereabouts
from muster.model.errors import DecodeError
from muster.wire.serf import JoinIntent, LeaveIntent, Query, QueryResponse, Relay, SerfState, UserEvent
from muster.wire.serf_codec import decode_serf


class Hearing:
    """Takes the failure detector's effects to the part of Serf that they concern."""

    __slots__ = ("_spread", "_swim", "answering", "attendance", "departure", "events", "undecodable", "whereabouts")

    def __init__(
        self,
        swim: Swim,
        spread: SerfBroadcasts,
        attendance: Attendance,
        events: UserEvents,
        answering: Answering,
        whereabouts: Whereabouts,
        departure: Departure,
    ) -> None:
        self._swim = swim
        self._spread = spread
        self.attendance = attendance
        self.events = events
        self.answering = answering
        self.whereabouts = whereabouts
        self.departure = departure
        self.undecodable = 0
        """Messages of Serf that could not be read."""

    def above(self, now: float, effects: list[SwimEffect]) -> list[Effect]:
        """What the failure detector's effects are for the host; those for the network stay as they are."""
        told: list[Effect] = []
        for effect in effects:
            handle = self._HANDLERS.get(type(effect))
            if handle is None:
                told.append(effect)  # type: ignore[arg-type]  # what has no handler is for the network
            else:
                told += handle(self, now, effect)
        return told

    def _joined(self, now: float, node: NodeJoined) -> list[Effect]:
        return self.attendance.joined(now, node)

    def _updated(self, now: float, node: NodeUpdated) -> list[Effect]:
        return self.attendance.updated(now, node)

    def _died(self, now: float, node: NodeDied) -> list[Effect]:
        return self.attendance.died(now, node)

    def _conflict(self, now: float, node: NodeConflict) -> list[Effect]:
        return self.attendance.conflict(now, node)

    def _probed(self, now: float, probe: ProbeSucceeded) -> list[Effect]:
        return self.whereabouts.probed(probe)

    def _left_pool(self, now: float, left: LeftPool) -> list[Effect]:
        self.departure.linger(now)
        return []

    def _user_message(self, now: float, arrived: UserMessage) -> list[Effect]:
        """A message of this layer. One that cannot be read, or that travels only inside others, is passed over."""
        try:
            message = decode_serf(arrived.payload)
        except DecodeError:
            self.undecodable += 1
            return []
        handle = self._MESSAGES.get(type(message))
        return [] if handle is None else handle(self, now, message, arrived.payload)

    def _merge(self, now: float, arrived: UserState) -> list[Effect]:
        """Another member's state of this layer."""
        state = self._state(arrived.state)
        if state is None:
            return []
        if state.query_time > 0:
            self.answering.received.clock.witness(state.query_time - 1)
        if state.event_time > 0:
            self.events.clock.witness(state.event_time - 1)
        return [*self.attendance.merge(now, state), *self.events.replay(state.events)]

    def _state(self, encoded: bytes) -> SerfState | None:
        try:
            state = decode_serf(encoded)
        except DecodeError:
            self.undecodable += 1
            return None
        return state if isinstance(state, SerfState) else None

    def ignore_past_events(self, encoded: bytes) -> None:
        """Take no event that another member's state knows of."""
        state = self._state(encoded)
        if state is not None and is_plausible(state.event_time):
            self.events.ignore_before(state.event_time)

    def _leave_intent(self, now: float, intent: LeaveIntent, encoded: bytes) -> list[Effect]:
        return self.attendance.heard_leave(now, intent, encoded)

    def _join_intent(self, now: float, intent: JoinIntent, encoded: bytes) -> list[Effect]:
        return self.attendance.heard_join(now, intent, encoded)

    def _user_event(self, now: float, event: UserEvent, encoded: bytes) -> list[Effect]:
        received = self.events.receive(event)
        if received is None:
            return []
        self.pass_on_event(now, encoded)
        return [received]

    def pass_on_event(self, now: float, encoded: bytes) -> None:
        """Tell an event to others."""
        self._spread.spread_event(encoded, len(self.attendance.table))
        self._swim.gossip_soon(now)

    def _query(self, now: float, query: Query, encoded: bytes) -> list[Effect]:
        return self.answering.hear(now, query, encoded)

    def _response(self, now: float, response: QueryResponse, encoded: bytes) -> list[Effect]:
        return self.answering.asked.receive(now, response)

    def _relay(self, now: float, relay: Relay, encoded: bytes) -> list[Effect]:
        """Pass on what somebody may not be able to send himself."""
        to = endpoint_of(relay.address, relay.port)
        fits = 0 < len(relay.message) < self._swim.settings.packet_size
        return [self._swim.send_user(to, relay.node, relay.message)] if to is not None and fits else []

    _HANDLERS: ClassVar[dict[type, Callable[..., list[Effect]]]] = {
        NodeJoined: _joined,
        NodeUpdated: _updated,
        NodeDied: _died,
        NodeConflict: _conflict,
        ProbeSucceeded: _probed,
        LeftPool: _left_pool,
        UserMessage: _user_message,
        UserState: _merge,
    }
    _MESSAGES: ClassVar[dict[type, Callable[..., list[Effect]]]] = {
        LeaveIntent: _leave_intent,
        JoinIntent: _join_intent,
        UserEvent: _user_event,
        Query: _query,
        QueryResponse: _response,
        Relay: _relay,
    }
