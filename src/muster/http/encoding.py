"""JSON as Go writes it."""

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_SPECIAL = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))


def encode(value: Any, pretty: bool) -> bytes:
    """JSON as Go writes it: four blanks of indent and an end of line if pretty, `<`, `>`, `&` escaped."""
    try:
        body = _encoder.encode(value)
    except UnicodeEncodeError:
        body = _encoder.encode(presentable(msgspec.to_builtins(value, builtin_types=(bytes,))))
    if pretty:
        body = msgspec.json.format(body, indent=4) + b"\n"
    for plain, escaped in _SPECIAL:
        if plain in body:
            body = body.replace(plain, escaped)
    return body


def encode_text(text: str) -> bytes:
    """The JSON of a text, compact: `encode` without the search for what most texts do not hold."""
    if text.isascii() and "<" not in text and ">" not in text and "&" not in text:
        return _encoder.encode(text)
    return encode(text, False)


def presentable(value: Any) -> Any:
    """The value with U+FFFD for each byte that is no UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {presentable(key): presentable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [presentable(item) for item in value]
    return value
