"""Snapshot: the whole state as an archive, saved and put back."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from muster.model.errors import DecodeError, Rejected, StorageFailed
from muster.server import archive
from muster.server.context import Context
from muster.server.methods import Methods, PlainRead, Write
from muster.storage.snapshots import SnapshotMeta
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest

logger = logging.getLogger("muster.server")


class RestoreRequest(Protocol):
    """An archive that is to become the state."""

    archive: bytes
    datacenter: str


def save(context: Context, _request: DatacenterRequest) -> "asyncio.Future[Reply]":
    """Takes a snapshot; the reply's value is an iterator over the archive's bytes, and its index that of the state."""
    return asyncio.get_running_loop().create_task(_save(context))


async def _save(context: Context) -> Reply:
    meta = await context.consensus.snapshot_now()
    try:
        state = context.consensus.open_snapshot(meta)
    except OSError as error:
        raise StorageFailed(f"cannot read the snapshot: {error}") from error
    return Reply(value=_pieces(meta, state), index=meta.index)


def _pieces(meta: SnapshotMeta, state: BinaryIO) -> Iterator[bytes]:
    with state:
        yield from archive.write(meta, meta.size, state)


def restore(context: Context, request: RestoreRequest) -> "asyncio.Future[Reply]":
    """Replaces the state by that of an archive, which is checked completely before."""
    return asyncio.get_running_loop().create_task(_restore(context, request))


async def _restore(context: Context, request: RestoreRequest) -> Reply:
    # Unpacking and summing a big archive takes seconds, so a thread does it.
    found = await asyncio.get_running_loop().run_in_executor(None, archive.read, request.archive)
    try:
        index: Any = await context.consensus.install(found.chunks(), found.index)
    except DecodeError as error:
        raise Rejected(f"Raft error when restoring snapshot: {error}") from error
    logger.info("Installed snapshot from the operator: index=%d", index)
    return Reply(value=None)


METHODS: Methods = {"Snapshot.Save": PlainRead(save), "Snapshot.Restore": Write(restore)}
