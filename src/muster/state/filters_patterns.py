"""Regular expressions that users write: run on RE2, in linear time, so that none can stall the loop."""

from collections.abc import Callable
from typing import Any

Search = Callable[[str], Any]
"""Finds the pattern anywhere in a text: a match object, or None."""


class InvalidPattern(ValueError):
    """The text is no regular expression; the message begins as Go's does."""


def compile_pattern(pattern: str) -> Any:
    """RE2's compiled pattern; its `search` and `match` take texts that `clean` made."""
    import re2  # costs milliseconds that an agent without filters need not pay at its start

    options = re2.Options()
    options.log_errors = False
    if not pattern.isprintable() and clean(pattern) != pattern:
        raise InvalidPattern(f"error parsing regexp: invalid UTF-8: `{clean(pattern)}`")
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidPattern(f"error parsing regexp: {text}: `{pattern}`") from error


def clean(text: str) -> str:
    """The text with U+FFFD for bytes that are no UTF-8: what RE2 can be given."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def searcher(pattern: str) -> Search:
    """A function that looks for the pattern in any text; `InvalidPattern` if it is none."""
    search = compile_pattern(pattern).search
    return lambda text: search(text if text.isascii() else clean(text))
