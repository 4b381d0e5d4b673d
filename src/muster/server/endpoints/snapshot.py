"""Snapshot: the whole state as an archive, saved and put back."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from muster.model.errors import DecodeError, Rejected, StorageFailed
from muster.raft.membership import NONVOTER
from muster.server.context import Context
from muster.server.methods import Methods, PlainRead, Write
from muster.storage.snapshots import SnapshotMeta
from muster.wire import archive, msgpack
from muster.wire.archive import ArchivedConfiguration, ArchivedServer, Metadata, UnfitContent
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest

PIECE = 1 << 16  # bytes of state that are packed at a time, about a millisecond

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
        pieces = iter(lambda: state.read(PIECE), b"")
        yield from archive.write(metadata(meta), pieces, meta.milliseconds // 1000)


def metadata(meta: SnapshotMeta) -> Metadata:
    """What an archive says of a Raft snapshot."""
    members, voters = meta.configuration.members, set(meta.configuration.voters())
    peers = msgpack.pack([member.address for member in members if member.identity in voters])
    servers = [ArchivedServer(suffrage=min(member.suffrage, NONVOTER), id=member.identity, address=member.address) for member in members]
    return Metadata(
        id=meta.identity,
        index=meta.index,
        term=meta.term,
        peers=base64.b64encode(peers).decode(),
        configuration=ArchivedConfiguration(servers=servers),
        configuration_index=meta.configuration_index,
        size=meta.size,
    )


def restore(context: Context, request: RestoreRequest) -> "asyncio.Future[Reply]":
    """Replaces the state by that of an archive, which is checked completely before."""
    return asyncio.get_running_loop().create_task(_restore(context, request))


async def _restore(context: Context, request: RestoreRequest) -> Reply:
    # Unpacking and summing a big archive takes seconds, so a thread does it.
    try:
        found = await asyncio.get_running_loop().run_in_executor(None, archive.read, request.archive)
    except UnfitContent as error:
        raise Rejected(f"Raft error when restoring snapshot: {error}") from error
    except DecodeError as error:
        raise Rejected(str(error)) from error
    try:
        index: Any = await context.consensus.install(found.chunks(), found.metadata.index)
    except DecodeError as error:
        raise Rejected(f"Raft error when restoring snapshot: {error}") from error
    logger.info("Installed snapshot from the operator: index=%d", index)
    return Reply(value=None)


METHODS: Methods = {"Snapshot.Save": PlainRead(save), "Snapshot.Restore": Write(restore)}
