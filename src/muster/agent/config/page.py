"""The page of all configuration keys, made from their table."""

from muster.agent.config.keys import Key, Status
from muster.agent.config.table import all_keys

INTRODUCTION = """# Configuration

Settings come from flags and from files in HCL or JSON (`-config-file`, `-config-dir`; a directory is read in the order of its file
names). Later files overwrite single values, lists are joined, blocks and maps are merged; flags come last. An unknown key, a wrong type or
a bad value stops the start and is named with its file. `muster validate` checks files without starting anything.

SIGHUP and `muster reload` read the files again. Keys marked *reload* then take effect; the others need a restart. If anything is wrong in
the files, the old configuration stays in force.

This page is made by `scripts/configuration-page` from the table in `src/muster/agent/config/`.

| Key | Value | Default | Status | Notes |
|---|---|---|---|---|
"""


def configuration_page() -> str:
    """The text of `docs/configuration.md`."""
    lines = [_line(path, *_cells(key)) for path, key in all_keys() if not path.startswith(("check.", "service."))]
    return INTRODUCTION + "".join(lines)


def _cells(key: Key) -> tuple[str, str, str, str]:
    status = key.status.value if key.status is not Status.BUILT else "built, reload" if key.reloadable else "built"
    return key.kind.value, key.default, status, key.note


def _line(path: str, *cells: str) -> str:
    shown = [cell.replace("|", "\\|") for cell in cells]
    return f"| `{path}` | {' | '.join(shown)} |\n"
