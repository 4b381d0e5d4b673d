"""Entries of the key/value store."""

from msgspec import Struct, field


class KVEntry(Struct, frozen=True, gc=False, kw_only=True):
    """One key. `lock_index` counts how often it was acquired; `session` is its holder, or empty."""

    lock_index: int = field(name="LockIndex", default=0)
    key: str = field(name="Key", default="")
    flags: int = field(name="Flags", default=0)
    value: bytes | None = field(name="Value", default=None)
    session: str = field(name="Session", default="")
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)
