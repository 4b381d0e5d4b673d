"""The checker of histories agrees with a search through all orders, on right and wrong histories."""

import itertools
import math
import random

import msgspec
import pytest

from muster.testing import linearizability
from muster.testing.linearizability import CAS, GET, LOCK, SET, UNLOCK, Operation, Register, Undecided, violations


def operation(kind, began, ended=math.inf, client="c", key="k", **fields):
    return Operation(client=client, key=key, kind=kind, began=began, ended=ended, **fields)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="nothing happened"),
        pytest.param([operation(GET, 0, 1, result=None)], id="a key that was never written"),
        pytest.param(
            [operation(SET, 0, 10, value="a", result=True), operation(GET, 1, 2, result="a"), operation(GET, 3, 4, result="a")],
            id="a write is seen before its end",
        ),
        pytest.param(
            [
                operation(SET, 0, 10, value="a", result=True),
                operation(SET, 0, 10, value="b", result=True),
                operation(GET, 11, 12, result="a"),
            ],
            id="of two writes at once either may be the last",
        ),
        pytest.param([operation(SET, 0, value="a"), operation(GET, 50, 51, result="a")], id="an unknown write happened late"),
        pytest.param([operation(SET, 0, value="a"), operation(GET, 50, 51, result=None)], id="an unknown write never happened"),
        pytest.param(
            [operation(CAS, 0, 1, value="a", result=True), operation(CAS, 2, 3, value="b", expected="x", result=False)],
            id="a comparison fails as it must",
        ),
        pytest.param(
            [
                operation(LOCK, 0, 1, value="a", session="s", result=True),
                operation(LOCK, 2, 3, value="b", session="t", result=False),
                operation(UNLOCK, 4, 5, value="c", session="t", result=False),
                operation(UNLOCK, 6, 7, value="d", session="s", result=True),
                operation(LOCK, 8, 9, value="e", session="t", result=True),
            ],
            id="a lock is handed on",
        ),
    ],
)
def test_a_history_with_an_order_is_right(history):
    assert violations(history) == []


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([operation(SET, 0, 1, value="a", result=True), operation(GET, 2, 3, result=None)], id="a write is lost"),
        pytest.param([operation(GET, 0, 1, result="a"), operation(SET, 2, 3, value="a", result=True)], id="seen before it was asked for"),
        pytest.param(
            [operation(SET, 0, 9, value="a", result=True), operation(GET, 1, 2, result="a"), operation(GET, 3, 4, result=None)],
            id="a stale read",
        ),
        pytest.param(
            [operation(SET, 0, value="a"), operation(GET, 1, 2, result="a"), operation(GET, 3, 4, result=None)],
            id="an unknown write is seen and gone again",
        ),
        pytest.param(
            [operation(CAS, 0, 9, value="a", result=True), operation(CAS, 0, 9, value="b", result=True)], id="two made the same key"
        ),
        pytest.param(
            [operation(LOCK, 0, 9, value="a", session="s", result=True), operation(LOCK, 0, 9, value="b", session="t", result=True)],
            id="two hold one lock",
        ),
        pytest.param(
            [operation(SET, 0, value="b"), operation(CAS, 1, 2, value="c", expected="a", result=True)], id="compared with what never was"
        ),
    ],
)
def test_a_history_without_an_order_is_wrong(history):
    assert len(violations(history)) == 1


def test_an_unknown_write_that_nobody_saw_can_explain_a_failed_comparison():
    history = [
        operation(SET, 0, 1, value="a", result=True),
        operation(SET, 2, value="b"),
        operation(CAS, 3, 4, value="c", expected="a", result=False),
    ]
    assert violations(history) == []


def test_keys_are_checked_apart_and_named():
    right = [operation(SET, 0, 1, key="right", value="a", result=True), operation(GET, 2, 3, key="right", result="a")]
    wrong = [operation(SET, 0, 1, key="wrong", value="a", result=True), operation(GET, 2, 3, key="wrong", result=None)]
    assert violations(right + wrong) == [
        "key wrong is not linearizable: after Register(value='a', holder=''): c get wrong [2.0000 .. 3.0000: None]"
    ]


def test_a_search_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(linearizability, "MOST_POSITIONS", 100)
    history = [operation(SET, 0, 9, value=str(number), result=True) for number in range(12)]
    with pytest.raises(Undecided, match="13 operations"):
        violations([*history, operation(GET, 10, 11, result="never written")])


def random_history(chance: random.Random, count: int) -> list[Operation]:
    """What clients might see of a register that works: each operation happens at a moment of its own."""
    register, clock = Register(), 0.0
    history, written = [], [None]
    for number in range(count):
        clock += 1.0
        kind = chance.choice([GET, GET, SET, CAS, LOCK, UNLOCK])
        asked = operation(
            kind,
            clock - chance.uniform(0, 3),
            client=f"c{number}",
            value=None if kind == GET else f"v{number}",
            expected=chance.choice([written[-1], register.value, chance.choice(written)]) if kind == CAS else None,
            session=chance.choice("st") if kind in (LOCK, UNLOCK) else "",
        )
        if chance.random() < 0.2:
            if chance.random() < 0.5:
                register = register.after(asked)
            history.append(asked)
            continue
        results = [register.value] if kind == GET else [True, False]
        told = [msgspec.structs.replace(asked, ended=clock + chance.uniform(0, 3), result=result) for result in results]
        answered = next(one for one in told if register.after(one) is not None)
        register = register.after(answered)
        written.append(register.value)
        history.append(answered)
    return history


def spoilt(chance: random.Random, history: list[Operation]) -> list[Operation]:
    """The same with one answer that may be wrong."""
    place = chance.randrange(len(history))
    one = history[place]
    if one.kind == GET:
        other = msgspec.structs.replace(one, result=chance.choice([None, *(o.value for o in history if o.value)]))
    else:
        other = msgspec.structs.replace(one, result=not one.result)
    return [*history[:place], other, *history[place + 1 :]]


def has_an_order(history: list[Operation]) -> bool:
    """Tries all orders of all sets of operations that may have happened."""
    known = [one for one in history if one.known]
    unknown = [one for one in history if not one.known]
    chosen = itertools.chain.from_iterable(itertools.combinations(unknown, size) for size in range(len(unknown) + 1))
    return any(explains(order) for some in chosen for order in itertools.permutations([*known, *some]))


def explains(order: tuple[Operation, ...]) -> bool:
    if any(later.ended < earlier.began for earlier, later in itertools.combinations(order, 2)):
        return False
    register = Register()
    for one in order:
        register = register.after(one)
        if register is None:
            return False
    return True


@pytest.mark.slow  # tries millions of orders
def test_the_checker_agrees_with_a_search_through_all_orders():
    chance = random.Random(1)
    verdicts = {True: 0, False: 0}
    for _ in range(600):
        history = random_history(chance, chance.randint(1, 5))
        for seen in (history, spoilt(chance, history)):
            right = has_an_order(seen)
            assert (violations(seen) == []) is right, [str(one) for one in seen]
            verdicts[right] += 1
    assert min(verdicts.values()) > 100


def test_long_right_histories_are_found_right_whatever_is_unknown():
    chance = random.Random(2)
    for _ in range(20):
        assert violations(random_history(chance, 300)) == []
