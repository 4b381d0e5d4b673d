"""The diagram of docs/raft.md, drawn from the table of roles that consensus goes by.

python tests/simulation/raft_diagram.py      writes it into the page
"""

from pathlib import Path

from muster.raft.roles import ROLE_TRANSITIONS

PAGE = Path(__file__).parents[2] / "docs" / "raft.md"
BEGIN, END = "<!-- diagram: roles -->", "<!-- end of diagram: roles -->"


def diagram() -> str:
    """A Mermaid diagram of all ways from one role to another."""
    names = {role: role.value.replace("-", "_") for role, _ in ROLE_TRANSITIONS}
    arrows = [f"    {names[start]} --> {names[end]}: {event.value}" for (start, event), end in ROLE_TRANSITIONS.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> follower", *arrows, "```"])


def with_diagram(page: str) -> str:
    """The page with its diagram as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError("docs/raft.md has no place for the diagram")
    return f"{before}{BEGIN}\n\n{diagram()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
