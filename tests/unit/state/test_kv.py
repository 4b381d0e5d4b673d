"""Keys and values: what each operation does, and the index of each read."""

import pytest
from state_commands import SESSION_IDS, destroy, kvs, register, session, txn

from muster.model.errors import CommandFailed
from muster.model.kv import KVEntry
from muster.state.store import Store
from muster.wire.commands import TombstoneRequest

S0, S1 = SESSION_IDS[:2]


def store(*commands):
    """A store that these commands were applied to, at the indexes 1, 2, …"""
    made = Store()
    for index, command in enumerate(commands, 1):
        result = made.apply(index, command).result
        assert not isinstance(result, Exception), result
    return made


def with_sessions(*commands):
    """Sessions 0 and 1 exist; the commands are applied from index 10 on."""
    made = store(register("n1"), session(0), session(1))
    for index, command in enumerate(commands, 10):
        made.apply(index, command)
    return made


def entry(store, key):
    return store.kv.get(key)[1]


def test_a_set_creates_and_then_modifies():
    found = entry(store(kvs("set", "a", b"1", flags=7), kvs("set", "a", b"2")), "a")
    assert (found.value, found.flags, found.create_index, found.modify_index) == (b"2", 0, 1, 2)


def test_setting_what_is_there_already_moves_no_index():
    made = store(kvs("set", "a"), kvs("set", "b"), kvs("set", "a"))
    assert (entry(made, "a").modify_index, made.indexes.get("kvs")) == (1, 2)


def test_a_set_keeps_the_holder_and_stores_the_lock_index_as_sent():
    made = with_sessions(kvs("lock", "a", session=S0), kvs("set", "a", b"2"))
    assert (entry(made, "a").session, entry(made, "a").lock_index) == (S0, 0)


def test_a_set_cannot_name_a_holder():
    assert entry(with_sessions(kvs("set", "a", session=S0)), "a").session == ""


@pytest.mark.parametrize(
    ("expected", "exists", "wins"),
    [
        pytest.param(0, False, True, id="must not exist, does not"),
        pytest.param(0, True, False, id="must not exist, does"),
        pytest.param(1, True, True, id="the right index"),
        pytest.param(2, True, False, id="a wrong index"),
        pytest.param(1, False, False, id="an index, but no key"),
    ],
)
def test_check_and_set(expected, exists, wins):
    made = store(kvs("set", "a" if exists else "x", b"old"))
    assert made.apply(5, kvs("cas", "a", b"new", modify_index=expected)).result is wins
    assert (entry(made, "a") is not None and entry(made, "a").value == b"new") is wins


@pytest.mark.parametrize(("key", "expected", "result", "left"), [("a", 1, True, False), ("a", 9, False, True), ("x", 9, True, True)])
def test_check_and_delete(key, expected, result, left):
    made = store(kvs("set", "a"))
    assert made.apply(5, kvs("delete-cas", key, modify_index=expected)).result is result
    assert (entry(made, "a") is not None) is left


def test_locking_counts_each_change_of_hands():
    made = with_sessions(kvs("lock", "a", b"1", session=S0))
    steps = [
        (kvs("lock", "a", b"2", session=S0), True, S0, 1, b"2"),
        (kvs("lock", "a", b"3", session=S1), False, S0, 1, b"2"),
        (kvs("unlock", "a", b"4", session=S1), False, S0, 1, b"2"),
        (kvs("unlock", "a", b"5", session=S0), True, "", 1, b"5"),
        (kvs("unlock", "a", b"6", session=S0), False, "", 1, b"5"),
        (kvs("lock", "a", b"7", session=S1), True, S1, 2, b"7"),
    ]
    for index, (command, result, holder, lock_index, value) in enumerate(steps, 20):
        assert made.apply(index, command).result is result
        found = entry(made, "a")
        assert (found.session, found.lock_index, found.value) == (holder, lock_index, value)


@pytest.mark.parametrize(
    ("op", "holder", "text"),
    [
        ("lock", "", "missing session"),
        ("unlock", "", "missing session"),
        ("lock", SESSION_IDS[3], f'invalid session "{SESSION_IDS[3]}"'),
        ("lock", "short", "failed session lookup: index error: UUID must be 36 characters"),
        ("teleport", "", "Invalid KVS operation 'teleport'"),
    ],
)
def test_a_refused_operation_changes_nothing(op, holder, text):
    made = with_sessions(kvs("set", "a", b"1"))
    before = b"".join(made.snapshot())
    result = made.apply(50, kvs(op, "a", session=holder)).result
    assert isinstance(result, CommandFailed) and str(result) == text
    assert b"".join(made.snapshot()) == before


def test_an_uppercase_session_id_is_the_same_session():
    made = Store()
    made.apply(1, register("n1"))
    command = session(0)
    command = type(command)(op="create", session=type(command.session)(id="ABCDEF00-0000-0000-0000-000000000000", node="n1"))
    made.apply(2, command)
    assert made.apply(3, kvs("lock", "a", session="abcdef00-0000-0000-0000-000000000000")).result is True


def test_keys_are_listed_in_the_order_of_their_bytes():
    made = store(*[kvs("set", key) for key in ["b", "a/é", "a/\udcff", "a/z", "a/\U0001f600", "a"]])
    assert [found.key for found in made.kv.list("a/")[1]] == ["a/z", "a/é", "a/\U0001f600", "a/\udcff"]


