"""Flags as Go's programs take them: one or two dashes, `-name=value` or `-name value`, switches, all before the arguments.

Source: the documented syntax of Go's `flag` package, and the error texts that Consul shows.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from muster.model.durations import InvalidDuration, parse_duration

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
LARGEST_INT = (1 << 63) - 1
LARGEST_UINT = (1 << 64) - 1

Value = bool | int | str | list[str] | dict[str, str] | None


class FlagError(Exception):
    """The command line is wrong; the message is the one that Go's programs print above their flags."""


class _Refused(Exception):
    """The text is no value of the flag's kind; the message says why."""


class Kind(NamedTuple):
    """What values a flag takes. `read` gets the text and the value so far; `noun` stands for the value in lists of flags."""

    noun: str
    read: Callable[[str, Value], Value]
    default: Value
    is_switch: bool = False


class Flag(NamedTuple):
    """One flag. `placeholder` stands for its value in the help; empty means the noun of its kind."""

    name: str
    kind: Kind
    help: str
    placeholder: str = ""
    default: Value = None

    @property
    def noun(self) -> str:
        return self.placeholder or self.kind.noun

    @property
    def initial(self) -> Value:
        """The value when the flag is not given."""
        value = self.kind.default if self.default is None else self.default
        return value.copy() if isinstance(value, (list, dict)) else value


class Parsed(NamedTuple):
    """The value of every flag by name, which of them were given, and the arguments after them."""

    values: dict[str, Value]
    given: frozenset[str]
    arguments: list[str]


def parse(flags: Iterable[Flag], line: list[str]) -> Parsed:
    """Reads flags up to the first argument or `--`; `FlagError` says what is wrong."""
    known = {flag.name: flag for flag in flags}
    values = {flag.name: flag.initial for flag in known.values()}
    given: set[str] = set()
    at = 0
    while at < len(line):
        text = line[at]
        if len(text) < 2 or not text.startswith("-"):
            break
        at += 1
        if text == "--":
            break
        name, has_value, value = _split(text)
        flag = known.get(name)
        if flag is None:
            raise FlagError(f"flag provided but not defined: -{name}")
        if not has_value and flag.kind.is_switch:
            value = "true"
        elif not has_value:
            if at == len(line):
                raise FlagError(f"flag needs an argument: -{name}")
            value = line[at]
            at += 1
        values[name] = _read(flag, value, values[name])
        given.add(name)
    return Parsed(values, frozenset(given), line[at:])


def _split(text: str) -> tuple[str, bool, str]:
    """Name, whether a value follows with `=`, and that value."""
    stripped = text[2:] if text.startswith("--") else text[1:]
    if not stripped or stripped[0] in "-=":
        raise FlagError(f"bad flag syntax: {text}")
    name, separator, value = stripped.partition("=")
    return name, bool(separator), value


def _read(flag: Flag, text: str, before: Value) -> Value:
    try:
        return flag.kind.read(text, before)
    except _Refused as error:
        what = f"boolean value {quoted(text)} for" if flag.kind.is_switch else f"value {quoted(text)} for flag"
        raise FlagError(f"invalid {what} -{flag.name}: {error}") from error


def quoted(text: str) -> str:
    """A text in Go's quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


def parse_boolean(text: str) -> bool | None:
    """A truth in Go's spelling; None if it is neither."""
    if text in TRUE:
        return True
    return False if text in FALSE else None


def _boolean(text: str, _before: Value) -> Value:
    value = parse_boolean(text)
    if value is None:
        raise _Refused("parse error")
    return value


def _optional_boolean(text: str, _before: Value) -> Value:
    value = parse_boolean(text)
    if value is None:
        raise _Refused(f"strconv.ParseBool: parsing {quoted(text)}: invalid syntax")
    return value


def _integer(text: str) -> int | None:
    """A number with Go's prefixes (0x, 0o, 0b, and 0 for octal); None if it is none."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        digits = "0o" + digits[1:]
    if not digits.isascii() or not digits[:1].isdigit():
        return None
    try:
        return sign * int(digits, 0)
    except ValueError:
        return None


def _int(text: str, _before: Value) -> Value:
    value = _integer(text)
    if value is None:
        raise _Refused("parse error")
    if not -LARGEST_INT - 1 <= value <= LARGEST_INT:
        raise _Refused("value out of range")
    return value


def _uint(text: str, _before: Value) -> Value:
    value = _integer(text)
    if value is None or text[:1] in ("-", "+"):
        raise _Refused("parse error")
    if value > LARGEST_UINT:
        raise _Refused("value out of range")
    return value


def _optional_uint(text: str, _before: Value) -> Value:
    value = _integer(text)
    if value is None or text[:1] in ("-", "+"):
        raise _Refused(f"strconv.ParseUint: parsing {quoted(text)}: invalid syntax")
    if value > LARGEST_UINT:
        raise _Refused(f"strconv.ParseUint: parsing {quoted(text)}: value out of range")
    return value


def _duration(text: str, _before: Value) -> Value:
    try:
        return parse_duration(text)
    except InvalidDuration as error:
        raise _Refused("parse error") from error


def _plain_int(text: str, _before: Value) -> Value:
    value = int(text) if text.lstrip("+-").isdigit() and text.isascii() else None
    if value is None:
        raise _Refused(f"strconv.Atoi: parsing {quoted(text)}: invalid syntax")
    return value


def _optional_duration(text: str, _before: Value) -> Value:
    try:
        return parse_duration(text)
    except InvalidDuration as error:
        raise _Refused(str(error)) from error


def _text(text: str, _before: Value) -> Value:
    return text


def _listed(text: str, before: Value) -> Value:
    return [*before, text] if isinstance(before, list) else [text]


def _paired(text: str, before: Value) -> Value:
    key, separator, value = text.partition("=")
    if not separator:
        raise _Refused(f'Missing "=" value in argument: {text}')
    return {**before, key: value} if isinstance(before, dict) else {key: value}


SWITCH = Kind("", _boolean, False, is_switch=True)
TEXT = Kind("string", _text, "")
VALUE = Kind("value", _text, "")
INT = Kind("int", _int, 0)
UINT = Kind("uint", _uint, 0)
DURATION = Kind("duration", _duration, 0)
LIST = Kind("value", _listed, [])
PAIRS = Kind("value", _paired, {})
OPTIONAL_SWITCH = Kind("value", _optional_boolean, None, is_switch=True)
OPTIONAL_UINT = Kind("value", _optional_uint, None)
OPTIONAL_DURATION = Kind("value", _optional_duration, None)
OPTIONAL_INT = Kind("value", _plain_int, None)
OPTIONAL_TEXT = Kind("value", _text, None)
