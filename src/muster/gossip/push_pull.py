"""The exchange of whole tables: what a line of another's table means to us, and whether its pool can be ours.

Source: reference of the gossip wire, sections 1 and 2.
"""

import math
from collections.abc import Iterable

from muster.gossip.node_table import NodeStatus
from muster.model.errors import Rejected
from muster.wire.gossip import Alive, Dead, NodeState, Suspect

SCALE_FROM = 32  # members up to which the interval does not grow, as the peers have it

_ALIVE, _SUSPECT, _DEAD, _LEFT = (status.value for status in NodeStatus)


class MergeRefused(Rejected):
    """The other side's table is not taken in; nothing changed. `answer` is our own table, which it gets all the same."""

    def __init__(self, text: str, answer: bytes) -> None:
        super().__init__(text)
        self.answer = answer


def scaled_interval(interval: float, members: int) -> float:
    """Seconds between two exchanges, longer in large pools: × (ceil(log2 n - log2 32) + 1) above 32 members."""
    if members <= SCALE_FROM:
        return interval
    return interval * (math.ceil(math.log2(members) - math.log2(SCALE_FROM)) + 1)


def news_of(line: NodeState, reader: str) -> Alive | Suspect | Dead | None:
    """What a line of another's table says to us, as the message that would have said it; None if its state has no meaning.

    Its dead may be alive for us, so they are only suspected by the reader: they can still answer back.
    """
    if line.state == _ALIVE:
        return Alive(
            incarnation=line.incarnation, node=line.name, address=line.address, port=line.port, meta=line.meta, versions=line.versions
        )
    if line.state == _LEFT:
        return Dead(incarnation=line.incarnation, node=line.name, accuser=line.name)
    if line.state in (_SUSPECT, _DEAD):
        return Suspect(incarnation=line.incarnation, node=line.name, accuser=reader)
    return None


def have_meaning(versions: bytes) -> bool:
    """Whether these are protocol versions: six numbers, a minimum and a maximum that are not zero and in order."""
    return len(versions) >= 6 and 0 < versions[0] <= versions[1]


def incompatibility(lines: Iterable[NodeState], ours: Iterable[NodeState]) -> str:
    """Why two tables cannot become one pool, or an empty text: a node speaks a version that another does not understand."""
    members = [line for line in (*lines, *ours) if len(line.versions) >= 6]
    alive = {line.versions for line in members if line.state == _ALIVE}
    for kind, first in (("protocol", 0), ("delegate protocol", 3)):
        least = max((versions[first] for versions in alive), default=0)
        most = min((versions[first + 1] for versions in alive), default=255)
        for line in members:
            spoken = line.versions[first + 2]
            if not least <= spoken <= most:
                return f"Node '{line.name}' {kind} version ({spoken}) is incompatible: [{least}, {most}]"
    return ""
