"""Sends a snapshot: read from the disk piece by piece, on a connection of its own that is closed afterwards."""

import asyncio
from typing import cast

from muster.model.errors import DecodeError, MusterError
from muster.transport.dialing import split_address
from muster.transport.raft_host import OutgoingSnapshot
from muster.transport.raft_lane import DIAL_TIMEOUT, FIRST_BYTE, Connect, without_delay
from muster.wire.raft import InstallSnapshotResponse
from muster.wire.raft_decoder import ResponseReader
from muster.wire.raft_encoder import encode_request

BYTES_PER_TIMEOUT = 256 << 10  # for each so many bytes one I/O timeout more is granted
STALLED_TIMEOUTS = 6  # I/O timeouts for which a receiver may take no bytes: its own disk may hold it up


class SnapshotFailed(MusterError):
    """A snapshot could not be delivered."""


async def send_snapshot(connect: Connect, address: str, snapshot: OutgoingSnapshot, io_timeout: float) -> InstallSnapshotResponse:
    """The receiver's answer. Raises SnapshotFailed, OSError (also for time-outs), DecodeError or Rejected."""
    host, port = split_address(address)
    connection = _Connection(snapshot)
    async with asyncio.timeout(DIAL_TIMEOUT):
        await connect(lambda: connection, host, port)
    try:
        async with asyncio.timeout(io_timeout * max(1.0, snapshot.head.size / BYTES_PER_TIMEOUT)):
            await connection.send(io_timeout * STALLED_TIMEOUTS)
            return await connection.answer
    finally:
        connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self, snapshot: OutgoingSnapshot) -> None:
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[InstallSnapshotResponse] = loop.create_future()
        self.transport: asyncio.Transport
        self._snapshot = snapshot
        self._reader = ResponseReader()
        self._reader.sent(snapshot.head)
        self._room = asyncio.Event()
        self._room.set()

    async def send(self, patience: float) -> None:
        """Head and content. Ends early if the receiver answers early, which can only be a refusal."""
        head, left = self._snapshot.head, self._snapshot.head.size
        self.transport.write(FIRST_BYTE + encode_request(head))
        while left:
            async with asyncio.timeout(patience):
                await self._room.wait()
            if self.answer.done():
                return
            piece = await self._snapshot.read()
            if not piece or len(piece) > left:
                raise SnapshotFailed(f"snapshot at index {head.last_index} does not have its {head.size} bytes")
            self.transport.write(piece)
            left -= len(piece)

    def close(self) -> None:
        """Ends the connection."""
        self.transport.abort()
        if not self.answer.done():
            self.answer.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        without_delay(transport)

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            for error, response in self._reader.feed(data):
                if error:
                    self.answer.set_exception(SnapshotFailed(error))
                elif isinstance(response, InstallSnapshotResponse):
                    self.answer.set_result(response)
        except DecodeError as error:
            self.answer.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(error if isinstance(error, OSError) else ConnectionResetError("EOF"))
            self.answer.exception()  # read here: the sending may have failed before
        self._room.set()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()
