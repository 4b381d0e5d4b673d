"""Values of a file against the table: types, unknown keys, durations, with an error text for each fault.

The texts are Consul's, followed by the value and what would be right.
"""

import difflib
import json
from typing import Any

from muster.agent.config.keys import GO_TYPES, Key, Kind
from muster.agent.config.table import BY_NAME
from muster.agent.config.table_definitions import CHECK_ALIASES
from muster.model.durations import InvalidDuration, parse_duration
from muster.model.errors import ConfigurationError

Tree = dict[str, Any]
"""Values keyed as the files are."""
LARGEST = (1 << 63) - 1
LIST_KINDS = {Kind.STRINGS, Kind.BLOCKS, Kind.ANY_MAPS}


def convert(raw: Tree, source: str, numbers: str = "int") -> Tree:
    """The file's values by lower-case key, durations in nanoseconds. `ConfigurationError` lists every fault with `source`.

    `numbers` is how the file's format calls a whole number: "int" in HCL, "float64" in JSON.
    """
    reader = _Reader(numbers)
    tree = reader.block(raw, "", "")
    if reader.faults:
        lines = "\n".join(f"* {fault}" for fault in sorted(reader.faults) + reader.unknown)
        raise ConfigurationError(f"failed to parse {source}: {len(reader.faults) + len(reader.unknown)} error(s) decoding:\n\n{lines}")
    if reader.unknown:
        count = f"{len(reader.unknown)} error{'s' if len(reader.unknown) > 1 else ''}"
        lines = "\n".join(f"\t* {fault}" for fault in reader.unknown)
        raise ConfigurationError(f"failed to parse {source}: {count} occurred:\n{lines}\n\n")
    return tree


class _Fault(Exception):
    """One value is wrong; the text says how."""


class _Reader:
    """Collects the faults of one file."""

    def __init__(self, numbers: str) -> None:
        self.numbers = numbers
        self.faults: list[str] = []
        self.unknown: list[str] = []

    def block(self, raw: Tree, shape: str, path: str) -> Tree:
        known = BY_NAME[shape]
        found: Tree = {}
        for name, value in raw.items():
            lowered = name.lower()
            key = known.get(CHECK_ALIASES.get(lowered, lowered) if shape == "check" else lowered)
            if key is None:
                self.unknown.append(_unknown(f"{path}{name}", lowered, list(known)))
            elif value is not None:
                try:
                    found[key.name] = self._value(key, _unwrapped(key, value), f"{path}{name}")
                except _Fault as fault:
                    self.faults.append(str(fault))
        return found

    def _value(self, key: Key, value: object, path: str) -> object:
        match key.kind:
            case Kind.BLOCK:
                return self.block(self._map(value, path), key.shape, f"{path}.")
            case Kind.BLOCK_MAP:
                members = self._map(value, path).items()
                return {
                    name: self.block(self._map(_single(item), f"{path}[{name}]"), key.shape, f"{path}[{name}].") for name, item in members
                }
            case Kind.BLOCKS:
                items = enumerate(self._list(value, path))
                return [self.block(self._map(_single(item) or {}, f"{path}[{at}]"), key.shape, f"{path}[{at}].") for at, item in items]
            case Kind.ANY_MAP:
                return _plain(self._map(value, path))
            case Kind.ANY_MAPS:
                return [_plain(self._map(_single(item), f"{path}[{at}]")) for at, item in enumerate(self._list(value, path))]
            case Kind.STRINGS:
                return [self._scalar(Kind.STRING, item, f"{path}[{at}]") for at, item in enumerate(self._list(value, path))]
            case Kind.STRING_MAP:
                return {name: self._scalar(Kind.STRING, item, f"{path}[{name}]") for name, item in self._map(value, path).items()}
            case Kind.DURATION_MAP:
                return {name: self._scalar(Kind.DURATION, item, f'{path}["{name}"]') for name, item in self._map(value, path).items()}
            case Kind.STRINGS_MAP:
                return {name: self._texts(item, f"{path}[{name}]") for name, item in self._map(value, path).items()}
            case _:
                return self._scalar(key.kind, value, path)

    def _texts(self, value: object, path: str) -> list[object]:
        return [self._scalar(Kind.STRING, item, f"{path}[{at}]") for at, item in enumerate(self._list(value, path))]

    def _map(self, value: object, path: str) -> Tree:
        if not isinstance(value, dict):
            got = "slice" if isinstance(value, list) else self._type(value)
            raise _Fault(f"'{path}' expected a map, got '{got}': {_shown(value)} should be a block")
        return value

    def _list(self, value: object, path: str) -> list[Any]:
        if not isinstance(value, list):
            got = "map" if isinstance(value, dict) else self._type(value)
            raise _Fault(f"'{path}': source data must be an array or slice, got {got}: {_shown(value)} should be a list, in [ ]")
        return value

    def _type(self, value: object) -> str:
        if isinstance(value, bool):
            return "bool"
        if isinstance(value, int):
            return self.numbers
        names: dict[type, str] = {float: "float64", str: "string", list: "[]interface {}", dict: "map[string]interface {}"}
        return names.get(type(value), "nil")

    def _scalar(self, kind: Kind, value: object, path: str) -> object:
        value = _single(value)
        if value is None:
            return _empty(kind)
        right = _scalar_of(kind, value)
        if right is None:
            wanted = GO_TYPES[kind]
            raise _Fault(
                f"'{path}' expected type '{wanted}', got unconvertible type '{self._type(value)}': {_shown(value)} should be {kind.value}"
            )
        if kind is Kind.UINT and isinstance(right, int) and right < 0:
            raise _Fault(f"cannot parse '{path}', {right} overflows uint: it should be {kind.value}")
        if isinstance(right, int) and not isinstance(right, bool) and abs(right) > LARGEST:
            raise _Fault(f"cannot parse '{path}', {_shown(value)} overflows int: it should be {kind.value} of at most 64 bits")
        if kind is Kind.DURATION and isinstance(right, str):
            return _duration(right, path)
        return right


