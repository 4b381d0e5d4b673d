"""What a config entry of each kind may hold, and how it is shown.

Names in a body match in any case and with or without underscores. Entries are kept under Go's names, complete, as the peers replicate them.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from muster.http.bodies import WrongBody
from muster.model.durations import format_duration, parse_duration
from muster.model.operator import ConfigEntry

Fields = dict[str, Any]
Convert = Callable[[Any, str], Any]


class WrongValue(WrongBody):
    """A field holds something that cannot be made into what it should."""

    def __init__(self, complaint: str) -> None:
        super().__init__(f"1 error(s) decoding:\n\n* {complaint}")


_GO_TYPES: dict[type, str] = {
    bool: "bool",
    int: "float64",
    float: "float64",
    str: "string",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}
_GO_KINDS = _GO_TYPES | {list: "slice", dict: "map"}


def _unwrapped(value: Any) -> Any:
    """A list of one stands for its only element: the form that HCL gives to blocks."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _map(value: Any, name: str) -> Fields | None:
    value = _unwrapped(value)
    if value is None or value == []:
        return None if value is None else {}
    if not isinstance(value, dict):
        raise WrongValue(f"'{name}' expected a map, got '{_GO_KINDS.get(type(value), 'interface')}'")
    return value


def _free_map(value: Any, name: str) -> Fields | None:
    """A map whose values may be anything."""
    found = _map(value, name)
    return None if found is None else {key: _unwrapped(item) for key, item in found.items()}


def _list(value: Any, name: str) -> list[Any] | None:
    return value if value is None or isinstance(value, list) else [value]


def _text(value: Any, name: str) -> str:
    value = _unwrapped(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str | int | float):
        return str(value)
    raise WrongValue(f"'{name}' expected type 'string', got unconvertible type '{_GO_TYPES.get(type(value), 'interface')}'")


def _flag(value: Any, name: str) -> bool:
    value = _unwrapped(value)
    if isinstance(value, str):
        if value not in ("", "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"):
            raise WrongValue(f"cannot parse '{name}' as bool: strconv.ParseBool: parsing \"{value}\": invalid syntax")
        return value[:1] in ("1", "t", "T")
    if value is None or isinstance(value, bool | int | float):
        return bool(value)
    raise WrongValue(f"'{name}' expected type 'bool', got unconvertible type '{_GO_TYPES.get(type(value), 'interface')}'")


def _number(value: Any, name: str) -> int:
    value = _unwrapped(value)
    if value is None or isinstance(value, bool | int | float):
        return int(value or 0)
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value[:19])
    raise WrongValue(f"'{name}' expected type 'int', got unconvertible type '{_GO_TYPES.get(type(value), 'interface')}'")


def _duration(value: Any, name: str) -> int:
    return parse_duration(value) if isinstance(value, str) and value else _number(value, name)


def _mode(value: Any, name: str) -> Fields:
    return {"Mode": _text(_known(value, {"Mode": _text}, name).get("Mode"), name)}


def _expose(value: Any, name: str) -> Fields:
    found = _known(value, {"Checks": _flag, "Paths": _list}, name)
    paths = found.get("Paths")
    return {"Checks": found.get("Checks", False), "Paths": None if paths is None else [_exposed(path, f"{name}.Paths") for path in paths]}


def _exposed(value: Any, name: str) -> Fields:
    wanted: dict[str, Convert] = {
        "ListenerPort": _number,
        "Path": _text,
        "LocalPathPort": _number,
        "Protocol": _text,
        "ParsedFromCheck": _flag,
    }
    found = _known(value, wanted, name)
    return {field: found.get(field, convert(None, field)) for field, convert in wanted.items()}


