"""Raft between servers: requests over TCP to the server port, behind the first byte 0x01.

To each server go up to three connections: heartbeats, which are answered at once whatever the follower's disk does; replication, on which
many requests may be under way; votes. A snapshot has one of its own. A server that does not answer holds up nobody else, and after
`HEARTBEAT_TIMEOUT` without an answer to a heartbeat all its connections are made anew: after a cut TCP itself would wait for many seconds.

Source: reference of the Raft wire, sections 1 and 2.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from muster.model.clock import Clock
from muster.model.errors import MusterError
from muster.raft.effects import ReceiveSnapshot, Send
from muster.raft.messages import (
    AppendEntries,
    AppendEntriesResponse,
    InstallSnapshotResponse,
    Message,
    RequestPreVoteResponse,
    RequestVoteResponse,
)
from muster.transport.metrics import Metrics
from muster.transport.raft_host import RaftHost
from muster.transport.raft_incoming import IncomingRaft, Slot, SnapshotBody
from muster.transport.raft_lane import Connect, Lane
from muster.transport.raft_snapshots import send_snapshot
from muster.wire.raft import Request, Response, TimeoutNowResponse
from muster.wire.raft_encoder import encode_request, encode_response

IO_TIMEOUT = 10.0  # seconds
HEARTBEAT_TIMEOUT = 2.0  # seconds without an answer to a heartbeat

logger = logging.getLogger("muster.raft")


class RaftTransport:
    """The `Peers` of a consensus over TCP. Made on a running loop; `attach` before anything is sent."""

    def __init__(
        self,
        address: str,
        clock: Clock,
        *,
        address_of: Callable[[str], str],
        identity_of: Callable[[str], str],
        io_timeout: float = IO_TIMEOUT,
        metrics: Metrics | None = None,
        connect: Connect | None = None,
    ) -> None:
        """`address`: the own "ip:port" as peers know it. `address_of` gives a server's "ip:port" by its id, `identity_of` the id by that;
        both empty if unknown (then the address stands for the id). `connect(factory, host, port)` opens a connection."""
        self.address, self.clock, self.io_timeout = address, clock, io_timeout
        self.address_of = address_of
        self.connect: Connect = connect or asyncio.get_running_loop().create_connection
        self.slots: dict[int, Slot] = {}
        self.connections: set[IncomingRaft] = set()
        self._identity_of = identity_of
        self._metrics = metrics
        self._host: RaftHost
        self._peers: dict[str, _Peer] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._receiving: set[asyncio.Task[None]] = set()
        self._last: tuple[AppendEntries, bytes] | None = None
        self._closed = False

    def attach(self, host: RaftHost) -> None:
        """What arrives goes to this server."""
        self._host = host

    def connection(self) -> IncomingRaft:
        """The protocol of an accepted connection whose first byte, 0x01, was taken."""
        return IncomingRaft(self)

    def close(self) -> None:
        """Ends all connections; nothing is told any more."""
        self._closed = True
        for peer in self._peers.values():
            peer.close()
        for connection in [*self.connections]:
            connection.abort()
        for task in [*self._sending.values(), *self._receiving]:
            task.cancel()

    # ---- Peers: what consensus wants sent

    def send(self, effect: Send) -> None:
        """Sends a request to its server, or an answer to where its request came from."""
        message = effect.message
        if isinstance(message, AppendEntriesResponse):
            self._answer(message.request, message)
        elif isinstance(message, RequestVoteResponse | RequestPreVoteResponse | InstallSnapshotResponse):
            self._answer(effect.request, message)
        elif not self._closed:
            self._peer(effect.to).send(message)

    def send_snapshot(self, peer: str) -> None:
        """Sends the newest snapshot; the answer, or the failure, comes to the host as the peer's answer."""
        if peer in self._sending or self._closed:
            return
        task = asyncio.get_running_loop().create_task(self._send_snapshot(peer))
        self._sending[peer] = task
        task.add_done_callback(lambda _: self._sending.pop(peer, None))

    def receive_snapshot(self, effect: ReceiveSnapshot) -> None:
        """Gives the bytes that follow the head to the host."""
        slot = self.slots.get(id(effect.message))
        if slot is None or slot.body is None:
            return  # its connection is gone
        task = asyncio.get_running_loop().create_task(self._receive_snapshot(effect, slot.body))
        self._receiving.add(task)
        task.add_done_callback(self._receiving.discard)

    # ---- what lanes and incoming connections tell

    def encoded(self, request: Request) -> bytes:
        """The bytes of a request. Followers that are level are sent the same: it is encoded once."""
        if not isinstance(request, AppendEntries):
            return encode_request(request)
        last = self._last
        if last is None or not _same_bytes(last[0], request):
            self._last = last = (request, encode_request(request))
        return last[1]

    def answered(self, peer: str, request: Request, response: Response, seconds: float) -> None:
        """See Owner."""
        if self._metrics is not None and isinstance(request, AppendEntries):
            what = "heartbeat" if request.entries is None else "appendEntries.rpc"
            self._metrics.sample(f"raft.replication.{what}.{peer}", seconds * 1000)
        if not self._closed and not isinstance(response, TimeoutNowResponse):
            self._host.receive(peer, response)

    def undelivered(self, peer: str, requests: Sequence[Request]) -> None:
        """See Owner."""
        for request in requests:
            if isinstance(request, AppendEntries) and not self._closed:
                self._host.unreachable(peer, request)

    def arrived(self, sender_address: str, message: Message) -> None:
        """See Receiver."""
        if not self._closed:
            self._host.receive(self._identity_of(sender_address) or sender_address, message)

    def broken(self, sender_address: str) -> None:
        """See Receiver."""
        if not self._closed:
            self._host.disconnected(self._identity_of(sender_address) or sender_address)

    # ----

    def _peer(self, identity: str) -> "_Peer":
        peer = self._peers.get(identity)
        if peer is None:
            peer = self._peers[identity] = _Peer(self, identity)
        return peer

    def _answer(self, request: object, response: Response) -> None:
        slot = self.slots.get(id(request))
        if slot is not None:
            slot.resolve(encode_response(response))

    async def _send_snapshot(self, peer: str) -> None:
        failed = InstallSnapshotResponse(0, False)
        response, snapshot = failed, None
        try:
            snapshot = self._host.snapshot_to_send()
            if snapshot is not None:
                head = snapshot.head
                logger.info("sending snapshot: peer=%s index=%d size=%d", peer, head.last_index, head.size)
                response = await send_snapshot(self.connect, self.address_of(peer), snapshot, self.io_timeout)
                logger.info("snapshot sent: peer=%s index=%d success=%s", peer, head.last_index, response.success)
        except (OSError, MusterError) as error:
            logger.warning("failed to send snapshot: peer=%s error=%s", peer, error or "i/o timeout")
        finally:
            if snapshot is not None:
                snapshot.close()
        self._sending.pop(peer, None)
        if not self._closed:
            self._host.receive(peer, response)

    async def _receive_snapshot(self, effect: ReceiveSnapshot, body: SnapshotBody) -> None:
        head = effect.message
        try:
            logger.info("receiving snapshot: from=%s index=%d size=%d", effect.sender, head.last_index, head.size)
            await self._host.receive_snapshot(effect.sender, head, body)
        except asyncio.CancelledError:
            body.abort()
            raise
        except (OSError, MusterError) as error:
            logger.warning("failed to receive snapshot: from=%s index=%d error=%s", effect.sender, head.last_index, error or "i/o timeout")
            body.abort()


class _Peer:
    """The connections to one server."""

    def __init__(self, transport: RaftTransport, identity: str) -> None:
        timeout = transport.io_timeout
        self._heartbeats = Lane(transport, identity, min(timeout, HEARTBEAT_TIMEOUT), newest_only=True, on_timeout=self._silent)
        self._replication = Lane(transport, identity, timeout, newest_only=False)
        self._votes = Lane(transport, identity, timeout, newest_only=True)

    def send(self, request: Request) -> None:
        """On the connection that is for it."""
        if not isinstance(request, AppendEntries):
            self._votes.send(request)
        elif request.entries is None:
            self._heartbeats.send(request)
        else:
            self._replication.send(request)

    def close(self) -> None:
        """Ends them."""
        for lane in (self._heartbeats, self._replication, self._votes):
            lane.close()

    def _silent(self) -> None:
        """Who does not answer a heartbeat answers nothing: what waits for answers there is given back now."""
        self._replication.reset()
        self._votes.reset()


def _same_bytes(one: AppendEntries, other: AppendEntries) -> bool:
    return (
        one.entries == other.entries
        and one.previous_index == other.previous_index
        and one.commit_index == other.commit_index
        and one.term == other.term
        and one.previous_term == other.previous_term
    )
