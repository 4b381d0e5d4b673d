"""User events: short messages to all members, each delivered once.

Source: reference of the gossip wire, section 3; texts of the refusals as the peers say them.
"""

from muster.gossip.effects import EventReceived
from muster.gossip.lamport import LamportClock
from muster.gossip.recent import Recent, Slot
from muster.gossip.settings import PoolSettings
from muster.model.errors import Rejected
from muster.wire.serf import EventsOfTime, PastEvent, UserEvent
from muster.wire.serf_codec import encode_serf

BUFFER_BUDGET = 4 << 20
"""Bytes of past events that one member keeps at most."""
ENTRY_WEIGHT = 64
"""Bytes that an event costs beside its name and payload."""


class UserEvents:
    """The events of the pool as one member has seen them."""

    __slots__ = ("_buffer", "_settings", "clock")

    def __init__(self, settings: PoolSettings, clock: LamportClock) -> None:
        self._settings = settings
        self._buffer: Recent[PastEvent] = Recent(settings.event_buffer, BUFFER_BUDGET)
        self.clock = clock

    def fire(self, name: str, payload: bytes, coalesce: bool) -> tuple[UserEvent, bytes]:
        """A new event of ours, and its message; `Rejected` if it is too big."""
        limit = self._settings.event_size_limit
        if len(name.encode("utf-8", "surrogateescape")) + len(payload) > limit:
            raise Rejected(f"user event exceeds configured limit of {limit} bytes before encoding")
        event = UserEvent(time=self.clock.time, name=name, payload=payload, coalesce=coalesce)
        encoded = encode_serf(event)
        if len(encoded) > limit:
            raise Rejected(f"encoded user event exceeds configured limit of {limit} bytes after encoding")
        self.clock.increment()
        return event, encoded

    def receive(self, event: UserEvent) -> EventReceived | None:
        """What the host is told of an event: nothing if it is known or too old."""
        self.clock.witness(event.time)
        if not self._is_new(event):
            return None
        return EventReceived(event.time, event.name, event.payload, event.coalesce)

    def _is_new(self, event: UserEvent) -> bool:
        past = PastEvent(name=event.name, payload=event.payload)
        return self._buffer.add(self.clock.time, event.time, past, ENTRY_WEIGHT + len(event.name) + len(event.payload))

    def ignore_before(self, time: int) -> None:
        """Take no event older than `time`: what was told before a host joined or restarted."""
        self._buffer.minimum_time = max(self._buffer.minimum_time, time)

    def past(self) -> list[EventsOfTime | None]:
        """The buffer as a push-pull carries it: a slot for each time modulo its size."""
        size = self._settings.event_buffer
        slots: list[EventsOfTime | None] = [None] * size
        for slot in self._buffer:
            slots[slot.time % size] = _of_time(slot)
        return slots

    def replay(self, slots: list[EventsOfTime | None]) -> list[EventReceived]:
        """What is new in another member's buffer."""
        received = []
        for slot in slots[: self._settings.event_buffer]:
            if slot is not None:
                for event in slot.events:
                    told = self.receive(UserEvent(time=slot.time, name=event.name, payload=event.payload))
                    if told is not None:
                        received.append(told)
        return received


def _of_time(slot: Slot[PastEvent]) -> EventsOfTime:
    return EventsOfTime(time=slot.time, events=list(slot.items))
