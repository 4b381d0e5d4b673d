"""How long a suspected member has to answer back before it is held for dead.

Times are seconds. The more members confirm a suspicion, the sooner it ripens: Lifeguard's dynamic suspicion.

Source: Dadgar et al., "Lifeguard" (2018), section IV.B; the rounding is that of the peers, so that mixed pools decide alike.
"""

import heapq
import math


def minimum_suspicion_time(multiplier: int, members: int, probe_interval: float) -> float:
    """The least time: multiplier × max(1, log10 members) × probe interval; the logarithm is cut to thousandths."""
    scale = max(1.0, math.log10(max(1, members)))
    return multiplier * math.floor(scale * 1000) * probe_interval / 1000


def suspicion_time(confirmations: int, expected: int, minimum: float, maximum: float) -> float:
    """The whole time of a suspicion with so many confirmations, floored to a millisecond and never under `minimum`."""
    if expected < 1:
        return minimum
    share = math.log(confirmations + 1) / math.log(expected + 1)
    return max(minimum, math.floor(1000.0 * (maximum - share * (maximum - minimum))) / 1000.0)


class Suspicion:
    """One suspected member: who accuses it, and when that is enough."""

    __slots__ = ("_accusers", "_expected", "_maximum", "_minimum", "_start", "deadline")

    def __init__(self, now: float, accuser: str, expected: int, minimum: float, maximum: float) -> None:
        """`expected` confirmations by others shorten the time from `maximum` to `minimum`; with none expected it is `minimum`."""
        self._start = now
        self._accusers = {accuser}
        self._expected = expected
        self._minimum = minimum
        self._maximum = maximum
        self.deadline = self._ripens()

    @property
    def confirmations(self) -> int:
        """Accusers beside the first."""
        return len(self._accusers) - 1

    def is_new(self, accuser: str) -> bool:
        """Whether this accuser would be a confirmation: not heard before, and more of them are awaited."""
        return self.confirmations < self._expected and accuser not in self._accusers

    def confirm(self, accuser: str) -> None:
        """Count another accuser; the deadline comes nearer, perhaps into the past."""
        self._accusers.add(accuser)
        self.deadline = self._ripens()

    def postpone(self, by: float) -> None:
        """Count so many seconds of what passed as if they had not."""
        self._start += by
        self.deadline += by

    def _ripens(self) -> float:
        """Counted from the first accusation, however late the confirmations come."""
        return self._start + suspicion_time(self.confirmations, self._expected, self._minimum, self._maximum)


class Suspicions:
    """The suspicions that run, by name, and the next that ripens."""

    __slots__ = ("_by_name", "_due")

    def __init__(self) -> None:
        self._by_name: dict[str, Suspicion] = {}
        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def names(self) -> set[str]:
        """Who is suspected."""
        return set(self._by_name)

    def of(self, name: str) -> Suspicion | None:
        """The suspicion that runs against this member."""
        return self._by_name.get(name)

    def start(self, name: str, suspicion: Suspicion) -> None:
        """Let a suspicion run."""
        self._by_name[name] = suspicion
        self._await(name, suspicion)

    def confirm(self, name: str, accuser: str) -> None:
        """Another member accuses it too."""
        suspicion = self._by_name[name]
        suspicion.confirm(accuser)
        self._await(name, suspicion)

    def clear(self, name: str) -> None:
        """The member is suspected no more."""
        self._by_name.pop(name, None)

    def postpone(self, by: float) -> None:
        """Let all run so much longer."""
        for suspicion in self._by_name.values():
            suspicion.postpone(by)
        self._reorder()

    def next_deadline(self) -> float:
        """When the next suspicion ripens; infinite if none runs."""
        if not self._due:
            return math.inf
        self._drop_outdated()
        return self._due[0][0] if self._due else math.inf

    def ripe(self, now: float) -> list[str]:
        """Take out the members whose time is over, the longest over first."""
        found = []
        while self.next_deadline() <= now:
            name = heapq.heappop(self._due)[1]
            del self._by_name[name]
            found.append(name)
        return found

    def _await(self, name: str, suspicion: Suspicion) -> None:
        heapq.heappush(self._due, (suspicion.deadline, name))
        if len(self._due) > 64 + 4 * len(self._by_name):
            self._reorder()

    def _reorder(self) -> None:
        self._due = [(running.deadline, name) for name, running in self._by_name.items()]
        heapq.heapify(self._due)

    def _drop_outdated(self) -> None:
        while self._due:
            deadline, name = self._due[0]
            running = self._by_name.get(name)
            if running is not None and running.deadline == deadline:
                return
            heapq.heappop(self._due)
