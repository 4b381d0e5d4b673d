"""The order in which a member probes the others: each once a round, in an order that nobody shares."""

from random import Random


class ProbeRing:
    """A shuffle of the places 0, 1, 2 … that is drawn one place at a time (Fisher and Yates).

    Only places that were drawn take memory, and a place that is added during a round comes up at random among those that are left.
    """

    __slots__ = ("_chance", "_drawn", "_moved")

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._drawn = 0
        self._moved: dict[int, int] = {}
        """Which place waits where another was drawn."""

    def draw(self, places: int) -> int | None:
        """One of the places not drawn yet in this round, out of so many now; None if the round is over."""
        left = places - self._drawn
        if left <= 0:
            return None
        position = self._drawn + int(self._chance.random() * left)
        place = self._moved.pop(position, position)
        if position != self._drawn:
            self._moved[position] = self._moved.pop(self._drawn, self._drawn)
        self._drawn += 1
        return place

    def restart(self) -> None:
        """Begin a new round."""
        self._drawn = 0
        self._moved.clear()
