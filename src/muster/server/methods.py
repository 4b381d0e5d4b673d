"""The rows of the method table: what kind of method each is, and so which rules it follows.

A read with an index may block, and equal questions share its answer. A plain read answers at once. A write goes to the
leader and into the log. A local method is answered by any server, without a leader.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from muster.model.errors import MusterError
from muster.server.blocking import IndexNames
from muster.server.context import Context
from muster.state.watches import WatchSet
from muster.wire.replies import Reply


class Read(Struct, frozen=True):
    """`function(context, request, watch) -> (index, value)`. `indexes` and `kept`: see `blocking.ReadRule`.

    `cheap`: asked without an index it is answered without looking for a shared answer. `slow` then gets the first word: the
    future of an answer too long for one turn of the loop, or None.
    """

    function: Callable[[Context, Any, WatchSet | None], tuple[int, Any]]
    indexes: IndexNames = None
    kept: bool = True
    cheap: bool = False
    slow: "Callable[[Context, Any], asyncio.Future[Reply] | None] | None" = None


class PlainRead(Struct, frozen=True):
    """`function(context, request) -> value`, or a future of the reply; leader and datacenter are checked as for a read.

    `leader_only`: other servers do not know the answer, so it is never stale.
    """

    function: Callable[[Context, Any], Any]
    leader_only: bool = False


class Write(Struct, frozen=True):
    """`function(context, request) -> Reply or its future`; raises what makes the request wrong, before anything is logged."""

    function: Callable[[Context, Any], "Reply | asyncio.Future[Reply]"]


class Local(Struct, frozen=True):
    """`function(context, request) -> value`, by any server; a datacenter is checked only if one is named."""

    function: Callable[[Context, Any], Any]


Method = Read | PlainRead | Write | Local
Methods = dict[str, Method]


class UnknownMethod(MusterError):
    """No method of that name. The text is the one that client agents look for to fall back to an older method."""

    def __init__(self, name: str) -> None:
        super().__init__(f"rpc: can't find method {name}")
