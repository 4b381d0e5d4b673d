"""The tokens of HCL 1: identifiers, strings, heredocs, numbers, punctuation; comments and blanks fall away.

A string is in double quotes with Go's escapes. `${…}` inside it is kept as written, quotes and line ends included.
A heredoc is `<<WORD`, its lines, and a line that holds only WORD; with `<<-WORD` the closing line's indentation is
taken off every line, if every line has it. Numbers are Go's: decimal, 0x hexadecimal, 0 octal, with fraction or exponent.
"""

import re
from enum import Enum
from typing import NamedTuple

from muster.model.errors import DecodeError

LARGEST = (1 << 63) - 1
SMALLEST = -(1 << 63)


class Kind(Enum):
    """What a token is; the value is how error texts call it."""

    END = "EOF"
    IDENT = "IDENT"
    STRING = "STRING"
    NUMBER = "NUMBER"
    BOOL = "BOOL"
    LBRACE = "LBRACE"
    RBRACE = "RBRACE"
    LBRACKET = "LBRACK"
    RBRACKET = "RBRACK"
    COMMA = "COMMA"
    ASSIGN = "ASSIGN"


class Token(NamedTuple):
    """One token with its value and its place; lines and columns count from 1."""

    kind: Kind
    value: str | int | float | bool
    line: int
    column: int

    def shown(self) -> str:
        """As error texts show it."""
        return f"{self.kind.value} {self.value}" if self.kind in (Kind.IDENT, Kind.NUMBER, Kind.BOOL) else self.kind.value


PUNCTUATION = {"{": Kind.LBRACE, "}": Kind.RBRACE, "[": Kind.LBRACKET, "]": Kind.RBRACKET, ",": Kind.COMMA, "=": Kind.ASSIGN}

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*|//[^\n]*|/\*[\s\S]*?\*/)+")
_IDENT = re.compile(r"[^\W\d][\w.\-]*")
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)", re.ASCII)
_HEREDOC = re.compile(r"<<(-?)([^\W\d][\w\-]*)[ \t]*\r?\n")
_PLAIN = re.compile(r'[^"\\\n$]+')
_ESCAPE = re.compile(r'\\(?:([abfnrtv\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))')
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_SURROGATE = re.compile("[\ud800-\udfff]")


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `offset`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def tokenize(text: str) -> list[Token]:
    """All tokens of `text`, an END last."""
    bad = _SURROGATE.search(text)
    if bad:
        raise _error(text, bad.start(), "illegal UTF-8 encoding")
    return _Scanner(text).tokens()


def _error(text: str, offset: int, what: str) -> DecodeError:
    line, column = position(text, offset)
    return DecodeError(f"At {line}:{column}: {what}")


class _Scanner:
    """Walks one text; `at` is the offset of the next character, `line` and `start` follow the line it is in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("\ufeff") else 0
        self.line = 1
        self.counted = 0

    def tokens(self) -> list[Token]:
        found: list[Token] = []
        text = self.text
        while True:
            blank = _BLANK.match(text, self.at)
            if blank:
                self.at = blank.end()
            line, column = self._place()
            if self.at >= len(text):
                found.append(Token(Kind.END, "", line, column))
                return found
            kind, value = self._scan(text[self.at])
            found.append(Token(kind, value, line, column))

    def _place(self) -> tuple[int, int]:
        """Line and column here; counts only what was passed since the last call, so a long text stays linear."""
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line, self.at - self.text.rfind("\n", 0, self.at)

    def _scan(self, first: str) -> tuple[Kind, str | int | float | bool]:
        if first in PUNCTUATION:
            self.at += 1
            return PUNCTUATION[first], first
        if first == '"':
            return Kind.STRING, self._string()
        ident = _IDENT.match(self.text, self.at)
        if ident:
            self.at = ident.end()
            word = ident[0]
            return (Kind.BOOL, word == "true") if word in ("true", "false") else (Kind.IDENT, word)
        number = _NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            return Kind.NUMBER, self._number(number)
        if first == "<":
            return Kind.STRING, self._heredoc()
        if self.text.startswith("/*", self.at):
            raise _error(self.text, self.at, "comment not terminated")
        raise _error(self.text, self.at, "illegal char")

    def _number(self, match: re.Match[str]) -> int | float:
        text = match[0]
        if any(mark in text for mark in ".eE") and "x" not in text.lower():
            return self._float(match)
        digits = text.lstrip("-").lower()
        base = 16 if digits.startswith("0x") else 8 if len(digits) > 1 and digits.startswith("0") else 10
        if len(digits) > 70:  # longer than any 64-bit number in any base; also keeps int() away from huge texts
            raise _error(self.text, match.start(), f'parsing "{text[:20]}…": value out of range')
        try:
            value = int(digits, base)
        except ValueError:
            raise _error(self.text, match.start(), f'parsing "{text}": invalid syntax') from None
        value = -value if text.startswith("-") else value
        if not SMALLEST <= value <= LARGEST:
            raise _error(self.text, match.start(), f'parsing "{text}": value out of range')
        return value

    def _float(self, match: re.Match[str]) -> float:
        value = float(match[0])
        if value in (float("inf"), float("-inf")):
            raise _error(self.text, match.start(), f'parsing "{match[0][:20]}": value out of range')
        return value

    def _string(self) -> str:
        start = self.at
        self.at += 1
        parts: list[str] = []
        while True:
            plain = _PLAIN.match(self.text, self.at)
            if plain:
                parts.append(plain[0])
                self.at = plain.end()
            character = self.text[self.at : self.at + 1]
            if character == '"':
                self.at += 1
                return "".join(parts)
            if character == "\\":
                parts.append(self._escape())
            elif self.text.startswith("${", self.at):
                parts.append(self._interpolation(start))
            elif character == "$":
                parts.append("$")
                self.at += 1
            else:
                raise _error(self.text, self.at if character else len(self.text), "literal not terminated")

    def _escape(self) -> str:
        match = _ESCAPE.match(self.text, self.at)
        if not match:
            raise _error(self.text, self.at, "illegal char escape")
        code = _SIMPLE.get(match[1] or "")
        if code is None:
            number = int(match[2], 8) if match[2] else int(match[3] or match[4] or match[5], 16)
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                raise _error(self.text, self.at, "illegal char escape")
            code = chr(number)
        self.at = match.end()
        return code

    def _interpolation(self, start: int) -> str:
        """`${…}` as written; braces inside it balance."""
        begin, depth = self.at, 0
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == "{":
                depth += 1
            elif character == "}":
                depth -= 1
                if depth == 0:
                    return self.text[begin : self.at]
        raise _error(self.text, start, "literal not terminated")

    def _heredoc(self) -> str:
        match = _HEREDOC.match(self.text, self.at)
        if not match:
            raise _error(self.text, self.at, "heredoc expected: << and a word alone on the line")
        closing = re.compile(r"^([ \t]*)" + re.escape(match[2]) + r"\r?$", re.MULTILINE).search(self.text, match.end())
        if not closing:
            raise _error(self.text, self.at, "heredoc not terminated")
        self.at = closing.end()
        body = self.text[match.end() : closing.start()]
        return _unindented(body, closing[1]) if match[1] else body


def _unindented(body: str, indent: str) -> str:
    lines = body.split("\n")
    if not all(line.startswith(indent) for line in lines[:-1]):
        return body
    return "\n".join(line.removeprefix(indent) for line in lines)
