"""Snapshots on the server port, the server's side: an archive is sent or taken piece by piece, never whole in memory.

These connections are few and long, so each has a task, unlike calls. One on which nothing moves is ended.

Source: reference of the RPC wire, section 7.
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

from msgspec import Struct

from muster.model.clock import Clock
from muster.model.errors import DecodeError, MusterError, Rejected, StorageFailed, TooLarge
from muster.transport.rpc_calls import Serve
from muster.transport.rpc_session import FAREWELL
from muster.transport.seldom import Seldom
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest
from muster.wire.snapshot_rpc import RESTORE, SAVE, HeadReader, SnapshotRequest, SnapshotResponse, encode_head

logger = logging.getLogger("muster.rpc")

PIECE = 256 * 1024  # bytes read at a time
STALLED = 60.0  # seconds without progress after which a snapshot connection is ended
DISCARDED = 64 << 20  # bytes of an archive that is refused
LARGEST_ARCHIVE = 8 << 30  # bytes, as the HTTP edge takes

Head = TypeVar("Head", SnapshotRequest, SnapshotResponse)


class RestoreRequest(Struct, frozen=True, gc=False, kw_only=True):
    """What the method Snapshot.Restore takes: the archive, in memory or to be read from a file."""

    archive: bytes | BinaryIO
    datacenter: str = ""
    token: str = ""


class SnapshotRpc:
    """Makes the protocols of snapshot connections. `serve` answers `Snapshot.Save` and `Snapshot.Restore` as it does other methods.

    The reply of a save has an iterator over the archive's bytes for its value, asynchronous or not. `folder` is where a received archive is
    kept until it is checked: a nameless file; None: the system's.
    """

    def __init__(
        self, serve: Serve, clock: Clock, *, folder: str | None = None, stalled: float = STALLED, largest_archive: int = LARGEST_ARCHIVE
    ) -> None:
        self._serve = serve
        self._warn = Seldom(logger, clock)
        self._folder, self._stalled, self._largest = folder, stalled, largest_archive
        self._tasks: set[asyncio.Task[None]] = set()

    def connection(self) -> "SnapshotConnection":
        """For the listener: an accepted connection whose first byte was 5."""
        return SnapshotConnection(self)

    async def close(self) -> None:
        """Ends what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One whole connection."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        remote = writer.get_extra_info("peername") or ("", 0)
        try:
            await self._converse(reader, writer, f"{remote[0]}:{remote[1]}")
            writer.close()
        except (DecodeError, OSError, TimeoutError) as error:
            self._warn.say("snapshot connection from %s: %s", remote[0], str(error) or type(error).__name__)
        finally:
            self._tasks.discard(task)
            if not writer.is_closing():
                writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str) -> None:
        async with asyncio.timeout(self._stalled):
            question, rest = await read_head(reader, SnapshotRequest)
        try:
            if question.op == SAVE:
                await self._save(question, writer, source)
            elif question.op == RESTORE:
                await self._restore(question, rest, reader, writer, source)
            else:
                raise Rejected(f"unrecognized snapshot op {_quoted(question.op)}")
        except MusterError as error:
            writer.write(encode_head(SnapshotResponse(error=error.wire_text)))
            await self._flush(writer)
            await self._discard(reader, writer)

    async def _save(self, question: SnapshotRequest, writer: asyncio.StreamWriter, source: str) -> None:
        request = DatacenterRequest(allow_stale=question.allow_stale, datacenter=question.datacenter, token=question.token)
        reply = await self._outcome("Snapshot.Save", request, source)
        writer.write(encode_head(response_of(reply)))
        try:
            async for piece in _pieces(reply.value):
                writer.write(piece)
                await self._flush(writer)
        except MusterError as error:
            # The answer is out already: only an end that cuts the archive short tells the client.
            raise OSError(f"the archive could not be read to its end: {error}") from error

    async def _restore(
        self, question: SnapshotRequest, rest: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str
    ) -> None:
        with self._file() as archive:
            await self._receive(archive, rest, reader)
            archive.seek(0)
            request = RestoreRequest(archive=archive, datacenter=question.datacenter, token=question.token)
            await self._outcome("Snapshot.Restore", request, source)
        writer.write(encode_head(SnapshotResponse()))
        await self._flush(writer)

    def _file(self) -> BinaryIO:
        try:
            return cast("BinaryIO", tempfile.TemporaryFile(dir=self._folder))
        except OSError as error:
            raise StorageFailed(f"cannot keep the archive: {error}") from error

    async def _receive(self, archive: BinaryIO, piece: bytes, reader: asyncio.StreamReader) -> None:
        """The disk is written by a thread; nothing more is read meanwhile, so the sender waits."""
        loop, size = asyncio.get_running_loop(), 0
        while True:
            size += len(piece)
            if size > self._largest:
                raise TooLarge(f"the archive is larger than {self._largest} bytes")
            try:
                await loop.run_in_executor(None, partial(archive.write, piece))
            except OSError as error:
                raise StorageFailed(f"cannot keep the archive: {error}") from error
            async with asyncio.timeout(self._stalled):
                piece = await reader.read(PIECE)
            if not piece:
                return

    async def _discard(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What is still on its way, up to a bound: a connection that is closed before it was read takes the answer with it."""
        if not writer.is_closing():
            writer.write_eof()
        left = DISCARDED
        async with asyncio.timeout(min(self._stalled, FAREWELL)):
            while left > 0 and (piece := await reader.read(PIECE)):
                left -= len(piece)

    async def _outcome(self, method: str, request: object, source: str) -> Reply:
        outcome = self._serve(method, request, source)
        return outcome if isinstance(outcome, Reply) else await outcome

    async def _flush(self, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._stalled):
            await writer.drain()


class SnapshotConnection(asyncio.StreamReaderProtocol):
    """One accepted snapshot connection."""

    def __init__(self, rpc: SnapshotRpc) -> None:
        super().__init__(asyncio.StreamReader(limit=PIECE), rpc.answer)

    def feed(self, data: bytes) -> None:
        """What was read before this took over."""
        self.data_received(data)


async def read_head(reader: asyncio.StreamReader, head_type: type[Head]) -> tuple[Head, bytes]:
    """The map that begins a stream, and what was read behind it. `DecodeError` if it is none or ends before."""
    heads = HeadReader(head_type)
    while data := await reader.read(PIECE):
        found = heads.feed(data)
        if found is not None:
            return found
    raise DecodeError("EOF")


def response_of(reply: Reply) -> SnapshotResponse:
    """The head that precedes a saved archive."""
    return SnapshotResponse(
        consistency_level=reply.consistency_level, index=reply.index, known_leader=reply.known_leader, last_contact=reply.last_contact
    )


async def _pieces(archive: Any) -> AsyncIterator[bytes]:
    if isinstance(archive, AsyncIterator):
        async for piece in archive:
            yield piece
    elif isinstance(archive, bytes | bytearray):
        for start in range(0, len(archive), PIECE):
            yield bytes(archive[start : start + PIECE])
    else:
        for piece in cast("Iterable[bytes]", archive):
            yield piece


def _quoted(operation: int) -> str:
    """The character of that number in quotes, as the peers write it."""
    return repr(chr(operation)) if 0 <= operation < 0xD800 else f"%!q(structs.SnapshotOp={operation})"
