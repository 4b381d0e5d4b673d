"""The process and its host: gauges, and what `/v1/agent/host` shows."""

import asyncio
import gc
import os
import platform
import resource
import shutil
import socket
from pathlib import Path
from typing import Any

from muster.agent.telemetry import Metrics


def runtime_gauges(metrics: Metrics) -> None:
    """The process itself, under the names that dashboards of Consul look for."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    metrics.gauge("runtime.alloc_bytes", _resident_bytes())
    metrics.gauge("runtime.sys_bytes", usage.ru_maxrss * 1024)
    metrics.gauge("runtime.num_goroutines", len(asyncio.all_tasks()))
    metrics.gauge("runtime.heap_objects", sum(gc.get_count()))
    metrics.gauge("runtime.total_gc_runs", sum(generation["collections"] for generation in gc.get_stats()))


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def host(now: float) -> dict[str, Any]:
    """Memory, processors, system and disk of the host. `now` is wall-clock seconds; `CollectionTime` is nanoseconds."""
    return {
        "Memory": _memory(),
        "CPU": _processors(),
        "Host": _system(now),
        "Disk": _disk(),
        "CollectionTime": int(now * 1e9),
        "Errors": None,
    }


def _pairs(path: str) -> list[tuple[str, str]]:
    """The `name: value` lines of a file in /proc."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def _memory() -> dict[str, Any]:
    values = {name: int(value.split()[0]) * 1024 for name, value in _pairs("/proc/meminfo") if value[:1].isdigit()}
    total, free = values.get("MemTotal", 0), values.get("MemFree", 0)
    cached, buffers = values.get("Cached", 0), values.get("Buffers", 0)
    used = total - free - cached - buffers
    return {
        "total": total,
        "available": values.get("MemAvailable", 0),
        "used": used,
        "usedPercent": 100.0 * used / total if total else 0.0,
        "free": free,
        "active": values.get("Active", 0),
        "inactive": values.get("Inactive", 0),
        "buffers": buffers,
        "cached": cached,
        "swaptotal": values.get("SwapTotal", 0),
        "swapfree": values.get("SwapFree", 0),
    }


def _processors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, value in _pairs("/proc/cpuinfo"):
        if name == "processor":
            found.append(
                {"cpu": int(value), "vendorId": "", "family": "", "model": "", "cores": 1, "modelName": "", "mhz": 0.0, "flags": []}
            )
        elif found:
            _processor_field(found[-1], name, value)
    return found


def _processor_field(processor: dict[str, Any], name: str, value: str) -> None:
    texts = {"vendor_id": "vendorId", "cpu family": "family", "model": "model", "model name": "modelName"}
    if name in texts:
        processor[texts[name]] = value
    elif name == "cpu MHz":
        processor["mhz"] = float(value)
    elif name == "flags":
        processor["flags"] = value.split()


def _system(now: float) -> dict[str, Any]:
    try:
        uptime = int(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError, IndexError):
        uptime = 0
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return {
        "hostname": socket.gethostname(),
        "uptime": uptime,
        "bootTime": int(now) - uptime,
        "procs": sum(1 for entry in os.scandir("/proc") if entry.name.isdigit()) if Path("/proc").is_dir() else 0,
        "os": platform.system().lower(),
        "platform": release.get("ID", ""),
        "platformFamily": release.get("ID_LIKE", release.get("ID", "")),
        "platformVersion": release.get("VERSION_ID", ""),
        "kernelVersion": platform.release(),
        "kernelArch": platform.machine(),
    }


def _disk() -> dict[str, Any]:
    usage = shutil.disk_usage("/")
    return {"path": "/", "total": usage.total, "free": usage.free, "used": usage.used, "usedPercent": 100.0 * usage.used / usage.total}
