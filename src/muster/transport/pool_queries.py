"""What the host holds of a query that it asked, until the query's time is over."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from msgspec import Struct

from muster.gossip.effects import QueryAcknowledged, QueryAnswered, QueryEnded
from muster.gossip.key_operations import KeyCommand, KeyOperation
from muster.gossip.keyring import decode_key
from muster.model.errors import Rejected

QueryNews = QueryAcknowledged | QueryAnswered

_KEY_COMMANDS = {"install": KeyCommand.INSTALL, "use": KeyCommand.USE, "remove": KeyCommand.REMOVE, "list": KeyCommand.LIST}


class PoolQuery:
    """One query of ours. Iterate it to see acks and answers as they come; the iteration ends with the query.

    `acknowledged` holds the names of those that have it, `answers` the payload by name. Both grow with the members at most: the core hands
    on one of each a member.
    """

    def __init__(self, ticket: int) -> None:
        self.ticket = ticket
        self.acknowledged: list[str] = []
        self.answers: dict[str, bytes] = {}
        self.done = False
        self._news: deque[QueryNews] = deque()
        self._wake = asyncio.Event()

    def take(self, effect: QueryNews | QueryEnded) -> None:
        """A member has the query, or answers it, or its time is over."""
        match effect:
            case QueryAcknowledged(node=node):
                self.acknowledged.append(node)
                self._news.append(effect)
            case QueryAnswered(node=node, payload=payload):
                self.answers[node] = payload
                self._news.append(effect)
            case QueryEnded():
                self.done = True
        self._wake.set()

    async def ended(self) -> "PoolQuery":
        """Waits until the time is over."""
        async for _ in self:
            pass
        return self

    async def __aiter__(self) -> AsyncIterator[QueryNews]:
        while True:
            while self._news:
                yield self._news.popleft()
            if self.done:
                return
            self._wake.clear()
            await self._wake.wait()


class KeyReport(Struct, frozen=True, kw_only=True):
    """What came of a key operation among `members`. `messages` by member's name; `keys` and `primary`, by key in base64: how many members
    have it, and how many seal with it. `error` is in Serf's words, empty if every member did as told."""

    members: int
    answered: int
    error: str
    messages: dict[str, str]
    keys: dict[str, int]
    primary: dict[str, int]


class KeyInquiry:
    """A key operation of ours under way."""

    def __init__(self, operation: KeyOperation) -> None:
        self._operation = operation
        self._over = asyncio.Event()

    def take(self, effect: QueryNews | QueryEnded) -> None:
        """A member answers, or the time is over."""
        if self._operation.observe(effect):
            self._over.set()

    async def report(self) -> KeyReport:
        """Waits until every member has answered, or the time is over."""
        await self._over.wait()
        found = self._operation
        return KeyReport(
            members=found.node_count,
            answered=found.response_count,
            error=found.failure,
            messages=found.messages,
            keys=found.keys,
            primary=found.primary_keys,
        )


def key_command(operation: str, key: str) -> tuple[KeyCommand, bytes]:
    """What `install`, `use`, `remove` or `list` asks of the members, and the key's bytes; `Rejected` for anything else, or a
    key that is no base64. Its size is for the members to judge."""
    command = _KEY_COMMANDS.get(operation)
    if command is None:
        raise Rejected(f"no key operation is called {operation!r}; install, use, remove and list are")
    raw = decode_key(key) if command is not KeyCommand.LIST else b""
    return command, raw
