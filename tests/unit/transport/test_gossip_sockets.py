"""The sockets of a pool: what gets through, what is dropped, and what nobody can make grow."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from muster.gossip.keyring import Keyring
from muster.model.errors import ConfigurationError, Rejected
from muster.transport import gossip_streams
from muster.transport.endpoints import AllowedNetworks, endpoint
from muster.transport.envelope import Envelope
from muster.transport.gossip import GossipSockets
from muster.transport.gossip_streams import StreamFailed
from muster.wire.gossip import Ack, Endpoint, Message, NodeState, Ping, PushPull, StreamError
from muster.wire.gossip_codec import encode_message

KEY, OTHER_KEY = bytes(range(16)), bytes(range(32))
PING = encode_message(Ping(sequence=7, node="n1"))
TABLE = PushPull(nodes=[NodeState(name=f"n{at}", address=bytes(4), port=at, meta=b"x" * 100) for at in range(500)], user_state=b"state")


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class Metrics:
    def __init__(self) -> None:
        self.counts: dict[str, float] = {}

    def increment(self, name: str, value: float = 1, /) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def sample(self, name: str, milliseconds: float, /) -> None: ...
    def gauge(self, name: str, value: float, /) -> None: ...


class Host:
    """Writes down what arrives, and answers streams with `answer`."""

    def __init__(self, answer: bytes | Exception | None = None) -> None:
        self.answer = answer
        self.packets: asyncio.Queue[tuple[Endpoint, list[Message]]] = asyncio.Queue()
        self.streams: list[Message] = []

    def packet(self, sender: Endpoint, messages: Sequence[Message]) -> None:
        self.packets.put_nowait((sender, list(messages)))

    def stream(self, sender: Endpoint, message: Message) -> bytes | None:
        self.streams.append(message)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@asynccontextmanager
async def sockets(
    host: Host | None = None,
    *,
    key: bytes | None = None,
    incoming: bool = True,
    outgoing: bool = True,
    bind: str = "127.0.0.1",
    allowed: tuple[str, ...] | None = None,
    stream_timeout: float = 5.0,
) -> AsyncIterator[GossipSockets]:
    envelope = Envelope(Keyring([key]) if key else None, incoming, outgoing)
    opened = GossipSockets(envelope, Clock(), allowed=AllowedNetworks(allowed), stream_timeout=stream_timeout, metrics=Metrics())
    opened.bind(bind, 0)
    await opened.listen()
    opened.start(host or Host())
    try:
        yield opened
    finally:
        opened.close()


async def eventually(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(0)


async def refused(opened: GossipSockets, count: int = 1) -> None:
    """Until so much was dropped."""
    await eventually(lambda: opened.dropped >= count)


# ------------------------------------------------------------------ packets


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1"])
async def test_a_packet_arrives_with_its_messages_and_sender(bind: str) -> None:
    host = Host()
    async with sockets(host, bind=bind) as there, sockets(bind=bind) as here:
        here.send(there.endpoint, (PING, encode_message(Ack(sequence=1))), checksum=True)
        sender, messages = await host.packets.get()
        assert sender == here.endpoint
        assert messages == [Ping(sequence=7, node="n1"), Ack(sequence=1)]
        assert there.metrics.counts["memberlist.udp.received"] == here.metrics.counts["memberlist.udp.sent"]


async def test_a_socket_for_all_addresses_speaks_both_families_and_maps_none() -> None:
    host = Host()
    async with sockets(host, bind="::") as there, sockets() as here:
        here.send(endpoint("127.0.0.1", there.endpoint[1]), (PING,), checksum=False)
        sender, _ = await host.packets.get()
        assert sender == here.endpoint
        there.send(sender, (PING,), checksum=False)
        assert (await here.receiver.packets.get())[0] == endpoint("127.0.0.1", there.endpoint[1])


@pytest.mark.parametrize(
    ("receiver", "sender", "arrives"),
    [
        pytest.param({}, {}, True, id="plain"),
        pytest.param({"key": KEY}, {"key": KEY}, True, id="one key"),
        pytest.param({"key": KEY}, {"key": OTHER_KEY}, False, id="another key"),
        pytest.param({"key": KEY}, {}, False, id="plain to encrypted"),
        pytest.param({"key": KEY, "incoming": False}, {}, True, id="plain to encrypted that does not verify"),
        pytest.param({"key": KEY, "incoming": False}, {"key": OTHER_KEY}, False, id="another key, not verified"),
        pytest.param({}, {"key": KEY}, False, id="encrypted to plain"),
        pytest.param({}, {"key": KEY, "outgoing": False}, True, id="a key that is not used to send"),
        pytest.param({"key": KEY}, {"key": KEY, "outgoing": False}, False, id="a key that is not used, to one that verifies"),
        pytest.param({"allowed": ("10.0.0.0/8", "127.0.0.0/8")}, {}, True, id="allowed network"),
        pytest.param({"allowed": ("10.0.0.0/8",)}, {}, False, id="another network"),
        pytest.param({"allowed": ()}, {}, True, id="an empty list allows all"),
    ],
)
async def test_who_gets_through(receiver: dict, sender: dict, arrives: bool) -> None:
    host = Host(encode_message(Ack(sequence=7)))
    async with sockets(host, **receiver) as there, sockets(**sender) as here:
        here.send(there.endpoint, (PING,), checksum=False)
        if arrives:
            assert (await host.packets.get())[1] == [Ping(sequence=7, node="n1")]
        else:
            await refused(there)
            assert host.packets.empty()
        here.envelope.verify_incoming = False  # whether the way there is open, not whether the answer is believed
        try:
            answer: object = await here.converse(there.endpoint, PING, 5.0)
        except StreamFailed:
            answer = None
        assert (host.streams == [Ping(sequence=7, node="n1")]) is arrives
        assert not (answer == Ack(sequence=7) and not arrives)


async def test_a_flood_of_rubbish_is_counted_and_said_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with sockets() as there:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(200):
                sock.sendto(os.urandom(number), ("127.0.0.1", there.endpoint[1]))
            await refused(there, 190)
            assert len(caplog.records) == 1
            Clock.now += 2.0
            sock.sendto(b"\xff", ("127.0.0.1", there.endpoint[1]))
            await refused(there, there.dropped + 1)
    assert "more like it" in caplog.records[1].message


async def test_a_packet_to_nowhere_is_lost_quietly() -> None:
    async with sockets() as here:
        for address in ("fd00::1", "255.255.255.255"):
            here.send(endpoint(address, 9), (PING,), checksum=False)
        here.send((b"\x7f\0\0\x01", 0), (PING,), checksum=False)
        here.send((b"\x7f\0\0\x01", 99999), (PING,), checksum=False)
        here.send((b"", 9), (PING,), checksum=False)
    here.send(endpoint("127.0.0.1", 9), (PING,), checksum=False)


async def test_a_port_that_is_taken_is_told() -> None:
    async with sockets() as there:
        with pytest.raises(OSError, match="in use"):
            GossipSockets(Envelope(), Clock()).bind("127.0.0.1", there.endpoint[1])


# ------------------------------------------------------------------ streams


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
async def test_a_stream_carries_a_table_each_way(key: bytes | None) -> None:
    host = Host(encode_message(TABLE))
    async with sockets(host, key=key) as there, sockets(key=key) as here:
        assert await here.converse(there.endpoint, encode_message(PushPull(nodes=[], join=True)), 5.0) == TABLE
        assert host.streams == [PushPull(nodes=[], join=True)]
        assert there.limits.bytes == here.limits.bytes == 0


async def test_a_refusal_reaches_the_other_side() -> None:
    async with sockets(Host(Rejected("part of wrong datacenter"))) as there, sockets() as here:
        answer = await here.converse(there.endpoint, encode_message(PushPull(nodes=[])), 5.0)
        assert answer == StreamError(text="part of wrong datacenter")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"", "EOF", id="closed"),
        pytest.param(b"HTTP/1.1 400", r"received invalid msgType \(72\), expected pushPullMsg \(6\) from=127.0.0.1:\d+", id="http"),
        pytest.param(b"\x06\xc1", "stream: ", id="rubbish"),
    ],
)
async def test_an_answer_that_is_none_is_told_in_the_peers_words(answer: bytes, reason: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, sockets() as here:
        with pytest.raises(StreamFailed, match=reason):
            await here.converse(endpoint(*server.sockets[0].getsockname()), PING, 5.0)


async def test_nobody_there_and_nobody_answering_are_told_in_the_peers_words() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    async with sockets() as here:
        port = silent.getsockname()[1]
        with pytest.raises(StreamFailed, match=rf"read tcp 127.0.0.1:\d+->127.0.0.1:{port}: i/o timeout"):
            await here.converse(endpoint("127.0.0.1", port), PING, 0.05)
        silent.close()
        with pytest.raises(StreamFailed, match=f"dial tcp 127.0.0.1:{port}: connect: connection refused"):
            await here.converse(endpoint("127.0.0.1", port), PING, 5.0)
        with pytest.raises(StreamFailed, match=r"dial tcp \[::1\]:9: connect: connection refused"):
            await here.converse(endpoint("::1", 9), PING, 5.0)


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_rubbish_by_stream_is_answered_with_an_error_and_closed() -> None:
    host = Host()
    async with sockets(host) as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.endpoint[1])
        writer.write(b"GET / HTTP/1.1\r\n")
        answer = await until_closed(reader)
        assert there.dropped == 1 and host.streams == []
        stream = Envelope().reader()
        assert isinstance(stream.feed(answer), StreamError)
        writer.close()


async def test_a_stream_that_never_ends_is_cut_off_in_time() -> None:
    async with sockets(stream_timeout=0.05) as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.endpoint[1])
        writer.write(b"\x06")
        assert await until_closed(reader) == b""
        assert not there.limits.open and there.limits.incoming == 0
        writer.close()


async def test_no_more_streams_than_the_limit_are_open_at_once() -> None:
    async with sockets() as there:
        there.limits.most_streams = 2
        streams = [await asyncio.open_connection("127.0.0.1", there.endpoint[1]) for _ in range(3)]
        await refused(there)
        assert there.limits.incoming == 2
        for _, writer in streams:
            writer.close()
        await eventually(lambda: not there.limits.open)
        assert there.limits.incoming == 0


async def test_unfinished_streams_hold_no_more_bytes_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sockets(key=KEY) as there:
        there.limits.most_bytes = 100_000
        reader, writer = await asyncio.open_connection("127.0.0.1", there.endpoint[1])
        writer.write(b"\x0a" + (10 << 20).to_bytes(4, "big") + bytes(200_000))
        await until_closed(reader)
        assert there.dropped == 1
        writer.close()
        await eventually(lambda: not there.limits.open)
        assert there.limits.bytes == 0


async def test_a_stream_from_another_network_is_closed_unread() -> None:
    host = Host(encode_message(Ack(sequence=7)))
    async with sockets(host, allowed=("10.0.0.0/8",)) as there, sockets() as here:
        with pytest.raises(StreamFailed):
            await here.converse(there.endpoint, PING, 5.0)
        assert host.streams == [] and there.dropped == 1


async def test_closing_ends_open_streams() -> None:
    async with sockets() as there:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.endpoint[1])
        writer.write(b"\x06")
        await eventually(lambda: bool(there.limits.open))
    assert await until_closed(reader) == b""
    writer.close()


def test_the_limits_are_those_of_the_peers() -> None:
    assert (gossip_streams.MOST_STREAMS, gossip_streams.MOST_BYTES) == (128, 64 << 20)


# ------------------------------------------------------------------ networks


def test_networks_are_checked_when_they_are_given() -> None:
    networks = AllowedNetworks(("10.0.0.0/8", "fd00::/8"))
    assert networks.allow(bytes([10, 1, 2, 3])) and networks.allow(b"\xfd" + bytes(15))
    assert networks.allow(bytes(10) + b"\xff\xff" + bytes([10, 1, 2, 3]))
    assert not any(map(networks.allow, (bytes([11, 1, 2, 3]), bytes(16), b"", bytes(5))))
    with pytest.raises(ConfigurationError, match=r"invalid CIDR address: 10\.0\.0\.0/99"):
        AllowedNetworks(("10.0.0.0/99",))
