"""Which command a line means, what is shown without one, and how little is loaded for it."""

import subprocess
import sys

import pytest

from muster.cli.commands import COMMANDS, GROUPS
from muster.cli.main import main, read_line


@pytest.mark.parametrize(
    ("line", "words", "rest"),
    [
        pytest.param("kv get a", "kv get", ["a"], id="two words"),
        pytest.param("operator raft list-peers -stale", "operator raft list-peers", ["-stale"], id="three words"),
        pytest.param("operator raft", "operator raft", [], id="a group"),
        pytest.param("kv nope", "kv", ["nope"], id="an unknown word after a group"),
        pytest.param("nope kv", "nope", ["kv"], id="an unknown command"),
        pytest.param("version kv get", "version", ["kv", "get"], id="arguments that are commands"),
        pytest.param("kv get -- -h", "kv get", ["--", "-h"], id="no help after two dashes"),
        pytest.param("", "", [], id="nothing"),
    ],
)
def test_the_longest_command_is_found(line, words, rest):
    found = read_line(line.split())
    assert (found.words, found.rest, found.wants_help) == (words, rest, False)


@pytest.mark.parametrize("line", ["-h", "kv get -h", "kv -help get", "kv get a --help"])
def test_help_may_be_asked_for_anywhere(line, capsys):
    assert main(line.split()) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: muster ")
    assert shown.err == ""


@pytest.mark.parametrize("line", ["", "nope", "help", "--"])
def test_an_unknown_or_missing_command_is_127_on_standard_error(line, capsys):
    assert main(line.split()) == 127
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Usage: muster [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n    agent ")


def test_flags_before_the_command_are_refused(capsys):
    assert main(["-token=x", "kv", "get", "a"]) == 1
    assert capsys.readouterr().err.startswith("Invalid flags before the subcommand.")


@pytest.mark.parametrize("flag", ["-v", "-version", "--version", "version"])
def test_the_version_says_with_what_it_is_compatible(flag, capfdbinary):
    assert main([flag]) == 0
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[0] == "Muster v0.1.0"
    assert lines[1].startswith("Protocol 2 spoken by default, understands 2 to 3")
    assert "1.8.7" in lines[2]


@pytest.mark.parametrize("words", sorted(name for name in COMMANDS if name != "agent"))
def test_every_command_has_help_that_names_it(words, capsys):
    assert main([*words.split(), "-h"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: muster {words}")
    assert all(len(line) <= 90 for line in shown.splitlines())
    assert ("Subcommands:" in shown) == (words in GROUPS)


def test_a_wrong_flag_shows_all_flags_in_go_s_layout(capsys):
    assert main(["version", "-nope"]) == 1
    assert (
        capsys.readouterr().err
        == "flag provided but not defined: -nope\nUsage:\n  -format string\n    \tHow to write it: pretty or json.\n"
    )


def test_the_version_loads_nothing_heavy():
    code = "import sys; from muster.cli.main import main; main(['version']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"msgspec", "ssl", "asyncio", "http.client", "json", "socket", "uvloop", "cryptography", "inspect", "subprocess"}
    assert not {name for name in heavy if f"'{name}'" in done.stderr}
