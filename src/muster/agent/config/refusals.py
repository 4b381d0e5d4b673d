"""Settings that stop the start because they would be ignored, and those that are said to have no effect."""

from typing import Any

from muster.agent.config.keys import Key, Kind, Status
from muster.agent.config.schema import Tree
from muster.agent.config.table import BY_NAME
from muster.model.errors import ConfigurationError

OFF: tuple[Any, ...] = (False, "", [], {}, 0, None)
SECRET = frozenset(("encrypt", "acl_master_token", "acl_datacenter"))


def refuse_or_warn(tree: Tree, shape: str = "", path: str = "") -> list[str]:
    """Sentences on settings without effect. `ConfigurationError` for one that must not be ignored."""
    warnings: list[str] = []
    for name, value in tree.items():
        key = BY_NAME[shape][name]
        if key.status is Status.REFUSED and value not in OFF:
            raise ConfigurationError(
                f"config: {path}{name} = {_shown(key, value)} cannot be honoured: {key.note}. "
                "Muster does not start with a setting that it would have to ignore; remove it, or wait for the release that builds it"
            )
        if key.status is Status.ACCEPTED and value not in OFF and value != -1:  # a port of -1 asks for nothing
            warnings.append(f"{path}{name} has no effect: {key.note}")
            if key.kind is Kind.BLOCK and key.shape:  # what must be refused inside it still is
                refuse_or_warn(value, key.shape, f"{path}{name}.")
        elif key.kind is Kind.BLOCK and key.shape:
            warnings += refuse_or_warn(value, key.shape, f"{path}{name}.")
    if not shape:
        _refuse_clouds(tree)
    return warnings


def _refuse_clouds(tree: Tree) -> None:
    for name in ("retry_join", "retry_join_wan"):
        for address in tree.get(name, ()):
            if address.startswith("provider="):
                raise ConfigurationError(
                    f"config: {name}: {address!r} asks a cloud provider for addresses, which Muster does not do; "
                    "give addresses or DNS names"
                )


def _shown(key: Key, value: Any) -> str:
    return "<hidden>" if key.name in SECRET else repr(value)
