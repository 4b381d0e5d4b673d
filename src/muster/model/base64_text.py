"""Base 64 as Go reads it: the standard alphabet with padding; line ends are passed over."""

import binascii

from muster.model.errors import Rejected

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


class InvalidBase64(Rejected):
    """The text is not base 64; the message tells the place as Go does."""


def decode(text: bytes) -> bytes:
    """The bytes that a base-64 text stands for."""
    cleaned = text.replace(b"\r", b"").replace(b"\n", b"")
    try:
        return binascii.a2b_base64(cleaned, strict_mode=True)
    except binascii.Error as error:
        raise InvalidBase64(f"illegal base64 data at input byte {_wrong_byte(cleaned)}") from error


def _wrong_byte(text: bytes) -> int:
    """Where the first byte stands that cannot be there."""
    stripped = text.rstrip(b"=")
    wrong = next((at for at, byte in enumerate(stripped) if byte not in _ALPHABET), None)
    return len(text) - len(text) % 4 if wrong is None else wrong
