"""Any state and any message: what follows is a valid state, whatever the message says."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.gossip.effects import MemberStatus
from muster.gossip.intents import RECENT_LIMIT
from muster.gossip.member_table import STATUS_TRANSITIONS
from muster.gossip.serf import Serf
from muster.gossip.settings import LAN
from muster.model.errors import DecodeError, Rejected
from muster.wire.gossip import Alive, Dead, PushPull, Suspect, User
from muster.wire.gossip_codec import decode_message
from muster.wire.serf import (
    EventsOfTime,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    PastEvent,
    Query,
    QueryResponse,
    Relay,
    SerfState,
    UserEvent,
)
from muster.wire.serf_codec import decode_serf, encode_node_filter, encode_serf, encode_tag_filter

HERE = (b"\x0a\0\0\1", 7946)
THERE = (b"\x0a\0\0\x0a", 7946)
VERSIONS = b"\x01\x05\x02\x02\x05\x04"

names = st.sampled_from(["me", "a", "b", "c", "", "\udcff"])
times = st.one_of(st.integers(0, 8), st.integers(500, 530), st.integers((1 << 62) - 2, (1 << 64) - 1))
payloads = st.binary(max_size=40)
queries = st.sampled_from(["load", "_serf_ping", "_serf_conflict", "_serf_list-keys", "_serf_install-key", "_serf_x"])
filters = st.one_of(
    payloads,
    st.lists(names, max_size=2).map(encode_node_filter),
    st.tuples(names, st.text(max_size=6)).map(lambda tag: encode_tag_filter(*tag)),
)
past = st.one_of(
    st.none(),
    st.builds(EventsOfTime, time=times, events=st.lists(st.builds(PastEvent, name=st.just("e"), payload=payloads), max_size=3)),
)
serf_messages = st.one_of(
    st.builds(LeaveIntent, time=times, node=names, prune=st.booleans()),
    st.builds(JoinIntent, time=times, node=names),
    st.builds(UserEvent, time=times, name=st.just("e"), payload=payloads),
    st.builds(
        Query,
        time=times,
        identity=st.integers(0, 3),
        address=st.sampled_from([b"", HERE[0], THERE[0], bytes(10) + b"\xff\xff" + HERE[0]]),
        port=st.sampled_from([0, 7946, 65535]),
        source_node=names,
        filters=st.lists(filters, max_size=2),
        flags=st.integers(0, 4),
        relay_factor=st.integers(0, 255),
        timeout=st.integers(0, (1 << 63) - 1),
        name=queries,
        payload=st.one_of(payloads, st.just(encode_serf(KeyRequest(key=b"k" * 16)))),
    ),
    st.builds(QueryResponse, time=times, identity=st.integers(0, 3), sender=names, flags=st.integers(0, 3), payload=payloads),
    st.builds(KeyResponse, result=st.booleans()),
    st.builds(Relay, address=st.sampled_from([b"", THERE[0]]), port=st.integers(0, 65535), node=names, message=payloads),
    st.builds(
        SerfState,
        time=times,
        status_times=st.dictionaries(names, times, max_size=4),
        left_members=st.lists(names, max_size=4),
        event_time=times,
        events=st.lists(past, max_size=5),
        query_time=times,
    ),
)
incarnations = st.integers(0, 4)
news = st.one_of(
    st.builds(
        Alive,
        incarnation=incarnations,
        node=names,
        address=st.sampled_from([HERE[0], THERE[0]]),
        port=st.just(7946),
        meta=st.sampled_from([b"", b"\xff\x80", b"\xff\xc1"]),
        versions=st.just(VERSIONS),
    ),
    st.builds(Suspect, incarnation=incarnations, node=names, accuser=names),
    st.builds(Dead, incarnation=incarnations, node=names, accuser=names),
)
steps = st.lists(
    st.one_of(
        news,
        serf_messages,
        payloads,
        st.floats(0.0, 100_000.0),
        st.sampled_from(["join", "leave", "force", "prune", "tags", "event", "query"]),
    ),
    max_size=30,
)


def act(serf: Serf, now: float, step) -> list:
    match step:
        case "join":
            return serf.join(now, [THERE], ticket=1)
        case "leave":
            return serf.leave(now)
        case "force" | "prune":
            return serf.force_leave(now, "a", prune=step == "prune")
        case "tags":
            return serf.set_tags(now, {"at": str(now)})
        case "event":
            return serf.user_event(now, "e", b"")
        case "query":
            return serf.query(now, "q", b"", acknowledge=True)[1]
        case float():
            return serf.tick(now)
        case bytes():
            return serf.receive(now, THERE, User(payload=step))
        case SerfState():
            return serf.receive_exchange(now, THERE, PushPull(nodes=[], user_state=encode_serf(step)))[1]
        case Alive() | Suspect() | Dead():
            return serf.receive(now, THERE, step)
        case _:
            return serf.receive(now, THERE, User(payload=encode_serf(step)))


def check(serf: Serf) -> None:
    members = serf.members()
    assert len({member.name for member in members}) == len(members) == serf.member_count()
    for member in members:
        assert serf.member(member.name) == member
        record = serf.swim.nodes.get(member.name)
        is_up = record is not None and record.is_up
        assert is_up == (member.status in (MemberStatus.ALIVE, MemberStatus.LEAVING))
    assert serf.member("me") is not None
    assert len(serf._attendance.intents.recent) <= RECENT_LIMIT
    assert max(serf.clocks.member, serf.clocks.event, serf.clocks.query) < (1 << 62) + 100
    assert isinstance(decode_message(serf.receive_exchange(0.0, THERE, PushPull(nodes=[]))[0]), PushPull)


def is_path(before: MemberStatus | None, after: MemberStatus | None) -> bool:
    """Whether the table of transitions leads from one status to the other, by as many steps as one message may cause."""
    reached = {before}
    for _ in MemberStatus:
        reached |= {to for (status, _), to in STATUS_TRANSITIONS.items() if status in reached}
    return after in reached


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(steps, st.integers(0, 1 << 32))
def test_whatever_comes_the_members_stay_valid(given_steps, seed):
    serf = Serf(0.0, "me", HERE, {"at": "0"}, LAN, random.Random(seed))
    now = 0.0
    for step in given_steps:
        now += step if isinstance(step, float) else 0.5
        before = {member.name: member.status for member in serf.members()}
        try:
            act(serf, now, step)
        except Rejected:
            assert step in ("join", "tags")
        check(serf)
        after = {member.name: member.status for member in serf.members()}
        for name in before.keys() | after.keys():
            assert is_path(before.get(name), after.get(name))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_bytes_that_are_no_message_change_nothing(data):
    serf = Serf(0.0, "me", HERE, {}, LAN, random.Random(1))
    before = serf.members(), serf.clocks
    try:
        decode_serf(data)
    except DecodeError:
        assert serf.receive(0.0, THERE, User(payload=data)) == []
        assert (serf.members(), serf.clocks, serf.undecodable) == (*before, 1)
    else:
        serf.receive(0.0, THERE, User(payload=data))
        check(serf)
