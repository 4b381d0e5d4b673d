"""Muster's command line beside Consul's: exit status and both streams, for the lines of `command_line_rows`.

What Consul's own command line gives stands in `command_line.json` (`scripts/record-command-line`). It is compared with what Muster's
gives when it speaks to the real agent, and when it speaks to Muster's.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from agents import MUSTER, AgentProcess
from command_line_rows import DIFFERENCES
from command_lines import Runner, groups, label, recorded, write_files

pytestmark = [pytest.mark.peer, pytest.mark.slow]

AGENTS = ("consul", "muster")
EARLY_COORDINATE = ("rtt test-node test-node", "rtt test-node none")
"""An agent tells its coordinate some seconds after its start: whether it was already told is a matter of time."""


@pytest.fixture(scope="module", params=AGENTS)
def runner(request, tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    write_files(files)
    program = MUSTER if request.param == "muster" else request.getfixturevalue("consul")
    with AgentProcess(tmp_path_factory.mktemp("agent"), "-dev", program=program) as agent:
        ports = {"http": agent.http, "lan": agent.lan, "wan": agent.wan, "rpc": agent.rpc}
        yield Runner(MUSTER, files, ports)


@pytest.mark.parametrize("group", list(groups()))
def test_a_group_of_command_lines_gives_what_consul_gives(runner, group):
    commands = runner
    expected, found = recorded()[group], commands.run_group(group)
    assert [row["line"] for row in found] == [row["line"] for row in expected], "the table is older than the rows: record it"
    wrong = []
    for given, wanted in zip(found, expected, strict=True):
        if given["line"] in DIFFERENCES:
            assert given != wanted, f"{given['line']}: no difference any more"
        elif given != wanted and given["line"] not in EARLY_COORDINATE:
            wrong.append((given, wanted))
    shown = "\n".join(f"muster {given['line']}\n  gives  {_short(given)}\n  wanted {_short(wanted)}" for given, wanted in wrong)
    assert not wrong, f"{len(wrong)} of {len(found)} lines differ:\n{shown}"


def _short(row: dict) -> str:
    return f"{row['status']} {row['stdout']!r} {row['stderr']!r}"


def test_every_deliberate_difference_names_a_line():
    lines = {label(row) for rows in groups().values() for row in rows if not (isinstance(row, dict) and "request" in row)}
    assert set(DIFFERENCES) <= lines
