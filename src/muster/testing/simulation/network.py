"""The network between simulated hosts: late, lossy, repeating, out of order, and cut where a test says so."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.testing.simulation.process import Address, Packet
from muster.testing.simulation.schedule import Schedule

if TYPE_CHECKING:
    from muster.testing.simulation.host import Host


@dataclass(frozen=True)
class Link:
    """How packets fare on one way from a host to another. Delays in seconds, the others are probabilities.

    A packet takes `delay` and an exponential `jitter` on top; one that is `reordered` takes up to `reordered_by` more.
    """

    delay: float = 0.0004
    jitter: float = 0.0002
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    reordered_by: float = 0.5

    def delay_of_one(self, chance: random.Random) -> float:
        """How long one packet travels."""
        delay = self.delay + self.jitter * chance.expovariate(1.0)
        if self.reordering and chance.random() < self.reordering:
            delay += chance.uniform(0.0, self.reordered_by)
        return delay

    def arrivals(self, chance: random.Random) -> tuple[float, ...]:
        """The delays of the copies of one packet that arrive: none if it is lost."""
        if self.loss and chance.random() < self.loss:
            return ()
        if self.duplication and chance.random() < self.duplication:
            return self.delay_of_one(chance), self.delay_of_one(chance)
        return (self.delay_of_one(chance),)

    def delay_of_segment(self, chance: random.Random, retry: float) -> float:
        """How long a piece of a stream travels: what is lost is sent again after `retry`, and then twice as long each time."""
        delay = self.delay_of_one(chance)
        while self.loss and chance.random() < self.loss:
            delay += retry
            retry *= 2
        return delay


class Cut:
    """No packet from `sources` to `targets`. Made and ended by `Network`."""

    def __init__(self, sources: Collection[str], targets: Collection[str]) -> None:
        self.sources = frozenset(sources)
        self.targets = frozenset(targets)


class Network:
    """Carries packets between hosts by address.

    `link` is that of all pairs but those in `links`, by (source, target) names; None stands for any host.
    """

    def __init__(self, schedule: Schedule, chance: random.Random, link: Link) -> None:
        self.link = link
        self.links: dict[tuple[str | None, str | None], Link] = {}
        self.hosts: dict[Address, Host] = {}
        self.packets = 0
        self.lost = 0
        self._schedule = schedule
        self._chance = chance
        self._cuts: list[Cut] = []

    def link_of(self, source: "Host", target: "Host | None") -> Link:
        """The link from a host to another."""
        if not self.links:
            return self.link
        name = target.name if target is not None else None
        for pair in ((source.name, name), (source.name, None), (None, name)):
            if pair in self.links:
                return self.links[pair]
        return self.link

    def send(self, source: "Host", to: Address, packet: Packet) -> None:
        """Carry a packet, or lose it."""
        self.packets += 1
        copies = self.link_of(source, self.hosts.get(to)).arrivals(self._chance)
        if not copies:
            self.lost += 1
        for delay in copies:
            self._schedule.after(delay, self._arrive, source, source.address, to, packet)

    def _arrive(self, source: "Host", sender: Address, to: Address, packet: Packet) -> None:
        target = self.hosts.get(to)
        if target is None or self.is_cut(source, target):
            self.lost += 1
        else:
            target.arrived(sender, packet)

    def is_cut(self, source: "Host", target: "Host") -> bool:
        """No packet gets from `source` to `target` now."""
        return any(source.name in cut.sources and target.name in cut.targets for cut in self._cuts)

    def cut(self, sources: Collection[str], targets: Collection[str], until: float | None = None) -> Cut:
        """Cut one way, until a time or until `mend`."""
        cut = Cut(sources, targets)
        self._cuts.append(cut)
        if until is not None:
            self._schedule.at(until, self.mend, cut)
        return cut

    def mend(self, cut: Cut) -> None:
        """End a cut; one that has ended already stays so."""
        if cut in self._cuts:
            self._cuts.remove(cut)

    def partition(self, *groups: Collection[str], until: float | None = None) -> None:
        """Cut the groups off from each other, both ways."""
        for index, group in enumerate(groups):
            others = [name for number, other in enumerate(groups) if number != index for name in other]
            self.cut(group, others, until)

    def heal(self) -> None:
        """End all cuts; all links are the default one, which loses nothing."""
        self._cuts.clear()
        self.links.clear()
        self.link = Link()

    def leg(self, source: "Host", target: "Host", retry: float, done: Callable[..., None], *arguments: object) -> None:
        """Bring one piece of a stream from `source` to `target`, then call `done`; never, if a cut holds it up. See `delay_of_segment`."""
        delay = self.link_of(source, target).delay_of_segment(self._chance, retry)
        self._schedule.after(delay, self._leg_arrives, source, target, done, arguments)

    def _leg_arrives(self, source: "Host", target: "Host", done: Callable[..., None], arguments: tuple[object, ...]) -> None:
        if not self.is_cut(source, target):
            done(*arguments)
