"""The state diagrams of docs/gossip.md, drawn from the tables that the gossip itself goes by.

python tests/simulation/gossip_diagrams.py      writes them into the page
"""

from collections.abc import Iterable
from pathlib import Path

from muster.gossip.effects import MemberStatus
from muster.gossip.member_table import STATUS_TRANSITIONS
from muster.gossip.transitions import TRANSITIONS, Action, Condition, State

PAGE = Path(__file__).parents[2] / "docs" / "gossip.md"


def diagram(arrows: Iterable[tuple[str, str, str]]) -> str:
    """A Mermaid diagram of arrows: from, to, label."""
    return "\n".join(("```mermaid", "stateDiagram-v2", *(f"    {start} --> {end}: {label}" for start, end, label in arrows), "```"))


def node_diagram() -> str:
    """How the failure detector's view of a node changes; what is ignored is left out."""
    arrows = []
    for row in TRANSITIONS:
        if row.action is not Action.IGNORE:
            condition = "" if row.condition is Condition.ALWAYS else f" ({row.condition})"
            arrows.append((_node(row.state), _node(row.becomes), f"{row.news}{condition} / {row.action}"))
    return diagram(arrows)


def _node(state: State) -> str:
    return "[*]" if state is State.UNKNOWN else state.value.replace(", ", "_")


def member_diagram() -> str:
    """How a member stands for Serf."""
    return diagram((_member(start), _member(end), cause.value) for (start, cause), end in STATUS_TRANSITIONS.items())


def _member(status: MemberStatus | None) -> str:
    return "[*]" if status is None else status.value


DIAGRAMS = {"nodes": node_diagram, "members": member_diagram}


def with_diagrams(page: str) -> str:
    """The page with its diagrams as they should be."""
    for name, draw in DIAGRAMS.items():
        begin, end = f"<!-- diagram: {name} -->", f"<!-- end of diagram: {name} -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"docs/gossip.md has no place for the diagram {name!r}")
        page = f"{before}{begin}\n\n{draw()}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_diagrams(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
