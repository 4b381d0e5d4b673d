"""The state that Serf's members exchange in a push-pull, to bytes and back.

Almost all of its 512 slots of events are empty, in most pools all of them: that case takes no look at each.

Source: reference of the gossip wire, section 3.
"""

from typing import Any

from muster.wire.msgpack import pack
from muster.wire.raw_maps import U64, Fields, as_fields, listed, raw, text, texts, unpack_fields, unsigned
from muster.wire.serf import EventsOfTime, PastEvent, SerfState

_STATE_ITEMS = 1 << 20  # left members: as many as a push-pull may have nodes


def encode_state(state: SerfState) -> bytes:
    """The state with its type byte."""
    return b"\x02" + pack(
        {
            "EventLTime": state.event_time,
            "Events": [None if slot is None else _slot(slot) for slot in state.events] if any(state.events) else state.events,
            "LTime": state.time,
            "LeftMembers": state.left_members,
            "QueryLTime": state.query_time,
            "StatusLTimes": state.status_times,
        }
    )


def _slot(slot: EventsOfTime) -> dict[str, Any]:
    return {"Events": [{"Name": event.name, "Payload": event.payload or None} for event in slot.events], "LTime": slot.time}


def decode_state(data: bytes) -> SerfState:
    """The state that `data`, with its type byte, holds to the last byte; `DecodeError` on anything else."""
    return _state_of(unpack_fields(memoryview(data)[1:], _STATE_ITEMS))


def _state_of(fields: Fields) -> SerfState:
    get = fields.get
    slots = listed(get(b"Events"))
    return SerfState(
        time=unsigned(get(b"LTime"), U64),
        status_times={text(name): unsigned(time, U64) for name, time in as_fields(get(b"StatusLTimes") or {}).items()},
        left_members=texts(get(b"LeftMembers")),
        event_time=unsigned(get(b"EventLTime"), U64),
        events=[None if slot is None else _slot_of(as_fields(slot)) for slot in slots] if slots.count(None) < len(slots) else slots,
        query_time=unsigned(get(b"QueryLTime"), U64),
    )


def _slot_of(fields: Fields) -> EventsOfTime:
    events = [_past_event_of(as_fields(event)) for event in listed(fields.get(b"Events"))]
    return EventsOfTime(time=unsigned(fields.get(b"LTime"), U64), events=events)


def _past_event_of(fields: Fields) -> PastEvent:
    return PastEvent(name=text(fields.get(b"Name")), payload=raw(fields.get(b"Payload")))
