"""Snapshots on the server port, the asking side: an archive is asked for or handed over piece by piece.

Source: reference of the RPC wire, section 7.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

from muster.model.errors import DecodeError, Rejected
from muster.transport.dialing import DIAL_TIMEOUT, dial_fault, split_address
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.transport.snapshot_rpc import PIECE, STALLED, read_head
from muster.wire.replies import Reply
from muster.wire.rpc import FirstByte
from muster.wire.snapshot_rpc import RESTORE, SAVE, SnapshotRequest, SnapshotResponse, encode_head

_FIRST_BYTE = bytes((FirstByte.SNAPSHOT,))
ANSWER_TIMEOUT = 600.0  # seconds for a server to take a snapshot or to restore one


async def save(
    address: str,
    datacenter: str,
    token: str = "",
    *,
    allow_stale: bool = False,
    source: str = "",
    dial_timeout: float = DIAL_TIMEOUT,
    answer_timeout: float = ANSWER_TIMEOUT,
    stalled: float = STALLED,
) -> Reply:
    """Asks the server at "ip:port" for an archive. The reply's value is an asynchronous iterator over its bytes.

    The iterator raises ConnectionLost if nothing comes for `stalled` seconds; whether the archive is whole its own sums tell. Closing it
    ends the connection. Raises CannotConnect, ConnectionLost and RemoteError.
    """
    question = SnapshotRequest(allow_stale=allow_stale, datacenter=datacenter, op=SAVE, token=token)
    reader, writer = await _dial(address, source, dial_timeout)
    answered = False
    try:
        with _failures_of("Snapshot.Save"):
            writer.write(_FIRST_BYTE + encode_head(question))
            writer.write_eof()
            answer, rest = await _answer(reader, answer_timeout)
        answered = True
    finally:
        if not answered:
            writer.transport.abort()
    return _reply(answer, SavedArchive(reader, writer, rest, stalled))


async def restore(
    address: str,
    datacenter: str,
    archive: bytes | BinaryIO | Iterable[bytes] | AsyncIterator[bytes],
    token: str = "",
    *,
    source: str = "",
    dial_timeout: float = DIAL_TIMEOUT,
    answer_timeout: float = ANSWER_TIMEOUT,
    stalled: float = STALLED,
) -> Reply:
    """Has the server at "ip:port" replace its datacenter's state by an archive. Raises CannotConnect, ConnectionLost and RemoteError."""
    question = SnapshotRequest(datacenter=datacenter, op=RESTORE, token=token)
    reader, writer = await _dial(address, source, dial_timeout)
    try:
        with _failures_of("Snapshot.Restore"):
            writer.write(_FIRST_BYTE + encode_head(question))
            await _send(archive, reader, writer, stalled)
            answer, _ = await _answer(reader, answer_timeout)
    finally:
        writer.transport.abort()
    return _reply(answer, None)


async def _dial(address: str, source: str, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        host, port = split_address(address)
        async with asyncio.timeout(seconds):
            return await asyncio.open_connection(host, port, limit=PIECE, local_addr=(source, 0) if source else None)
    except OSError as error:
        raise CannotConnect(dial_fault(source, address, error)) from error
    except Rejected as error:
        raise CannotConnect(str(error)) from error


async def _answer(reader: asyncio.StreamReader, seconds: float) -> tuple[SnapshotResponse, bytes]:
    async with asyncio.timeout(seconds):
        answer, rest = await read_head(reader, SnapshotResponse)
    if answer.error:
        raise RemoteError(answer.error, prefix="")
    return answer, rest


class SavedArchive(AsyncIterator[bytes]):
    """The bytes of an archive as they come. To be read to the end, or closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes, stalled: float) -> None:
        self._reader, self._writer, self._first, self._stalled = reader, writer, first, stalled

    async def __anext__(self) -> bytes:
        piece, self._first = self._first, b""
        if piece:
            return piece
        try:
            with _failures_of("Snapshot.Save"):
                async with asyncio.timeout(self._stalled):
                    piece = await self._reader.read(PIECE)
        except BaseException:  # cancelled too: the connection is given back
            await self.aclose()
            raise
        if not piece:
            await self.aclose()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Ends the connection; the server makes no more of the archive."""
        self._writer.transport.abort()


async def _send(archive: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stalled: float) -> None:
    """A server that refuses answers before it has read everything and closes: then its answer counts, not that sending failed."""
    try:
        async for piece in _pieces(archive):
            writer.write(piece)
            async with asyncio.timeout(stalled):
                await writer.drain()
            if reader.at_eof():
                break
        writer.write_eof()
    except ConnectionError:
        return


async def _pieces(archive: Any) -> AsyncIterator[bytes]:
    if isinstance(archive, bytes | bytearray):
        for start in range(0, len(archive), PIECE):
            yield bytes(archive[start : start + PIECE])
    elif isinstance(archive, AsyncIterator):
        async for piece in archive:
            yield piece
    elif hasattr(archive, "read"):
        loop = asyncio.get_running_loop()
        while piece := await loop.run_in_executor(None, partial(archive.read, PIECE)):
            yield piece
    else:
        for piece in archive:
            yield piece


def _reply(answer: SnapshotResponse, value: AsyncIterator[bytes] | None) -> Reply:
    return Reply(
        value=value,
        index=answer.index,
        known_leader=answer.known_leader,
        last_contact=answer.last_contact,
        consistency_level=answer.consistency_level,
    )


@contextmanager
def _failures_of(method: str) -> Iterator[None]:
    try:
        yield
    except DecodeError as error:
        raise ConnectionLost(method, str(error)) from error
    except TimeoutError as error:
        raise ConnectionLost(method, "i/o timeout") from error
    except OSError as error:
        raise ConnectionLost(method) from error
