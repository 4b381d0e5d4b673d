"""Composes everything on one host; the only place that makes the clock and the random numbers."""

from collections.abc import Mapping
from typing import Any


def run(flags: Mapping[str, Any]) -> int:
    """Runs an agent until it is told to end; returns the exit status. `flags` are those of the command line."""
    from muster.program.main import run_agent

    return run_agent(flags)
