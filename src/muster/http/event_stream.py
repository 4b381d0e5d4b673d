"""One client's stream of changes, as server-sent events.

    id: 57
    event: change
    data: {"Index":57,"Changes":[{"Topic":"services","Key":"web","Kind":"put"}]}

`bookmark` says up to which index nothing more has happened, `reset` that what was missed is not known: all is to be read anew.
The id of each is the index to resume after.
"""

from collections.abc import Sequence

from muster.http.encoding import encode
from muster.http.messages import Sink
from muster.server.changes import Batch, Change, Changes


class EventStream:
    """A `Pushed` body, and a `Reader` of the changes."""

    __slots__ = ("_changes", "_prefix", "_sink", "_topics", "seen")

    def __init__(self, changes: Changes, topics: frozenset[str], prefix: str, resume: int | None) -> None:
        """`resume`: the index after which to go on, None for now. `prefix`: what keys must begin with."""
        self._changes, self._topics, self._prefix = changes, topics, prefix
        self._sink: Sink | None = None
        self.seen = changes.newest if resume is None else resume

    def begin(self, sink: Sink) -> None:
        """See `Pushed`."""
        self._sink = sink
        if self._changes.can_resume(self.seen):
            self._tell("bookmark", self.seen)
        else:
            self.seen = self._changes.newest
            self._tell("reset", self.seen)
        self._changes.join(self)

    def writable(self) -> None:
        """See `Pushed`."""
        self._changes.took(self)
        if self._changes.can_resume(self.seen):
            self.more()
        else:
            self.cut()

    def close(self) -> None:
        """See `Pushed`."""
        self._sink = None
        self._changes.leave(self)

    def more(self) -> None:
        """See `Reader`. Sends what there is, as far as the client reads it."""
        while self._sink is not None and not self._sink.is_full:
            batches = self._changes.after(self.seen)
            if not batches:
                return
            self._send(batches)

    def bookmark(self, index: int) -> None:
        """See `Reader`."""
        if self._sink is not None and not self._sink.is_full and not self._changes.after(self.seen):
            self.seen = max(self.seen, index)
            self._tell("bookmark", self.seen)
            self._changes.took(self)

    def cut(self) -> None:
        """See `Reader`."""
        if self._sink is not None:
            self._sink.abort()

    def _send(self, batches: Sequence[Batch]) -> None:
        events = [event for batch in batches if (event := self._event(batch))]
        self.seen = batches[-1].index
        if events and self._sink is not None:
            self._sink.push(b"".join(events))
            self._changes.took(self)

    def _event(self, batch: Batch) -> bytes:
        wanted = [change for change in batch.changes if self._wants(change)]
        if not wanted:
            return b""
        return framed("change", batch.index, batch if len(wanted) == len(batch.changes) else Batch(batch.index, wanted))

    def _wants(self, change: Change) -> bool:
        return change.topic in self._topics and (not self._prefix or change.topic != "keys" or change.key.startswith(self._prefix))

    def _tell(self, event: str, index: int) -> None:
        if self._sink is not None:
            self._sink.push(framed(event, index, Batch(index, [])))


def framed(event: str, index: int, batch: Batch) -> bytes:
    """One event. JSON has no bare end of line, so that one line holds it; bytes of keys that are no UTF-8 are replaced."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (index, event.encode(), encode(batch, pretty=False))
