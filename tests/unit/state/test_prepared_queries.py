"""Prepared queries: names, templates and their faults. The texts were recorded from Consul 1.8.7."""

import pytest

from muster.model.errors import CommandFailed, Rejected
from muster.model.queries import PreparedQuery, QueryService, QueryTemplate
from muster.state.indexes import Indexes
from muster.state.queries import PreparedQueries
from muster.state.watches import Watches
from muster.wire.commands import PreparedQueryRequest
from muster.wire.requests import QuerySource

SESSION = "11111111-2222-3333-4444-555555555555"
NOWHERE = QuerySource()


def table() -> PreparedQueries:
    return PreparedQueries(Indexes(), Watches(), lambda session: session == SESSION)


def query(number: int, name: str = "", service: str = "web", template: QueryTemplate | None = None, **more) -> PreparedQuery:
    identity = f"00000000-0000-4000-8000-{number:012d}"
    return PreparedQuery(id=identity, name=name, service=QueryService(service=service, **more), template=template or QueryTemplate())


def put(queries: PreparedQueries, index: int, made: PreparedQuery, op: str = "create") -> None:
    queries.apply(index, PreparedQueryRequest(op=op, query=made))


PREFIX = QueryTemplate(type="name_prefix_match")


@pytest.mark.parametrize(
    ("service", "error"),
    [
        (
            "${absent}",
            "failed compiling template: Bad evaluation for '${absent}' in Service.Service: 1:3: unknown variable accessed: absent",
        ),
        ("${match(}", "failed compiling template: Bad format '${match(}' in Service.Service: parse error: syntax error"),
        (
            '${match("x")}',
            "failed compiling template: Bad evaluation for '${match(\"x\")}' in Service.Service: "
            '__builtin_StringToInt: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        ("${foo(1)}", "failed compiling template: Bad evaluation for '${foo(1)}' in Service.Service: 1:3: unknown function called: foo"),
        (
            "${ match(0) }${name}",
            "failed compiling template: Bad evaluation for '${ match(0) }${name}' in Service.Service: 1:16: unknown variable accessed: name",
        ),
        ("${", "failed compiling template: Bad format '${' in Service.Service: parse error: syntax error"),
    ],
)
def test_a_template_that_never_could_work_is_refused_with_the_peers_text(service, error):
    queries = table()
    with pytest.raises(CommandFailed) as refused:
        put(queries, 1, query(1, "t-", service, PREFIX))
    assert str(refused.value) == error
    assert queries.list()[1] == []


def test_the_longest_beginning_answers_and_fills_in_the_name():
    queries = table()
    put(queries, 1, query(1, "", "any", PREFIX))
    put(
        queries,
        2,
        query(2, "find-", "${match(1)}", QueryTemplate(type="name_prefix_match", regexp="^find-(.+?)-(.+)$"), tags=["${match(2)}", ""]),
    )
    put(queries, 3, query(3, "find-me", "exact"))
    found = queries.resolve("find-web-v2", NOWHERE)
    assert (found.service.service, found.service.tags) == ("web", ["v2", ""])
    assert queries.resolve("FIND-ME", NOWHERE).service.service == "exact"
    assert queries.resolve("else", NOWHERE).service.service == "any"
    with pytest.raises(Rejected, match="can only be resolved up by name"):
        queries.resolve(query(2).id, NOWHERE)


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (query(2, "ONE"), "name 'ONE' aliases an existing query name"),
        (query(2, query(1).id), f"name '{query(1).id}' aliases an existing query ID"),
    ],
    ids=["another case", "an id"],
)
def test_a_name_means_one_query(second, error):
    queries = table()
    put(queries, 1, query(1, "one"))
    with pytest.raises(CommandFailed, match=error):
        put(queries, 2, second)


def test_a_query_goes_with_its_session():
    queries = table()
    tied = PreparedQuery(id=query(1).id, session=SESSION, service=QueryService(service="web"))
    put(queries, 1, tied)
    with pytest.raises(CommandFailed, match="invalid session"):
        put(queries, 2, PreparedQuery(id=query(2).id, session=query(9).id, service=QueryService(service="web")))
    queries.session_ended(3, SESSION)
    assert queries.list() == (3, [])
