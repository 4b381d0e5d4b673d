"""What all tests share: where the peers are, and that CI skips nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def peers_folder() -> Path:
    """Where scripts/get-peers leaves the real programs."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muster-peers"
    return Path(os.environ.get("MUSTER_PEERS") or default)


@pytest.fixture(scope="session")
def consul() -> Path:
    """The real consul program; without it the test is skipped by name."""
    program = peers_folder() / "consul"
    if not os.access(program, os.X_OK):
        pytest.skip("the real consul is not here: scripts/get-peers brings it")
    return program


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a skip is a failure: what a test needs is installed there."""
    report = yield
    if report.skipped and os.environ.get("MUSTER_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


def needs_program(name: str) -> str:
    """The path of a program of the system, or a skip by name."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*words: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, **options)
