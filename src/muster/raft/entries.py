"""The entries of the replicated log, and what a host proposes for it."""

import msgspec

from muster.wire.raft import BARRIER, COMMAND, CONFIGURATION, NOOP, Entry

__all__ = ["BARRIER", "COMMAND", "CONFIGURATION", "NOOP", "Entry", "Proposal"]


class Proposal(msgspec.Struct, gc=False):
    """What a host wants in the log; the leader adds index and term."""

    type: int
    data: bytes = b""
    extensions: bytes = b""
    command: object | None = None
