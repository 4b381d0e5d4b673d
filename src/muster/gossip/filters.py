"""Which members a query is for.

Source: reference of the gossip wire, section 3. Expressions are those of RE2, whose time grows only with the length of the text: they come
from the network.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from muster.model.errors import DecodeError
from muster.wire.serf import NodeFilter
from muster.wire.serf_codec import decode_filter

EXPRESSION_MEMORY = 1 << 20
"""Bytes that a compiled expression may take."""


def are_for(filters: Iterable[bytes], name: str, tags: Mapping[str, str]) -> bool:
    """Whether a member with this name and these tags passes all filters. A filter that cannot be read lets nobody pass."""
    return all(_passes(encoded, name, tags) for encoded in filters)


def _passes(encoded: bytes, name: str, tags: Mapping[str, str]) -> bool:
    try:
        wanted = decode_filter(encoded)
    except DecodeError:
        return False
    if isinstance(wanted, NodeFilter):
        return name in wanted.names
    expression = _compiled(wanted.expression)
    return expression is not None and expression.search(_readable(tags.get(wanted.tag, ""))) is not None


@lru_cache(maxsize=64)
def _compiled(expression: str) -> Any:
    """The expression, or None if it is none."""
    import re2

    options = re2.Options()
    options.max_mem = EXPRESSION_MEMORY
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except (re2.error, UnicodeEncodeError):
        return None


def _readable(text: str) -> str:
    """The text with a mark for each byte that is no UTF-8, as the peers' expressions see it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
