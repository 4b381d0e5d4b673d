"""Replays the recorded answers of Consul against a fresh agent for each scenario."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import conform  # noqa: E402

MUSTER = Path(sys.executable).with_name("muster")
SCENARIOS = {scenario.name: scenario for scenario in conform.load_scenarios([HERE / "scenarios"], None)}
LATER = ("acl-", "intentions")
"""Access control and intentions are not built yet."""
DIFFERENCES = json.loads((HERE / "differences.json").read_text())
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def required() -> list[str]:
    """The scenarios that must pass: all whose endpoints are built."""
    return [name for name in SCENARIOS if not name.startswith(LATER)]


@pytest.mark.slow
@pytest.mark.parametrize("name", required())
def test_scenario(name):
    options = SimpleNamespace(
        binary=str(MUSTER),
        agent_args=conform.DEFAULT_AGENT_ARGS,
        base_port=28000 + 1000 * WORKER,
        golden=str(HERE / "golden"),
        tolerate_extra_keys=False,
    )
    deliberate = {(entry["scenario"], entry["step"]) for entry in DIFFERENCES}
    found = [mismatch for mismatch in conform.replay(options, SCENARIOS[name]) if (name, mismatch.step) not in deliberate]
    assert not found, "\n".join(
        f"step {m.step} {m.request}: {m.kind} {m.path}: expected {m.expected!r}, got {m.actual!r}" for m in found[:10]
    )


def test_every_deliberate_difference_has_its_decision():
    for entry in DIFFERENCES:
        assert (HERE.parents[1] / "docs" / "decisions" / entry["decision"]).is_file(), entry
