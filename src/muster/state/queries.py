"""Prepared queries: by id, by name, and templates that answer for every name with a beginning.

Source: reference "FSM commands", section 2; answers of Consul 1.8.7.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from muster.model.errors import CommandFailed, Rejected
from muster.model.queries import PreparedQuery
from muster.state import uuids
from muster.state.indexes import Indexes
from muster.state.queries_templates import Template
from muster.state.watches import Watches, WatchSet
from muster.wire.commands import PreparedQueryRequest
from muster.wire.requests import QuerySource

TABLE = "prepared-queries"
LONGEST_ASKED_NAME = 1024  # characters of a name that templates are tried on


class PreparedQueries:
    """The table of queries. `session_exists` raises `Rejected` for a text that is no UUID."""

    def __init__(self, indexes: Indexes, watches: Watches, session_exists: Callable[[str], bool]) -> None:
        self._indexes = indexes
        self._journal = indexes.journal
        self._watches = watches
        self._session_exists = session_exists
        self._queries: dict[str, PreparedQuery] = {}
        self._names: dict[str, str] = {}
        self._templates: dict[str, Template] = {}
        """By lower-case name, the empty one included."""

    # ---- reads

    def get(self, query_id: str, watch: WatchSet | None = None) -> tuple[int, PreparedQuery | None]:
        """One query by its id; `Rejected` if the text is no UUID. The index is the table's."""
        try:
            normal = uuids.normal(query_id)
        except Rejected as error:
            raise Rejected(f"failed prepared query lookup: {error}") from error
        if watch is not None:
            watch.append(("query", normal))
        return self._indexes.get(TABLE), self._queries.get(normal)

    def list(self, watch: WatchSet | None = None) -> tuple[int, list[PreparedQuery]]:
        """All queries, by id."""
        if watch is not None:
            watch.append(("table", TABLE))
        return self._indexes.get(TABLE), [query for _, query in sorted(self._queries.items())]

    def resolve(self, id_or_name: str, source: QuerySource) -> PreparedQuery | None:
        """The query that an id or a name means; a template is filled in for the name."""
        if not id_or_name:
            raise Rejected("Must provide a query ID or name")
        by_id = self._queries.get(id_or_name.lower())
        if by_id is not None:
            if by_id.template.type:
                raise Rejected("prepared query templates can only be resolved up by name, not by ID")
            return by_id
        lowered = id_or_name.lower()
        named = self._names.get(lowered)
        if named is not None:
            return self._queries[named]
        if not self._templates:
            return None
        for size in range(min(len(lowered), LONGEST_ASKED_NAME), -1, -1):
            template = self._templates.get(lowered[:size])
            if template is not None:
                return template.render(id_or_name, source.segment)
        return None

    # ---- writes

    def apply(self, index: int, request: PreparedQueryRequest) -> None:
        query = request.query or PreparedQuery()
        match request.op:
            case "create" | "update":
                self._set(index, query)
            case "delete":
                self._delete(index, query.id)
            case operation:
                raise CommandFailed(f"Invalid PreparedQuery operation '{operation}'")

    def _set(self, index: int, query: PreparedQuery) -> None:
        if not query.id:
            raise CommandFailed("Missing Query ID")
        key = query.id.lower()
        old = self._queries.get(key)
        self._check_name(query, key)
        self._check_session(query.session)
        template = None
        if query.template.type:
            try:
                template = Template(query)
            except CommandFailed as error:
                raise CommandFailed(f"failed compiling template: {error}") from error
        if old is not None:
            self._remove(key, old)
        made = replace(query, create_index=index if old is None else old.create_index, modify_index=index)
        if template is not None:
            template.query = made
        self._insert(key, made, template)
        self._changed(index, key)

    def _check_session(self, session: str) -> None:
        if not session:
            return
        try:
            exists = self._session_exists(session)
        except Rejected as error:
            raise CommandFailed(f"invalid session: {error}") from error
        if not exists:
            raise CommandFailed(f'invalid session "{session}"')

    def _check_name(self, query: PreparedQuery, key: str) -> None:
        """A name must mean one query, and must not look like the id of another."""
        lowered = query.name.lower()
        if not lowered:
            other = self._templates.get("") if query.template.type else None
            if other is not None and other.query.id.lower() != key:
                raise CommandFailed("a query template with an empty name already exists")
            return
        named = self._names.get(lowered)
        template = self._templates.get(lowered)
        if (named is not None and named != key) or (template is not None and template.query.id.lower() != key):
            raise CommandFailed(f"name '{query.name}' aliases an existing query name")
        if lowered in self._queries:
            raise CommandFailed(f"name '{query.name}' aliases an existing query ID")

    def _insert(self, key: str, query: PreparedQuery, template: Template | None) -> None:
        self._journal.put(self._queries, key, query)
        if template is not None:
            self._journal.put(self._templates, query.name.lower(), template)
        elif query.name:
            self._journal.put(self._names, query.name.lower(), key)

    def _remove(self, key: str, query: PreparedQuery) -> None:
        self._journal.drop(self._queries, key)
        if query.template.type:
            self._journal.drop(self._templates, query.name.lower())
        else:
            self._journal.drop(self._names, query.name.lower())

    def _delete(self, index: int, query_id: str) -> None:
        key = query_id.lower()
        query = self._queries.get(key)
        if query is None:
            return
        self._remove(key, query)
        self._changed(index, key)

    def _changed(self, index: int, key: str) -> None:
        self._indexes.bump(TABLE, index)
        self._watches.touch(("query", key))
        self._watches.touch(("table", TABLE))

    def session_ended(self, index: int, session_id: str) -> None:
        """Deletes the queries that are tied to the session."""
        ended = session_id.lower()
        for query in [query for query in self._queries.values() if query.session.lower() == ended]:
            self._delete(index, query.id)

    # ---- snapshots

    def replace(self, queries: Iterable[PreparedQuery]) -> None:
        """Takes exactly these queries."""
        self._queries, self._names, self._templates = {}, {}, {}
        for query in queries:
            self._insert(query.id.lower(), query, Template(query) if query.template.type else None)
