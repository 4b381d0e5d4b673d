"""Tables in columns that are as wide as their widest cell, two spaces apart."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> str:
    """The rows as lines; the last column is not padded."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths)), row[-1]]) for row in rows)


def pairs(mapping: dict[str, str] | None) -> str:
    """`key=value` for each, sorted, with commas."""
    return ", ".join(f"{key}={value}" for key, value in sorted((mapping or {}).items()))
