"""Who waits for what: tickets parked under the keys that an answer depends on, woken when one of them changes.

A ticket is any hashable object. It is woken at most once per applied command and stays parked until it is withdrawn. A key
of the store wakes those that wait for exactly it, and those that wait for a prefix of it: how long the parked prefixes are
is counted, so that a change costs one look-up per distinct length and not one per waiter.
"""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

Ticket = Hashable
WatchKey = tuple[str, str]
WatchSet = list[WatchKey]

KEY = "key"
PREFIX = "prefix"

# One waiter stands for itself, several in a dict used as an ordered set: most keys have one waiter, and a container each
# would cost more than the ticket. The order of waking must not depend on addresses, or a simulation would not replay.
Parked = Ticket | dict[Ticket, None]


class Turn(NamedTuple):
    """A check turned from one status to another; an empty one stands for no check. Names as they were written."""

    node: str
    check_id: str
    before: str
    after: str


class Watches:
    """Tickets by watch key. During an apply `touch` collects, at its end `take_woken` hands over.

    Those who follow all changes instead of waiting for some take `take_changed`, and `take_turns` for those of checks.
    """

    __slots__ = ("_changed", "_prefix_lengths", "_tables", "_turns", "_woken", "followed", "tickets", "woken_total")

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Parked]] = {KEY: {}, PREFIX: {}}
        self.tickets: dict[Ticket, tuple[WatchKey, ...]] = {}
        """Who waits, and for what."""
        self._prefix_lengths: dict[int, int] = {}
        self._woken: dict[Ticket, None] = {}
        self._changed: dict[WatchKey, None] = {}
        self.followed = False
        """Whether all that changes is collected for `take_changed`."""
        self._turns: list[Turn] = []
        self.woken_total = 0
        """How many times a ticket was woken since the start."""

    @property
    def parked_now(self) -> int:
        """How many tickets wait."""
        return len(self.tickets)

    def park(self, ticket: Ticket, keys: Iterable[WatchKey]) -> None:
        """The ticket is to be woken when one of the keys changes. Parked anew, it waits for the new keys only."""
        if ticket in self.tickets:
            self.withdraw(ticket)
        wanted = tuple(keys)
        self.tickets[ticket] = wanted
        for kind, name in wanted:
            table = self._tables.get(kind)
            if table is None:
                table = self._tables[kind] = {}
            if name not in table:
                table[name] = ticket
                if kind == PREFIX:
                    self._prefix_lengths[len(name)] = self._prefix_lengths.get(len(name), 0) + 1
                continue
            parked = table[name]
            if isinstance(parked, dict):
                parked[ticket] = None
            elif parked != ticket:
                table[name] = {parked: None, ticket: None}

    def withdraw(self, ticket: Ticket) -> None:
        """The ticket waits no longer; does nothing if it did not."""
        for kind, name in self.tickets.pop(ticket, ()):
            table = self._tables[kind]
            parked = table.get(name)
            if isinstance(parked, dict):
                parked.pop(ticket, None)
                if len(parked) > 1:
                    continue
                if parked:
                    (table[name],) = parked
                    continue
            elif parked != ticket:
                continue
            del table[name]
            if kind == PREFIX:
                self._one_prefix_less(len(name))

    def _one_prefix_less(self, length: int) -> None:
        left = self._prefix_lengths[length] - 1
        if left:
            self._prefix_lengths[length] = left
        else:
            del self._prefix_lengths[length]

    def touch(self, key: WatchKey) -> None:
        """What the key stands for changed in the command being applied. A key of the store is told by `touch_key`."""
        kind, name = key
        table = self._tables.get(kind)
        if table:
            self._wake(table.get(name))
        if self.followed:
            self._changed[key] = None

    def touch_key(self, key: str) -> None:
        """A key of the key/value store changed: wakes its waiters and those of every prefix of it."""
        keys = self._tables[KEY]
        if keys and key in keys:
            self._wake(keys[key])
        if self._prefix_lengths:
            prefixes = self._tables[PREFIX]
            size = len(key)
            for length in self._prefix_lengths:
                if length <= size:
                    self._wake(prefixes.get(key[:length]))
        if self.followed:
            self._changed[KEY, key] = None

    def turned(self, turn: Turn) -> None:
        """A check was written or deleted."""
        if turn.before != turn.after:
            self._turns.append(turn)

    def touch_all(self) -> None:
        """Everything changed, as by a restored snapshot."""
        self._woken.update(dict.fromkeys(self.tickets))

    def _wake(self, parked: Parked | None) -> None:
        if parked is None:
            return
        if isinstance(parked, dict):
            self._woken.update(parked)
        else:
            self._woken[parked] = None

    def take_woken(self) -> list[Ticket]:
        """The tickets touched since the last call, in the order of their first touch."""
        if not self._woken:
            return []
        woken = list(self._woken)
        self._woken = {}
        self.woken_total += len(woken)
        return woken

    def take_changed(self) -> Iterable[WatchKey]:
        """What was touched since the last call, in the order of the first touch; nothing unless it is followed."""
        changed = self._changed
        if not changed:
            return ()
        self._changed = {}
        return changed

    def take_turns(self) -> list[Turn]:
        """The checks that turned since the last call."""
        turns = self._turns
        if turns:
            self._turns = []
        return turns

    def forget_woken(self) -> None:
        """The command failed: nobody is woken, and nothing has changed."""
        self._woken = {}
        if self._changed:
            self._changed = {}
        if self._turns:
            self._turns = []
