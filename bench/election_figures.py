"""How long a cluster is without a leader, for the ranges of the election timeout that Raft's thesis measured.

python bench/election_figures.py            prints the table of docs/raft.md
python bench/election_figures.py --trials 100

As there: five servers; the leader dies at a random moment of its heartbeat interval, which is half the shortest timeout, right after all have
heard it; all logs have different lengths, so that some servers cannot win. How long a vote takes on its way, and to be written, decides how
often votes split; the thesis says 15 ms for both ways together and does not say how they fall to network and disk. The servers are Muster's own consensus core on virtual time. Only the range of the timeout is bent, by the chance that is
handed in: Muster's own is always from one to two times the timeout.

Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), section 9.3, figure 9.2.
"""

import argparse
import random
import statistics
from typing import Final

from muster.raft.effects import BecameLeader, Effect, SaveVote, Send
from muster.raft.log import Log
from muster.raft.membership import Configuration, Member
from muster.raft.messages import AppendEntries
from muster.raft.node import Node, Persisted
from muster.raft.timing import Timing
from muster.testing.simulation.schedule import Schedule

ONE_WAY: Final = (0.0001, 0.0003)  # seconds, between any two servers
VOTE_WRITE: Final = (0.0003, 0.0008)  # seconds
LONGEST: Final = 20.0  # seconds after which a trial counts as without end

RANGES: Final = (
    (150, 150, "over 10 s, many split votes"),
    (150, 151, ""),
    (150, 155, "median 287 ms"),
    (150, 175, ""),
    (150, 200, "worst 513 ms"),
    (150, 300, ""),
    (100, 200, ""),
    (50, 100, ""),
    (25, 50, ""),
    (12, 24, "mean 35 ms, worst 152 ms"),
)
"""Milliseconds from and to, and what the thesis says of it."""

NAMES: Final = tuple(f"s{number}" for number in range(5))
LEADER: Final = NAMES[-1]
CONFIGURATION: Final = Configuration(tuple(Member(name, name) for name in NAMES))


class Bent(random.Random):
    """Chance whose `random()` is at most `widest`: the timeout is drawn from one to 1 + `widest` times the shortest."""

    widest = 1.0

    def random(self) -> float:
        return super().random() * self.widest


class Trial:
    """Four servers whose leader has just died."""

    def __init__(self, shortest: float, longest: float, pre_votes: bool, seed: int) -> None:
        self._schedule, self._chance = Schedule(), random.Random(seed)
        self._shortest = shortest
        self._nodes: dict[str, Node] = {}
        self._free_at = dict.fromkeys(NAMES, 0.0)
        self._elected_at = LONGEST
        lengths = self._chance.sample(range(10, 20), len(NAMES) - 1)
        for name, length in zip(NAMES[:-1], lengths):
            self._nodes[name] = self._node(name, length, longest / shortest - 1.0, pre_votes)

    def downtime(self) -> float:
        """Seconds from the leader's death to another's election."""
        for name, node in self._nodes.items():
            heard_at = self._chance.uniform(*ONE_WAY)
            self._schedule.at(heard_at, self._received, name, LEADER, AppendEntries(2, LEADER))
            node.start(0.0)
        died_at = self._chance.uniform(0.0, self._shortest / 2)
        while self._elected_at == LONGEST and self._schedule.next_time() < LONGEST:
            self._schedule.step()
        return self._elected_at - died_at

    def _node(self, name: str, length: int, widest: float, pre_votes: bool) -> Node:
        chance = Bent(self._chance.getrandbits(64))
        chance.widest = widest
        log = Log(0, 0, [(1, 1)], 1, length)
        timing = Timing(self._shortest, self._shortest, self._shortest / 2)
        node = Node(name, name, timing, chance, log, Persisted(2, LEADER, CONFIGURATION, 1, CONFIGURATION, 1))
        if pre_votes:
            node.pre_voters = frozenset(NAMES)
        return node

    def _received(self, name: str, sender: str, message: object) -> None:
        node = self._nodes.get(name)
        if node is not None:
            self._do(name, node.receive(self._schedule.now, sender, message))  # type: ignore[arg-type]

    def _ticked(self, name: str) -> None:
        node = self._nodes[name]
        if node.next_deadline() <= self._schedule.now:
            self._do(name, node.tick(self._schedule.now))

    def _do(self, name: str, effects: list[Effect]) -> None:
        """In order, each behind the vote's write before it."""
        at = max(self._free_at[name], self._schedule.now)
        for effect in effects:
            match effect:
                case SaveVote():
                    at += self._chance.uniform(*VOTE_WRITE)
                case Send(to, message) if to != LEADER:
                    self._schedule.at(at + self._chance.uniform(*ONE_WAY), self._received, to, name, message)
                case BecameLeader():
                    self._elected_at = min(self._elected_at, self._schedule.now)
                case _:
                    pass
        self._free_at[name] = at
        self._schedule.at(self._nodes[name].next_deadline() + 1e-9, self._ticked, name)


def downtimes(shortest: int, longest: int, pre_votes: bool, trials: int) -> list[float]:
    """Of so many trials, in milliseconds, sorted; for a range in milliseconds."""
    return sorted(Trial(shortest / 1000, longest / 1000, pre_votes, seed).downtime() * 1000 for seed in range(trials))


def told(values: list[float]) -> str:
    """Median, mean and worst."""
    worst = "over 10,000" if values[-1] > 10_000 else f"{values[-1]:,.0f}"
    return f"{statistics.median(values):,.0f} / {statistics.fmean(values):,.0f} / {worst}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print("| timeout, ms | thesis | Muster without pre-votes | with pre-votes |\n|---|---|---|---|")
    for shortest, longest, thesis in RANGES:
        both = [told(downtimes(shortest, longest, pre_votes, trials)) for pre_votes in (False, True)]
        print(f"| {shortest}–{longest} | {thesis} | {both[0]} | {both[1]} |", flush=True)


if __name__ == "__main__":
    main()
