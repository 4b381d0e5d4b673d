"""Any state, any message: what must hold of one member's picture whatever it is told."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swim_parts import VERSIONS, endpoint, swim

from muster.gossip.effects import Exchange
from muster.gossip.node_table import NodeStatus
from muster.gossip.probing import RELAY_LIMIT
from muster.gossip.settings import LAN
from muster.gossip.swim import Swim
from muster.model.errors import Rejected
from muster.wire.gossip import Ack, Alive, Dead, IndirectPing, Nack, NodeState, Ping, PushPull, StreamError, Suspect, User
from muster.wire.gossip_codec import decode_message

NAMES = ["n1", "n2", "n3", "n4", "n5", "n6"]
names = st.one_of(st.sampled_from(NAMES), st.text(max_size=3))
incarnations = st.one_of(st.integers(0, 6), st.integers(0, 2**32 - 1))
sequences = st.integers(0, 2**32 - 1)
ports = st.one_of(st.sampled_from([7946, 7947]), st.integers(0, 65535))
addresses = st.one_of(
    st.sampled_from([endpoint(name)[0] for name in NAMES]), st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)
)
versions = st.one_of(st.just(VERSIONS), st.binary(max_size=8))
metas = st.one_of(st.sampled_from([b"", b"tags"]), st.binary(max_size=600))
sources = {"source_address": addresses, "source_port": ports, "source_node": names}

alives = st.builds(Alive, incarnation=incarnations, node=names, address=addresses, port=ports, meta=metas, versions=versions)
known = st.sampled_from(NAMES)
likely_alives = st.builds(
    lambda name, at, incarnation: Alive(incarnation=incarnation, node=name, address=endpoint(at or name)[0], port=7946, versions=VERSIONS),
    known,
    st.one_of(st.just(""), known),
    st.integers(0, 6),
)
likely_accusations = [st.builds(kind, incarnation=st.integers(0, 6), node=known, accuser=known) for kind in (Suspect, Dead)]
accusations = [st.builds(kind, incarnation=incarnations, node=names, accuser=names) for kind in (Suspect, Dead)]
lines = st.builds(
    NodeState, name=names, address=addresses, port=ports, meta=metas, incarnation=incarnations, state=st.integers(0, 5), versions=versions
)
push_pulls = st.builds(PushPull, nodes=st.lists(lines, max_size=4), user_state=st.binary(max_size=4), join=st.booleans())
messages = st.one_of(
    likely_alives,
    alives,
    *accusations,
    st.builds(Ping, sequence=sequences, node=names, **sources),
    st.builds(IndirectPing, sequence=sequences, target=addresses, port=ports, node=names, nack=st.booleans(), **sources),
    st.builds(Ack, sequence=sequences, payload=st.binary(max_size=8)),
    st.builds(Nack, sequence=sequences),
    st.builds(User, payload=st.binary(max_size=8)),
    st.builds(StreamError, text=st.text(max_size=8)),
    push_pulls,
)
steps = st.one_of(
    st.tuples(st.just("receive"), messages),
    *(st.tuples(st.just("receive"), likely) for likely in (likely_alives, *likely_accusations)),
    st.tuples(st.just("wait"), st.floats(0.0, 40.0)),
    st.tuples(st.just("tick"), st.none()),
    st.tuples(st.just("answer"), st.none()),
    st.tuples(st.just("receive_exchange"), push_pulls),
    st.tuples(st.just("exchanged"), push_pulls),
    st.tuples(st.just("set_meta"), st.sampled_from([b"a", b"b"])),
    st.tuples(st.just("update_endpoint"), st.sampled_from([endpoint("n1"), endpoint("n9")])),
    st.tuples(st.just("forget"), known),
    st.tuples(st.just("leave"), st.none()),
)


class Watched:
    """A member, its time, and what was known before the step."""

    def __init__(self, member: Swim) -> None:
        self.member = member
        self.now = 0.0

    def step(self, kind: str, argument) -> None:
        member, now, sender = self.member, self.now, endpoint("n9")
        before = {record.name: record for record in member.nodes.records()}
        match kind:
            case "receive":
                self.check_effects(member.receive(now, sender, argument))
            case "wait":
                self.now += argument
            case "tick":
                self.now = max(now, member.next_deadline())
                self.check_effects(member.tick(self.now))
                assert member.next_deadline() > self.now, "a tick does all that is due"
            case "answer" if member._prober._probe is not None:
                self.check_effects(member.receive(now, sender, Ack(sequence=member._prober._probe.sequence)))
            case "receive_exchange":
                self.allow_refusal(argument, lambda: member.receive_exchange(now, sender, argument)[1])
            case "exchanged":
                self.allow_refusal(
                    argument, lambda: member.exchanged(now, Exchange(sender, b"", node="" if argument.join else "n2"), argument)
                )
            case "set_meta" | "update_endpoint":
                getattr(member, kind)(now, argument)
            case "forget":
                member.forget(argument)
                before.pop(argument, None)
            case "leave":
                member.leave(now)
        self.check(before)

    def allow_refusal(self, push_pull: PushPull, exchange) -> None:
        try:
            self.check_effects(exchange())
        except Rejected:
            assert push_pull.join

    def check_effects(self, effects) -> None:
        for effect in effects:
            for message in getattr(effect, "messages", ()):
                decode_message(message)

    def check(self, before) -> None:
        member, after = self.member, {record.name: record for record in self.member.nodes.records()}
        own = after[member.name]
        assert own is member.own
        assert own.status is (NodeStatus.LEFT if member.has_left else NodeStatus.ALIVE)
        assert own.incarnation >= before.get(member.name, own).incarnation
        for name, record in after.items():
            if name in before and record.endpoint == before[name].endpoint:
                assert record.incarnation >= before[name].incarnation
            assert record.endpoint[0] and 0 < record.endpoint[1] < 65536
        suspects = {name for name, record in after.items() if record.status is NodeStatus.SUSPECT}
        assert member._membership.suspicions.names() == suspects
        assert member.alive_count == sum(record.is_up for record in after.values())
        placed = [record.name for place in range(member.nodes.places) if (record := member.nodes.at(place))]
        assert sorted(placed) == sorted(after)
        assert member.queue_depth <= max(member.settings.minimum_queue_depth, 2 * len(after))
        assert len(member._prober._relays) <= RELAY_LIMIT
        assert 0 <= member.health_score < member.settings.awareness_maximum


@given(st.lists(steps, min_size=15, max_size=40), st.integers(0, 100))
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_whatever_it_is_told_a_members_picture_stays_whole(happenings, seed):
    watched = Watched(swim("n1", "n2", "n3", seed=seed, settings=msgspec.structs.replace(LAN, minimum_queue_depth=4)))
    for kind, argument in happenings:
        watched.step(kind, argument)


@given(st.lists(likely_alives, max_size=40))
@settings(max_examples=50, deadline=None)
def test_the_order_of_old_news_makes_no_difference_to_who_is_newest(told):
    """Of all alives from one address the highest incarnation wins, in whatever order they come."""
    alives = [
        message for message in told if isinstance(message, Alive) and message.node != "n1" and message.address == endpoint(message.node)[0]
    ]
    for order in (alives, alives[::-1]):
        member = swim("n1")
        for message in order:
            member.receive(0.0, endpoint("n9"), message)
        for name in {message.node for message in alives}:
            assert member.nodes.get(name).incarnation == max(message.incarnation for message in alives if message.node == name)
