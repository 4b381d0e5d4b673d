"""The file of a pool's keys, in the peers' form: a JSON list of keys in base64, the primary one first.

It is written whole, beside the old one, made durable and put in its place, readable by its owner only.
"""

import json
import os
from pathlib import Path

from muster.gossip.keyring import Keyring
from muster.model.errors import ConfigurationError, Rejected


class KeyringFile:
    """`path` may not exist yet; its directory is made when keys are saved."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def load(self) -> Keyring | None:
        """The keys, or None if there is no file. `ConfigurationError` if it is not what it should be."""
        try:
            found = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"keyring file {self.path}: {error}; a JSON list of keys in base64 would be right") from error
        if not isinstance(found, list) or not found or not all(isinstance(key, str) for key in found):
            raise ConfigurationError(f"keyring file {self.path}: it holds no keys; a JSON list of keys in base64 would be right")
        return keyring(found, f"keyring file {self.path}")

    def save(self, ring: Keyring) -> None:
        """Replace the file. `OSError` if the disk refuses."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(json.dumps(ring.to_base64()).encode())
            file.flush()
            os.fsync(descriptor)
        beside.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def keyring(keys: list[str], source: str) -> Keyring:
    """The ring of these base64 texts, the primary one first; `ConfigurationError` naming the source if one is no key."""
    try:
        return Keyring.from_base64(keys)
    except Rejected as error:
        raise ConfigurationError(f"{source}: {error}; 16, 24 or 32 bytes in base64 would be right (see `muster keygen`)") from error
