"""Boolean filter expressions, compiled once to a predicate over rows.

    compile_filter('Service.Meta.tier == front and "v1" in Service.Tags', CheckServiceNode)

A comparison below a list of records holds if it does for any of them, negated comparisons too. Below a key that a map lacks
only `==`, `in` and `contains` are false; the other comparisons hold.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any as AnyType

from muster.model.errors import Rejected
from muster.state.filters_fields import SELECTABLE, Field, Fields, Kind
from muster.state.filters_grammar import (
    EMPTY,
    EQUAL,
    IN,
    MATCHES,
    NOT_EMPTY,
    NOT_EQUAL,
    NOT_IN,
    NOT_MATCHES,
    All,
    Any,
    Expression,
    Match,
    Not,
    parse,
)
from muster.state.filters_patterns import InvalidPattern, searcher
from muster.state.filters_values import InvalidLiteral, parse_boolean, parse_integer, quote

Predicate = Callable[[AnyType], bool]

HEAD = "Failed to create boolean expression evaluator: "
COMPILED_KEPT = 256

_OPERATORS = {
    Kind.TEXT: {EQUAL, NOT_EQUAL, IN, NOT_IN, MATCHES, NOT_MATCHES},
    Kind.NUMBER: {EQUAL, NOT_EQUAL},
    Kind.FLAG: {EQUAL, NOT_EQUAL},
    Kind.TEXTS: {IN, NOT_IN, EMPTY, NOT_EMPTY},
    Kind.MAP: {IN, NOT_IN, EMPTY, NOT_EMPTY},
    Kind.RECORD: set(),
    Kind.RECORDS: {EMPTY, NOT_EMPTY},
}
_FALSE_WHERE_MISSING = {EQUAL, EMPTY, IN}


def compile_filter(expression: str, row_type: type) -> Predicate:
    """The predicate of an expression over rows of a type; an empty one holds for all. `Rejected` has the peer's text."""
    return _compiled(expression, row_type)


@lru_cache(COMPILED_KEPT)
def _compiled(expression: str, row_type: type) -> Predicate:
    if not expression:
        return lambda row: True
    try:
        return _predicate(parse(expression), SELECTABLE[row_type])
    except Rejected as error:
        raise Rejected(HEAD + str(error)) from None


def _predicate(tree: Expression, fields: Fields) -> Predicate:
    match tree:
        case Match(selector, operator, value):
            return _comparison(selector, operator, value, fields)
        case Not(operand):
            inner = _predicate(operand, fields)
            return lambda row: not inner(row)
        case All(operands):
            parts = [_predicate(operand, fields) for operand in operands]
            return lambda row: all(part(row) for part in parts)
        case Any(operands):
            choices = [_predicate(operand, fields) for operand in operands]
            return lambda row: any(choice(row) for choice in choices)


def _comparison(selector: tuple[str, ...], operator: str, value: str | None, fields: Fields) -> Predicate:
    steps = _steps(selector, fields)
    field = steps[-1][1]
    name = ".".join(selector)
    if operator not in _OPERATORS[field.kind]:
        raise Rejected(f'Invalid match operator "{operator}" for selector "{name}"')
    test = _test(field.kind, operator, value or "", name)
    missing = operator not in _FALSE_WHERE_MISSING
    key, step = steps.pop()
    test = _reach(key, step, test, missing)
    for key, step in reversed(steps):
        test = _reach(key, step, _any_of(test) if step.kind is Kind.RECORDS else test, missing)
    return test


def _steps(selector: tuple[str, ...], fields: Fields) -> list[tuple[str | None, Field]]:
    """The fields on the way to the selected one, from the outside in; a key where the step goes into a map."""
    steps: list[tuple[str | None, Field]] = []
    inside: Field | None = None
    for position, name in enumerate(selector):
        found = inside.value if inside is not None and inside.kind is Kind.MAP else fields.get(name)
        if found is None:
            raise Rejected(f'Selector "{".".join(selector[: position + 1])}" is not valid')
        steps.append((name if inside is not None and inside.kind is Kind.MAP else None, found))
        inside, fields = found, found.fields
    return steps


def _reach(key: str | None, field: Field, test: Predicate, missing: bool) -> Predicate:
    """Lets `test`, which takes what the field holds, be asked of what the field lies in."""
    if key is not None:
        return lambda held: test(held[key]) if held and key in held else missing
    get = attrgetter(field.attribute)
    return lambda row: test(get(row))


def _any_of(test: Predicate) -> Predicate:
    return lambda records: any(test(record) for record in records or ())


def _test(kind: Kind, operator: str, value: str, name: str) -> Predicate:
    """What is asked of the selected field's content."""
    if operator in (EMPTY, NOT_EMPTY):
        wanted_empty = operator == EMPTY
        return lambda held: (not held) is wanted_empty
    if operator in (MATCHES, NOT_MATCHES):
        try:
            search = searcher(value)
        except InvalidPattern as error:
            raise Rejected(f"Failed to compile regular expression {quote(value)}: {error}") from None
        return (lambda text: search(text) is not None) if operator == MATCHES else (lambda text: search(text) is None)
    if operator in (IN, NOT_IN):
        return (lambda held: _contains(held, value)) if operator == IN else (lambda held: not _contains(held, value))
    wanted = _coerced(kind, value, name)
    return (lambda held: bool(held == wanted)) if operator == EQUAL else (lambda held: bool(held != wanted))


def _contains(held: AnyType, value: str) -> bool:
    """A list has the element, a map the key, a text the part; lists and maps may be absent."""
    return held is not None and value in held


def _coerced(kind: Kind, value: str, name: str) -> AnyType:
    try:
        if kind is Kind.NUMBER:
            return parse_integer(value)
        return parse_boolean(value) if kind is Kind.FLAG else value
    except InvalidLiteral as error:
        raise Rejected(f"Failed to coerce value {quote(value)} for selector {quote(name)}: {error}") from None
