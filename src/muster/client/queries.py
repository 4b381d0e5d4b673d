"""How a read is asked (blocking, consistency, filters) and what its answer says beside the value."""

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Query(NamedTuple):
    """Options of one read. Durations are Go's texts, such as `5m`; empty text and 0 mean: not sent.

    With `index` the agent answers when the data has moved past it, or after `wait`.
    """

    index: int = 0  # type: ignore[assignment]  # shadows tuple.index, which nobody asks a query for
    wait: str = ""
    datacenter: str = ""
    stale: bool = False
    consistent: bool = False
    cached: bool = False
    near: str = ""
    filter: str = ""
    node_meta: Mapping[str, str] | None = None
    token: str = ""
    hash: str = ""

    def parameters(self) -> list[tuple[str, str]]:
        """The pairs of the query string; the token travels in a header."""
        pairs = [("index", str(self.index))] if self.index else []
        named = (("wait", self.wait), ("dc", self.datacenter), ("near", self.near), ("filter", self.filter), ("hash", self.hash))
        pairs += [(name, value) for name, value in named if value]
        switches = (("stale", self.stale), ("consistent", self.consistent), ("cached", self.cached))
        pairs += [(name, "") for name, wanted in switches if wanted]
        pairs += [("node-meta", f"{key}:{value}") for key, value in (self.node_meta or {}).items()]
        return pairs


class Answer(Generic[T]):
    """A value with what the agent told about it.

    `index` is what to block on next; `last_contact` is the age in milliseconds of a stale read; `age` in seconds and `hit`
    belong to the agent's cache; `hash` to calls that block on one.
    """

    __slots__ = ("age", "hash", "hit", "index", "known_leader", "last_contact", "value")

    def __init__(self, value: T, headers: Mapping[str, str]) -> None:
        self.value = value
        self.index = _number(headers.get("x-consul-index"))
        self.last_contact = _number(headers.get("x-consul-lastcontact"))
        self.known_leader = headers.get("x-consul-knownleader") == "true"
        self.age = _number(headers.get("age"))
        self.hit = headers.get("x-cache") == "HIT"
        self.hash = headers.get("x-consul-contenthash", "")

    def map(self, change: "Callable[[T], U]") -> "Answer[U]":
        """The same answer with another value."""
        changed: Answer[U] = Answer.__new__(Answer)
        for name in self.__slots__:
            setattr(changed, name, getattr(self, name))
        changed.value = change(self.value)
        return changed


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0


def next_index(previous: int, answered: int) -> int:
    """What to block on after an answer: 0 when the index went backwards, because the state behind it was replaced.

    Source: the rules for implementers of blocking queries in Consul's API documentation.
    """
    return answered if answered >= previous else 0
