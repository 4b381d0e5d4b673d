"""JSON as Go's encoder writes it: `<`, `>`, `&` and two line separators escaped, lone surrogates replaced."""

import json

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TABLE = str.maketrans(_ESCAPES | dict.fromkeys(range(55296, 57344), "�"))


def dumps(value: object, indent: str | None = None) -> str:
    """The JSON text of a value; compact without an indentation."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators).translate(_TABLE)
