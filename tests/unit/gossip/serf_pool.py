"""A small pool on a virtual clock: every packet and stream takes a millisecond, nothing is lost unless a test cuts it."""

import heapq
import itertools
import random

from muster.gossip.effects import Effect, Exchange, LeaveDone, PingByStream, Send
from muster.gossip.serf import Serf
from muster.gossip.settings import LAN, PoolSettings
from muster.model.errors import Rejected
from muster.wire.gossip import Ping, PushPull
from muster.wire.gossip_codec import decode_message

LATENCY = 0.001


class Pool:
    """Members by name; `told` are the effects for each one's host."""

    def __init__(self, settings: PoolSettings = LAN, seed: int = 1) -> None:
        self.now = 100.0
        self.settings = settings
        self.members: dict[str, Serf] = {}
        self.told: dict[str, list[Effect]] = {}
        self.down: set[str] = set()
        self._by_endpoint: dict = {}
        self._events: list = []
        self._order = itertools.count()
        self._seed = random.Random(seed)

    def start(self, name: str, tags: dict[str, str] | None = None, **options) -> Serf:
        number = len(self._by_endpoint) + 1
        endpoint = (bytes([10, 0, 0, number]), 7946)
        serf = Serf(self.now, name, endpoint, tags or {}, self.settings, random.Random(self._seed.random()), **options)
        self.members[name] = serf
        self.told[name] = []
        self._by_endpoint[endpoint] = name
        return serf

    def together(self, *names: str) -> list[Serf]:
        """These members in one pool, after all know all."""
        for name in names:
            self.start(name)
        first = self.members[names[0]]
        for name in names[1:]:
            self.do(name, self.members[name].join(self.now, [first.endpoint], ticket=1))
        self.run_until(lambda: all(len(self.members[name].members()) == len(names) for name in names))
        return [self.members[name] for name in names]

    def do(self, name: str, effects: list[Effect]) -> list[Effect]:
        """Carry out what a member wants; the rest is kept for its host."""
        for effect in effects:
            match effect:
                case Send(to, messages):
                    for message in messages:
                        self._later(self._deliver, name, to, message)
                case Exchange():
                    self._later(self._exchange, name, effect)
                case PingByStream(to, message):
                    self._later(self._ping, name, effect)
                case _:
                    self.told[name].append(effect)
        return effects

    def stop(self, name: str) -> None:
        self.down.add(name)

    def run(self, seconds: float) -> None:
        self.run_until(lambda: False, seconds)

    def run_until(self, holds, limit: float = 300.0) -> None:
        """Let time pass until a condition holds."""
        end = self.now + limit
        while not holds():
            due = min((self.members[name].next_deadline() for name in self.members if name not in self.down), default=end)
            next_event = self._events[0][0] if self._events else end
            moment = min(due, next_event)
            if moment >= end:
                self.now = end
                assert holds() or limit != 300.0, "it never came to that"
                return
            self.now = max(self.now, moment)
            while self._events and self._events[0][0] <= self.now:
                _, _, act, arguments = heapq.heappop(self._events)
                act(*arguments)
            for name, serf in list(self.members.items()):
                if name not in self.down and serf.next_deadline() <= self.now:
                    self.do(name, serf.tick(self.now))

    def heard(self, name: str, kind: type) -> list:
        """What a host was told, of one kind."""
        return [effect for effect in self.told[name] if isinstance(effect, kind)]

    def _later(self, act, *arguments) -> None:
        heapq.heappush(self._events, (self.now + LATENCY, next(self._order), act, arguments))

    def _receiver(self, to) -> Serf | None:
        name = self._by_endpoint.get(to)
        return None if name is None or name in self.down else self.members[name]

    def _deliver(self, sender: str, to, message: bytes) -> None:
        receiver = self._receiver(to)
        if receiver is not None and sender not in self.down:
            self.do(receiver.name, receiver.receive(self.now, self.members[sender].endpoint, decode_message(message)))

    def _exchange(self, name: str, exchange: Exchange) -> None:
        serf, other = self.members[name], self._receiver(exchange.to)
        if name in self.down:
            return
        try:
            assert other is not None
            theirs = decode_message(exchange.message)
            assert isinstance(theirs, PushPull)
            answer, effects = other.receive_exchange(self.now, serf.endpoint, theirs)
            self.do(other.name, effects)
            ours = decode_message(answer)
            assert isinstance(ours, PushPull)
            self.do(name, serf.exchanged(self.now, exchange, ours))
        except (AssertionError, Rejected):
            self.do(name, serf.exchange_failed(self.now, exchange))

    def _ping(self, name: str, ping: PingByStream) -> None:
        serf, other = self.members[name], self._receiver(ping.to)
        message = decode_message(ping.message)
        if other is not None and name not in self.down and isinstance(message, Ping):
            answer = other.swim.answer_by_stream(message)
            if answer:
                self.do(name, serf.receive(self.now, ping.to, decode_message(answer)))


def left(pool: Pool, name: str) -> bool:
    return bool(pool.heard(name, LeaveDone))
