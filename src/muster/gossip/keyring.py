"""The keys of an encrypted pool: any of them opens a packet, the primary one seals it.

Source: reference of the gossip wire, sections 1 and 3; texts of the refusals as the peers say them.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence

from muster.model.errors import Rejected

KEY_SIZES = (16, 24, 32)
"""Bytes of an AES key."""


class Keyring:
    """AES keys, the primary one first, then in the order in which they came. Never empty.

    Transport and Serf share one keyring, so that a key that a query installs opens the next packet.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise Rejected("a keyring needs at least one key")
        self._keys: tuple[bytes, ...] = ()
        for key in keys:
            self.install(key)

    @classmethod
    def from_base64(cls, keys: Iterable[str]) -> "Keyring":
        """The keyring of a key file or of a configured key; `Rejected` if a text is no key."""
        return cls([decode_key(key) for key in keys])

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All keys, the primary one first."""
        return self._keys

    @property
    def primary(self) -> bytes:
        """The key that seals what we send."""
        return self._keys[0]

    def to_base64(self) -> list[str]:
        """All keys as texts, the primary one first: the content of a key file, and the answer to a query for keys."""
        return [base64.b64encode(key).decode() for key in self._keys]

    def install(self, key: bytes) -> bool:
        """Add a key to open packets with; whether it is new. `Rejected` if its size is wrong."""
        if len(key) not in KEY_SIZES:
            raise Rejected("key size must be 16, 24 or 32 bytes")
        if key in self._keys:
            return False
        self._keys = (*self._keys, key)
        return True

    def use(self, key: bytes) -> bool:
        """Make an installed key the primary one; whether it was another."""
        if key not in self._keys:
            raise Rejected("Requested key is not in the keyring")
        if key == self.primary:
            return False
        self._keys = (key, *(other for other in self._keys if other != key))
        return True

    def remove(self, key: bytes) -> bool:
        """Forget a key; whether it was there. `Rejected` for the primary one."""
        if key == self.primary:
            raise Rejected("Removing the primary key is not allowed")
        if key not in self._keys:
            return False
        self._keys = tuple(other for other in self._keys if other != key)
        return True


def decode_key(text: str) -> bytes:
    """The bytes of a key in base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected(f"the key is not base64: {error}") from error
