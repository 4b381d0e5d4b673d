"""The disk's room in the metrics and in the log, on a disk that fills, fails and hangs."""

import asyncio
import logging
import random
import threading
from collections.abc import Callable

import pytest

from muster.agent.telemetry import Metrics
from muster.model.clock import Clock
from muster.program import disk_watch
from muster.program.disk_watch import DiskWatch
from muster.storage.files import Space
from muster.storage.raft_storage import open_on_disk
from muster.testing import Server
from muster.testing.disk import FaultyDisk

LIMIT = 1000


class StillClock(Clock):
    def monotonic(self) -> float:
        return 5.0

    def wall(self) -> float:
        return 1_600_000_000.0


class Disk(FaultyDisk):
    """Counts how often it is asked for its room; may fail to say it, or hang until it is let go."""

    asked = 0
    breaks = False
    gate: threading.Event | None = None

    def space(self, path: str) -> Space:
        self.asked += 1
        if self.gate is not None:
            self.gate.wait(30)
        if self.breaks:
            raise OSError(5, "Input/output error", path)
        return super().space(path)


def watched(disk: Disk, test: Callable[[DiskWatch, Metrics, Callable], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_watch, "PERIOD", 0.001)

    async def body() -> None:
        metrics = Metrics(StillClock())
        watch = DiskWatch(disk, "/data", open_on_disk(disk, "/data", random.Random(1)), metrics, LIMIT)
        watch.start()

        async def looks(more: int = 2) -> None:
            """Returns when the disk was asked so often again, and what it said was taken in."""
            until = disk.asked + more
            async with asyncio.timeout(30):
                while disk.asked < until:  # noqa: ASYNC110 - the disk is asked in a thread
                    await asyncio.sleep(0.001)

        await test(watch, metrics, looks)
        await watch.stop()

    asyncio.run(body())


def gauges(metrics: Metrics) -> dict[str, float]:
    metrics.fold()
    return {name: value for (name, _), value in metrics.gauges.items()}


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records if record.name == "muster.storage" and "free=" in record.getMessage()]


def test_a_disk_that_fills_is_warned_of_before_it_is_full(monkeypatch, caplog):
    disk = Disk()

    async def test(watch, metrics, looks):
        await looks()
        shown = gauges(metrics)
        assert shown["muster.storage.space_level"] == 0
        assert shown["muster.storage.log_bytes"] > 0
        assert shown["muster.storage.snapshot_bytes"] == 0
        assert shown["muster.storage.free_bytes"] == shown["muster.storage.total_bytes"]
        for room, level, said in ((999, 1, "WARNING"), (10, 2, "ERROR"), (2000, 0, "INFO")):
            disk.full_after = room
            await looks()
            assert gauges(metrics)["muster.storage.free_bytes"] == room
            assert gauges(metrics)["muster.storage.space_level"] == level
            assert levels(caplog)[-1] == said
        assert len(levels(caplog)) == 3

    with caplog.at_level(logging.INFO, "muster.storage"):
        watched(disk, test, monkeypatch)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "the disk is filling up; when it is full this server acknowledges nothing any more: directory=/data free=999 limit=1000" in text
    assert "the disk is nearly full; free some room now" in text
    assert "the disk has room again" in text


def test_a_disk_that_does_not_say_its_room_is_asked_again(monkeypatch, caplog):
    disk = Disk()

    async def test(watch, metrics, looks):
        disk.breaks = True
        await looks()
        disk.breaks, disk.full_after = False, 10
        await looks()
        assert levels(caplog) == ["ERROR"]

    watched(disk, test, monkeypatch)
    assert any("cannot see how much room the disk has: directory=/data" in record.getMessage() for record in caplog.records)


def test_a_disk_that_hangs_holds_up_neither_the_loop_nor_the_end(monkeypatch, caplog):
    disk = Disk()
    monkeypatch.setattr(disk_watch, "END_LIMIT", 0.05)

    async def test(watch, metrics, looks):
        disk.gate = threading.Event()
        await looks(1)
        await watch.stop()
        assert any("does not say how much room" in record.getMessage() for record in caplog.records)
        disk.gate.set()
        await watch._thread._ended.wait()

    watched(disk, test, monkeypatch)


def test_a_durable_server_shows_its_room_by_http(tmp_path):
    with Server(data_dir=tmp_path, config={"muster": {"disk_warning_bytes": 1 << 60}}) as server:
        server.client.kv.put("key", bytes(1000))
        found: dict[str, float] = {}
        while "muster.storage.space_level" not in found:
            found = {one["Name"]: one["Value"] for one in server.client.agent.metrics()["Gauges"]}
    assert found["muster.storage.space_level"] == 2
    assert found["muster.storage.failed"] == 0
    assert found["muster.storage.log_bytes"] >= 1000
    assert 0 < found["muster.storage.free_bytes"] <= found["muster.storage.total_bytes"]