@pytest.mark.parametrize(
    ("prefix", "separator", "keys"),
    [
        ("", "", ["a", "a/b", "a/b/c", "a/c", "b/x/y"]),
        ("", "/", ["a", "a/", "b/"]),
        ("a/", "/", ["a/b", "a/b/", "a/c"]),
        ("a/b", "/", ["a/b", "a/b/"]),
        ("", "b/", ["a", "a/b", "a/b/", "a/c", "b/"]),
        ("none", "/", []),
    ],
)
def test_keys_are_cut_after_the_separator(prefix, separator, keys):
    made = store(*[kvs("set", key) for key in ["b/x/y", "a", "a/b/c", "a/b", "a/c"]])
    assert list(made.kv.keys(prefix, separator)[1]) == keys


def test_keys_that_may_not_be_seen_are_left_out_before_cutting():
    made = store(kvs("set", "a/secret"), kvs("set", "b/x"))
    assert made.kv.keys("", "/", allowed=lambda key: "secret" not in key)[1] == ["b/"]


def test_the_index_of_a_read():
    made = store(kvs("set", "a/1"), kvs("set", "a/2"), kvs("set", "b"), kvs("delete", "a/2"), kvs("set", "c"), kvs("delete-tree", "b"))
    indexes = {"kvs": 6, "tombstones": 6}
    assert {name: made.indexes.get(name) for name in indexes} == indexes
    assert made.kv.get("a/1")[0] == 1  # its ModifyIndex
    assert made.kv.get("none")[0] == 6  # max(kvs, tombstones)
    assert made.kv.list("a/")[0] == 4  # the tombstone under it
    assert made.kv.list("a/1")[0] == 1
    assert made.kv.list("c")[0] == 5
    assert made.kv.list("b")[0] == 6
    assert made.kv.list("none")[0] == 6
    assert made.kv.list("")[0] == 6


def test_deleting_a_tree_leaves_one_tombstone_and_the_whole_tree_none():
    made = store(kvs("set", "a/1"), kvs("set", "a/2"), kvs("set", "b"), kvs("delete-tree", "a/"))
    assert made.kv.tombstones.items() == [("a/", 4)]
    made.apply(5, kvs("delete-tree", ""))
    assert (len(made.kv), made.kv.tombstones.items(), made.indexes.get("kvs")) == (0, [("a/", 4)], 5)


@pytest.mark.parametrize("op", ["delete", "delete-tree"])
def test_deleting_nothing_moves_no_index(op):
    made = store(kvs("set", "a"), kvs(op, "b"))
    assert (made.indexes.get("kvs"), made.kv.tombstones.items()) == (1, [])


def test_reaping_forgets_old_tombstones_and_keeps_the_index():
    made = store(kvs("set", "a"), kvs("set", "b"), kvs("delete", "a"), kvs("delete", "b"), TombstoneRequest(op="reap", reap_index=3))
    assert (made.kv.tombstones.items(), made.indexes.get("tombstones")) == ([("b", 4)], 4)


def test_reaping_with_another_operation_is_refused():
    assert str(Store().apply(1, TombstoneRequest(op="x")).result) == "Invalid Tombstone operation 'x'"


def test_a_view_shows_the_entries_of_its_moment_whatever_happens_after():
    made = store(*[kvs("set", f"k{number:05}", b"%d" % number) for number in range(2000)])
    expected = {f"k{number:05}": b"%d" % number for number in range(2000)}
    view = made.kv.view()
    seen = list(next(view))
    index = 5000
    while True:
        index += 10
        made.apply(index, kvs("set", f"k{index % 2000:05}", b"changed"))
        made.apply(index + 1, kvs("delete", f"k{(index * 7) % 2000:05}"))
        made.apply(index + 2, kvs("set", f"k{(index * 3) % 2000:05}x", b"new"))
        made.apply(index + 3, kvs("delete-tree", f"k{(index * 11) % 200:04}"))
        made.apply(index + 4, txn())
        part = next(view, None)
        if part is None:
            break
        seen += part
    assert {found.key: found.value for found in seen} == expected
    assert len(seen) == 2000
    assert not made.kv._views


def test_a_view_that_is_dropped_is_forgotten():
    made = store(kvs("set", "a"))
    view = made.kv.view()
    next(view)
    view.close()
    assert not made.kv._views


def test_a_restored_snapshot_does_not_disturb_an_open_view():
    made = store(kvs("set", "a", b"old"))
    view = made.kv.view()
    next(view)
    made.kv.replace({"b": KVEntry(key="b")})
    assert [found.value for part in view for found in part] == [b"old"]


def test_keys_freed_by_a_session_are_told_with_their_delays():
    made = with_sessions()
    made.apply(20, destroy(0))
    made.apply(21, session(0, lock_delay=90_000_000_000, behavior="delete"))
    made.apply(22, kvs("lock", "b", session=S0))
    made.apply(23, kvs("lock", "a", session=S0))
    applied = made.apply(24, destroy(0))
    assert applied.lock_delays == (("a", 60_000_000_000), ("b", 60_000_000_000))
    assert made.apply(25, destroy(1)).lock_delays == ()
