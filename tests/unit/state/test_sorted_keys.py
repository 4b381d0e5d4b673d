"""The ordered set of keys against Python's own sorting."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.state import sorted_keys
from muster.state.sorted_keys import SortedKeys


def as_bytes(key):
    return key.encode("utf-8", "surrogateescape")


keys = st.text(alphabet="ab/é\udc80\U0010ffff\U0001f600", max_size=5)


@given(st.lists(keys), st.lists(keys), st.lists(keys), keys)
def test_it_holds_what_was_added_and_not_removed_in_the_order_of_the_bytes(initial, added, removed, prefix):
    ordered, model = SortedKeys(initial), set(initial)
    for key in added:
        if key not in model:
            ordered.add(key)
            model.add(key)
    for key in removed:
        if key in model:
            ordered.remove(key)
            model.remove(key)
    assert list(ordered) == sorted(model, key=as_bytes)
    under = sorted((key for key in model if key.startswith(prefix)), key=as_bytes)
    assert ordered.under(prefix) == under
    assert ordered.remove_under(prefix) == under
    assert list(ordered) == sorted(model - set(under), key=as_bytes)
    assert len(ordered) == len(model) - len(under)


@pytest.mark.parametrize("block_size", [1, 2, 7])
def test_blocks_split_and_vanish_without_losing_a_key(monkeypatch, block_size):
    monkeypatch.setattr(sorted_keys, "BLOCK_SIZE", block_size)
    chance = random.Random(5)
    ordered, model = SortedKeys(), set()
    for _ in range(2000):
        key = f"{chance.randrange(300):03}"
        if key in model:
            ordered.remove(key)
            model.remove(key)
        else:
            ordered.add(key)
            model.add(key)
        if chance.random() < 0.02:
            prefix = f"{chance.randrange(30):02}"
            model -= set(ordered.remove_under(prefix))
        prefix = f"{chance.randrange(10)}"
        assert ordered.under(prefix) == sorted(key for key in model if key.startswith(prefix))
    assert list(ordered) == sorted(model)
