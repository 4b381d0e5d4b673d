"""Configuration files: found, read, and checked against the table of keys.

What comes out is a tree of plain values keyed as the files are. Every fault names file, key, value and what would be right.

Source: answers of `consul validate` 1.8.7.
"""

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from muster.agent.config.table import KEYS
from muster.model.durations import InvalidDuration, parse_duration
from muster.model.errors import ConfigurationError, DecodeError
from muster.wire.hcl import decode_hcl

Tree = dict[str, Any]
FORMATS = (".hcl", ".json")
LISTS_OF_BLOCKS = frozenset(("services", "checks", "watches", "segments", "upstreams", "paths", "bootstrap"))
"""Keys under which one block alone is still a list of one."""
RIGHT = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "text": 'a text in quotes, "…"',
    "duration": 'a duration such as "10s" or "1h30m"',
    "list": 'a list of texts, ["…", "…"]',
    "map": 'a map of texts, { name = "…" }',
    "block": "a block, { … }",
    "blocks": "a list of blocks, [{ … }]",
}


def files_of(paths: list[str], folders: list[str]) -> list[Path]:
    """The files to read, in order: those named, then those of each folder by name. A path that is a folder counts as one."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += _in_folder(path)
        elif path.exists():
            found.append(path)
        else:
            raise ConfigurationError(f"config: Open failed on {path}. open {path}: no such file or directory")
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ConfigurationError(f"config: Open failed on {folder}. open {folder}: no such file or directory")
        found += _in_folder(folder)
    return found


def _in_folder(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in FORMATS and path.is_file())


def read(path: Path, form: str) -> Tree:
    """The tree of one file; the format is `form`, or what the file's name says."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise ConfigurationError(f"config: {path}: cannot be read: {error.strerror}") from error
    return parse(text, str(path), form or path.suffix.lstrip("."))


def parse(text: str, source: str, form: str) -> Tree:
    """The tree of a document."""
    try:
        document = json.loads(text) if form == "json" else decode_hcl(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"config: Error parsing {source}: {error}") from error
    except DecodeError as error:
        raise ConfigurationError(f"config: Error parsing {source}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"config: Error parsing {source}: the document is no object, {{ … }}")
    tree: Tree = _unwrapped(document, "")
    check(tree, source)
    return tree


def _unwrapped(value: Any, key: str) -> Any:
    """HCL gives every block as a list of one; all but those that are lists by nature become the block itself."""
    if isinstance(value, dict):
        return {name: _unwrapped(item, name) for name, item in value.items()}
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], dict) and key not in LISTS_OF_BLOCKS:
            return _unwrapped(value[0], key)
        return [_unwrapped(item, "") for item in value]
    return value


def check(tree: Tree, source: str, prefix: str = "") -> None:
    """Every key is known and its value of the right type; values are brought into one form in place."""
    for name, value in list(tree.items()):
        path = prefix + name
        key = KEYS.get(path)
        if key is None:
            near = difflib.get_close_matches(path, KEYS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"config: {source}: invalid config key {path}{hint}")
        if value is None:
            del tree[name]
            continue
        tree[name] = converted(value, key.kind, path, source)
        if key.kind == "block":
            check(tree[name], source, path + ".")


def converted(value: Any, kind: str, path: str, source: str) -> Any:
    """The value in the form of its kind, weakly typed as the peers are: numbers and booleans may stand in quotes."""
    try:
        return _CONVERTERS[kind](value)
    except InvalidDuration as error:
        raise ConfigurationError(
            f"config: {source}: {path}: invalid duration {value!r}: {error}; {RIGHT['duration']} would be right"
        ) from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"config: {source}: {path}: {value!r} is wrong, {RIGHT[kind]} would be right") from error


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "1", "t", "T", "TRUE", "True"):
        return True
    if value in ("false", "0", "f", "F", "FALSE", "False"):
        return False
    raise ValueError


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str | float) or (isinstance(value, float) and value != int(value)):
        raise ValueError
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError


def _duration(value: Any) -> int:
    """Nanoseconds; a bare number is nanoseconds, as in Go."""
    if isinstance(value, str):
        return parse_duration(value)
    return _int(value)


def _list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [_text(item) for item in value]
    raise ValueError


def _map(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return {name: item for part in value for name, item in part.items()}
    raise ValueError


def _anything(value: Any) -> Any:
    return value


def blocks(value: Any) -> list[dict[str, Any]]:
    found = [value] if isinstance(value, dict) else value
    if isinstance(found, list) and all(isinstance(block, dict) for block in found):
        return found
    raise ValueError


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "text": _text,
    "duration": _duration,
    "list": _list,
    "map": _map,
    "block": _map,
    "blocks": blocks,
    "any": _anything,
}
