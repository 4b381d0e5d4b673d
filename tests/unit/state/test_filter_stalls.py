"""No expression of a user stalls the loop, and none recurses without end."""

import time

import pytest

from muster.model.catalog import Node
from muster.model.errors import Rejected
from muster.state.filters import compile_filter


def test_a_pattern_that_backtracks_elsewhere_is_linear_here():
    holds = compile_filter('Node matches "(a+)+$"', Node)
    begin = time.perf_counter()
    assert not holds(Node(node="a" * 1000 + "!"))
    assert time.perf_counter() - begin < 0.010


@pytest.mark.parametrize(
    "expression", ["(" * 5000 + "Node == a" + ")" * 5000, "not " * 5000 + "Node == a", " and ".join(["Node == a"] * 5000)]
)
def test_a_deep_or_long_expression_is_answered_or_refused(expression):
    try:
        compile_filter(expression, Node)
    except Rejected:
        pass


@pytest.mark.parametrize("expression", ['Node matches "(?=a)"', 'Node matches "("', "Node ==", "(", "Absent == 1", "Node contains"])
def test_a_wrong_expression_is_refused_with_the_peers_beginning(expression):
    with pytest.raises(Rejected, match="Failed to create boolean expression evaluator: "):
        compile_filter(expression, Node)
