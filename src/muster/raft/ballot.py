"""Who has voted for a candidate, in an election or in the asking before it."""

from collections.abc import Iterable


class Ballot:
    """The votes of one round. The candidate always votes for itself."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self.votes: set[str] = {identity}

    def open(self, counted: Iterable[str] = ()) -> None:
        """A new round; `counted` are taken for granted."""
        self.votes = {self._identity, *counted}

    def won(self, voters: list[str]) -> bool:
        """Whether more than half of the voters are among them."""
        return len(self.votes.intersection(voters)) > len(voters) // 2