KINDS: dict[str, dict[str, Convert]] = {
    "service-defaults": {"Protocol": _text, "MeshGateway": _mode, "Expose": _expose, "ExternalSNI": _text},
    "proxy-defaults": {"Config": _free_map, "MeshGateway": _mode, "Expose": _expose},
    "service-router": {"Routes": _list},
    "service-splitter": {"Splits": _list},
    "service-resolver": {
        "DefaultSubset": _text,
        "Subsets": _map,
        "Redirect": _map,
        "Failover": _map,
        "ConnectTimeout": _duration,
        "LoadBalancer": _map,
    },
    "ingress-gateway": {"TLS": _map, "Listeners": _list},
    "terminating-gateway": {"Services": _list},
}
_LEFT_OUT_WHEN_EMPTY = frozenset(
    ("Meta", "ExternalSNI", "DefaultSubset", "Subsets", "Redirect", "Failover", "ConnectTimeout", "LoadBalancer")
)

_WITHOUT_EMPTY_PARTS = frozenset(("Routes", "Splits", "Subsets", "Redirect", "Failover"))


def _without_empty_parts(value: Any) -> Any:
    """Rows and sections stay, their empty fields go; a time-out is shown as a text."""
    if isinstance(value, list):
        return [_without_empty_parts(item) for item in value]
    if not isinstance(value, dict):
        return value
    shown = {name: _without_empty_parts(item) for name, item in value.items() if item or isinstance(item, dict)}
    if isinstance(shown.get("RequestTimeout"), int):
        shown["RequestTimeout"] = format_duration(shown["RequestTimeout"])
    return shown


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _known(value: Any, wanted: Mapping[str, Convert], path: str = "", ignored: Collection[str] = ()) -> Fields:
    """The fields of an object under their right names; `WrongBody` lists those that do not belong there."""
    names = {_plain(name): name for name in wanted}
    lead = f"{path}." if path else ""
    found, unknown = {}, []
    for given, item in (_map(value, path) or {}).items():
        name = names.get(_plain(given))
        if name is not None:
            found[name] = wanted[name](item, lead + name)
        elif given not in ignored:
            unknown.append(lead + given)
    if unknown:
        lines = "".join(f'\t* invalid config key "{name}"\n' for name in sorted(unknown))
        raise WrongBody(f"{len(unknown)} error{'s' if len(unknown) > 1 else ''} occurred:\n{lines}\n")
    return found


def parse_entry(value: Any) -> ConfigEntry:
    """The entry of a body; `WrongBody` says what is wrong with it."""
    if value is not None and not isinstance(value, dict):
        raise WrongBody(f"'' expected a map, got '{_GO_KINDS.get(type(value), 'interface')}'")
    kind_name = next((name for name in ("Kind", "kind") if name in (value or ())), None)
    if kind_name is None:
        raise WrongBody("Payload does not contain a kind/Kind key at the top level")
    assert value is not None  # it holds that name
    kind = value[kind_name]
    if not isinstance(kind, str):
        raise WrongBody("Kind value in payload is not a string")
    wanted = KINDS.get(kind)
    if wanted is None:
        raise WrongBody(f"invalid config entry kind: {kind}")
    found = _known(value, {"Name": _text, **wanted}, ignored=(kind_name, "CreateIndex", "ModifyIndex"))
    name = found.pop("Name", "")
    if kind == "proxy-defaults":
        name = "global"  # there is one for all
    return ConfigEntry(kind=kind, name=name, fields={field: found.get(field, convert(None, field)) for field, convert in wanted.items()})


def shown_entry(entry: ConfigEntry) -> Fields:
    """An entry as the API shows it."""
    shown: Fields = {"Kind": entry.kind, "Name": entry.name}
    for name, value in entry.fields.items():
        if name == "MeshGateway" or name == "Expose":
            shown[name] = {key: item for key, item in (value or {}).items() if item}
        elif value and name in _WITHOUT_EMPTY_PARTS:
            shown[name] = _without_empty_parts(value)
        elif value or name not in _LEFT_OUT_WHEN_EMPTY:
            shown[name] = value
    return shown | {"CreateIndex": entry.create_index, "ModifyIndex": entry.modify_index}
