"""Requests over pooled connections: the one place where bytes go to the agent and come back."""

import http.client
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

from muster.client.connection import Body, Connection, cause, tls_context
from muster.client.errors import AgentUnreachable, RequestFailed
from muster.client.settings import Settings, parse_address

Parameters = Iterable[tuple[str, str]]
_PATH_SAFE = "/$&+,:;=@"  # what Go's URL leaves as it is in a path
_CONNECTION_ERRORS = (OSError, http.client.HTTPException)
IDLE_CONNECTIONS = 8


class Response:
    """A whole answer: status, headers (by lower-case name) and body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def require_ok(self) -> "Response":
        """Itself if the status is 200; `RequestFailed` otherwise."""
        if self.status != 200:
            raise RequestFailed(self.status, self.body)
        return self


class Transport:
    """Sends requests as the settings say. May be used by several threads: each request has a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = parse_address(settings.address, tls=settings.tls)
        self._context = tls_context(settings, self.address.scheme)
        self._idle: list[Connection] = []

    def request(self, method: str, path: str, parameters: Parameters = (), body: Body = None, token: str = "") -> Response:
        """One request and its whole answer, whatever its status. `path` is unescaped and begins after `/v1/`."""
        with self.stream(method, path, parameters, body, token) as answer:
            try:
                content = answer.read()
            except _CONNECTION_ERRORS as error:
                raise self._unreachable(method, self.target(path, parameters), error) from error
            return Response(answer.status, {name.lower(): value for name, value in answer.headers.items()}, content)

    @contextmanager
    def stream(
        self, method: str, path: str, parameters: Parameters = (), body: Body = None, token: str = ""
    ) -> Iterator[http.client.HTTPResponse]:
        """One request whose answer the caller reads piece by piece; left half-read, its connection is closed."""
        target = self.target(path, parameters)
        headers = self._headers(token)
        connection = self._connection()
        try:
            answer = self._exchange(connection, method, target, body, headers)
            yield answer
        except BaseException:
            connection.close()
            raise
        if answer.isclosed() and not answer.will_close and len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def target(self, path: str, parameters: Parameters = ()) -> str:
        """The request line's target, escaped as Go does: the query is sorted by name."""
        pairs = self._with_defaults(parameters)
        escaped = quote(f"/v1/{path}".encode("utf-8", "surrogateescape"), safe=_PATH_SAFE)
        if not pairs:
            return escaped
        return escaped + "?" + "&".join(f"{_plus(name)}={_plus(value)}" for name, value in sorted(pairs, key=lambda pair: pair[0]))

    def close(self) -> None:
        """Closes the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        # a client is often thrown away unclosed; its idle sockets go with it
        for connection in getattr(self, "_idle", ()):
            connection.close()

    def _with_defaults(self, parameters: Parameters) -> list[tuple[str, str]]:
        pairs = list(parameters)
        names = {name for name, _ in pairs}
        settings = self.settings
        if settings.datacenter and "dc" not in names:
            pairs.append(("dc", settings.datacenter))
        if settings.namespace and "ns" not in names:
            pairs.append(("ns", settings.namespace))
        if settings.stale and not names & {"stale", "consistent"}:
            pairs.append(("stale", ""))
        return pairs

    def _headers(self, token: str) -> dict[str, str]:
        headers = {"Host": self.address.authority if self.address.socket_path is None else "localhost"}
        token = token or self.settings.token
        if token:
            headers["X-Consul-Token"] = token
        if self.settings.credentials:
            headers["Authorization"] = "Basic " + b64encode(_with_colon(self.settings.credentials).encode()).decode()
        return headers

    def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_stale():
                return connection
            connection.close()
        return Connection(self.address, self._context, self.settings.server_name)

    def _exchange(self, connection: Connection, method: str, target: str, body: Body, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Sends and waits for the head of the answer. A read that meets a connection closed just now is sent once more."""
        reused = connection.sock is not None
        try:
            connection.request(method, target, body=body, headers=headers)
            return connection.getresponse()
        except _CONNECTION_ERRORS as error:
            connection.close()
            if reused and method == "GET" and isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
                return self._exchange(connection, method, target, body, headers)
            raise self._unreachable(method, target, error) from error

    def _unreachable(self, method: str, target: str, error: Exception) -> AgentUnreachable:
        return AgentUnreachable(method, self.address.base_url + target, cause(error, self.address))


def _plus(text: str) -> str:
    return quote_plus(text.encode("utf-8", "surrogateescape"))


def _with_colon(credentials: str) -> str:
    return credentials if ":" in credentials else credentials + ":"
