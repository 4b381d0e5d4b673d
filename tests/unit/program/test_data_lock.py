"""Two agents never share a data directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from muster.model.errors import ConfigurationError
from muster.program.data_lock import DataLock


def test_a_second_agent_is_refused_until_the_first_is_gone(tmp_path: Path):
    first = DataLock(str(tmp_path / "data"))
    with pytest.raises(ConfigurationError, match="in use by another agent"):
        DataLock(str(tmp_path / "data"))
    first.release()
    DataLock(str(tmp_path / "data")).release()


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path):
    program = f"from muster.program.data_lock import DataLock; lock = DataLock({str(tmp_path)!r}); import os; os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    DataLock(str(tmp_path)).release()


def test_without_a_directory_nothing_is_locked():
    DataLock("").release()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="data_dir: cannot write"):
        DataLock(str(tmp_path / "file" / "data"))


def test_no_descriptor_is_lost_by_a_refusal(tmp_path: Path):
    held = DataLock(str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        with pytest.raises(ConfigurationError):
            DataLock(str(tmp_path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    held.release()
