"""Records whose meaning comes with a later endpoint, kept whole so that a snapshot loses nothing."""

from typing import Any

from msgspec import Struct


class OpaqueRecord(Struct, frozen=True, gc=False):
    """A record of a table: its key there and its wire value under Go's names."""

    key: str
    value: Any
    create_index: int = 0
    modify_index: int = 0
