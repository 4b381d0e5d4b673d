"""What a config entry of each kind may hold, and how it is shown.

Names in a body match in any case and with or without underscores. Entries are kept under Go's names, complete, as the peers replicate them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from muster.http.bodies import WrongBody, mismatch, text
from muster.model.durations import parse_duration
from muster.model.operator import ConfigEntry

Fields = dict[str, Any]


def _map(value: Any) -> Any:
    if value is not None and not isinstance(value, dict):
        raise WrongBody(mismatch(value, "map"))
    return value


def _list(value: Any) -> Any:
    if value is not None and not isinstance(value, list):
        raise WrongBody(mismatch(value, "list"))
    return value


def _text(value: Any) -> str:
    return text(value) if value is not None else ""


def _flag(value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise WrongBody(mismatch(value, "bool"))
    return bool(value)


def _number(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise WrongBody(mismatch(value, "int"))
    return value or 0


def _duration(value: Any) -> int:
    return parse_duration(value) if isinstance(value, str) and value else int(value or 0)


def _mode(value: Any) -> Fields:
    return {"Mode": _text(_known(value, {"Mode": _text}).get("Mode"))}


def _expose(value: Any) -> Fields:
    found = _known(value, {"Checks": _flag, "Paths": _list})
    paths = found.get("Paths")
    return {"Checks": found.get("Checks", False), "Paths": None if paths is None else [_exposed(path) for path in paths]}


def _exposed(value: Any) -> Fields:
    wanted = {"ListenerPort": _number, "Path": _text, "LocalPathPort": _number, "Protocol": _text, "ParsedFromCheck": _flag}
    found = _known(value, wanted)
    return {name: found.get(name, convert(None)) for name, convert in wanted.items()}


KINDS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "service-defaults": {"Protocol": _text, "MeshGateway": _mode, "Expose": _expose, "ExternalSNI": _text},
    "proxy-defaults": {"Config": _map, "MeshGateway": _mode, "Expose": _expose},
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
    ("Protocol", "ExternalSNI", "DefaultSubset", "Subsets", "Redirect", "Failover", "ConnectTimeout", "LoadBalancer")
)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _known(value: Any, wanted: Mapping[str, Callable[[Any], Any]], ignored: tuple[str, ...] = ()) -> Fields:
    """The fields of an object under their right names; `WrongBody` lists those that do not belong there."""
    names = {_plain(name): name for name in wanted}
    found, unknown = {}, []
    for given, item in (_map(value) or {}).items():
        name = names.get(_plain(given))
        if name is not None:
            found[name] = wanted[name](item)
        elif _plain(given) not in ignored:
            unknown.append(given)
    if unknown:
        lines = "".join(f'\t* invalid config key "{name}"\n' for name in sorted(unknown))
        raise WrongBody(f"{len(unknown)} error{'s' if len(unknown) > 1 else ''} occurred:\n{lines}\n")
    return found


def parse_entry(value: Any) -> ConfigEntry:
    """The entry of a body; `WrongBody` says what is wrong with it."""
    if not isinstance(value, dict):
        raise WrongBody(mismatch(value, "map[string]interface {}"))
    kind = value.get("Kind", value.get("kind"))
    if kind is None:
        raise WrongBody("Payload does not contain a kind/Kind key at the top level")
    if not isinstance(kind, str):
        raise WrongBody("Kind value in payload is not a string")
    wanted = KINDS.get(kind)
    if wanted is None:
        raise WrongBody(f"invalid config entry kind: {kind}")
    found = _known(value, {"Name": _text, **wanted}, ignored=("kind", "createindex", "modifyindex", "namespace"))
    name = found.pop("Name", "")
    if kind == "proxy-defaults":
        name = "global"  # there is one for all
    return ConfigEntry(kind=kind, name=name, fields={field: found.get(field, convert(None)) for field, convert in wanted.items()})


def shown_entry(entry: ConfigEntry) -> Fields:
    """An entry as the API shows it."""
    shown: Fields = {"Kind": entry.kind, "Name": entry.name}
    for name, value in entry.fields.items():
        if name == "MeshGateway" or name == "Expose":
            shown[name] = {key: item for key, item in (value or {}).items() if item}
        elif value or name not in _LEFT_OUT_WHEN_EMPTY:
            shown[name] = value
    return shown | {"CreateIndex": entry.create_index, "ModifyIndex": entry.modify_index}
