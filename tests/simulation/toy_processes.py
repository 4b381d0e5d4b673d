"""Small processes for the tests of the engine."""

import math

from muster.testing.simulation.host import Host
from muster.testing.simulation.process import Address, Packet


class Beacon:
    """Sends a numbered packet to each peer every `interval` seconds, and remembers what arrives."""

    def __init__(self, host: Host, peers: list[Address], interval: float = 1.0) -> None:
        self.host = host
        self.peers = peers
        self.interval = interval
        self.due = host.clock.monotonic() + interval if peers else math.inf
        self.sent = 0
        self.ticks: list[float] = []
        self.received: list[tuple[float, bytes]] = []
        self.told: list[str] = []

    def receive(self, now: float, sender: Address, packet: Packet) -> None:
        self.received.append((self.host.simulation.now, packet[0]))

    def answer(self, now: float, sender: Address, request: bytes) -> bytes | None:
        self.received.append((self.host.simulation.now, request))
        return None if request == b"close" else b"re:" + request

    def tick(self, now: float) -> None:
        while self.due <= now:
            self.ticks.append(self.due)
            self.due += self.interval
            self.sent += 1
            for peer in self.peers:
                self.host.send(peer, (b"%d" % self.sent,), 40)

    def next_deadline(self) -> float:
        return self.due

    def ask(self, to: Address, request: bytes, timeout: float = 10.0) -> None:
        self.host.ask(to, request, timeout, lambda now, answer: self.told.append(answer.decode()), lambda now: self.told.append("failed"))
