"""A command: how it is called, what it says about itself, and one call of it."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TextIO

from muster.cli.connection_flags import CLIENT_FLAGS, SERVER_FLAGS
from muster.cli.flags import Flag, Parsed, Value
from muster.cli.help import flag_group, paragraphs

if TYPE_CHECKING:
    from muster.client.client import Client


class Command(NamedTuple):
    """One command of the program. `usage` follows the program's name; `run` returns the exit status.

    `speaks_http`: takes the flags of the HTTP API; `asks_servers`: also those of requests that servers answer (`-datacenter`,
    `-stale`). `unconnected` begins the message when no client can be made of them.
    """

    usage: str
    description: str
    run: "Callable[[Invocation], int]"
    flags: tuple[Flag, ...] = ()
    speaks_http: bool = True
    asks_servers: bool = False
    unconnected: str = "Error connecting to Consul agent: "

    @property
    def api_flags(self) -> tuple[Flag, ...]:
        """The flags that this command shares with others."""
        if not self.speaks_http:
            return ()
        return CLIENT_FLAGS + SERVER_FLAGS if self.asks_servers else CLIENT_FLAGS

    @property
    def all_flags(self) -> tuple[Flag, ...]:
        return self.api_flags + self.flags

    def help(self) -> str:
        """The whole help text, without an end of line."""
        parts = [f"Usage: muster {self.usage}", paragraphs(self.description)]
        parts += [flag_group("HTTP API Options", self.api_flags), flag_group("Command Options", self.flags)]
        return "\n\n".join(part for part in parts if part)


class Invocation:
    """One call of a command: its flags' values, its arguments, where it writes, and its client."""

    def __init__(self, command: Command, parsed: Parsed) -> None:
        self.command = command
        self.arguments = parsed.arguments
        self._values = parsed.values
        self._given = parsed.given

    def text(self, name: str) -> str:
        """The value of a flag that takes a text."""
        value = self._values[name]
        return value if isinstance(value, str) else ""

    def switch(self, name: str) -> bool:
        """Whether a switch is on."""
        return self._values[name] is True

    def number(self, name: str) -> int:
        """The value of a flag that takes a number, or a duration in nanoseconds."""
        value = self._values[name]
        return value if isinstance(value, int) else 0

    def texts(self, name: str) -> list[str]:
        """All values of a flag that may be repeated."""
        value = self._values[name]
        return value if isinstance(value, list) else []

    def pairs(self, name: str) -> dict[str, str]:
        """The pairs of a flag that takes `key=value`."""
        value = self._values[name]
        return value if isinstance(value, dict) else {}

    def given(self, name: str) -> bool:
        """Whether the flag stands on the command line."""
        return name in self._given

    def given_values(self) -> dict[str, Value]:
        """The values of the flags that stand on the command line."""
        return {name: self._values[name] for name in self._given}

    def client(self) -> "Client":
        """A client as the environment and the flags say; `InvalidSetting` if that cannot be."""
        from muster.cli.connection_flags import settings
        from muster.client.client import Client

        return Client(settings=settings(self))

    def out(self, text: str | bytes = "") -> None:
        """Writes a line to the standard output; bytes as they are."""
        _write(sys.stdout, text)

    def error(self, text: str) -> None:
        """Writes a line to the standard error output."""
        sys.stdout.flush()
        _write(sys.stderr, text)

    def refuse(self, text: str) -> int:
        """Says what is wrong and gives the exit status for it."""
        self.error(text)
        return 1

    def refuse_with_help(self, text: str) -> int:
        """Says what is wrong, shows the help, and gives the exit status."""
        self.error(f"{text}\n\n{self.command.help()}")
        return 1

    def too_many(self, expected: int) -> str | None:
        """The complaint about more arguments than expected, or None."""
        found = len(self.arguments)
        return f"Too many arguments (expected {expected}, got {found})" if found > expected else None


def _write(stream: TextIO, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    stream.buffer.write(data + b"\n")
    stream.buffer.flush()
