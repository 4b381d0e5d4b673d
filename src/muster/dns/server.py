"""Listens for questions by UDP and TCP.

UDP is read in a loop from the socket itself, as many packets as wait: a transport would cost more than the answer. The commonest
question (the addresses of a service, without EDNS) is answered from records that were encoded once for as long as the catalog's
answer stands.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable

from msgspec import Struct

from muster.dns.names import plan
from muster.dns.records import instance_answer
from muster.dns.resolver import Resolver
from muster.dns.rows import is_healthy
from muster.dns.settings import DnsSettings
from muster.model.catalog import CheckServiceNode
from muster.model.errors import DecodeError, MusterError
from muster.wire import dns
from muster.wire.dns import Message
from muster.wire.replies import Reply
from muster.wire.requests import ServiceRequest

log = logging.getLogger("muster.dns")

PACKETS_A_TURN = 64  # then the loop serves others
LARGEST_QUESTION = 4096  # bytes
PARSED_QUESTIONS = 4096
IDLE_SECONDS = 8.0  # a TCP connection without a question is closed
QUESTIONS_IN_FLIGHT = 64  # of one TCP connection; more wait unread


class PlainQuestion(Struct, gc=False):
    """A question for a service's addresses that takes the short way. `question` are its bytes behind the header."""

    request: ServiceRequest
    name: str
    domain: str
    question: bytes
    head: bytes
    """Flags and counts for an answer, but for the number of answers."""


class UdpServer:
    """One UDP socket."""

    def __init__(self, resolver: Resolver, sock: socket.socket, chance: random.Random) -> None:
        self.resolver, self.socket, self.chance = resolver, sock, chance
        self.settings: DnsSettings = resolver.settings
        self.answered = 0
        self._parsed: dict[bytes, Message | PlainQuestion | None] = {}
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket.fileno())
        self.socket.close()

    def _readable(self) -> None:
        receive = self.socket.recvfrom
        for _ in range(PACKETS_A_TURN):
            try:
                packet, address = receive(LARGEST_QUESTION)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # an ICMP error about an earlier answer; the socket itself is fine
                log.debug("receiving: %s", error)
                continue
            try:
                self._received(packet, address)
            except Exception:  # one question must not end the loop for all others; its trace is logged
                log.exception("a question from %s could not be answered", address[0])

    def _received(self, packet: bytes, address: tuple[str, int]) -> None:
        key = packet[2:]
        known = self._parsed.get(key)
        if known is None and key not in self._parsed:
            known = self._parse(packet, key)
        if type(known) is PlainQuestion:
            began = self.resolver.clock.monotonic()
            answer = self._plain_answer(known)
            if answer is not None:
                self._send(packet[:2] + answer, address)
                self.resolver.measure("service", began)
                return
            known = dns.decode(packet)
        if not isinstance(known, Message):
            self._send_format_error(packet, address)
            return
        known.id = int.from_bytes(packet[:2], "big")
        run(self.resolver.answer(known, packet, address[0], False), lambda answer: self._send(answer, address))

    def _parse(self, packet: bytes, key: bytes) -> "Message | PlainQuestion | None":
        """Reads a packet and remembers what it asks; None if it is no message."""
        known: Message | PlainQuestion | None
        try:
            message = dns.decode(packet)
            known = self._plain(message, packet) or message
        except DecodeError:
            known = None
        if len(self._parsed) >= PARSED_QUESTIONS:
            self._parsed.clear()
        if len(key) <= 512 and not isinstance(known, Message):
            self._parsed[key] = known
        return known

    def _plain(self, message: Message, packet: bytes) -> PlainQuestion | None:
        """The short way for `message`, if it may take it."""
        settings = self.settings
        if message.flags & (dns.FLAG_RESPONSE | dns.OPCODE_MASK) or len(message.questions) != 1 or message.options is not None:
            return None
        question = message.questions[0]
        asked = plan(question.name, question.type, settings.domains)
        if settings.use_cache and self.resolver.cache is not None:
            return None
        if asked.kind != "service" or question.type != dns.TYPE_A or settings.record_limit or settings.udp_answer_limit > 8:
            return None
        request = ServiceRequest(
            datacenter=asked.datacenter or settings.datacenter,
            service_name=asked.name,
            service_tags=(asked.tag,) if asked.tag else (),
            tag_filter=bool(asked.tag),
            allow_stale=settings.allow_stale,
            use_cache=settings.use_cache,
            max_age=settings.cache_max_age,
        )
        flags = dns.FLAG_RESPONSE | dns.FLAG_AUTHORITATIVE | message.flags & dns.FLAG_RECURSION_DESIRED
        if settings.recursors:
            flags |= dns.FLAG_RECURSION_AVAILABLE
        body = packet[12 : 12 + len(_name_bytes(question.name)) + 4]
        return PlainQuestion(request, question.name, asked.domain, body, flags.to_bytes(2, "big") + b"\0\1")

    def _plain_answer(self, asked: PlainQuestion) -> bytes | None:
        """All but the id of the answer; None where the long way must be taken."""
        try:
            reply = self.resolver.call("Health.ServiceNodes", asked.request)
        except MusterError:
            return None
        if type(reply) is not Reply or reply.last_contact > self.settings.max_stale:
            return None
        records: list[bytes] | None = reply.encodings.get("dns-addresses", _UNKNOWN)
        if records is _UNKNOWN:
            records = reply.encodings["dns-addresses"] = self._encoded(reply.value, asked)
        if not records:
            return None
        limit = self.settings.udp_answer_limit
        flags_and_question = asked.head
        if len(records) > limit:
            if self.settings.enable_truncate:
                return None
            records = self.chance.sample(records, limit)
        elif len(records) > 1:
            records = self.chance.sample(records, len(records))
        count = len(records).to_bytes(2, "big")
        return b"".join((flags_and_question, count, b"\0\0\0\0", asked.question, *records))

    def _encoded(self, rows: list[CheckServiceNode], asked: PlainQuestion) -> list[bytes] | None:
        """Each healthy instance's A record, whose name points at the question's; None if any instance has no such record."""
        settings = self.settings
        datacenter = asked.request.datacenter
        ttl = settings.ttl_of_service(asked.request.service_name)
        encoded = {}
        for row in rows:
            if not is_healthy(row, settings.only_passing):
                continue
            made = instance_answer(row, asked.name, dns.TYPE_A, ttl, datacenter, asked.domain, settings)
            if made.follow:
                return None
            for record in made.answers:
                address = socket.inet_aton(str(record.data))
                encoded[address] = b"\xc0\x0c\0\1\0\1" + ttl.to_bytes(4, "big") + b"\0\4" + address
        return list(encoded.values())

    def _send(self, answer: bytes | None, address: tuple[str, int]) -> None:
        if answer is None:
            return
        self.answered += 1
        try:
            self.socket.sendto(answer, address)
        except (BlockingIOError, InterruptedError):
            log.debug("the socket's buffer is full: an answer was dropped, its asker will ask again")
        except OSError as error:
            log.debug("answering %s: %s", address[0], error)

    def _send_format_error(self, packet: bytes, address: tuple[str, int]) -> None:
        """Says that a packet is no message, if it has a header to answer to and is no answer itself."""
        if len(packet) >= 12 and not packet[2] & 0x80:
            flags = (packet[2] & 0x79 | 0x80) << 8 | dns.FORMAT_ERROR
            self._send(packet[:2] + flags.to_bytes(2, "big") + bytes(8), address)


_UNKNOWN: list[bytes] = []


def _name_bytes(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in dns.split_name(name)) + b"\0"


class TcpConnection(asyncio.Protocol):
    """One TCP connection: each message has its length in two bytes before it. Answers go out in the order they are ready."""

    def __init__(self, resolver: Resolver, connections: "set[TcpConnection]") -> None:
        self.resolver, self.connections = resolver, connections
        self.buffer = bytearray()
        self.in_flight = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of it
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        self.connections.add(self)
        self.loop = asyncio.get_running_loop()
        self.idle = self.loop.call_later(IDLE_SECONDS, self._close_if_idle)
        self.last = self.loop.time()

    def connection_lost(self, _error: Exception | None) -> None:
        self.idle.cancel()
        self.connections.discard(self)

    def _close_if_idle(self) -> None:
        rest = self.last + IDLE_SECONDS - self.loop.time()
        if rest <= 0 and not self.in_flight:
            self.transport.close()
            return
        self.idle = self.loop.call_later(max(rest, 1.0), self._close_if_idle)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._take()

    def _take(self) -> None:
        """Answers the whole messages in the buffer, as far as the limit in flight allows."""
        buffer = self.buffer
        while len(buffer) >= 2 and self.in_flight < QUESTIONS_IN_FLIGHT:
            size = int.from_bytes(buffer[:2], "big")
            if len(buffer) < 2 + size:
                break
            packet = bytes(buffer[2 : 2 + size])
            del buffer[: 2 + size]
            self.last = self.loop.time()
            self._answer(packet)
        if self.in_flight >= QUESTIONS_IN_FLIGHT:
            self.transport.pause_reading()

    def _answer(self, packet: bytes) -> None:
        try:
            query = dns.decode(packet)
        except DecodeError:
            self.transport.close()
            return
        self.in_flight += 1
        run(self.resolver.answer(query, packet, self.peer, True), self._done)

    def _done(self, answer: bytes | None) -> None:
        was_full = self.in_flight >= QUESTIONS_IN_FLIGHT
        self.in_flight -= 1
        if self.transport.is_closing():
            return
        if answer is not None:
            self.transport.write(len(answer).to_bytes(2, "big") + answer)
        if was_full:
            self.transport.resume_reading()
            self.loop.call_soon(self._take)


def run(coroutine: "Awaitable[bytes | None]", done: Callable[[bytes | None], None]) -> None:
    """Steps a coroutine by hand: one that never waits costs no task. What waits is continued when its future is done."""
    stepper = coroutine.__await__()

    def step(_future: object = None) -> None:
        try:
            waited = next(stepper)
        except StopIteration as end:
            done(end.value)
            return
        waited._asyncio_future_blocking = False
        waited.add_done_callback(step)

    step()


class DnsServer:
    """The DNS edge of one agent on any number of addresses, UDP and TCP each."""

    def __init__(self, resolver: Resolver, chance: random.Random) -> None:
        self.resolver, self.chance = resolver, chance
        self.udp: list[UdpServer] = []
        self.tcp: list[asyncio.Server] = []
        self.connections: set[TcpConnection] = set()

    async def listen(self, host: str, port: int) -> int:
        """Listens on one address; returns the port (port 0 takes a free one). OSError if the address is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            sock.bind((host, port))
            taken = int(sock.getsockname()[1])
            loop = asyncio.get_running_loop()
            self.tcp.append(await loop.create_server(lambda: TcpConnection(self.resolver, self.connections), host, taken))
        except OSError:
            sock.close()
            raise
        self.udp.append(UdpServer(self.resolver, sock, self.chance))
        return taken

    def close(self) -> None:
        for udp in self.udp:
            udp.close()
        for tcp in self.tcp:
            tcp.close()
        for connection in list(self.connections):
            connection.transport.close()
