"""One member of a simulated pool: Muster's gossip as it runs in an agent, with the simulated network in place of sockets.

What the transport does to bytes (compounds, checksums, compression, encryption) is left out; each message travels as the bytes it has.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from muster.gossip.effects import Effect, Exchange, PingByStream, Send
from muster.gossip.serf import Serf
from muster.model.errors import DecodeError, Rejected
from muster.testing.simulation.host import Host
from muster.testing.simulation.process import Address, Packet
from muster.wire.gossip import Endpoint, Message, NodeState, Ping, PushPull, StreamError
from muster.wire.gossip_codec import decode_message, encode_message

if TYPE_CHECKING:
    from muster.testing.simulation.gossip_pool import SimulatedPool

DATAGRAM_OVERHEAD = 28  # bytes of the IPv4 and UDP headers
CHECKSUM_OVERHEAD = 5
COMPOUND_OVERHEAD = 2  # and as many for each message
CACHE_LIMIT = 1 << 16
RARELY_EQUAL = frozenset((0, 1, 2, 11))  # pings and acks carry numbers of their own

JOIN_RETRY = 5.0  # seconds between two tries to join


class Watcher(Protocol):
    """Looks at what each member is told and does. All times are the world's."""

    def received(self, member: "SimulatedMember", message: Message, effects: Sequence[Effect]) -> None:
        """A message arrived by packet, or as the answer to a ping by stream."""

    def merged(self, member: "SimulatedMember", push_pull: PushPull, effects: Sequence[Effect]) -> None:
        """Another's table arrived."""

    def acted(self, member: "SimulatedMember", effects: Sequence[Effect]) -> None:
        """Time passed, or the host asked for something."""


class Decoder:
    """Decodes each distinct message once: gossip brings the same bytes to everybody."""

    def __init__(self) -> None:
        self._known: dict[bytes, Message] = {}
        self._lines: dict[NodeState, NodeState] = {}

    def __call__(self, data: bytes) -> Message:
        """The message, shared by all who got these bytes."""
        if data[0] in RARELY_EQUAL:
            return decode_message(data)
        message = self._known.get(data)
        if message is None:
            if len(self._known) >= CACHE_LIMIT:
                self._known.clear()
            message = self._known[data] = decode_message(data)
        return message

    def of_stream(self, data: bytes) -> Message:
        """The message of a stream; equal lines of tables are one object, so that thousands of tables fit into memory."""
        message = decode_message(data)
        if not isinstance(message, PushPull):
            return message
        if len(self._lines) >= CACHE_LIMIT:
            self._lines.clear()
        shared = self._lines.setdefault
        return PushPull(nodes=[shared(line, line) for line in message.nodes], user_state=message.user_state, join=message.join)


def packet_size(send: Send) -> int:
    """The bytes that a packet takes on the wire, uncompressed and not encrypted, with the headers of IPv4 and UDP."""
    count = len(send.messages)
    compound = COMPOUND_OVERHEAD * (1 + count) if count > 1 else 0
    return sum(map(len, send.messages)) + compound + CHECKSUM_OVERHEAD * send.checksum + DATAGRAM_OVERHEAD


class SimulatedMember:
    """A process of the simulation that runs a `Serf`."""

    def __init__(self, pool: "SimulatedPool", host: Host, serf: Serf) -> None:
        self.pool = pool
        self.host = host
        self.name = host.name
        self.serf = serf
        self.started = host.simulation.now
        self.joined = False
        self.refusals: list[str] = []
        self._watchers = pool.watchers
        self._seeds: list[Endpoint] = []

    def receive(self, now: float, sender: Address, packet: Packet) -> None:
        """Take in the messages of a packet."""
        decode, serf = self.pool.decode, self.serf
        for part in packet:
            message = decode(part)
            effects = serf.receive(now, cast("Endpoint", sender), message)
            for watcher in self._watchers:
                watcher.received(self, message, effects)
            self._carry_out(now, effects)

    def answer(self, now: float, sender: Address, request: bytes) -> bytes | None:
        """Answer a stream: a table with ours, a ping with an ack."""
        message = self.pool.decode.of_stream(request)
        if isinstance(message, PushPull):
            return self._answer_exchange(now, cast("Endpoint", sender), message)
        return self.serf.swim.answer_by_stream(message) or None if isinstance(message, Ping) else None

    def _answer_exchange(self, now: float, sender: Endpoint, push_pull: PushPull) -> bytes:
        try:
            answer, effects = self.serf.receive_exchange(now, sender, push_pull)
        except Rejected as refusal:
            return encode_message(StreamError(text=str(refusal)))
        self._merged(now, push_pull, effects)
        return answer

    def _merged(self, now: float, push_pull: PushPull, effects: Sequence[Effect]) -> None:
        for watcher in self._watchers:
            watcher.merged(self, push_pull, effects)
        self._carry_out(now, effects)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._act(now, self.serf.tick(now))

    def next_deadline(self) -> float:
        """When something is due."""
        return self.serf.next_deadline()

    def suspects(self) -> set[str]:
        """Whom this member suspects now."""
        suspicions = self.serf.swim.suspicions
        return suspicions.names() if len(suspicions) else set()

    def command(self, ask: Callable[[float], Sequence[Effect]]) -> None:
        """Let the host ask for something: `member.command(lambda now: member.serf.leave(now))`."""
        now = self.host.clock.monotonic()
        self._act(now, ask(now))
        self.host.reschedule()

    def join(self, seeds: Sequence[Endpoint]) -> None:
        """Join by one of these, and try again until one has answered."""
        self._seeds = list(seeds)
        self.command(lambda now: self.serf.join(now, self._seeds, 1))

    def _act(self, now: float, effects: Sequence[Effect]) -> None:
        for watcher in self._watchers:
            watcher.acted(self, effects)
        self._carry_out(now, effects)

    def _carry_out(self, now: float, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if type(effect) is Send:
                self.host.send(effect.to, effect.messages, packet_size(effect))
            elif type(effect) is Exchange:
                self._exchange(effect)
            elif type(effect) is PingByStream:
                self.host.ask(effect.to, effect.message, effect.deadline - now, self._ping_answered(effect), _nobody)
            else:
                self.pool.told(self, effect)

    def _ping_answered(self, ping: PingByStream) -> Callable[[float, bytes], None]:
        def answered(now: float, answer: bytes) -> None:
            self.receive(now, ping.to, (answer,))

        return answered

    def _exchange(self, exchange: Exchange) -> None:
        def answered(now: float, answer: bytes) -> None:
            message = self.pool.decode.of_stream(answer)
            if not isinstance(message, PushPull):
                self.refusals.append(message.text if isinstance(message, StreamError) else "not a push-pull")
                self._exchange_failed(now, exchange)
                return
            try:
                effects = self.serf.exchanged(now, exchange, message)
            except (Rejected, DecodeError) as refusal:
                self.refusals.append(str(refusal))
                self._exchange_failed(now, exchange)
                return
            self.joined = self.joined or exchange.join != 0
            self._merged(now, message, effects)

        timeout = self.serf.settings.stream_timeout
        self.host.ask(exchange.to, exchange.message, timeout, answered, lambda now: self._exchange_failed(now, exchange))

    def _exchange_failed(self, now: float, exchange: Exchange) -> None:
        self._act(now, self.serf.exchange_failed(now, exchange) or ())
        if exchange.join and not self.joined:
            self.host.simulation.schedule.after(JOIN_RETRY, self._join_again, self.host.life)

    def _join_again(self, life: int) -> None:
        if life == self.host.life and not self.joined and self.name not in self.pool.left:
            self.join(self._seeds)


def _nobody(now: float) -> None:
    """A ping by stream was not answered: the failure detector sees that by itself."""
