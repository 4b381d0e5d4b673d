"""What `?cached` answers say of the cache.

On a server the newest answer is at hand and no dearer than an older one, so a question is never answered with anything older;
the book only knows which questions were asked before, because clients look at `X-Cache`.
"""

from msgspec.structs import replace

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
        plain = replace(question, min_query_index=0, max_query_time=0, max_age=0, must_revalidate=False, stale_if_error=0)
        key = (method, plain)
        if key in self._asked:
            return HIT
        self._asked[key] = None
        if len(self._asked) > REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return MISS
