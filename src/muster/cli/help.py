"""Help texts in the layout of Consul's: usage, description, and the flags in two groups."""

from collections.abc import Iterable
from textwrap import wrap

from muster.cli.flags import Flag

WIDTH = 72  # columns of a flag's description


def paragraphs(text: str) -> str:
    """A description with two columns free: prose is wrapped, lines that are indented (examples) stay as they are."""
    lines: list[str] = []
    prose: list[str] = []
    for line in [*text.strip("\n").splitlines(), ""]:
        if line and not line.startswith(" "):
            prose.append(line)
            continue
        lines += wrap(" ".join(prose), WIDTH + 8, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        prose = []
        lines.append(f"  {line}" if line else "")
    return "\n".join(lines).rstrip("\n")


def flag_group(title: str, flags: Iterable[Flag]) -> str:
    """A titled list of flags, sorted by name; empty if there are none."""
    entries = [_entry(flag) for flag in sorted(flags, key=lambda flag: flag.name)]
    return "\n\n".join([title, *entries]) if entries else ""


def _entry(flag: Flag) -> str:
    head = f"  -{flag.name}" if flag.kind.is_switch and not flag.placeholder else f"  -{flag.name}=<{flag.noun}>"
    lines = wrap(flag.help, WIDTH, initial_indent="     ", subsequent_indent="     ", break_on_hyphens=False)
    return "\n".join([head, *lines])


def flag_defaults(flags: Iterable[Flag]) -> str:
    """The list of flags that follows an error in them, in the layout of Go's programs."""
    lines = ["Usage:"]
    for flag in sorted(flags, key=lambda flag: flag.name):
        noun = "" if flag.kind.is_switch and not flag.placeholder else f" {flag.noun}"
        lines.append(f"  -{flag.name}{noun}\n    \t{flag.help}")
    return "\n".join(lines)


def command_list(commands: Iterable[tuple[str, str]]) -> str:
    """Names with what they do, in two columns."""
    rows = sorted(commands)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"    {name.ljust(width)}    {synopsis}" for name, synopsis in rows)
