"""Prepared queries: stored questions for a service."""

import msgspec
from msgspec import Struct, field

from muster.client.base import Endpoints, decode
from muster.client.queries import Answer, Query
from muster.client.records import QueryResult
from muster.model.queries import PreparedQuery


class _Created(Struct):
    id: str = field(name="ID")


class PreparedQueries(Endpoints):
    """Writes, reads and runs prepared queries."""

    def create(self, definition: PreparedQuery) -> str:
        """The id of the new query."""
        return decode(self._transport.request("POST", "query", (), msgspec.json.encode(definition)).require_ok().body, _Created).id

    def update(self, definition: PreparedQuery) -> None:
        """Replaces the query that has the definition's id."""
        self._put(f"query/{definition.id}", (), definition)

    def delete(self, query_id: str) -> None:
        self._transport.request("DELETE", f"query/{query_id}").require_ok()

    def get(self, query_id: str, query: Query | None = None) -> Answer[PreparedQuery | None]:
        """The definition, or None if there is no such query."""
        response = self._get(f"query/{query_id}", query)
        if response.status == 404:
            return Answer(None, response.headers)
        found = decode(response.require_ok().body, list[PreparedQuery])
        return Answer(found[0] if found else None, response.headers)

    def list(self, query: Query | None = None) -> Answer["list[PreparedQuery]"]:
        """All definitions that the token may read."""
        return self._read_list("query", PreparedQuery, query)

    def execute(self, name_or_id: str, *, limit: int = 0, query: Query | None = None) -> Answer[QueryResult]:
        """Runs a query, by its id or by a name that it (or its template) answers to."""
        parameters = [("limit", str(limit))] if limit else []
        return self._read(f"query/{name_or_id}/execute", QueryResult, query, *parameters)
