"""What a reload changes: the keys that take effect at once, and those that wait for a restart."""

from typing import Any

import msgspec

from muster.agent.config.config import Config
from muster.agent.config.keys import Kind
from muster.agent.config.table import BY_NAME


class Reload(msgspec.Struct, frozen=True):
    """Dotted paths of the keys whose values differ, sorted. `restart` names those that the running agent cannot take over."""

    applied: tuple[str, ...]
    restart: tuple[str, ...]


def changes(old: Config, new: Config) -> Reload:
    """The difference of two configurations by the table of keys."""
    found: dict[str, bool] = {}
    _compare(old.settings, new.settings, "", "", found)
    for name in ("services", "checks"):
        if getattr(old, name) != getattr(new, name):
            found[name] = True
    return Reload(
        applied=tuple(sorted(path for path, reloadable in found.items() if reloadable)),
        restart=tuple(sorted(path for path, reloadable in found.items() if not reloadable)),
    )


def _compare(old: dict[str, Any], new: dict[str, Any], shape: str, path: str, found: dict[str, bool]) -> None:
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        key = BY_NAME[shape][name]
        if key.kind is Kind.BLOCK:
            _compare(before or {}, after or {}, key.shape, f"{path}{name}.", found)
        else:
            found[f"{path}{name}"] = key.reloadable
