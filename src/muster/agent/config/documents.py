"""Configuration files: found, read, and checked against the table of keys.

What comes out is a tree of plain values keyed as the files are. Every fault names file, key, value and what would be right.

Source: answers of `consul validate` 1.8.7.
"""

import json
from pathlib import Path

from muster.agent.config.schema import Tree, convert
from muster.model.errors import ConfigurationError, DecodeError
from muster.wire.hcl import decode_hcl

FORMATS = (".hcl", ".json")


def files_of(paths: list[str], folders: list[str]) -> list[Path]:
    """The files to read, in order: those named, then those of each folder by name. A path that is a folder counts as one.

    Folders are not entered deeper, and what ends neither in `.hcl` nor in `.json` there is left out.
    """
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


def has_format(path: Path, form: str) -> bool:
    """Whether it is known how to read the file: by its ending, or because all files are said to be in one format."""
    return bool(form) or path.suffix in FORMATS


def parse(text: str, source: str, form: str) -> Tree:
    """The tree of a document: known keys in lower case, values of the right types, durations in nanoseconds."""
    try:
        document = json.loads(text) if form == "json" else decode_hcl(text)
    except (ValueError, RecursionError, DecodeError) as error:
        raise ConfigurationError(f"failed to parse {source}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"failed to parse {source}: the document is no object, {{ … }}")
    try:
        return convert(document, source, "float64" if form == "json" else "int")
    except RecursionError:
        raise ConfigurationError(f"failed to parse {source}: nested too deep") from None
