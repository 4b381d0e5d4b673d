"""Query strings and escaped paths, read as Go's net/url reads them."""

from urllib.parse import quote_from_bytes, unquote_to_bytes

_HEX = frozenset(b"0123456789abcdefABCDEF")


class BadEscape(ValueError):
    """A `%` that two hexadecimal digits do not follow."""


class Query(dict[str, list[str]]):
    """The parameters by name, each with its values in their order."""

    __slots__ = ()

    def first(self, name: str) -> str:
        """The first value of a parameter; an empty text also where it is absent."""
        values = self.get(name)
        return values[0] if values else ""


EMPTY_QUERY = Query()


def parse_query(raw: bytes) -> Query:
    """The parameters of a query string; `BadEscape` if one has a broken escape. `;` separates like `&`."""
    query = Query()
    for part in raw.replace(b";", b"&").split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            query.setdefault(unescape(name, plus=True), []).append(unescape(value, plus=True))
    return query


def format_query(query: Query) -> str:
    """The parameters as a query string, in the order of their names."""
    pairs = [(name, value) for name in sorted(query) for value in query[name]]
    return "&".join(f"{_escape(name)}={_escape(value)}" for name, value in pairs)


def _escape(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe=" ~").replace(" ", "+")


def unescape(data: bytes, plus: bool = False) -> str:
    """The text that an escaped one stands for; with `plus` a `+` is a blank."""
    if plus and b"+" in data:
        data = data.replace(b"+", b" ")
    if b"%" in data:
        _check_escapes(data)
        data = unquote_to_bytes(data)
    return data.decode("utf-8", "surrogateescape")


def _check_escapes(data: bytes) -> None:
    position = data.find(b"%")
    while position >= 0:
        pair = data[position + 1 : position + 3]
        if len(pair) != 2 or pair[0] not in _HEX or pair[1] not in _HEX:
            raise BadEscape(data[position : position + 3].decode("latin-1"))
        position = data.find(b"%", position + 3)


def escape_path(path: str) -> str:
    """A path as it stands in a `Location`."""
    return quote_from_bytes(path.encode("utf-8", "surrogateescape"), safe="/$&+,:;=@!*'()~")


def clean_path(path: str) -> str:
    """The path without empty segments, `.` and `..`; a slash at its end stays."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment and segment != ".":
            kept.append(segment)
    cleaned = "/" + "/".join(kept)
    return cleaned + "/" if path.endswith("/") and cleaned != "/" else cleaned
