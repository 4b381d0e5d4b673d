"""`?cached`: answers from the agent's cache, and what they say of it.

About its own datacenter a server's newest answer is at hand and no dearer than an older one, so it is never older; the book only
knows which questions were asked before, because clients look at `X-Cache`. All other questions go through the agent's cache.
"""

from typing import Any

from msgspec.structs import replace

from muster.agent.cache import Cached, plain
from muster.http.messages import Outcome
from muster.wire.requests import QueryOptions

REMEMBERED = 4096  # questions
MISS = b"X-Cache: MISS\r\n"
HIT = b"X-Cache: HIT\r\nAge: 0\r\n"


class CacheBook:
    """Questions that were asked with `?cached`, the oldest forgotten first."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked: dict[tuple[str, QueryOptions], None] = {}

    def line(self, method: str, question: QueryOptions) -> bytes:
        """The header lines for a question, which is remembered from now on."""
        key = (method, plain(question))
        if key in self._asked:
            return HIT
        self._asked[key] = None
        if len(self._asked) > REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return MISS


def line(found: Cached) -> bytes:
    """The header lines for an answer of the agent's cache. Ages are whole seconds, rounded as the peers do."""
    return b"X-Cache: HIT\r\nAge: %.0f\r\n" % found.age if found.hit else MISS


def is_at_hand(context: Any, question: QueryOptions) -> bool:
    """Whether the newest answer is in this process."""
    return bool(context.settings.is_server and question.datacenter == context.settings.datacenter)


def relaxed(question: QueryOptions) -> QueryOptions:
    """The question as a cache asks it: any server may answer."""
    return question if question.allow_stale else replace(question, allow_stale=True)


def answer_cached(found: Cached, answer: Any, arguments: tuple[Any, ...], extra: bytes) -> Outcome:
    """What `answer(reply, *arguments, lines)` makes of an answer of the cache."""
    outcome: Outcome = answer(found.reply, *arguments, line(found) + extra)
    return outcome
