"""Answers of RPC methods inside one process."""

from typing import Any

from msgspec import Struct, field


class Reply(Struct, gc=False, kw_only=True):
    """What a method answered, and how fresh it is.

    `index` is what a blocking query may wait to be passed, 0 where the method has none; `last_contact` is in nanoseconds.
    Equal questions share one reply, so an edge may keep what it made of it in `encodings`, under a key of its own.
    """

    value: Any
    index: int = 0
    known_leader: bool = True
    last_contact: int = 0
    consistency_level: str = ""
    encodings: dict[Any, Any] = field(default_factory=dict)
