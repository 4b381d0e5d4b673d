#!/usr/bin/env python3
"""Prints the tables of figures in docs/gossip.md, row by row as they come.

    bench/gossip_figures.py                       all but the 5,000 members
    bench/gossip_figures.py detection --large     one table, with 5,000 members (an hour)

All but the first table are virtual seconds from fixed seeds: the same on every machine. The first is wall time and wants a quiet one.
"""

import argparse
import math
import resource
import time

from muster.gossip.settings import LAN
from muster.testing.simulation import gossip_measures as measures
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.gossip_pool import SimulatedPool

SEED = 1


def row(*cells):
    """One line of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def heading(*cells):
    """The first two lines of a table."""
    row(*cells)
    row(*("---" for _ in cells))


def speed(large):
    """How long 60 virtual seconds take."""
    heading("members", "wall seconds for 60 virtual ones", "steps", "memory, MB")
    for size in (100, 1000, *((5000,) if large else ())):
        began = time.perf_counter()
        simulation = Simulation(SEED)
        SimulatedPool(simulation).form(size)
        simulation.run_until(60.0)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        row(size, f"{time.perf_counter() - began:.1f}", simulation.schedule.done, memory)


def detection(large):
    """From a crash until the first declares it failed, and until all have."""
    heading("members", "crashes", "first: median", "worst", "all: median", "worst", "shortest suspicion by formula")
    for size, crashes in ((32, 30), (128, 30), (1000, 12), *(((5000, 3),) if large else ())):
        found = measures.detections(size, crashes, SEED)
        first = measures.spread([one.first for one in found])
        everywhere = measures.spread([one.everywhere for one in found])
        least = LAN.suspicion_multiplier * max(1.0, math.log10(size)) * LAN.probe_interval
        row(size, crashes, *(f"{seconds:.1f} s" for seconds in (*first, *everywhere, least)))


def accused(large):
    """Living members declared failed, with and without Lifeguard."""
    heading(
        "slow",
        "loss",
        "Lifeguard",
        "failures declared of well members",
        "of these by well members",
        "well members so accused",
        "of slow ones",
    )
    for slow in (1, 32):
        for loss in (0.0, 0.05, 0.2):
            for name, settings in (("without", measures.WITHOUT_LIFEGUARD), ("with", LAN)):
                found = measures.false_failures(128, slow, loss, 300.0, SEED, settings)
                row(slow, f"{loss:.0%}", name, found.about_the_well, found.by_the_well, found.members, found.about_the_slow)


def traffic(large):
    """What a member sends when nothing happens."""
    heading("members", "bytes a second", "most", "least", "packets a second")
    for size in (32, 128, 1000, *((5000,) if large else ())):
        found = measures.traffic(size, 60.0 if size < 5000 else 30.0, SEED)
        row(
            size,
            *(f"{figure:.0f}" for figure in (found.bytes_a_second, found.most_bytes, found.least_bytes)),
            f"{found.packets_a_second:.2f}",
        )


def restart(large):
    """All members restart within 10 s with nothing in memory."""
    heading(
        "members",
        "all know all after",
        "queues empty after",
        "longest queue",
        "failures declared",
        "last of them after",
        "not alive somewhere at 120 s",
    )
    for size in (100, 300, *((1000, 5000) if large else ())):
        found = measures.mass_restart(size, 10.0, 120.0, SEED)
        longest = max(depth for _, depth, _ in found.depths)
        row(
            size,
            f"{found.complete:.0f} s",
            f"{found.drained:.0f} s",
            longest,
            found.failures,
            f"{found.last_failure:.0f} s",
            found.still_failed,
        )


def sick(large):
    """A half-deaf member and one with 5 % of a processor."""
    heading(
        "members",
        "virtual time",
        "failures declared of well members",
        "of the half-deaf one, by one observer",
        "of the slow one, by one observer",
    )
    for size, seconds in ((1000, 600.0),):
        found = measures.sick_members(size, seconds, SEED)
        row(size, f"{seconds:.0f} s", found.about_the_well, found.turns_of_the_deaf, found.turns_of_the_slow)


def suspended(large):
    """A host that stops for ten minutes."""
    heading("members", "what stops", "failed for all after", "alive for all, after it wakes", "failures that it declares")
    for size in (16, 128):
        for machine in (False, True):
            found = measures.suspended(size, 600.0, SEED, machine)
            row(
                size,
                "machine and its clock" if machine else "process",
                f"{found.noticed:.1f} s",
                f"{found.back:.1f} s",
                found.wrongly_failed,
            )


TABLES = {function.__name__: function for function in (speed, detection, traffic, suspended, sick, accused, restart)}


def main():
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="which; all if none is named")
    parser.add_argument("--large", action="store_true", help="also with 5,000 members")
    asked = parser.parse_args()
    for name in asked.tables or TABLES:
        print(f"\n{name}: {TABLES[name].__doc__}\n")
        TABLES[name](asked.large)


if __name__ == "__main__":
    main()
