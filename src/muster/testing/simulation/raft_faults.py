"""What goes wrong with one server of a simulated cluster, each by name; every fault says how it ends."""

import random
from collections.abc import Callable
from typing import Final

from muster.testing.simulation.network import Link
from muster.testing.simulation.raft_cluster import RaftCluster

End = Callable[[], None]
Fault = Callable[[RaftCluster, str, random.Random], End]
"""Does it to a server; returns what ends it."""


def killed(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """The process is killed; what it wrote is still in the system's cache."""
    cluster.kill(name)
    return lambda: cluster.boot(name)


def powered_off(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """The machine stops; what was not synced is lost or torn."""
    cluster.kill(name, power=True)
    return lambda: cluster.boot(name)


def stopped(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """The process stands still (SIGSTOP), its clock goes on."""
    host = cluster.simulation.hosts[name]
    host.pause()
    return host.resume


def clogged(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """All that is sent and received waits, then comes at once."""
    host = cluster.simulation.hosts[name]
    host.clog()
    return host.unclog


def isolated(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """No server hears it or is heard by it; clients are."""
    others = _others(cluster, name)
    return _cut(cluster, ([name], others), (others, [name]))


def unheard(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """No server hears it."""
    return _cut(cluster, ([name], _others(cluster, name)))


def unhearing(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """It hears no server."""
    return _cut(cluster, (_others(cluster, name), [name]))


def split(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """The servers fall into two halves; this one is in the first. Clients reach both."""
    others = _others(cluster, name)
    chance.shuffle(others)
    middle = chance.randint(0, len(others) - 1)
    first, second = [name, *others[:middle]], others[middle:]
    return _cut(cluster, (first, second), (second, first))


def lossy(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """A part of what it sends and receives is lost."""
    return _link(cluster, name, Link(loss=chance.choice((0.05, 0.2, 0.5))))


def delayed(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """What it sends and receives takes long."""
    timeout = cluster.settings.timing.heartbeat_timeout
    return _link(cluster, name, Link(delay=timeout * chance.choice((0.1, 0.4, 0.9)), jitter=timeout * 0.1))


def confused(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """What it sends and receives comes twice and out of order."""
    return _link(cluster, name, Link(duplication=0.4, reordering=0.4, reordered_by=chance.choice((0.05, 0.5, 2.0))))


def slow_disk(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """Its disk takes many times as long."""
    disk = cluster.machines[name].disk
    disk.slowness = chance.choice((20.0, 100.0, 400.0))
    return disk.recover


def hanging_disk(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """Its disk does nothing."""
    disk = cluster.machines[name].disk
    disk.hang()
    return disk.recover


def failing_sync(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """Its disk reports errors when it syncs. The operator changes it and starts the machine anew."""
    cluster.machines[name].disk.files.fail_sync = True
    return lambda: _mend(cluster, name, power=True)


def full_disk(cluster: RaftCluster, name: str, chance: random.Random) -> End:
    """Its disk takes little more. The operator makes room and starts the process anew."""
    cluster.machines[name].disk.files.full_after = chance.choice((0, 100, 3000))
    return lambda: _mend(cluster, name, power=chance.random() < 0.5)


FAULTS: Final[tuple[Fault, ...]] = (
    killed,
    powered_off,
    stopped,
    clogged,
    isolated,
    unheard,
    unhearing,
    split,
    lossy,
    delayed,
    confused,
    slow_disk,
    hanging_disk,
    failing_sync,
    full_disk,
)


def _others(cluster: RaftCluster, name: str) -> list[str]:
    return [other for other in cluster.machines if other != name]


def _cut(cluster: RaftCluster, *ways: tuple[list[str], list[str]]) -> End:
    network = cluster.simulation.network
    cuts = [network.cut(sources, targets) for sources, targets in ways]

    def end() -> None:
        for cut in cuts:
            network.mend(cut)

    return end


def _link(cluster: RaftCluster, name: str, link: Link) -> End:
    links = cluster.simulation.network.links
    pairs: list[tuple[str | None, str | None]] = [(name, None), (None, name)]
    for pair in pairs:
        links[pair] = link

    def end() -> None:
        for pair in pairs:
            links.pop(pair, None)

    return end


def _mend(cluster: RaftCluster, name: str, power: bool) -> None:
    cluster.kill(name, power)
    cluster.machines[name].disk.recover()
    cluster.boot(name)
