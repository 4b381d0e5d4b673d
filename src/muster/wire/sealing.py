"""Sealed bytes of the gossip wire: a version byte, a nonce of 12 bytes, and AES-GCM's ciphertext with its tag of 16 bytes.

Source: reference of the gossip wire, section 1; NIST SP 800-38D.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from muster.model.errors import DecodeError, Rejected

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_SIZE = 12
OVERHEAD = 29  # bytes: version, nonce, tag
_BLOCK = 16
_PADDED, _PLAIN = 0, 1
"""Versions of a sealing: with the padding of block ciphers (PKCS #7), which peers write in their oldest protocol only, and without."""


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(key) not in (16, 24, 32):
        raise Rejected("key size must be 16, 24 or 32 bytes")
    return AESGCM(key)


def seal(plain: bytes, key: bytes, nonce: bytes | None, additional: bytes) -> bytes:
    """Encrypted under a key of 16, 24 or 32 bytes. The nonce is the caller's to draw: 12 bytes, never twice for one key."""
    if nonce is None or len(nonce) != NONCE_SIZE:
        raise Rejected(f"encryption takes a nonce of {NONCE_SIZE} bytes")
    return b"\x01" + nonce + _cipher(key).encrypt(nonce, plain, additional)


def unseal(data: bytes | memoryview, keys: Sequence[bytes], additional: bytes) -> bytes:
    """The plain bytes under the first of the keys that fits; `DecodeError` if none does."""
    from cryptography.exceptions import InvalidTag

    if len(data) < OVERHEAD or data[0] > _PLAIN:
        raise DecodeError("no sealed bytes")
    nonce, body = data[1 : 1 + NONCE_SIZE], data[1 + NONCE_SIZE :]
    for key in keys:
        try:
            plain = _cipher(key).decrypt(nonce, body, additional)
        except InvalidTag:
            continue
        return plain if data[0] == _PLAIN else _without_padding(plain)
    raise DecodeError("No installed keys could decrypt the message")


def _without_padding(plain: bytes) -> bytes:
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= _BLOCK or plain[-padding:] != bytes((padding,)) * padding:
        raise DecodeError("sealed bytes with wrong padding")
    return plain[:-padding]
