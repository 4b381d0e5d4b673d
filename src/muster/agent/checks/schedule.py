"""What is due when: one heap for all checks of the agent."""

import heapq


class Schedule:
    """Keys with a due time each (seconds of one monotonic clock); setting a key again moves it.

    Moved and dropped entries stay in the heap until they surface, or until they are the greater part of it.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: str, due: float) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + 16:
            self._heap = [(time, name) for name, time in self._due.items()]
            heapq.heapify(self._heap)

    def drop(self, key: str) -> None:
        self._due.pop(key, None)

    def next_due(self) -> float | None:
        """The earliest due time, or None if nothing is planned."""
        heap = self._heap
        while heap and self._due.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def take(self, now: float) -> list[str]:
        """The keys that are due by now, earliest first; they are no longer planned."""
        taken = []
        while (due := self.next_due()) is not None and due <= now:
            _, key = heapq.heappop(self._heap)
            del self._due[key]
            taken.append(key)
        return taken
