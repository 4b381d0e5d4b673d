"""How a command that fails midway leaves no trace: every change of a table notes here how to take it back.

One journal is shared by all tables of a store. It is active only while a command runs that may fail after its first
change; otherwise nothing is noted, so that the common single-key write pays one test of a flag.
"""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Journal:
    """Undo steps of the command that is being applied, newest last."""

    __slots__ = ("_undo", "active")

    def __init__(self) -> None:
        self.active = False
        self._undo: list[Callable[[], object]] = []

    def record(self, undo: Callable[[], object]) -> None:
        """Notes how to take back a change. Call it after the change was made; does nothing while inactive."""
        if self.active:
            self._undo.append(undo)

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """`table[key] = value`, to be taken back if the command fails."""
        if self.active:
            if key in table:
                old = table[key]
                self._undo.append(lambda: table.__setitem__(key, old))
            else:
                self._undo.append(lambda: table.__delitem__(key))
        table[key] = value

    def drop(self, table: dict[K, V], key: K) -> None:
        """`table.pop(key, None)`, to be taken back if the command fails. The place in the order of insertion may change."""
        if key in table:
            old = table.pop(key)
            if self.active:
                self._undo.append(lambda: table.__setitem__(key, old))

    def begin(self) -> None:
        """From here on changes are noted."""
        self.active = True

    def commit(self) -> None:
        """The command succeeded: its notes are thrown away."""
        self.active = False
        self._undo.clear()

    def rollback(self) -> None:
        """The command failed: its changes are taken back, newest first."""
        self.active = False
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
