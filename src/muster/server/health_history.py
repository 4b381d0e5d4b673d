"""When which check turned from what to what, and what it said: kept in memory by each server, as far back as it has seen.

Source: reference of the web page, section 6; asked for in hashicorp/consul#965.
"""

from collections import deque

from msgspec import Struct, field

from muster.model.catalog import HealthCheck
from muster.state.watches import Turn

KEPT_OF_ONE = 1000
KEPT_SECONDS = 24 * 3600.0
KEPT_BYTES = 64 << 20
"""Of all checks together: outputs with what an entry costs beside it."""
OUTPUT_LIMIT = 1024  # characters that are kept of an output
ENTRY_COST = 256  # bytes

CheckName = tuple[str, str]
"""Node and check id, in lower case."""


class Change(Struct, frozen=True, rename="pascal"):
    """A check turned. `time` is this server's, in nanoseconds since 1970; an empty status stands for no check."""

    time: int
    index: int
    before: str
    status: str
    output: str


class CheckHistory(Struct, rename="pascal"):
    """One check and what became of it, the oldest change first. `flaps`: how often it ceased to pass."""

    node: str
    check_id: str = field(name="CheckID")
    name: str
    service_id: str = field(name="ServiceID")
    service_name: str
    changes: list[Change]
    flaps: int = 0


class _Kept(Struct):
    described: CheckHistory
    changes: deque[Change]


class HealthHistory:
    """All histories. What is too old, or more than is kept, is forgotten, the oldest first."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._of: dict[CheckName, _Kept] = {}
        self._order: deque[tuple[CheckName, Change]] = deque()
        self._kept_bytes, self._bytes = kept_bytes, 0

    def turned(self, time: float, index: int, turn: Turn, check: HealthCheck | None) -> None:
        """A check turned at a wall-clock time in seconds; `check` is what it is now, None if it is gone."""
        name = (turn.node.lower(), turn.check_id.lower())
        output = "" if check is None else check.output[:OUTPUT_LIMIT]
        change = Change(time=round(time * 1e9), index=index, before=turn.before, status=turn.after, output=output)
        kept = self._of.get(name)
        if kept is None:
            kept = self._of[name] = _Kept(CheckHistory(turn.node, turn.check_id, "", "", "", []), deque())
        if check is not None:
            kept.described = CheckHistory(check.node, check.check_id, check.name, check.service_id, check.service_name, [])
        kept.changes.append(change)
        self._order.append((name, change))
        self._bytes += _cost(change)
        if len(kept.changes) > KEPT_OF_ONE:
            kept.changes.popleft()  # its place in the order is passed over when its turn comes
        self._forget(time)

    def find(self, time: float, *, node: str = "", check_id: str = "", service: str = "", since: float = 0.0) -> list[CheckHistory]:
        """The histories that match, by node and check id; of changes those of the last `since` seconds, or all with 0."""
        self._forget(time)
        oldest = round((time - since) * 1e9) if since else 0
        found = []
        for (of_node, of_check), kept in sorted(self._of.items(), key=lambda item: item[0]):
            told = kept.described
            if (node and of_node != node.lower()) or (check_id and of_check != check_id.lower()):
                continue
            if service and told.service_name.lower() != service.lower():
                continue
            changes = [change for change in kept.changes if change.time >= oldest]
            if changes:
                flaps = sum(change.before == "passing" and change.status in ("warning", "critical") for change in changes)
                found.append(CheckHistory(told.node, told.check_id, told.name, told.service_id, told.service_name, changes, flaps))
        return found

    def clear(self) -> None:
        """The state was replaced: what was seen before is no history of it."""
        self._of.clear()
        self._order.clear()
        self._bytes = 0

    def _forget(self, time: float) -> None:
        oldest = round((time - KEPT_SECONDS) * 1e9)
        while self._order and (self._bytes > self._kept_bytes or self._order[0][1].time < oldest):
            name, change = self._order.popleft()
            self._bytes -= _cost(change)
            kept = self._of.get(name)
            if kept is not None and kept.changes and kept.changes[0] is change:
                kept.changes.popleft()
                if not kept.changes:
                    del self._of[name]


def _cost(change: Change) -> int:
    return ENTRY_COST + len(change.output)
