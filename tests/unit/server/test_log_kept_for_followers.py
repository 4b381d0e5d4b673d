"""How much of the log outlives a snapshot."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from consensus_parts import StillClock

from muster.raft.entries import COMMAND, Entry
from muster.raft.membership import Configuration
from muster.server import consensus_snapshots
from muster.server.consensus_snapshots import Snapshots
from muster.server.raft_snapshots import SnapshotPolicy
from muster.storage.disk_thread import InlineWorker
from muster.storage.raft_storage import in_memory
from muster.storage.snapshots import SnapshotMeta

ENTRIES, SIZE = 1000, 100


def compacted_through(needed: int | None, policy: SnapshotPolicy, snapshot_size: int = 0) -> int:
    """Up to which index the log may go after a snapshot at its last index, if a follower still needs the entries from `needed` on."""
    storage = in_memory()
    storage.log.append([Entry(index, 1, COMMAND, bytes(SIZE)) for index in range(1, ENTRIES + 1)])
    storage.newest = SnapshotMeta(1, ENTRIES, 1, Configuration(), 0, size=snapshot_size)
    node: Any = SimpleNamespace(needed_from=lambda: needed)
    runner: Any = SimpleNamespace()
    state: Any = None

    async def body() -> int:
        snapshots = Snapshots(node, storage, state, StillClock(), runner, policy, InlineWorker(), InlineWorker())
        return snapshots._compacts_through(ENTRIES)

    return asyncio.run(body())


@pytest.mark.parametrize(
    ("needed", "policy", "snapshot_size", "through"),
    [
        pytest.param(None, SnapshotPolicy(trailing=10), 0, 990, id="nobody lags"),
        pytest.param(996, SnapshotPolicy(trailing=10), 0, 990, id="who lags needs no more than the trailing entries"),
        pytest.param(700, SnapshotPolicy(trailing=10), 0, 699, id="who lags is waited for"),
        pytest.param(700, SnapshotPolicy(trailing=10, lag_bytes=5000), 0, 950, id="but not for more than so many bytes"),
        pytest.param(700, SnapshotPolicy(trailing=10, lag_bytes=5000), 5000, 900, id="or for two snapshots' worth"),
        pytest.param(700, SnapshotPolicy(trailing=10, lag_bytes=5000), 1 << 20, 699, id="a large snapshot takes long to send"),
        pytest.param(700, SnapshotPolicy(trailing=400, lag_bytes=5000), 0, 600, id="the trailing entries stay whatever they take"),
        pytest.param(700, SnapshotPolicy(trailing=10, lag_bytes=0), 0, 990, id="nothing is kept for it"),
    ],
)
def test_the_log_is_kept_for_who_lags_within_bounds(needed: int | None, policy: SnapshotPolicy, snapshot_size: int, through: int) -> None:
    assert compacted_through(needed, policy, snapshot_size) == through


def test_the_number_of_entries_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consensus_snapshots, "MOST_KEPT", 100)
    assert compacted_through(1, SnapshotPolicy(trailing=10)) == 890
