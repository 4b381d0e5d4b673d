"""Ids as the peers look them up: by the bytes of a UUID, so that case does not matter and another text is an error.

Source: error texts of real answers (`failed session lookup: index error: UUID must be 36 characters`).
"""

from muster.model.errors import Rejected

LENGTH = 36
_HEXADECIMAL = frozenset("0123456789abcdef")


def normal(text: str) -> str:
    """The id in lower case; `Rejected` with the peers' words if it is no UUID."""
    if len(text) != LENGTH:
        raise Rejected("index error: UUID must be 36 characters")
    lowered = text.lower()
    digits = lowered.replace("-", "")
    if len(text) - len(digits) > 4:
        raise Rejected(f'index error: UUID should have maximum of 4 "-"; got {len(text) - len(digits)}')
    if len(digits) % 2:
        raise Rejected("index error: UUID (without hyphens) must be even length")
    if not _HEXADECIMAL.issuperset(digits):
        wrong = next(digit for digit in digits if digit not in _HEXADECIMAL)
        raise Rejected(f"index error: Invalid UUID: encoding/hex: invalid byte: U+{ord(wrong):04X} '{wrong}'")
    return lowered
