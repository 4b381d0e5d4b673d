"""The sockets of a pool: packets by UDP, streams by TCP on the same port.

Packets are read in a loop of `recvfrom` on the reader callback, a bounded number a turn, so that a flood cannot keep the loop. A packet
that cannot be sent at once is lost, as packets are. What comes from outside the allowed networks is dropped before it is decoded.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence
from typing import Protocol

from muster.model.clock import Clock
from muster.model.errors import DecodeError, Rejected
from muster.transport.endpoints import MAPPED, AllowedNetworks, from_socket, host, text
from muster.transport.envelope import Envelope
from muster.transport.gossip_streams import IncomingStream, OutgoingStream, StreamFailed, StreamLimits, dial_fault, read_fault
from muster.transport.metrics import Metrics, NoMetrics
from muster.transport.seldom import Seldom
from muster.wire.gossip import Endpoint, Message

logger = logging.getLogger("muster.gossip")

PACKETS_A_TURN = 64
LARGEST_PACKET = 65535  # bytes
RECEIVE_BUFFER = 2 << 20  # bytes, as memberlist asks of the system
BIND_ATTEMPTS = 10


class Receiver(Protocol):
    """Who is told of what arrives."""

    def packet(self, sender: Endpoint, messages: Sequence[Message]) -> None:
        """The messages of one packet."""
        ...

    def stream(self, sender: Endpoint, message: Message) -> bytes | None:
        """One message of a stream; returns the encoded answer, if there is one. `Rejected` goes to the other side as an error."""
        ...


class GossipSockets:
    """Both sockets of one pool. `endpoint` is where they are bound."""

    def __init__(
        self,
        envelope: Envelope,
        clock: Clock,
        *,
        allowed: AllowedNetworks | None = None,
        stream_timeout: float = 10.0,
        metrics: Metrics | None = None,
    ) -> None:
        self.envelope = envelope
        self.allowed = allowed or AllowedNetworks()
        self.metrics: Metrics = metrics or NoMetrics()
        self.stream_timeout = stream_timeout
        self.limits = StreamLimits()
        self.receiver: Receiver | None = None
        self.dropped = 0
        """Packets and streams that were refused: outside the allowed networks, undecodable, wrongly keyed, too many."""
        self.endpoint: Endpoint = (b"", 0)
        self._warn = Seldom(logger, clock)
        self._udp: socket.socket | None = None
        self._tcp: socket.socket | None = None
        self._server: asyncio.Server | None = None

    def bind(self, address: str, port: int) -> None:
        """Take the port on both protocols; 0 for any that is free. `OSError` if it is taken."""
        for attempt in range(BIND_ATTEMPTS):
            self._tcp = _bound(address, port, socket.SOCK_STREAM)
            found = self._tcp.getsockname()[1]
            try:
                self._udp = _bound(address, found, socket.SOCK_DGRAM)
            except OSError:
                self._tcp.close()
                if port or attempt == BIND_ATTEMPTS - 1:
                    raise
                continue
            break
        assert self._udp is not None
        self.endpoint = from_socket(self._udp.getsockname())

    async def listen(self) -> None:
        """Accept streams; one whose message comes before `start` is closed without an answer."""
        assert self._tcp is not None
        self._server = await asyncio.get_running_loop().create_server(lambda: IncomingStream(self), sock=self._tcp)

    def start(self, receiver: Receiver) -> None:
        """Begin to read; everything goes to `receiver`."""
        assert self._udp is not None
        self.receiver = receiver
        asyncio.get_running_loop().add_reader(self._udp.fileno(), self.drain)

    def close(self) -> None:
        """Give both sockets back and end every stream."""
        if self._udp is not None and self.receiver is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
        self.receiver = None
        if self._server is not None:
            self._server.close()
        for sock in (self._udp, self._tcp):
            if sock is not None:
                sock.close()
        self._udp = self._tcp = None
        for stream in list(self.limits.open):
            stream.abort()

    # ------------------------------------------------------------------ packets

    def drain(self) -> None:
        """Hand on what has arrived, up to a bound."""
        for _ in range(PACKETS_A_TURN):
            if self._udp is None or self.receiver is None:
                return
            try:
                data, address = self._udp.recvfrom(LARGEST_PACKET)
            except BlockingIOError:
                return
            except OSError as error:
                self._warn.say("reading a packet failed: %s", error)
                return
            self._arrived(data, from_socket(address))

    def _arrived(self, data: bytes, sender: Endpoint) -> None:
        self.metrics.increment("memberlist.udp.received", len(data))
        if not self.allowed.allow(sender[0]):
            self.refuse("a packet from %s, which is outside the allowed networks", sender)
            return
        try:
            messages = self.envelope.unpack(data)
        except DecodeError as error:
            self.refuse(f"a packet from %s: {error}", sender)
            return
        assert self.receiver is not None
        self.receiver.packet(sender, messages)

    def refuse(self, what: str, sender: Endpoint) -> None:
        """Count what was dropped and say so, at most once a second. `what` has a place for the sender."""
        self.dropped += 1
        self.metrics.increment("muster.gossip.refused")
        self._warn.say("dropped " + what, text(sender))

    def send(self, to: Endpoint, messages: Sequence[bytes], checksum: bool) -> None:
        """One packet. It is lost if the system does not take it at once."""
        if self._udp is None:
            return
        try:
            packet = self.envelope.pack(messages, checksum)
            self._udp.sendto(packet, self._socket_address(to))
        except BlockingIOError:
            self.metrics.increment("muster.gossip.unsent")
        except (Rejected, OSError, OverflowError, ValueError) as error:
            self._warn.say("sending to %s failed: %s", text(to), error)
        else:
            self.metrics.increment("memberlist.udp.sent", len(packet))

    def _socket_address(self, to: Endpoint) -> tuple[str, int]:
        assert self._udp is not None
        if self._udp.family == socket.AF_INET6 and len(to[0]) == 4:
            return host((MAPPED + to[0], to[1])), to[1]
        return host(to), to[1]

    # ------------------------------------------------------------------ streams

    async def converse(self, to: Endpoint, message: bytes, limit: float) -> Message:
        """Open a stream, send one encoded message, read one, close. `StreamFailed` in the peers' words if anything goes wrong.

        `limit`, in seconds, holds for the dialling and once more for the rest.
        """
        loop = asyncio.get_running_loop()
        stream = OutgoingStream(self)
        try:
            async with asyncio.timeout(limit):
                await loop.create_connection(lambda: stream, host(to), to[1])
        except (OSError, OverflowError, TimeoutError) as error:
            raise StreamFailed(dial_fault(to, error)) from error
        self.metrics.increment("memberlist.tcp.connect")
        try:
            stream.write(message)
            async with asyncio.timeout(limit):
                return await stream.answer
        except (OSError, TimeoutError) as error:
            raise StreamFailed(read_fault(stream.name, error)) from error
        finally:
            stream.abort()


def _bound(address: str, port: int, kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock
