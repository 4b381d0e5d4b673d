"""Asks other DNS servers what is not ours to answer.

The servers are asked in order, each with a time limit. What they answer goes to the asker unread, but for its id.
"""

import asyncio
import logging
import random

from muster.dns.settings import DnsSettings
from muster.model.errors import DecodeError
from muster.wire.dns import FLAG_RECURSION_DESIRED, FLAG_RESPONSE, TYPE_A, Message, Question, Record, decode, encode

log = logging.getLogger("muster.dns")


class Recursor:
    """The configured recursors, `ADDRESS` or `ADDRESS:PORT` each."""

    def __init__(self, settings: DnsSettings, chance: random.Random) -> None:
        self.servers = [_address(text) for text in settings.recursors]
        self.timeout = settings.recursor_timeout
        self.chance = chance

    def forward(self, packet: bytes, tcp: bool) -> "asyncio.Task[bytes | None]":
        """The first server's answer to the packet, with the packet's id; None if none answered in time.

        A task, because time limits need one and resolvers are stepped by hand.
        """
        return asyncio.ensure_future(self._forward(packet, tcp))

    async def _forward(self, packet: bytes, tcp: bool) -> bytes | None:
        number = self.chance.getrandbits(16).to_bytes(2, "big")
        question = number + packet[2:]
        for host, port in self.servers:
            try:
                ask = _ask_tcp if tcp else _ask_udp
                answer = await asyncio.wait_for(ask(host, port, question), self.timeout)
            except (OSError, TimeoutError, DecodeError, asyncio.IncompleteReadError) as error:
                log.warning("recursor %s:%d did not answer: %s", host, port, str(error) or type(error).__name__)
                continue
            return packet[:2] + answer[2:]
        return None

    async def follow(self, name: str, question_type: int) -> list[Record]:
        """The records behind a name of another domain, as the recursors tell; empty if they do not."""
        if not self.servers:
            return []
        message = Message(id=0, flags=FLAG_RECURSION_DESIRED, questions=[Question(name, question_type or TYPE_A)])
        answer = await self.forward(encode(message), False)
        return decode(answer).answers if answer is not None else []


def _address(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port[1:] or 53)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, int(port)
    return text, 53


class _Answer(asyncio.DatagramProtocol):
    """Waits for the answer to one question; anything that is not one is passed over."""

    def __init__(self, question: bytes, answer: "asyncio.Future[bytes]") -> None:
        self.question, self.answer = question, answer

    def datagram_received(self, data: bytes, _address: object) -> None:
        if len(data) >= 12 and data[:2] == self.question[:2] and data[2] & FLAG_RESPONSE >> 8 and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def _ask_udp(host: str, port: int, question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answer(question, answer), remote_addr=(host, port))
    try:
        transport.sendto(question)
        return await answer
    finally:
        transport.close()


async def _ask_tcp(host: str, port: int, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
    if len(answer) < 12 or answer[:2] != question[:2]:
        raise DecodeError("the answer belongs to another question")
    return answer
