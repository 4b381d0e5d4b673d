"""Members of a pool for tests: one that is alone with what it is told, and several on a network without delay."""

import math
import random

from muster.gossip.effects import Exchange, PingByStream, Send
from muster.gossip.node_table import NodeRecord, NodeStatus, Roster
from muster.gossip.settings import LAN, PoolSettings
from muster.gossip.swim import Swim
from muster.gossip.swim_effects import SwimEffect
from muster.wire.gossip import Ack, Alive, Endpoint, Message, Ping
from muster.wire.gossip_codec import decode_message

VERSIONS = b"\x01\x05\x02\x02\x05\x04"


def endpoint(name: str) -> Endpoint:
    """Where n1, n2 … listen."""
    return bytes([10, 0, 0, int(name[1:])]), 7946


def alive(name: str, incarnation: int = 1, meta: bytes = b"", versions: bytes = VERSIONS, at: str = "") -> Alive:
    """That `name` lives, at the endpoint of `at`."""
    address, port = endpoint(at or name)
    return Alive(incarnation=incarnation, node=name, address=address, port=port, meta=meta, versions=versions)


def record(name: str, status: NodeStatus = NodeStatus.ALIVE, incarnation: int = 1, changed: float = 0.0, **fields) -> NodeRecord:
    return NodeRecord(
        name,
        fields.get("endpoint", endpoint(name)),
        fields.get("meta", b""),
        fields.get("versions", VERSIONS),
        incarnation,
        status,
        changed,
    )


class Quiet:
    """A layer above that says `waiting` when asked for broadcasts."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def user_state(self, join: bool) -> bytes:
        return b"joining" if join else b"state"

    def ack_payload(self) -> bytes:
        return b"coordinate"

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        taken = []
        while self.waiting and len(self.waiting[0]) + overhead <= limit:
            limit -= len(self.waiting[0]) + overhead
            taken.append(self.waiting.pop(0))
        return taken


def swim(*names: str, settings: PoolSettings = LAN, seed: int = 1, admit=None, upper=None, others: tuple[NodeRecord, ...] = ()) -> Swim:
    """The first of these, which knows the others (n1 if none is named); at time 0, with nothing to tell."""
    names = names or ("n1",)
    roster = Roster([*map(record, names), *others])
    return Swim(0.0, names[0], endpoint(names[0]), b"", VERSIONS, settings, random.Random(seed), upper or Quiet(), admit, roster)


def sent(effects: list[SwimEffect], kind: type | tuple[type, ...] = object) -> list[tuple[str, Message]]:
    """Who is sent what, of this kind: names n1, n2 … by their endpoints."""
    found = []
    for effect in effects:
        if isinstance(effect, Send):
            name = f"n{effect.to[0][-1]}"
            found += [(name, message) for message in map(decode_message, effect.messages) if isinstance(message, kind)]
    return found


def told(effects: list[SwimEffect], *kinds: type) -> list[SwimEffect]:
    """Those effects of these kinds."""
    return [effect for effect in effects if isinstance(effect, kinds)]


def run(member: Swim, until: float, answered: bool = False) -> list[tuple[float, SwimEffect]]:
    """Tick at every deadline up to `until`; with `answered`, every ping has its ack at once."""
    found: list[tuple[float, SwimEffect]] = []
    while (due := max(member.next_deadline(), member._called_at)) <= until:
        assert due < math.inf
        effects = member.tick(due)
        found += [(due, effect) for effect in effects]
        if answered:
            for name, ping in sent(effects, Ping):
                found += [(due, effect) for effect in member.receive(due, endpoint(name), Ack(sequence=ping.sequence))]
    return found


def next_probe(member: Swim) -> tuple[float, str, Ping]:
    """Go on until the member pings somebody: when, whom, and the ping."""
    while True:
        now = member.next_deadline()
        for name, ping in sent(member.tick(now), Ping):
            return now, name, ping


def news(member: Swim) -> list[Message]:
    """What the member spreads, each once."""
    return [decode_message(broadcast.message) for broadcast in member._membership.broadcasts]


class Pool:
    """Members that reach each other at once, but for what `is_lost(from, to, message)` says. Streams count as lost with their ping."""

    def __init__(self, *members: Swim) -> None:
        self.now = 0.0
        self.members = {member.name: member for member in members}
        self.effects: list[tuple[float, str, SwimEffect]] = []
        self.is_lost = lambda sender, receiver, message: False

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            name = min(self.members, key=lambda name: self.members[name].next_deadline())
            due = self.members[name].next_deadline()
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            self.carry_out(name, self.members[name].tick(self.now))

    def carry_out(self, name: str, effects: list[SwimEffect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    for message in map(decode_message, effect.messages):
                        self._deliver(name, f"n{effect.to[0][-1]}", message)
                case Exchange():
                    self._exchange(name, f"n{effect.to[0][-1]}", effect)
                case PingByStream():
                    self._ping_by_stream(name, f"n{effect.to[0][-1]}", effect)
                case _:
                    self.effects.append((self.now, name, effect))

    def told(self, name: str, *kinds: type) -> list[SwimEffect]:
        return [effect for _, whose, effect in self.effects if whose == name and isinstance(effect, kinds)]

    def _deliver(self, sender: str, receiver: str, message: Message) -> None:
        if receiver in self.members and not self.is_lost(sender, receiver, message):
            self.carry_out(receiver, self.members[receiver].receive(self.now, endpoint(sender), message))

    def _exchange(self, sender: str, receiver: str, exchange: Exchange) -> None:
        push_pull = decode_message(exchange.message)
        if receiver not in self.members or self.is_lost(sender, receiver, push_pull):
            self.carry_out(sender, self.members[sender].exchange_failed(self.now, exchange))
            return
        answer, effects = self.members[receiver].receive_exchange(self.now, endpoint(sender), push_pull)
        self.carry_out(receiver, effects)
        self.carry_out(sender, self.members[sender].exchanged(self.now, exchange, decode_message(answer)))

    def _ping_by_stream(self, sender: str, receiver: str, effect: PingByStream) -> None:
        ping = decode_message(effect.message)
        if receiver in self.members and not self.is_lost(sender, receiver, ping):
            answer = self.members[receiver].answer_by_stream(ping)
            if answer:
                self._deliver(receiver, sender, decode_message(answer))
