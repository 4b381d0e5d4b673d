"""Durations as Go writes them: integers in nanoseconds, texts such as `1h30m` or `150ms`.

Source: the text forms of Go's time.ParseDuration and Duration.String, as seen in answers and error texts of Consul.
"""

import re

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

UNITS = {"ns": NANOSECOND, "us": MICROSECOND, "µs": MICROSECOND, "μs": MICROSECOND, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR}
LARGEST = (1 << 63) - 1

_PART = re.compile(r"(\d*)(?:\.(\d*))?([a-zµμ]*)", re.ASCII)


class InvalidDuration(ValueError):
    """The text is no duration; the message is the one that Go gives."""


def parse_duration(text: str) -> int:
    """Nanoseconds of `text`; `InvalidDuration` says what is wrong with it."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise InvalidDuration(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        total += _part(text, rest)
        if total > LARGEST:
            raise InvalidDuration(f'time: invalid duration "{text}"')
        match = _PART.match(rest)
        rest = rest[match.end() :] if match else ""
    return -total if text.startswith("-") else total


def _part(text: str, rest: str) -> int:
    """Nanoseconds of the number and unit that `rest` begins with."""
    match = _PART.match(rest)
    if match is None or not (match[1] or match[2]):
        raise InvalidDuration(f'time: invalid duration "{text}"')
    whole, fraction, unit = match[1], match[2] or "", match[3]
    if not unit:
        raise InvalidDuration(f'time: missing unit in duration "{text}"')
    if unit not in UNITS:
        raise InvalidDuration(f'time: unknown unit "{unit}" in duration "{text}"')
    scale = UNITS[unit]
    part: int = int(fraction or "0") * scale // 10 ** len(fraction)
    return int(whole or "0") * scale + part


def format_duration(nanoseconds: int) -> str:
    """The shortest text of a duration: `0s`, `1.5ms`, `2m0s`, `1h0m10.5s`."""
    if nanoseconds == 0:
        return "0s"
    sign, value = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if value < SECOND:
        for unit, scale in (("ms", MILLISECOND), ("µs", MICROSECOND), ("ns", NANOSECOND)):
            if value >= scale:
                return f"{sign}{_decimal(value, scale)}{unit}"
    hours, rest = divmod(value, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    text = f"{_decimal(rest, SECOND)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    if hours:
        text = f"{hours}h{text}"
    return sign + text


def _decimal(value: int, scale: int) -> str:
    """value / scale without trailing zeros, exactly."""
    whole, rest = divmod(value, scale)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).rjust(len(str(scale)) - 1, '0').rstrip('0')}"


def seconds(nanoseconds: int) -> float:
    """A duration of the wire as seconds of the clock."""
    return nanoseconds / SECOND
