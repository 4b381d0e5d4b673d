"""Snapshots of the state while writes go on: encoded in slices on the loop, written in a thread."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec

from muster.model.clock import Clock
from muster.storage.disk_thread import Worker, run
from muster.storage.snapshots import SnapshotMeta, SnapshotStorage, SnapshotWriter

SLICE_SECONDS = 0.003  # of encoding between two turns of the loop
SLICE_BYTES = 256 << 10


class SnapshotPolicy(msgspec.Struct, frozen=True):
    """When snapshots are taken without being asked for, and how much log outlives them.

    Two rules: `threshold` entries since the last one (Consul's rule); or so many bytes of log since then that reading
    them at a start would take longer than a snapshot is worth: more than `log_bytes` and more than twice the last
    snapshot. Counting bytes too matters because an entry may be a transaction of 64 writes. Being proportional to the
    state, it costs a bounded share of all writing (a state of n bytes is written again after 2n bytes of log).
    """

    interval: float = 30.0  # seconds between checks, 1 to 2 times
    threshold: int = 16_384
    trailing: int = 10_240  # entries before the snapshot that are kept for followers
    log_bytes: int = 64 << 20
    lag_bytes: int = 256 << 20
    """The most of the log that is kept for followers that lag, or twice the last snapshot if that is more: sending a snapshot is cheaper
    then, and a follower that is away for long must not fill the leader's disk. `trailing` entries are kept whatever they take."""

    def kept_for_lag(self, last_size: int) -> int:
        """So many bytes of the log at most, given the size of the last snapshot."""
        return max(self.lag_bytes, 2 * last_size)

    def due(self, entries: int, log_bytes: int, last_size: int) -> bool:
        """Whether it is time, given what the log grew by since the last one and the size of that."""
        return entries >= self.threshold or (entries > 0 and log_bytes > max(self.log_bytes, 2 * last_size))


async def write(worker: Worker, clock: Clock, snapshots: SnapshotStorage, meta: SnapshotMeta, content: Iterable[bytes]) -> SnapshotWriter:
    """Writes a snapshot and leaves it to the caller to commit or discard. Memory holds one slice."""
    writer = await run(worker, lambda: snapshots.begin(meta))
    try:
        async for piece in _slices(clock, iter(content)):
            await run(worker, lambda piece=piece: writer.write(piece))  # type: ignore[misc]
    except BaseException:
        await run(worker, writer.discard)
        raise
    return writer


async def _slices(clock: Clock, content: Iterator[bytes]) -> AsyncIterator[bytes]:
    ended = False
    while not ended:
        pieces: list[bytes] = []
        size = 0
        until = clock.monotonic() + SLICE_SECONDS
        ended = True
        for piece in content:
            pieces.append(piece)
            size += len(piece)
            if size >= SLICE_BYTES or clock.monotonic() >= until:
                ended = False
                break
        yield b"".join(pieces)
        await asyncio.sleep(0)
