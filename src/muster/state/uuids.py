"""Ids as the peers look them up: by the bytes of a UUID, so that case does not matter and another text is an error.

Source: error texts of real answers (`failed session lookup: index error: UUID must be 36 characters`).
"""

from muster.model.errors import Rejected

LENGTH = 36
_HEXADECIMAL = frozenset("0123456789abcdef")


def normal(text: str) -> str:
    """The id in lower case; `Rejected` with the peers' words if it is no UUID."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
    if size != LENGTH:
        raise Rejected("index error: UUID must be 36 characters")
    lowered = text.lower()
    digits = lowered.replace("-", "")
    hyphens = len(text) - len(digits)
    if hyphens > 4:
        raise Rejected(f'index error: UUID should have maximum of 4 "-"; got {hyphens}')
    if (size - hyphens) % 2:
        raise Rejected("index error: Input (without hyphens) must be even length")
    if not _HEXADECIMAL.issuperset(digits):
        raise Rejected(f"index error: Invalid UUID: {_invalid_byte(text.replace('-', ''))}")
    return lowered


def _invalid_byte(digits: str) -> str:
    """Names the first byte that is no hexadecimal digit, as Go does."""
    data = digits.encode("utf-8", "surrogateescape")
    wrong = chr(next(byte for byte in data if chr(byte).lower() not in _HEXADECIMAL))
    return f"encoding/hex: invalid byte: U+{ord(wrong):04X}" + (f" '{wrong}'" if wrong.isprintable() else "")


def check_node_id(text: str) -> None:
    """Refuses a node's id that is no UUID, in the words of a look-up by it."""
    fault = ""
    if len(text.encode("utf-8", "surrogateescape")) != LENGTH:
        fault = "uuid string is wrong length"
    elif any(text[place] != "-" for place in (8, 13, 18, 23)):
        fault = "uuid is improperly formatted"
    elif not _HEXADECIMAL.issuperset(text.lower().replace("-", "")):
        fault = _invalid_byte(text.replace("-", ""))
    if fault:
        raise Rejected(f"node lookup by ID failed, wrong UUID: {fault} for '{text}'")
