"""What the tests of consensus share: a state machine that remembers, a clock, a worker that a power cut stops."""

import asyncio
import json
import random
from collections.abc import Iterator
from typing import BinaryIO

from muster.model.errors import CommandFailed
from muster.server.chunking import ChunkMap
from muster.server.consensus import Consensus
from muster.server.raft_snapshots import SnapshotPolicy
from muster.storage.disk_thread import Done, Job
from muster.storage.raft_storage import RaftStorage, in_memory
from muster.testing.disk import PowerCut


class StillClock:
    """Stands still: a sole voter has no deadlines."""

    def monotonic(self) -> float:
        return 100.0

    def wall(self) -> float:
        return 1_600_000_000.0


class Remembering:
    """Holds every command by its index. A command "fail" fails, "break" raises what it must not."""

    def __init__(self) -> None:
        self.applied: dict[int, str] = {}
        self.commands: list[object] = []

    def apply(self, index: int, data: bytes, command: object | None) -> object:
        text = data[1:].decode()
        if text == "break":
            raise RuntimeError("a mistake in the state machine")
        self.applied[index] = text
        self.commands.append(command)
        return CommandFailed("refused") if text == "fail" else index

    def snapshot(self, chunks: ChunkMap) -> Iterator[bytes]:
        kept = {op: [piece and {**piece, "Data": piece["Data"].hex()} for piece in pieces] for op, pieces in chunks.items()}
        content = json.dumps([self.applied, kept]).encode()
        return (content[at : at + 100] for at in range(0, len(content), 100))

    def restore(self, stream: BinaryIO) -> ChunkMap:
        applied, kept = json.loads(stream.read())
        self.applied = {int(index): text for index, text in applied.items()}
        return {int(op): [piece and {**piece, "Data": bytes.fromhex(piece["Data"])} for piece in pieces] for op, pieces in kept.items()}


class LaterWorker:
    """Does each job in a later turn of the loop, in order, so that proposals gather meanwhile; ends at a power cut."""

    def __init__(self) -> None:
        self.cut = asyncio.Event()

    def submit(self, job: Job, done: Done) -> None:
        asyncio.get_running_loop().call_soon(self._do, job, done)

    def _do(self, job: Job, done: Done) -> None:
        if self.cut.is_set():
            return
        try:
            result, error = job(), None
        except Exception as failure:
            result, error = None, failure
        except PowerCut:
            self.cut.set()
            return
        asyncio.get_running_loop().call_soon(done, result, error)

    async def close(self) -> None:
        pass


def consensus(storage: RaftStorage | None = None, state: Remembering | None = None, seed: int = 1, **settings) -> Consensus:
    settings.setdefault("policy", SnapshotPolicy(trailing=5))
    return Consensus(
        identity="id-1",
        address="127.0.0.1:8300",
        storage=storage or in_memory(),
        state=state or Remembering(),
        clock=StillClock(),
        chance=random.Random(seed),
        **settings,
    )
