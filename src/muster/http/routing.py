"""From a method and a path to a handler, by one table.

A pattern is a path; `{name}` at its end stands for all that follows, slashes included, empty included. The longest pattern wins,
and a path that lacks only the slash of such a pattern is sent there, as by Go's ServeMux.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from muster.http.cache import CacheBook
from muster.http.limits import DEFAULT_LIMIT, BodyLimit
from muster.http.messages import Outcome, Pending, Request, Response
from muster.http.querystring import BadEscape, unescape

__all__ = ["Context", "Endpoint", "Handler", "Outcome", "Pending", "Request", "Response", "Route", "Router"]


@dataclass(slots=True)
class Context:
    """What handlers work with. `settings` are those of the HTTP edge (`muster.http.settings.Settings`), `page` the web page if it is on."""

    agent: Any
    settings: Any
    metrics: Any
    clock: Any
    router: "Router"
    recent: Any
    cache: CacheBook = field(default_factory=CacheBook)
    page: Any = None


ANY_METHOD = "*"
"""The method of a row whose handler itself answers the methods that no other row has."""

Handler = Callable[[Request, Context], Outcome]


class Route(NamedTuple):
    """One row: `methods` is a method, or several with a comma between; a row of its own for each method works too."""

    methods: str
    pattern: str
    handler: Handler
    body_limit: BodyLimit = DEFAULT_LIMIT


class Endpoint:
    """All rows of one pattern: the handler for each method."""

    __slots__ = ("allow", "handlers", "is_prefix", "label", "labels", "limits", "prefix", "shadows")

    def __init__(self, pattern: str) -> None:
        self.is_prefix = pattern.endswith("}")
        self.prefix = pattern[: pattern.rindex("{")] if self.is_prefix else pattern
        self.label = label(self.prefix)
        self.handlers: dict[str, Handler] = {}
        self.limits: dict[str, BodyLimit] = {}
        self.labels: dict[str, str] = {}
        self.allow = "OPTIONS"
        self.shadows = False

    def add(self, route: Route) -> None:
        for method in route.methods.split(","):
            self.handlers[method] = route.handler
            self.limits[method] = route.body_limit
            self.labels[method] = f"http.{method}.{self.label}"
            if method != ANY_METHOD:
                self.allow += f",{method}"


def label(prefix: str) -> str:
    """The pattern as a part of a metric's name: `/v1/kv/` is `v1.kv._`."""
    return ".".join(part or "_" for part in prefix.split("/")[1:])


class Target(NamedTuple):
    """What a request line's URL stands for. `error` is set if its path has a broken escape."""

    endpoint: Endpoint | None
    path: str
    rest: str
    raw_query: bytes
    is_odd: bool
    """The path may need a redirect or a refusal before it is routed."""
    error: bool = False


class Router:
    """Finds the endpoint of a path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Endpoint] = {}
        self._prefixes: dict[str, Endpoint] = {}
        for route in routes:
            endpoint = Endpoint(route.pattern)
            table = self._prefixes if endpoint.is_prefix else self._exact
            table.setdefault(endpoint.prefix, endpoint).add(route)
        for one in self._prefixes.values():
            one.shadows = any(other.startswith(one.prefix) and other != one.prefix for other in self._prefixes)

    def resolve(self, url: bytes) -> Target:
        """The target of a URL."""
        raw_path, _, raw_query = url.partition(b"?")
        raw_query = raw_query.partition(b"#")[0]
        if not raw_path.startswith(b"/") and raw_path != b"*":
            raw_path = path_of_absolute(raw_path)
        try:
            path = unescape(raw_path)
        except BadEscape:
            return Target(None, "", "", b"", False, error=True)
        endpoint, rest = self.find(path)
        is_odd = endpoint is None or self.lacks_slash(path) or "//" in path or "/." in path or not path.isprintable()
        return Target(endpoint, path, rest, raw_query, is_odd)

    def find(self, path: str) -> tuple[Endpoint | None, str]:
        """The endpoint and what of the path follows its prefix; None where nobody answers."""
        endpoint = self._exact.get(path)
        if endpoint is not None:
            return endpoint, ""
        prefixes = self._prefixes
        found = None
        end = path.find("/", 4) + 1
        while end:
            candidate = prefixes.get(path[:end])
            if candidate is not None:
                found = candidate
                if not candidate.shadows:
                    break
            elif end > LONGEST_PREFIX:
                break
            end = path.find("/", end) + 1
        return (found, path[len(found.prefix) :]) if found is not None else (None, "")

    def lacks_slash(self, path: str) -> bool:
        """Whether the path is a prefix pattern without its slash; a shorter pattern that would take it does not count."""
        return path not in self._exact and path + "/" in self._prefixes


def path_of_absolute(url: bytes) -> bytes:
    """The path of `http://host/path`."""
    _, found, rest = url.partition(b"://")
    slash = rest.find(b"/") if found else -1
    return rest[slash:] if slash >= 0 else b"/"


LONGEST_PREFIX = 128  # no pattern is longer; a path of thousands of slashes is not walked to its end
