"""Service definitions in configuration files (HCL or JSON) as the API's documents."""

import os
from typing import Any

from muster.model.errors import DecodeError

_WORDS = {"id": "ID", "http": "HTTP", "tcp": "TCP", "udp": "UDP", "ttl": "TTL", "grpc": "GRPC", "tls": "TLS", "h2ping": "H2PING"}
_NAMED = {"docker_container_id": "DockerContainerID", "grpc_use_tls": "GRPCUseTLS", "tls_skip_verify": "TLSSkipVerify", "id": "ID"}
_OPEN_MAPS = frozenset(("Meta", "Header", "Config", "TaggedAddresses"))
"""Maps whose keys are the user's own."""
_SUFFIXES = (".json", ".hcl")


class InvalidServiceFile(Exception):
    """A file cannot be read as configuration; the message names it."""


def services(paths: list[str]) -> list[dict[str, Any]]:
    """The services of files and directories, those of `services` before that of `service`, as a registration's document."""
    return [service for path in paths for file in _files(path) for service in _services(file)]


def _files(path: str) -> list[str]:
    """The path itself, or the configuration files of a directory in the order of their names."""
    from pathlib import Path

    if not os.path.isdir(path):  # noqa: PTH112 - the text itself is shown in messages
        return [path]
    return sorted(str(file) for file in Path(path).iterdir() if file.suffix in _SUFFIXES and file.is_file())


def _services(path: str) -> list[dict[str, Any]]:
    from muster.client.settings import file_problem
    from muster.wire.hcl import decode_hcl

    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            document = decode_hcl(file.read())
    except OSError as error:
        raise InvalidServiceFile(f"config: Open failed on {path}. {file_problem(path, error)}") from error
    except DecodeError as error:
        raise InvalidServiceFile(f"failed to parse {path}: {error}") from error
    found = [_definition(path, item) for item in [*_listed(document.get("services")), *_listed(document.get("service"))]]
    return [_with_one_check_list(definition) for definition in found]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _definition(path: str, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InvalidServiceFile(f"failed to parse {path}: a service must be an object, not {item!r}")
    return {name: value for name, value in _object(item).items() if name != "Token"}


def _object(item: dict[str, Any]) -> dict[str, Any]:
    """An object with the API's names for its keys."""
    return {api_name(key): _value(api_name(key), value) for key, value in item.items()}


def _value(name: str, value: Any) -> Any:
    """A value below a key. A block stands in a list of one, which only the checks really are."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        if name in ("Checks", "Upstreams", "Paths"):
            return [_object(item) for item in value]
        merged: dict[str, Any] = {}
        for item in value:
            merged |= item
        return _value(name, merged)
    if isinstance(value, dict):
        if name == "TaggedAddresses":
            return {key: _value("", inner) for key, inner in value.items()}
        return value if name in _OPEN_MAPS else _object(value)
    return value


def api_name(key: str) -> str:
    """`deregister_critical_service_after` as the API writes it; names that are the API's already stay."""
    if key != key.lower():
        return key
    return _NAMED.get(key) or "".join(_WORDS.get(word, word.capitalize()) for word in key.split("_"))


def _with_one_check_list(definition: dict[str, Any]) -> dict[str, Any]:
    """The check and the checks in one list."""
    checks = _listed(definition.pop("Checks", None)) + _listed(definition.pop("Check", None))
    return {**definition, "Checks": checks} if checks else definition
