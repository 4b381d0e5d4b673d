"""What a table holds when it starts from others' knowledge, and the order in which its places are drawn."""

import random

from hypothesis import given
from hypothesis import strategies as st
from swim_parts import record

from muster.gossip.node_table import NodeStatus, NodeTable, Roster
from muster.gossip.ring import ProbeRing


def test_tables_of_one_roster_share_it_and_see_only_their_own_changes():
    roster = Roster([record("n1"), record("n2")])
    first, second = NodeTable(roster), NodeTable(roster)
    first.put(record("n2", NodeStatus.DEAD))
    first.put(record("n3"))
    assert [first.get("n2").status, second.get("n2").status] == [NodeStatus.DEAD, NodeStatus.ALIVE]
    assert (list(first), list(second)) == (["n1", "n2", "n3"], ["n1", "n2"])
    assert (first.up, second.up) == (2, 2)
    assert first.get("n1") is second.get("n1")


def test_a_forgotten_node_of_the_roster_stays_forgotten_until_it_is_heard_of_again():
    table = NodeTable(Roster([record("n1"), record("n2")]))
    table.forget("n2")
    assert (table.get("n2"), len(table), table.up, list(table)) == (None, 1, 1, ["n1"])
    table.put(record("n2", incarnation=9))
    assert (table.get("n2").incarnation, len(table), table.up, list(table)) == (9, 2, 2, ["n1", "n2"])


def test_places_stay_until_the_table_is_compacted():
    table = NodeTable(Roster([record("n1"), record("n2"), record("n3")]))
    table.forget("n2")
    assert [table.at(0).name, table.at(1), table.at(2).name] == ["n1", None, "n3"]
    table.compact()
    assert (table.places, [table.at(place).name for place in range(2)]) == (2, ["n1", "n3"])


def test_random_nodes_are_distinct_and_wanted():
    table = NodeTable(Roster([record(f"n{number}", NodeStatus.DEAD if number % 2 else NodeStatus.ALIVE) for number in range(20)]))
    chance = random.Random(5)
    for _ in range(100):
        names = [found.name for found in table.random_nodes(3, chance, lambda record: record.is_up)]
        assert len(set(names)) == 3
        assert all(int(name[1:]) % 2 == 0 for name in names)


def test_the_search_for_random_nodes_ends_though_nobody_is_wanted():
    table = NodeTable(Roster([record(f"n{number}") for number in range(20)]))
    asked = []
    assert table.random_nodes(3, random.Random(1), lambda record: asked.append(record) or False) == []
    assert len(asked) == 60
    assert NodeTable().random_nodes(3, random.Random(1), lambda record: True) == []


changes = st.lists(st.tuples(st.sampled_from(["put", "forget", "compact"]), st.integers(0, 9), st.sampled_from(NodeStatus)), max_size=40)


@given(st.integers(0, 6), changes)
def test_a_table_over_a_roster_behaves_as_a_dictionary(known, steps):
    roster = Roster([record(f"n{number}") for number in range(known)])
    table, model = NodeTable(roster), dict(roster.records)
    for step, number, status in steps:
        name = f"n{number}"
        match step:
            case "put":
                model[name] = record(name, status)
                table.put(model[name])
            case "forget":
                model.pop(name, None)
                table.forget(name)
            case "compact":
                table.compact()
        assert {found.name: found for found in table.records()} == model
        assert sorted(table) == sorted(model)
        assert (len(table), table.up) == (len(model), sum(found.is_up for found in model.values()))
        placed = [found.name for place in range(table.places) if (found := table.at(place)) is not None]
        assert sorted(placed) == sorted(model)
        assert (name in table) == (name in model)


@given(st.integers(0, 30), st.integers(0, 2**32))
def test_a_round_draws_every_place_once(places, seed):
    ring = ProbeRing(random.Random(seed))
    for _ in range(2):
        assert sorted(ring.draw(places) for _ in range(places)) == list(range(places))
        assert ring.draw(places) is None
        ring.restart()


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 2**32))
def test_places_added_during_a_round_are_drawn_in_it(added, seed):
    ring, places, drawn = ProbeRing(random.Random(seed)), 1, []
    for more in added:
        places += more
        place = ring.draw(places)
        if place is not None:
            drawn.append(place)
    while (place := ring.draw(places)) is not None:
        drawn.append(place)
    assert sorted(drawn) == list(range(places))


def test_rounds_differ_and_every_place_comes_early_as_often_as_another():
    ring, firsts = ProbeRing(random.Random(7)), [0] * 5
    for _ in range(5000):
        firsts[ring.draw(5)] += 1
        ring.restart()
    assert min(firsts) > 900


def test_a_place_added_late_can_still_come_next():
    seen = set()
    for seed in range(200):
        ring = ProbeRing(random.Random(seed))
        for _ in range(5):
            ring.draw(10)
        order = [ring.draw(11) for _ in range(6)]
        seen.add(order.index(10))
    assert seen == set(range(6))
