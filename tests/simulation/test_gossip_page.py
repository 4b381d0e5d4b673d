"""docs/gossip.md shows the tables of states as they are."""

import gossip_diagrams


def test_the_diagrams_of_the_page_are_those_of_the_tables():
    page = gossip_diagrams.PAGE.read_text(encoding="utf-8")
    assert gossip_diagrams.with_diagrams(page) == page, "python tests/simulation/gossip_diagrams.py writes them anew"


def test_every_state_but_the_unknown_one_is_drawn():
    drawn = gossip_diagrams.node_diagram() + gossip_diagrams.member_diagram()
    for state in ("alive", "suspect", "dead", "left", "leaving", "failed"):
        assert f"    {state} --> " in drawn
