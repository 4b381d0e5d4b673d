"""The Raft transport over real connections: order, time-outs, what comes back undelivered, snapshots in pieces."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from muster.program.clock import SystemClock
from muster.raft.effects import ReceiveSnapshot, Send
from muster.raft.entries import COMMAND, Entry
from muster.raft.membership import Configuration, Member
from muster.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from muster.transport.listener import RpcListener
from muster.transport.raft import RaftTransport
from muster.transport.raft_incoming import MOST_SNAPSHOT_BYTES
from muster.wire.raft_encoder import encode_request, encode_response

HOST = "127.0.0.1"
CONFIGURATION = Configuration((Member("id-a", "a:1"), Member("id-b", "b:1"))).encode()
VECTORS = Path(__file__).parents[2] / "vectors" / "raft"


def scenario(coroutine):
    """Runs an async test on a fresh loop, for at most 20 seconds."""

    def test(*arguments, **named):
        asyncio.run(asyncio.wait_for(coroutine(*arguments, **named), 20))

    test.__name__ = coroutine.__name__
    test.__signature__ = inspect.signature(coroutine)
    return test


class Host:
    """A consensus that answers as a test says, and remembers what it was told."""

    def __init__(self, answer=None) -> None:
        self.told: list[tuple[str, object]] = []
        self.answer = answer
        self.transport: RaftTransport
        self.snapshot = None
        self.stored: list[bytes] = []
        self._changed = asyncio.Event()

    def receive(self, sender, message):
        self._tell(sender, message)
        if self.answer is not None:
            self.answer(self, sender, message)

    def unreachable(self, peer, request):
        self._tell(peer, ("unreachable", request))

    def disconnected(self, peer):
        self._tell(peer, "disconnected")

    def snapshot_to_send(self):
        return self.snapshot

    async def receive_snapshot(self, sender, head, body: AsyncIterator[bytes]):
        try:
            async for piece in body:
                self.stored.append(piece)
                self._changed.set()
        except OSError as error:
            self._tell(sender, type(error))
            raise
        self.reply(head, InstallSnapshotResponse(1, True))

    def reply(self, request, response):
        if isinstance(response, AppendEntriesResponse):
            self.transport.send(Send("", response))
        else:
            self.transport.send(Send("", response, request=request))

    def messages(self, kind):
        return [message for _, message in self.told if isinstance(message, kind)]

    async def until(self, condition):
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()

    def _tell(self, peer, what):
        self.told.append((peer, what))
        self._changed.set()


class Net:
    """Transports by id, each with a listener; `async with` closes them."""

    def __init__(self, io_timeout: float = 10.0) -> None:
        self.addresses: dict[str, str] = {}
        self.hosts: dict[str, Host] = {}
        self.listeners: dict[str, RpcListener] = {}
        self.io_timeout = io_timeout

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for host in self.hosts.values():
            host.transport.close()
        for listener in self.listeners.values():
            listener.close()

    async def add(self, name: str, answer=None) -> Host:
        host = self.hosts[name] = Host(answer)
        listener = self.listeners[name] = RpcListener(SystemClock())
        await listener.listen(HOST, 0, {0x01: lambda: host.transport.connection()})
        self.addresses[name] = f"{HOST}:{listener.ports[0]}"
        by_address = {address: name for name, address in self.addresses.items()}
        host.transport = RaftTransport(
            self.addresses[name],
            SystemClock(),
            address_of=lambda identity: self.addresses.get(identity, ""),
            identity_of=lambda address: by_address.get(address, ""),
            io_timeout=self.io_timeout,
        )
        host.transport.attach(host)
        return host


def follow(host, _sender, message):
    """Answers as a follower that agrees to everything."""
    if isinstance(message, AppendEntries):
        host.reply(message, AppendEntriesResponse(message.term, 0, True, request=message))
    elif isinstance(message, RequestVote):
        host.reply(message, RequestVoteResponse(message.term, True))


def later(host, _sender, _message):
    """Answers nothing by itself."""


def heartbeat(host: Host) -> AppendEntries:
    return AppendEntries(2, host.transport.address)


def entries(host: Host, index: int, data: bytes = b"x") -> AppendEntries:
    return AppendEntries(2, host.transport.address, index - 1, 2, 0, (Entry(index, 2, COMMAND, data),))


@scenario
async def test_answers_come_back_with_the_requests_they_answer():
    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", follow)
        sent = [entries(leader, index) for index in range(1, 129)]
        for request in sent:
            leader.transport.send(Send("b", request, after_writes=False))
        await leader.until(lambda host: len(host.told) == 128)
        assert [answer.request for answer in leader.messages(AppendEntriesResponse)] == sent
        assert [message.previous_index for message in follower.messages(AppendEntries)] == list(range(128))
        assert {sender for sender, _ in leader.told} == {"b"}


@scenario
async def test_who_sent_a_request_is_known_by_the_address_in_it_and_else_is_its_address():
    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", follow)
        leader.transport.send(Send("b", RequestVote(2, "stranger:1", 0, 0)))
        await leader.until(lambda host: host.told)
        assert [sender for sender, _ in follower.told] == ["stranger:1"]


@scenario
async def test_answers_that_are_ready_too_early_wait_for_those_before_them():
    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", later)
        for index in (1, 2, 3):
            leader.transport.send(Send("b", entries(leader, index)))
        await follower.until(lambda host: len(host.told) == 3)
        first, second, third = follower.messages(AppendEntries)
        for request in (third, first, second):
            follower.reply(request, AppendEntriesResponse(2, request.previous_index, True, request=request))
        await leader.until(lambda host: len(host.told) == 3)
        assert [answer.last_index for answer in leader.messages(AppendEntriesResponse)] == [0, 1, 2]


@scenario
async def test_a_heartbeat_is_answered_while_replication_waits_for_the_disk():
    def only_heartbeats(host, sender, message):
        if message.entries is None:
            follow(host, sender, message)

    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", only_heartbeats)
        leader.transport.send(Send("b", entries(leader, 1)))
        await follower.until(lambda host: host.told)
        leader.transport.send(Send("b", heartbeat(leader)))
        await leader.until(lambda host: host.told)
        assert leader.messages(AppendEntriesResponse)[0].request.entries is None


@scenario
async def test_what_cannot_be_delivered_comes_back_after_the_call_and_disturbs_nobody_else():
    async with Net() as net:
        leader = await net.add("a")
        await net.add("b", follow)
        net.addresses["dead"] = f"{HOST}:1"
        lost, delivered = entries(leader, 1), entries(leader, 1)
        leader.transport.send(Send("dead", lost))
        leader.transport.send(Send("unknown", lost))
        leader.transport.send(Send("b", delivered))
        assert leader.told == []
        await leader.until(lambda host: len(host.told) == 3)
        assert dict(leader.told) == {
            "dead": ("unreachable", lost),
            "unknown": ("unreachable", lost),
            "b": AppendEntriesResponse(2, 0, True, request=delivered),
        }


@scenario
async def test_a_server_that_answers_no_heartbeat_is_given_up_with_all_that_waits_there():
    async with Net(io_timeout=0.2) as net:
        leader, follower = await net.add("a"), await net.add("b", later)
        leader.transport.send(Send("b", entries(leader, 1)))
        leader.transport.send(Send("b", heartbeat(leader)))
        await leader.until(lambda host: len(host.told) >= 2)
        assert {message[1].entries is None for _, message in leader.told} == {True, False}
        follower.answer = follow
        leader.transport.send(Send("b", entries(leader, 2)))
        await leader.until(lambda host: host.messages(AppendEntriesResponse))


@scenario
async def test_a_follower_hears_when_its_leaders_connection_breaks():
    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", follow)
        leader.transport.send(Send("b", heartbeat(leader)))
        await leader.until(lambda host: host.told)
        follower.told.clear()
        leader.transport.close()
        await follower.until(lambda host: host.told)
        assert follower.told == [("a", "disconnected")]


@scenario
async def test_timeout_now_is_answered_by_the_transport():
    async with Net() as net:
        await net.add("b", later)
        reader, writer = await asyncio.open_connection(HOST, int(net.addresses["b"].rpartition(":")[2]))
        writer.write(b"\x01" + encode_request(TimeoutNow()))
        assert await reader.readexactly(18) == b"\xa0\x81\xafProtocolVersion\x00"[:18]
        writer.close()


@scenario
async def test_the_first_stream_of_a_real_leader_is_understood_to_the_last_byte():
    recorded = bytes.fromhex(json.loads((VECTORS / "stream-first-12.json").read_text())["leader_to_follower_hex"])
    async with Net() as net:
        follower = await net.add("b", follow)
        _, writer = await asyncio.open_connection(HOST, int(net.addresses["b"].rpartition(":")[2]))
        for at in range(0, len(recorded), 7):
            writer.write(recorded[at : at + 7])
            await writer.drain()
        await follower.until(lambda host: len(host.told) == 12)
        found = [(message.previous_index, len(message.entries)) for message in follower.messages(AppendEntries)]
        assert found[:4] == [(1, 0), (1, 1), (2, 1), (3, 1)]
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x09\x80", id="an unknown type"),
        pytest.param(b"\x00\x93\x01\x02\x03", id="no map"),
        pytest.param(b"\x00\xc1", id="no msgpack"),
        pytest.param(b"\x00\x81\xa7Entries\xdc\xff\xff" + b"\xc0" * 65535, id="too many entries"),
    ],
)
@scenario
async def test_bytes_that_mean_nothing_close_the_connection(data):
    async with Net() as net:
        follower = await net.add("b", later)
        reader, writer = await asyncio.open_connection(HOST, int(net.addresses["b"].rpartition(":")[2]))
        writer.write(b"\x01" + data)
        assert await _closed(reader)
        assert not follower.transport.slots
        writer.close()


@scenario
async def test_followers_that_are_level_cost_one_encoding():
    async with Net() as net:
        leader = await net.add("a")
        entry = Entry(1, 2, COMMAND, b"x")
        one, other = (AppendEntries(2, leader.transport.address, 0, 0, 0, (entry,), sequence) for sequence in (1, 2))
        assert leader.transport.encoded(one) is leader.transport.encoded(other)
        assert leader.transport.encoded(entries(leader, 2)) == encode_request(entries(leader, 2))


# ---- snapshots


class Content:
    """An outgoing snapshot of zeros, with a count of what was read."""

    def __init__(self, leader: Host, size: int, held: int | None = None) -> None:
        self.head = InstallSnapshot(2, leader.transport.address, 9, 1, CONFIGURATION, 1, size)
        self.left = size if held is None else held
        self.read_bytes = 0
        self.closed = False

    async def read(self) -> bytes:
        piece = bytes(min(1 << 18, self.left))
        self.left -= len(piece)
        self.read_bytes += len(piece)
        return piece

    def close(self):
        self.closed = True


def accept(host, sender, message):
    """Takes every snapshot."""
    if isinstance(message, InstallSnapshot):
        host.transport.receive_snapshot(ReceiveSnapshot(sender, message))


@pytest.mark.parametrize("size", [0, 1, 5 << 20])
@scenario
async def test_a_snapshot_arrives_whole_and_its_answer_comes_back(size):
    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", accept)
        content = leader.snapshot = Content(leader, size)
        leader.transport.send_snapshot("b")
        leader.transport.send_snapshot("b")  # a second call while one is on its way changes nothing
        await leader.until(lambda host: host.told)
        assert leader.told == [("b", InstallSnapshotResponse(1, True, 9))]
        assert (sum(map(len, follower.stored)), content.closed) == (size, True)
        assert len(follower.told) == 1


@scenario
async def test_a_snapshot_that_nobody_takes_yet_fills_no_memory():
    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", later)
        content = leader.snapshot = Content(leader, 256 << 20)
        leader.transport.send_snapshot("b")
        await follower.until(lambda host: host.told)
        before = -1
        while before != content.read_bytes:  # until the receiver's window is full
            before = content.read_bytes
            await asyncio.sleep(0.1)
        assert content.read_bytes < MOST_SNAPSHOT_BYTES + (32 << 20)  # the rest is in the kernel's buffers
        assert follower.transport.slots


@scenario
async def test_a_refused_snapshot_is_read_to_its_end_before_the_answer():
    def refuse(host, _sender, message):
        if isinstance(message, InstallSnapshot):
            host.reply(message, InstallSnapshotResponse(7, False))

    async with Net() as net:
        leader = await net.add("a")
        await net.add("b", refuse)
        content = leader.snapshot = Content(leader, 5 << 20)
        leader.transport.send_snapshot("b")
        await leader.until(lambda host: host.told)
        assert leader.told == [("b", InstallSnapshotResponse(7, False, 9))]
        assert content.left == 0


@scenario
async def test_a_sender_that_vanishes_in_the_middle_is_noticed():
    async with Net() as net:
        leader, follower = await net.add("a"), await net.add("b", accept)
        head = Content(leader, 1000).head
        _, writer = await asyncio.open_connection(HOST, int(net.addresses["b"].rpartition(":")[2]))
        writer.write(b"\x01" + encode_request(head) + bytes(500))
        await follower.until(lambda host: host.stored)
        writer.transport.abort()
        await follower.until(lambda host: len(host.told) == 2)
        assert follower.told[1] == ("a", ConnectionError)
        assert not follower.transport.slots


@scenario
async def test_a_sender_that_falls_silent_is_given_up():
    async with Net(io_timeout=0.2) as net:
        leader, follower = await net.add("a"), await net.add("b", accept)
        reader, writer = await asyncio.open_connection(HOST, int(net.addresses["b"].rpartition(":")[2]))
        writer.write(b"\x01" + encode_request(Content(leader, 1000).head) + bytes(500))
        await follower.until(lambda host: len(host.told) == 2)
        assert follower.told[1] == ("a", TimeoutError)
        assert await _closed(reader)
        writer.close()


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda net, leader: None, id="there is none"),
        pytest.param(lambda net, leader: setattr(leader, "snapshot", Content(leader, 1 << 20, held=1)), id="it is shorter than it says"),
        pytest.param(lambda net, leader: net.listeners["b"].close(), id="the server is away"),
    ],
)
@scenario
async def test_a_snapshot_that_cannot_be_sent_is_reported_as_failed(prepare):
    async with Net() as net:
        leader = await net.add("a")
        await net.add("b", accept)
        leader.snapshot = None
        prepare(net, leader)
        leader.transport.send_snapshot("b")
        await leader.until(lambda host: host.told)
        assert leader.told == [("b", InstallSnapshotResponse(0, False))]


@scenario
async def test_requests_behind_a_snapshot_on_its_connection_are_answered_after_it():
    def both(host, sender, message):
        accept(host, sender, message)
        follow(host, sender, message)

    async with Net() as net:
        leader = await net.add("a")
        await net.add("b", both)
        reader, writer = await asyncio.open_connection(HOST, int(net.addresses["b"].rpartition(":")[2]))
        writer.write(b"\x01" + encode_request(Content(leader, 10).head) + bytes(10) + encode_request(heartbeat(leader)))
        expected = encode_response(InstallSnapshotResponse(1, True)) + encode_response(AppendEntriesResponse(2, 0, True))
        assert await reader.readexactly(len(expected)) == expected
        writer.close()


async def _closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True
