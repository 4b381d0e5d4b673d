"""Whether what clients of the key/value store saw can be explained by one order of their operations.

Every operation must seem to happen at one moment between its begin and its end. Keys are independent of each other, so each key's
history is checked alone. An operation whose outcome nobody knows may have happened at any moment after its begin, or never.

Source: Wing, Gong, "Testing and Verifying Concurrent Objects" (1993); Lowe, "Testing for Linearizability" (2016), section 4: positions
that were reached before are not searched again; Horn, Kroening, "Faster Linearizability Checking via P-compositionality" (2015).
"""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

GET: Final = "get"
SET: Final = "set"
CAS: Final = "cas"
LOCK: Final = "lock"
UNLOCK: Final = "unlock"

MOST_POSITIONS: Final = 2_000_000  # of one key's search; a history that needs more is not decided


class Undecided(AssertionError):
    """The search for an order was given up; the history may be right or wrong."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked of one key, and what it was told. Times are seconds on one clock.

    `value` is what it writes; `expected` what a cas compares with, None for a key that is not there; `session` who locks or unlocks.
    `result` is the value that a get found (None: no such key), or whether a write succeeded. `ended` is infinity if no answer came:
    then `result` does not count.
    """

    client: str
    key: str
    kind: str
    began: float
    ended: float = math.inf
    value: str | None = None
    expected: str | None = None
    session: str = ""
    result: str | bool | None = None

    @property
    def known(self) -> bool:
        """Whether an answer came."""
        return self.ended < math.inf

    def __str__(self) -> str:
        asked = "".join(f" {name}={text}" for name in ("value", "expected", "session") if (text := getattr(self, name)))
        told = f"{self.ended:.4f}: {self.result}" if self.known else "unknown"
        return f"{self.client} {self.kind} {self.key}{asked} [{self.began:.4f} .. {told}]"


class Register(NamedTuple):
    """One key: its value, None if it is not there, and the session that holds it, or an empty text."""

    value: str | None = None
    holder: str = ""

    def after(self, operation: Operation) -> "Register | None":
        """The key after this operation; None if it could not have had this result now."""
        match operation.kind:
            case "get":
                return self if operation.result == self.value or not operation.known else None
            case "set":
                succeeds, holder = True, self.holder
            case "cas":
                succeeds, holder = operation.expected == self.value, self.holder
            case "lock":
                succeeds, holder = self.holder in ("", operation.session), operation.session
            case _:
                succeeds, holder = self.value is not None and self.holder == operation.session, ""
        if operation.known and operation.result is not succeeds:
            return None
        return Register(operation.value, holder) if succeeds else self


def violations(history: Iterable[Operation]) -> list[str]:
    """For each key whose history has no order: what it is, and where the longest attempt got stuck. Empty if all have one.

    Raises Undecided if a search takes too long.
    """
    keys: dict[str, list[Operation]] = {}
    for operation in history:
        keys.setdefault(operation.key, []).append(operation)
    return [f"key {key} is not linearizable: {stuck}" for key in sorted(keys) if (stuck := _explain(keys[key]))]


def _explain(operations: list[Operation]) -> str:
    """Empty if there is an order."""
    operations = sorted(operations, key=lambda operation: (operation.began, operation.ended))
    seen = {operation.result for operation in operations if operation.kind == GET and operation.known}
    seen |= {operation.expected for operation in operations if operation.kind == CAS}
    # What has no known outcome and was never seen need not have happened: most histories have an order without it, found much sooner.
    telling = [operation for operation in operations if operation.known or operation.value in seen]
    if len(telling) < len(operations) and not Search(telling).stuck():
        return ""
    return Search(operations).stuck()


class Search:
    """The search for one key's order: depth first, over the operations' begins and ends as a list from which what is placed is taken out.

    An entry of the list is the number of an operation for its begin, and that number plus `_count` for its end. Operations without an
    end may stay in it.
    """

    def __init__(self, operations: list[Operation]) -> None:
        self._operations = operations
        self._count = count = len(operations)
        self._head = 2 * count
        times = [(operation.began, 0, number) for number, operation in enumerate(operations)]
        times += [(operation.ended, 1, number + count) for number, operation in enumerate(operations) if operation.known]
        order = [self._head, *(entry for _, _, entry in sorted(times))]
        self._next, self._previous = [self._head] * (2 * count + 1), [self._head] * (2 * count + 1)
        for before, after in zip(order, [*order[1:], self._head]):
            self._next[before], self._previous[after] = after, before
        self._left = sum(operation.known for operation in operations)

    def stuck(self) -> str:
        """Empty if an order was found; else the operation that could not be placed when most were."""
        register, placed, depth = Register(), 0, -1
        trail: list[tuple[int, Register]] = []
        reached: set[tuple[int, Register | None]] = {(placed, register)}
        stuck = ""
        entry = self._next[self._head]
        while self._left:
            if entry < self._count:
                after = register.after(self._operations[entry])
                position = (placed | 1 << entry, after)
                if after is not None and position not in reached:
                    reached.add(position)
                    trail.append((entry, register))
                    placed, register = placed | 1 << entry, after
                    self._take_out(entry)
                    entry = self._next[self._head]
                else:
                    entry = self._next[entry]
                continue
            if len(trail) > depth:
                depth, stuck = len(trail), f"after {register}: {self._operations[entry % self._head - self._count]}"
            if not trail:
                return stuck
            if len(reached) > MOST_POSITIONS:
                raise Undecided(f"{len(self._operations)} operations: no order among {MOST_POSITIONS} positions; {stuck}")
            entry, register = trail.pop()
            placed &= ~(1 << entry)
            self._put_back(entry)
            entry = self._next[entry]
        return ""

    def _take_out(self, number: int) -> None:
        known = self._operations[number].known
        for entry in (number, number + self._count) if known else (number,):
            before, after = self._previous[entry], self._next[entry]
            self._next[before], self._previous[after] = after, before
        self._left -= known

    def _put_back(self, number: int) -> None:
        known = self._operations[number].known
        for entry in (number + self._count, number) if known else (number,):
            self._next[self._previous[entry]] = self._previous[self._next[entry]] = entry
        self._left += known
