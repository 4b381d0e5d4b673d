"""One entry of the replicated log, and the kinds there are."""

from typing import Final

import msgspec

COMMAND: Final = 0  # a command for the state machine
NOOP: Final = 1  # a new leader's first entry: commits what earlier terms left behind
BARRIER: Final = 4  # reaches the state machine's driver and does nothing there
CONFIGURATION: Final = 5  # who votes and who listens


class Entry(msgspec.Struct, gc=False):
    """One entry of the log. Indexes start at 1 and have no gaps.

    `data` and `extensions` are what is written to disk and sent to peers. `command` is never written: the
    leader keeps the object it proposed there, so that applying it needs no decoding.
    """

    index: int
    term: int
    type: int
    data: bytes = b""
    extensions: bytes = b""
    command: object | None = None


class Proposal(msgspec.Struct, gc=False):
    """What a host wants in the log; the leader adds index and term."""

    type: int
    data: bytes = b""
    extensions: bytes = b""
    command: object | None = None
