"""How far a member trusts itself: Lifeguard's local health.

Source: Dadgar et al., "Lifeguard" (2018), section IV.A.
"""


class Awareness:
    """A score from 0 (healthy) to `maximum` - 1.

    A member that misses answers which everybody else gets is slow itself, and gives the others more time.
    """

    __slots__ = ("_maximum", "score")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.score = 0

    def improve(self) -> None:
        """A probe succeeded."""
        self._change(-1)

    def worsen(self, by: int = 1) -> None:
        """Answers stayed out that healthy members would have got, or we had to say that we live."""
        self._change(by)

    def scaled(self, duration: float) -> float:
        """`duration` seconds as this member grants them now: times score + 1."""
        return duration * (self.score + 1)

    def _change(self, by: int) -> None:
        self.score = max(0, min(self.score + by, self._maximum - 1))