def _scalar_of(kind: Kind, value: object) -> bool | int | float | str | None:
    """`value` as `kind`; None if it is of another type. A whole number written as 1e3 or 8500.0 is an integer."""
    match value:
        case bool():
            return value if kind is Kind.BOOL else None
        case str():
            return value if kind in (Kind.STRING, Kind.DURATION) else None
        case int() | float() if kind is Kind.FLOAT:
            return float(value)
        case int() if kind in (Kind.INT, Kind.UINT):
            return value
        case float() if kind in (Kind.INT, Kind.UINT) and value.is_integer():
            return int(value)
        case _:
            return None


def _duration(text: str, path: str) -> int:
    if not text:
        return 0
    try:
        return parse_duration(text)
    except InvalidDuration as error:
        raise _Fault(f'{path}: invalid duration: "{text}": {error}; it should be {Kind.DURATION.value}') from None


def _empty(kind: Kind) -> object:
    return "" if kind is Kind.STRING else 0


def _unwrapped(key: Key, value: object) -> object:
    return value if key.kind in LIST_KINDS else _single(value)


def _single(value: object) -> object:
    """A list of one is its element where no list is wanted: how HCL writes a block."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _plain(value: Any) -> Any:
    """Values that no table describes: HCL's lists of one block become the block."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return _plain(value[0]) if len(value) == 1 and isinstance(value[0], dict) else [_plain(item) for item in value]
    return value


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unknown(path: str, name: str, known: list[str]) -> str:
    """The fault of an unknown key, with the nearest known one."""
    compared = name.replace("-", "_")
    near = difflib.get_close_matches(compared, known, n=1, cutoff=0.6)
    if not near:
        near = [candidate for candidate in known if candidate.replace("_", "") == compared.replace("_", "")]
    return f'invalid config key {path}; the nearest is "{near[0]}"' if near else f"invalid config key {path}"


def wire_form(values: Tree, shape: str) -> Tree:
    """A definition with the names of the HTTP API: `Name`, `Interval`, …; a check inside a service has a `CheckID`."""
    found: Tree = {}
    for name, value in values.items():
        key = BY_NAME[shape][name]
        match key.kind:
            case Kind.BLOCK:
                value = wire_form(value, key.shape)
            case Kind.BLOCKS:
                value = [wire_form(item, key.shape) for item in value]
            case Kind.BLOCK_MAP:
                value = {label: wire_form(item, key.shape) for label, item in value.items()}
            case _:
                pass
        inner = key.shape == "check" and shape == "service"
        if inner:
            value = [_with_check_id(item) for item in value] if key.kind is Kind.BLOCKS else _with_check_id(value)
        found[key.wire] = value
    return found


def _with_check_id(check: Tree) -> Tree:
    return {"CheckID" if name == "ID" else name: value for name, value in check.items()}
