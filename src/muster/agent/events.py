"""User events: small messages to all nodes, or to those that a filter names. Every agent keeps the last 256 that concern it."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, field

from muster.model.catalog import NodeService
from muster.model.errors import MusterError, Rejected

KEPT = 256
NEWEST_VERSION = 1
_GO_WORDS = {
    "no argument for repetition operator": "missing argument to repetition operator",
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "unexpected )": "unexpected )",
    "trailing \\": "trailing backslash at end of expression",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
}


class UserEvent(Struct, frozen=True, kw_only=True):
    """`payload` None is none at all; the filters are regular expressions."""

    id: str = field(name="ID", default="")
    name: str = field(name="Name", default="")
    payload: bytes | None = field(name="Payload", default=None)
    node_filter: str = field(name="NodeFilter", default="")
    service_filter: str = field(name="ServiceFilter", default="")
    tag_filter: str = field(name="TagFilter", default="")
    version: int = field(name="Version", default=NEWEST_VERSION)
    lamport_time: int = field(name="LTime", default=0)


def validate(event: UserEvent) -> None:
    """`Rejected` with Consul's text if the event cannot be sent."""
    if not event.name:
        raise Rejected("User event missing name")
    if event.tag_filter and not event.service_filter:
        raise Rejected("Cannot provide tag filter without service filter")
    for what, expression in (("node", event.node_filter), ("service", event.service_filter), ("tag", event.tag_filter)):
        if expression:
            try:
                matcher(expression)
            except MusterError as error:
                raise Rejected(f"Invalid {what} filter: {error}") from error


def matcher(expression: str) -> Callable[[str], Any]:
    """A search for a regular expression of a user, which cannot stall; `Rejected` in the words of Go if it makes no sense."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        search: Callable[[str], Any] = re2.compile(expression, options).search
    except re2.error as error:
        text = error.args[0]
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        what, _, part = text.partition(": ")
        raise Rejected(f"error parsing regexp: {_GO_WORDS.get(what, what)}: `{part or expression}`") from error
    return search


def concerns(event: UserEvent, node: str, services: Iterable[NodeService]) -> bool:
    """Whether the event is for this node; one that does not make sense is for nobody."""
    if event.version > NEWEST_VERSION:
        return False
    try:
        if event.node_filter and not matcher(event.node_filter)(node):
            return False
        if not event.service_filter:
            return True
        by_service, by_tag = matcher(event.service_filter), matcher(event.tag_filter)
    except MusterError:
        return False
    for service in services:
        if by_service(service.service) and (not event.tag_filter or any(by_tag(tag) for tag in service.tags or ())):
            return True
    return False


class UserEvents:
    """The newest events, oldest first. Futures of `wait` are done when the next one comes."""

    def __init__(self) -> None:
        self.events: deque[UserEvent] = deque(maxlen=KEPT)
        self._waiting: list[Any] = []

    def add(self, event: UserEvent) -> None:
        self.events.append(event)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def named(self, name: str = "") -> list[UserEvent]:
        return [event for event in self.events if not name or event.name == name]

    def wait(self) -> Any:
        """A future that is done at the next event; cancelling it is enough to be forgotten."""
        import asyncio

        future = asyncio.get_running_loop().create_future()
        self._waiting = [one for one in self._waiting if not one.done()]
        self._waiting.append(future)
        return future


def event_index(events: list[UserEvent]) -> int:
    """The index of an answer that ends with the newest event: a hash of its id, or 1 if there is none."""
    return uuid_index(events[-1].id) if events else 1


def uuid_index(identity: str) -> int:
    """The two halves of a UUID as numbers, one XOR the other."""
    digits = identity.replace("-", "")
    return int(digits[:16], 16) ^ int(digits[16:], 16)
