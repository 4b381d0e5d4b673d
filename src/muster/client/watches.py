"""Watches: which request shows a view of the data, when an answer is a change, and what a handler is given.

A `WatchPlan` sends nothing and waits for nothing. Whoever runs it (the command line, or the agent for its configured watches)
asks `path` with `parameters()`, hands the answer to `receive`, calls the handler if that gives a `Change`, and asks again;
after an error it waits as long as `failed()` says.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from muster.client.errors import ClientError, RequestFailed, UnexpectedAnswer
from muster.client.go_json import dumps
from muster.client.queries import next_index
from muster.client.watch_payloads import READERS

RETRY_INTERVAL = 5.0  # seconds; times the square of the failures in a row
LONGEST_RETRY = 180.0  # seconds
STATES = ("any", "passing", "warning", "critical")

_COMMON = frozenset(("type", "datacenter", "token", "stale"))
_OWN = {
    "key": ("key",),
    "keyprefix": ("prefix",),
    "services": (),
    "nodes": (),
    "service": ("service", "tag", "passingonly"),
    "checks": ("service", "state"),
    "event": ("name",),
}
"""The parameters that each type of watch takes beside the common ones."""


class InvalidWatch(ClientError):
    """A watch cannot be made of its parameters; the message says which is wrong."""


class Change(NamedTuple):
    """A new state of what is watched: the index for `CONSUL_INDEX`, and the value (Go's field order)."""

    index: int  # type: ignore[assignment]  # the API's word; nobody searches this tuple
    value: Any

    def payload(self) -> bytes:
        """What a handler gets on its standard input: one line of JSON."""
        return dumps(self.value).encode("utf-8", "replace") + b"\n"


class WatchPlan:
    """One watch: its request, and what was last seen.

    `parameters` are those of the configuration: `key`, `prefix`, `service`, `tag` (a text or a list), `passingonly`, `state`,
    `name`, and for all types `datacenter`, `token`, `stale`. `InvalidWatch` refuses others.
    """

    def __init__(self, type: str, parameters: Mapping[str, Any]) -> None:  # noqa: A002 - the configuration's own word
        self.type = type
        self._given = {name: value for name, value in parameters.items() if value is not None and name not in ("type",)}
        self._check()
        self.path, self._fixed = self._request()
        self.token = self._text("token")
        self._index = 0
        self._seen: Any = _NOTHING
        self._failures = 0

    def parameters(self) -> list[tuple[str, str]]:
        """The query's pairs for the next request."""
        return [*self._fixed, ("index", str(self._index))] if self._index else list(self._fixed)

    def receive(self, status: int, index: int, body: bytes) -> Change | None:
        """Takes an answer in; the change that it shows, or None if it shows none.

        An index that went backwards makes the next request not block. `RequestFailed` for a status that is no answer.
        """
        if status != 200 and not (status == 404 and self.type in ("key", "keyprefix")):
            raise RequestFailed(status, body)
        value = self._value(None if status == 404 else _document(body))
        self._failures = 0
        if index == self._index:
            return None
        before, self._index = self._index, next_index(self._index, index)
        if before and value == self._seen:
            return None
        self._seen = value
        return Change(index, value)

    def failed(self) -> float:
        """Seconds to wait after a request that failed: longer from time to time. The next one does not block."""
        self._failures += 1
        self._index = 0
        return min(RETRY_INTERVAL * self._failures**2, LONGEST_RETRY)

    def _check(self) -> None:
        if not self.type:
            raise InvalidWatch("Watch type must be specified")
        if self.type not in _OWN:
            raise InvalidWatch(f"Unsupported watch type: {self.type}")
        needed = {"key": "key", "keyprefix": "prefix", "service": "service"}.get(self.type)
        if needed and not self._text(needed):
            raise InvalidWatch(f"Must specify a single {needed} to watch")
        if self.type == "checks" and self._text("service") and self._text("state"):
            raise InvalidWatch("Cannot specify service and state")
        state = self._text("state")
        if self.type == "checks" and state and state not in STATES:
            raise InvalidWatch(f"Unsupported state: {state}")
        unknown = sorted(name for name in self._given if name not in _COMMON and name not in _OWN[self.type])
        if unknown:
            raise InvalidWatch(f"Invalid parameters: [{' '.join(unknown)}]")

    def _request(self) -> tuple[str, list[tuple[str, str]]]:
        """The path under `/v1/` and the pairs that stay the same."""
        pairs = [("dc", self._text("datacenter"))] if self._text("datacenter") else []
        pairs += [("stale", "")] if self._given.get("stale") else []
        match self.type:
            case "key":
                return f"kv/{self._text('key').removeprefix('/')}", pairs
            case "keyprefix":
                return f"kv/{self._text('prefix').removeprefix('/')}", [*pairs, ("recurse", "")]
            case "services" | "nodes":
                return f"catalog/{self.type}", pairs
            case "service":
                pairs += [("tag", tag) for tag in self._tags()] + ([("passing", "1")] if self._given.get("passingonly") else [])
                return f"health/service/{self._text('service')}", pairs
            case "checks" if self._text("service"):
                return f"health/checks/{self._text('service')}", pairs
            case "checks":
                return f"health/state/{self._text('state') or 'any'}", pairs
        return "event/list", pairs + ([("name", self._text("name"))] if self._text("name") else [])

    def _text(self, name: str) -> str:
        value = self._given.get(name, "")
        if not isinstance(value, str):
            raise InvalidWatch(f"Expecting {name} to be a string")
        return value

    def _tags(self) -> Sequence[str]:
        tags = self._given.get("tag", [])
        if isinstance(tags, str):
            return [tags] if tags else []
        if isinstance(tags, Sequence) and all(isinstance(tag, str) for tag in tags):
            return tags
        raise InvalidWatch("Expecting tag to be a string or a list of strings")

    def _value(self, document: Any) -> Any:
        try:
            value = READERS[self.type](document)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise UnexpectedAnswer(f"the agent's answer is not what its API promises: {error}") from error
        return _newer_events(value, self._index) if self.type == "event" else value


_NOTHING = object()


def _document(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UnexpectedAnswer(f"the agent's answer is not what its API promises: {error}") from error


def event_index(event_id: str) -> int:
    """The index that an event's id stands for: the exclusive or of the id's two halves."""
    digits = event_id.replace("-", "")
    return int(digits[:16], 16) ^ int(digits[16:], 16)


def _newer_events(events: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    """The events after the one that was the last before; all if that one is forgotten."""
    for at, event in enumerate(events):
        if event_index(event["ID"]) == index:
            return events[at + 1 :]
    return events
