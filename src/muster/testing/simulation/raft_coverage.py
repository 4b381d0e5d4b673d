"""How often each fault struck a server in each role while the cluster was in each phase."""

from collections import Counter
from collections.abc import Iterator

from muster.testing.simulation.raft_faults import FAULTS
from muster.testing.simulation.raft_scenarios import PHASES, ROLES, Cell


def cells() -> Iterator[Cell]:
    """The whole product."""
    for fault in FAULTS:
        for role in dict.fromkeys(ROLES.values()):
            for phase in PHASES:
                yield fault.__name__, role, phase


def table(hits: Counter[Cell]) -> str:
    """The counts as a Markdown table: a line for each fault, a column for each role and phase; and the least of them."""
    columns = [(role, phase) for role in dict.fromkeys(ROLES.values()) for phase in PHASES]
    lines = [
        "| fault | " + " | ".join(f"{role}, {phase}" for role, phase in columns) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]
    for fault in FAULTS:
        counts = [hits[fault.__name__, role, phase] for role, phase in columns]
        lines.append(f"| {fault.__name__} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join([*lines, "", f"least of {len(columns) * len(FAULTS)} cells: {min(hits[cell] for cell in cells())}"])
