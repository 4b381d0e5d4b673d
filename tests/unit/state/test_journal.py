"""Changes and how they are taken back."""

from hypothesis import given
from hypothesis import strategies as st

from muster.state.indexes import Indexes
from muster.state.journal import Journal

changes = st.lists(st.tuples(st.sampled_from(["put", "drop", "bump", "delete"]), st.sampled_from("abc"), st.integers(1, 9)), max_size=20)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 9)), changes)
def test_a_rolled_back_command_leaves_tables_and_indexes_as_they_were(initial, commands):
    indexes = Indexes()
    indexes.replace(initial.items())
    table = dict(initial)
    journal = indexes.journal
    journal.begin()
    for verb, key, value in commands:
        match verb:
            case "put":
                journal.put(table, key, value)
            case "drop":
                journal.drop(table, key)
            case "bump":
                indexes.bump(key, value)
            case "delete":
                indexes.delete(key)
    journal.rollback()
    assert table == initial
    assert dict(indexes.items()) == initial


def test_a_committed_command_is_not_taken_back_by_the_next_rollback():
    journal = Journal()
    table: dict[str, int] = {}
    journal.begin()
    journal.put(table, "a", 1)
    journal.commit()
    journal.begin()
    journal.put(table, "b", 1)
    journal.rollback()
    assert table == {"a": 1}


def test_an_inactive_journal_notes_nothing():
    journal = Journal()
    table: dict[str, int] = {}
    journal.put(table, "a", 1)
    journal.drop(table, "a")
    journal.record(table.clear)
    journal.begin()
    table["a"] = 2
    journal.rollback()
    assert table == {"a": 2}


def test_an_index_never_goes_back():
    indexes = Indexes()
    indexes.bump("kvs", 7)
    indexes.bump("kvs", 5)
    assert (indexes.get("kvs"), indexes.get("nodes"), indexes.max("nodes", "kvs"), indexes.highest()) == (7, 0, 7, 7)
