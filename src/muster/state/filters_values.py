"""Values of filter expressions as Go reads them: quoted texts, integers, truth values."""

import re

LARGEST_INTEGER = (1 << 63) - 1
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})

_ESCAPE = re.compile(r"\\(?:([abfnrtv\\])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_DIGITS = {
    2: re.compile(r"0[bB](?:_?[01])+", re.ASCII),
    8: re.compile(r"0[oO]?(?:_?[0-7])+", re.ASCII),
    16: re.compile(r"0[xX](?:_?[0-9a-fA-F])+", re.ASCII),
    10: re.compile(r"0|[1-9](?:_?[0-9])*", re.ASCII),
}


class InvalidLiteral(ValueError):
    """The text is no such value; the message is Go's."""


def unquote(literal: str) -> str:
    """What a literal in backquotes or double quotes stands for. Bytes that are no UTF-8 come out surrogate-escaped."""
    body = literal[1:-1]
    if literal[0] == "`":
        return body.replace("\r", "")
    if "\n" in body:
        raise InvalidLiteral("invalid syntax")
    if "\\" not in body:
        return body
    parts = bytearray()
    position = 0
    while position < len(body):
        if body[position] != "\\":
            parts += body[position].encode("utf-8", "surrogateescape")
            position += 1
            continue
        found = _ESCAPE.match(body, position)
        if found is None:
            raise InvalidLiteral("invalid syntax")
        parts += _escaped(found)
        position = found.end()
    return parts.decode("utf-8", "surrogateescape")


def _escaped(found: re.Match[str]) -> bytes:
    simple, hexadecimal, octal, short, long = found.groups()
    if simple:
        return bytes([_SIMPLE[simple]])
    if hexadecimal or octal:
        code = int(hexadecimal, 16) if hexadecimal else int(octal, 8)
        if code > 255:
            raise InvalidLiteral("invalid syntax")
        return bytes([code])
    code = int(short or long, 16)
    if code > 0x10FFFF:
        raise InvalidLiteral("invalid syntax")
    return ("\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)).encode()


def parse_integer(text: str) -> int:
    """A 64-bit integer, with a sign, in base 2, 8, 10 or 16 by its head, `_` between digits."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    for base, pattern in _DIGITS.items():
        if pattern.fullmatch(digits):
            plain = digits.replace("_", "")
            value = int(plain.lstrip("0").lstrip("oO") or "0", 8) if base == 8 else int(plain, base)
            value = -value if text[0] == "-" else value
            if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
                raise InvalidLiteral(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
            return value
    raise InvalidLiteral(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")


def parse_boolean(text: str) -> bool:
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise InvalidLiteral(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")


def quote(text: str) -> str:
    """A text as Go's %q shows it, for error texts."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
