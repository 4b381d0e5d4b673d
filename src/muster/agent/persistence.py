"""What was registered by the API outlives the agent, in Consul's own layout of the data directory.

    services/md5(id)      {"Token", "Service", "Source", "LocallyRegisteredAsSidecar"}
    checks/md5(id)        {"Check", "ChkType", "Token", "Source"}
    checks/state/md5(id)  {"CheckID", "Output", "Status", "Expires"}     Expires: wall-clock seconds

All are JSON with mode 0600 and appear under their name only when they are whole. A file that makes no sense is renamed to
`NAME.corrupt`, with a warning: one bad file must not keep the others from being read.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from muster.agent import shapes
from muster.agent.decoding import Mismatch, decode_record
from muster.agent.definitions import CheckType
from muster.model.catalog import HealthCheck, NodeService
from muster.model.durations import InvalidDuration
from muster.model.errors import StorageFailed

logger = logging.getLogger("agent")


class SavedService(NamedTuple):
    service: NodeService
    token: str
    source: str
    is_sidecar: bool


class SavedCheck(NamedTuple):
    check: HealthCheck
    check_type: CheckType
    token: str
    source: str


class SavedState(NamedTuple):
    """The last status of a check; `expires` is wall-clock seconds."""

    check_id: str
    status: str
    output: str
    expires: int


class Persistence:
    """Files of one data directory. Writing raises `StorageFailed` where the disk refuses."""

    def __init__(self, data_directory: str) -> None:
        root = Path(data_directory)
        self.services = root / "services"
        self.checks = root / "checks"
        self.states = self.checks / "state"

    def save_service(self, service: NodeService, token: str, source: str, is_sidecar: bool) -> None:
        content: dict[str, Any] = {"Token": token, "Service": shapes.node_service(service), "Source": source}
        if is_sidecar:
            content["LocallyRegisteredAsSidecar"] = True
        _write(self.services / digest(service.id), content)

    def save_check(self, check: HealthCheck, check_type: CheckType, token: str, source: str) -> None:
        content = {"Check": shapes.health_check(check), "ChkType": shapes.check_type(check_type), "Token": token, "Source": source}
        _write(self.checks / digest(check.check_id), content)

    def save_state(self, state: SavedState) -> None:
        content = {"CheckID": state.check_id, "Output": state.output, "Status": state.status, "Expires": state.expires}
        _write(self.states / digest(state.check_id), content)

    def forget_service(self, service_id: str) -> None:
        (self.services / digest(service_id)).unlink(missing_ok=True)

    def forget_check(self, check_id: str) -> None:
        """The check and its state."""
        (self.checks / digest(check_id)).unlink(missing_ok=True)
        self.forget_state(check_id)

    def forget_state(self, check_id: str) -> None:
        (self.states / digest(check_id)).unlink(missing_ok=True)

    def load_services(self) -> list[SavedService]:
        """All services that can be read."""
        return [_service(content) for content in _read_all(self.services, _service)]

    def load_checks(self) -> list[SavedCheck]:
        """All checks that can be read."""
        return [_check(content) for content in _read_all(self.checks, _check)]

    def load_state(self, check_id: str) -> SavedState | None:
        """The last status of a check, if there is one that can be read."""
        state: SavedState | None = _read(self.states / digest(check_id), _state)
        return state


def digest(identity: str) -> str:
    """The name of the file for an id."""
    return hashlib.md5(identity.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        _replace(path, content)
    except OSError as error:
        raise StorageFailed(f"failed writing {path}: {error.strerror or error}") from error


def _replace(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", errors="surrogatepass") as file:
        json.dump(content, file, separators=(",", ":"))
    part.replace(path)


def _read_all(directory: Path, make: Any) -> Iterator[dict[str, Any]]:
    """The contents of a directory's files that `make` can use."""
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.suffix == ".tmp":  # a write that a crash cut off; the file it was to replace is whole
            logger.warning("Ignoring temporary file: file=%s", path)
            path.unlink(missing_ok=True)
        elif path.is_file() and not path.suffix:
            content = _content(path)
            if content is not None and _usable(path, content, make):
                yield content


def _read(path: Path, make: Any) -> Any:
    if not path.exists():
        return None
    content = _content(path)
    return make(content) if content is not None and _usable(path, content, make) else None


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        logger.warning("failed reading file: file=%s error=%s", path, error)
        return None
    except (ValueError, RecursionError) as error:
        _set_aside(path, str(error))
        return None
    if not isinstance(content, dict):
        _set_aside(path, "expected an object")
        return None
    return content


def _usable(path: Path, content: dict[str, Any], make: Any) -> bool:
    try:
        make(content)
    except (Mismatch, InvalidDuration, KeyError, TypeError, ValueError) as error:
        _set_aside(path, f"{type(error).__name__}: {error}")
        return False
    return True


def _set_aside(path: Path, why: str) -> None:
    logger.warning("Failed decoding file, it is set aside as %s.corrupt: file=%s error=%s", path.name, path, why)
    path.replace(path.with_name(path.name + ".corrupt"))


def _service(content: dict[str, Any]) -> SavedService:
    service = decode_record(NodeService, content["Service"], strict=False)
    if not service.id:
        raise ValueError("a service without an id")
    is_sidecar = content.get("LocallyRegisteredAsSidecar") is True
    return SavedService(service, str(content.get("Token") or ""), str(content.get("Source") or "local"), is_sidecar)


def _check(content: dict[str, Any]) -> SavedCheck:
    fields = {name: value for name, value in content["Check"].items() if name != "Definition"}
    check = decode_record(HealthCheck, fields, strict=False)
    check_type = decode_record(CheckType, content.get("ChkType"), strict=False)
    if not check.check_id:
        raise ValueError("a check without an id")
    return SavedCheck(check, check_type, str(content.get("Token") or ""), str(content.get("Source") or "local"))


def _state(content: dict[str, Any]) -> SavedState:
    check_id, status, output, expires = content["CheckID"], content["Status"], content["Output"], content["Expires"]
    if not (isinstance(check_id, str) and isinstance(status, str) and isinstance(output, str) and isinstance(expires, int)):
        raise TypeError("a state with fields of wrong types")
    return SavedState(check_id, status, output, expires)
