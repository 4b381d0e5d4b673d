"""docs/raft.md shows the table of roles as it is."""

import raft_diagram

from muster.raft.roles import ROLE_TRANSITIONS


def test_the_diagram_of_the_page_is_that_of_the_table():
    page = raft_diagram.PAGE.read_text(encoding="utf-8")
    assert raft_diagram.with_diagram(page) == page, "python tests/simulation/raft_diagram.py writes it anew"


def test_every_way_from_one_role_to_another_is_drawn():
    assert raft_diagram.diagram().count(" --> ") == len(ROLE_TRANSITIONS) + 1
