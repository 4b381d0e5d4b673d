"""What a check's results mean: pure, with times that the test hands in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.agent.checks.alias import alias_result
from muster.agent.checks.result import Tail, head
from muster.agent.checks.schedule import Schedule
from muster.agent.checks.thresholds import Thresholds
from muster.agent.checks.ttl import TtlCheck
from muster.model.catalog import HealthCheck


@pytest.mark.parametrize(
    ("successes", "failures", "results", "reported"),
    [
        pytest.param(0, 0, "pc", "pc", id="at once by default"),
        pytest.param(3, 0, "pppp", "__pp", id="three successes first"),
        pytest.param(0, 3, "cccc", "__cc", id="three failures first"),
        pytest.param(2, 2, "pcpcppcc", "_____p_c", id="a change of mind begins anew"),
        pytest.param(2, 0, "pw", "_w", id="a warning is a success"),
    ],
)
def test_it_takes_so_many_results_in_a_row(successes: int, failures: int, results: str, reported: str) -> None:
    thresholds = Thresholds(successes, failures)
    status = {"p": "passing", "w": "warning", "c": "critical"}
    assert "".join(one if thresholds.counts(status[one]) else "_" for one in results) == reported


def test_a_long_output_keeps_its_end_and_says_so() -> None:
    tail = Tail(10)
    for part in (b"begin ", b"middle ", b"the end"):
        tail.write(part)
    assert tail.text() == "Captured 10 of 20 bytes\n...\nle the end"


@given(st.lists(st.binary(max_size=50), max_size=30), st.integers(1, 40))
def test_a_tail_is_the_end_of_all_that_was_written_in_bounded_memory(parts: list[bytes], limit: int) -> None:
    tail = Tail(limit)
    for part in parts:
        tail.write(part)
        assert len(tail._kept) <= 3 * limit
    whole = b"".join(parts)
    assert tail.total == len(whole)
    assert tail.text().endswith(whole[-limit:].decode("utf-8", "replace") if whole else "")


def test_an_owners_long_output_keeps_its_beginning_and_says_so() -> None:
    assert head("x" * 5000, 4096) == "x" * 4096 + " ... (captured 4096 of 5000 bytes)"
    assert head("short", 4096) == "short"


def test_an_expired_ttl_quotes_the_last_output_if_that_fits() -> None:
    check = TtlCheck(10.0, output_limit=100)
    assert check.expired() == ("critical", "TTL expired")
    check.reported("passing", "all well")
    assert check.expired().output == "TTL expired (last output before timeout follows): all well"
    check.reported("passing", "x" * 90)
    assert check.expired().output == "TTL expired"


def check(name: str, status: str, service_id: str = "", node: str = "n1") -> HealthCheck:
    return HealthCheck(node=node, check_id=name, name=name, status=status, output=f"{name} output", service_id=service_id)


@pytest.mark.parametrize(
    ("checks", "exists", "expected"),
    [
        pytest.param([], True, ("passing", "No checks found."), id="nothing to look at"),
        pytest.param([], False, ("critical", "Service web could not be found on node "), id="no such service"),
        pytest.param([check("a", "passing", "web")], True, ("passing", "All checks passing."), id="passing"),
        pytest.param(
            [check("a", "warning", "web"), check("b", "passing", "web")],
            True,
            ("warning", 'Aliased check "a" failing: a output'),
            id="a warning before a passing one",
        ),
        pytest.param([check("a", "warning", "web")], True, ("warning", 'Aliased check "a" failing: a output'), id="warning"),
        pytest.param([check("a", "warning", "web"), check("b", "critical", "web")], True, ("critical", 'Aliased check "b" failing: b output'), id="the worst"),
        pytest.param([check("n", "critical")], True, ("critical", 'Aliased check "n" failing: n output'), id="a check of the node counts"),
        pytest.param([check("o", "critical", "other")], True, ("passing", "No checks found."), id="another service does not"),
    ],
)  # fmt: skip
def test_an_alias_is_as_well_as_the_worst_it_stands_for(checks: list[HealthCheck], exists: bool, expected: tuple[str, str]) -> None:
    assert alias_result(checks, "web", exists) == expected


def test_a_schedule_gives_what_is_due_in_order_and_forgets_what_was_moved() -> None:
    schedule = Schedule()
    for key, due in (("a", 3.0), ("b", 1.0), ("c", 2.0), ("a", 0.5)):
        schedule.set(key, due)
    schedule.drop("c")
    assert schedule.next_due() == 0.5
    assert schedule.take(2.5) == ["a", "b"]
    assert schedule.next_due() is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 100)), max_size=200))
def test_a_schedule_moved_ever_so_often_stays_small(moves: list[tuple[str, float]]) -> None:
    schedule, expected = Schedule(), {}
    for key, due in moves:
        schedule.set(key, due)
        expected[key] = due
    assert len(schedule._heap) <= 2 * len(expected) + 16
    assert sorted(schedule.take(100.0)) == sorted(expected)
