"""Answers with one entry of the key/value store, remembered while the entry is the same.

Records are never changed, so the same record is the same answer. This is the cache that stands beside the frozen records.
"""

from muster.http.answers import meta
from muster.http.messages import JSON, Response
from muster.http.views import entry_json
from muster.model.kv import KVEntry
from muster.wire.replies import Reply

REMEMBERED = 4096  # answers
LONGEST = 2048  # bytes of a value; encoding a long one is dear, but a copy of each would hold much memory


class RecentEntries:
    """The newest answers by key."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: dict[str, tuple[KVEntry, Reply, bool, Response]] = {}

    def answer(self, entry: KVEntry, reply: Reply, pretty: bool) -> Response:
        """The answer with an entry, made now or before."""
        found = self._answers.get(entry.key)
        if found is not None and found[0] is entry and found[2] is pretty:
            if _same_meta(found[1], reply):
                return found[3]
            body = found[3].body
        else:
            text = entry_json(entry, pretty)
            body = b"[\n%b\n]\n" % text if pretty else b"[%b]" % text
        made = Response(200, JSON + meta(reply), body)
        if entry.value is None or len(entry.value) <= LONGEST:
            if len(self._answers) >= REMEMBERED:
                self._answers.clear()
            self._answers[entry.key] = (entry, reply, pretty, made)
        return made


def _same_meta(one: Reply, other: Reply) -> bool:
    return one.index == other.index and one.known_leader is other.known_leader and one.last_contact == other.last_contact
