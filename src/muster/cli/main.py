"""The program's entry: finds the command, reads its flags, runs it, and turns what went wrong into an exit status."""

import sys
from typing import TYPE_CHECKING, NamedTuple, TextIO

from muster.cli.commands import COMMANDS, GROUPS, subcommands

if TYPE_CHECKING:
    from muster.cli.command import Command

HELP = frozenset(("-h", "-help", "--help"))
VERSION = frozenset(("-v", "-version", "--version"))
UNKNOWN_COMMAND = 127
INTERRUPTED = 130  # as a shell reports a program that was interrupted


class CommandLine(NamedTuple):
    """What stands on a command line: flags before any command, the command's words, what follows them, and two wishes."""

    top_flags: list[str]
    words: str
    rest: list[str]
    wants_help: bool
    wants_version: bool


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line (by default this process's) and returns the exit status."""
    line = read_line(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(line)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has had enough; what is still buffered goes nowhere, so that the exit stays silent
        sys.stdout = None
        return 1


def read_line(arguments: list[str]) -> CommandLine:
    """Splits a command line. A wish for help may stand anywhere before `--`, one for the version before the command."""
    top_flags: list[str] = []
    words, rest = "", []
    wants_help = wants_version = False
    for at, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument in HELP:
            wants_help = True
        elif not words and argument in VERSION:
            wants_version = True
        elif not words and argument.startswith("-"):
            top_flags.append(argument)
        elif not words and argument:
            words = _longest_command(arguments[at:]) or argument
            rest = arguments[at + len(words.split(" ")) :]
    return CommandLine(top_flags, words, rest, wants_help, wants_version)


def _longest_command(arguments: list[str]) -> str:
    """As many of the first words as make up a command."""
    for count in (3, 2, 1):
        words = " ".join(arguments[:count])
        if words in COMMANDS:
            return words
    return ""


def _dispatch(line: CommandLine) -> int:
    if line.wants_version:
        return _run("version", [])
    if line.wants_help and not line.words:
        return _show(top_help(), sys.stdout, 0)
    if line.words not in COMMANDS:
        return _show(top_help(), sys.stderr, UNKNOWN_COMMAND)
    if line.wants_help:
        return _show(_help(line.words), sys.stdout, 0)
    if line.top_flags:
        complaint = "Invalid flags before the subcommand. If these flags are for\nthe subcommand, please put them after the subcommand."
        return _show(f"{complaint}\n\n{_help(line.words)}", sys.stderr, 1)
    if line.words in GROUPS:
        return _show(group_help(line.words), sys.stderr, 1)
    return _run(line.words, line.rest)


def _run(words: str, rest: list[str]) -> int:
    from muster.cli.command import Invocation
    from muster.cli.flags import FlagError, parse
    from muster.cli.help import flag_defaults

    command = _load(words)
    try:
        parsed = parse(command.all_flags, rest)
    except FlagError as error:
        return _show(f"{error}\n{flag_defaults(command.all_flags)}", sys.stderr, 1)
    invocation = Invocation(command, parsed)
    if not command.speaks_http:
        return command.run(invocation)
    from muster.client.errors import InvalidSetting

    try:
        return command.run(invocation)
    except InvalidSetting as error:
        return invocation.refuse(f"{command.unconnected}{error}")


def _load(words: str) -> "Command":
    from importlib import import_module

    command: Command = import_module(f"muster.cli.{COMMANDS[words][0]}").COMMAND
    return command


def _help(words: str) -> str:
    return group_help(words) if words in GROUPS else _load(words).help()


def top_help() -> str:
    """The list of all commands."""
    from muster.cli.help import command_list

    return f"Usage: muster [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n{command_list(subcommands(''))}\n"


def group_help(words: str) -> str:
    """The help of a command that only has commands below it."""
    from muster.cli.help import command_list, paragraphs

    description = paragraphs(GROUPS[words])
    commands = command_list(subcommands(words))
    return f"Usage: muster {words} <subcommand> [options] [args]\n\n{description}\n\nSubcommands:\n{commands}"


def _show(text: str, stream: TextIO, status: int) -> int:
    print(text, file=stream)
    return status


if __name__ == "__main__":
    sys.exit(main())
