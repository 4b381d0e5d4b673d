"""What the groups of calls share: a transport, and the step from an answer's bytes to a record."""

from typing import TypeVar

import msgspec

from muster.client.errors import UnexpectedAnswer
from muster.client.queries import Answer, Query
from muster.client.transport import Parameters, Response, Transport

T = TypeVar("T")
DEFAULT_QUERY = Query()


class Endpoints:
    """One group of calls of the HTTP API."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _read(self, path: str, result_type: type[T], query: Query | None, *parameters: tuple[str, str]) -> Answer[T]:
        """A GET whose answer must be 200, with what its headers say."""
        response = self._get(path, query, *parameters).require_ok()
        return Answer(decode(response.body, result_type), response.headers)

    def _read_list(self, path: str, item_type: type[T], query: Query | None, *parameters: tuple[str, str]) -> Answer[list[T]]:
        """A GET of a list, in which `null` means: empty."""
        response = self._get(path, query, *parameters).require_ok()
        return Answer(decode_list(response.body, item_type), response.headers)

    def _read_optional(self, path: str, result_type: type[T], query: Query | None) -> Answer[T | None]:
        """A GET whose answer may be `null`."""
        response = self._get(path, query).require_ok()
        found = None if response.body.strip() == b"null" else decode(response.body, result_type)
        return Answer(found, response.headers)

    def _get(self, path: str, query: Query | None, *parameters: tuple[str, str]) -> Response:
        query = query or DEFAULT_QUERY
        return self._transport.request("GET", path, [*parameters, *query.parameters()], token=query.token)

    def _put(self, path: str, parameters: Parameters = (), document: object = None) -> Response:
        """A PUT of a JSON document or of nothing; the answer must be 200."""
        body = None if document is None else msgspec.json.encode(document)
        return self._transport.request("PUT", path, parameters, body).require_ok()


def decode(body: bytes, result_type: type[T]) -> T:
    """The JSON of an answer as a typed value; `UnexpectedAnswer` if it is something else."""
    try:
        return msgspec.json.decode(body, type=result_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(f"the agent's answer is not what its API promises: {error}") from error


def decode_list(body: bytes, item_type: type[T]) -> list[T]:
    """The JSON list of an answer, `null` as an empty one."""
    return [] if body.strip() == b"null" else decode(body, list[item_type])  # type: ignore[valid-type]
