"""The file of keys is the peers', and is never half written."""

import json
import stat
from pathlib import Path

import pytest

from muster.gossip.keyring import Keyring
from muster.model.errors import ConfigurationError
from muster.transport import keyring_file
from muster.transport.keyring_file import KeyringFile, keyring

FIRST, SECOND = "AAECAwQFBgcICQoLDA0ODw==", "EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8="


def test_what_is_saved_is_loaded_the_primary_key_first(tmp_path: Path) -> None:
    file = KeyringFile(str(tmp_path / "serf" / "local.keyring"))
    assert file.load() is None
    file.save(Keyring.from_base64([SECOND, FIRST]))
    assert json.loads(file.path.read_text()) == [SECOND, FIRST]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    loaded = file.load()
    assert loaded is not None and loaded.to_base64() == [SECOND, FIRST]


def test_a_save_that_fails_leaves_the_old_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = KeyringFile(str(tmp_path / "local.keyring"))
    file.save(Keyring.from_base64([FIRST]))

    def failing(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(keyring_file.os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output error"):
        file.save(Keyring.from_base64([SECOND]))
    loaded = file.load()
    assert loaded is not None and loaded.to_base64() == [FIRST]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "[1]", '["x"]', '["AAEC"]', "\xff", '{"a": ["AAECAwQFBgcICQoLDA0ODw=="]}'], ids=lambda text: repr(text)
)
def test_a_file_that_holds_no_keys_stops_the_start_and_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "local.keyring"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=f"keyring file {path}"):
        KeyringFile(str(path)).load()


def test_a_configured_key_that_is_none_says_what_would_be_right() -> None:
    with pytest.raises(ConfigurationError, match=r"encrypt: .*16, 24 or 32 bytes in base64 would be right"):
        keyring(["not a key"], "encrypt")
