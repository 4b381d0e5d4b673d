"""Snapshots on the server port, the asking side: an archive is asked for or handed over piece by piece.

Source: reference of the RPC wire, section 7.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, BinaryIO, NoReturn

from muster.model.errors import DecodeError
from muster.transport.dialing import DIAL_TIMEOUT, dial_fault, split_address
from muster.transport.listener import SNAPSHOT
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.transport.snapshot_messages import RESTORE, SAVE, SnapshotAnswer, SnapshotQuestion, decode_answer, encode_question
from muster.transport.snapshot_rpc import PIECE, STALLED, read_head
from muster.wire.replies import Reply

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

    The iterator raises ConnectionLost if nothing comes for `stalled` seconds; whether the archive is whole its own sums tell. Closing it ends
    the connection. Raises CannotConnect, ConnectionLost and RemoteError.
    """
    question = SnapshotQuestion(allow_stale=allow_stale, datacenter=datacenter, operation=SAVE, token=token)
    reader, writer = await _dial(address, source, dial_timeout)
    try:
        writer.write(bytes((SNAPSHOT,)) + encode_question(question))
        writer.write_eof()
        answer, rest = await _answer(reader, "Snapshot.Save", answer_timeout)
    except BaseException as error:
        writer.transport.abort()
        _translate(error, "Snapshot.Save")
    return _reply(answer, _archive(reader, writer, rest, stalled))


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
    question = SnapshotQuestion(datacenter=datacenter, operation=RESTORE, token=token)
    reader, writer = await _dial(address, source, dial_timeout)
    try:
        writer.write(bytes((SNAPSHOT,)) + encode_question(question))
        await _send(archive, reader, writer, stalled)
        answer, _ = await _answer(reader, "Snapshot.Restore", answer_timeout)
    except BaseException as error:
        _translate(error, "Snapshot.Restore")
    finally:
        writer.transport.abort()
    return _reply(answer, None)


async def _dial(address: str, source: str, timeout: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = split_address(address)
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.open_connection(host, port, limit=PIECE, local_addr=(source, 0) if source else None)
    except OSError as error:
        raise CannotConnect(dial_fault(source, address, error)) from error


async def _answer(reader: asyncio.StreamReader, method: str, timeout: float) -> tuple[SnapshotAnswer, bytes]:
    async with asyncio.timeout(timeout):
        head, rest = await read_head(reader)
    answer = decode_answer(head)
    if answer.error:
        raise RemoteError(answer.error)
    return answer, rest


async def _archive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: bytes, stalled: float) -> AsyncIterator[bytes]:
    try:
        if piece:
            yield piece
        while True:
            async with asyncio.timeout(stalled):
                piece = await reader.read(PIECE)
            if not piece:
                return
            yield piece
    except OSError as error:
        _translate(error, "Snapshot.Save")
    finally:
        writer.transport.abort()


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


def _reply(answer: SnapshotAnswer, value: AsyncIterator[bytes] | None) -> Reply:
    return Reply(
        value=value,
        index=answer.index,
        known_leader=answer.known_leader,
        last_contact=answer.last_contact,
        consistency_level=answer.consistency_level,
    )


def _translate(error: BaseException, method: str) -> NoReturn:
    if isinstance(error, DecodeError):
        raise ConnectionLost(method, str(error)) from error
    if isinstance(error, TimeoutError):
        raise ConnectionLost(method, "i/o timeout") from error
    if isinstance(error, OSError):
        raise ConnectionLost(method) from error
    raise error
