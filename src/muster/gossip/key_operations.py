"""One change of the keys of a whole pool, or one look at them: a query to all members, and what came back.

Source: reference of the gossip wire, section 3 and section 6, number 13; texts as the peers say them.
"""

import enum

from muster.gossip.effects import Effect, QueryAnswered, QueryEnded
from muster.model.errors import DecodeError
from muster.wire.serf import KeyResponse
from muster.wire.serf_codec import KEY_RESPONSE, decode_serf


class KeyCommand(enum.StrEnum):
    """What is asked of every member, by the name of its query."""

    INSTALL = "_serf_install-key"
    USE = "_serf_use-key"
    REMOVE = "_serf_remove-key"
    LIST = "_serf_list-keys"


class KeyOperation:
    """Gathers the members' answers to the query `ticket`. It has succeeded if all `node_count` members did as told.

    `keys` and `primary_keys` count the members that hold a key (in base64); `messages` are by member.
    """

    __slots__ = ("_answered", "ended", "error_count", "keys", "messages", "node_count", "primary_keys", "ticket")

    def __init__(self, ticket: int, node_count: int) -> None:
        self.ticket = ticket
        self.node_count = node_count
        self._answered: set[str] = set()
        self.error_count = 0
        self.messages: dict[str, str] = {}
        self.keys: dict[str, int] = {}
        self.primary_keys: dict[str, int] = {}
        self.ended = False

    def observe(self, effect: Effect) -> bool:
        """Take what belongs to this operation of the pool's effects; whether the operation is over."""
        match effect:
            case QueryAnswered(ticket, node, payload) if ticket == self.ticket and not self.is_over:
                self._take(node, payload)
            case QueryEnded(ticket) if ticket == self.ticket:
                self.ended = True
            case _:
                pass
        return self.is_over

    @property
    def response_count(self) -> int:
        """How many members answered, well or not."""
        return len(self._answered)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is waited for."""
        return self.ended or self.response_count >= self.node_count

    @property
    def failure(self) -> str:
        """Why the operation did not succeed; empty if it did."""
        if self.error_count:
            return f"{self.error_count}/{self.node_count} nodes reported failure"
        if self.response_count != self.node_count:
            return f"{self.response_count}/{self.node_count} nodes reported success"
        return ""

    def _take(self, node: str, payload: bytes) -> None:
        if node in self._answered:
            return
        self._answered.add(node)
        try:
            answer = _answer(payload)
        except DecodeError as error:
            self._failed(node, str(error))
            return
        if not answer.result:
            self._failed(node, answer.message)
        elif answer.message:
            self.messages[node] = answer.message
        for key in answer.keys or ():
            self.keys[key] = self.keys.get(key, 0) + 1
        if answer.primary_key:
            self.primary_keys[answer.primary_key] = self.primary_keys.get(answer.primary_key, 0) + 1

    def _failed(self, node: str, message: str) -> None:
        self.messages[node] = message
        self.error_count += 1


def _answer(payload: bytes) -> KeyResponse:
    """What a member says; the texts of the errors are those that the peers show to an operator."""
    shown = f"[{' '.join(str(byte) for byte in payload)}]"
    if payload[:1] != bytes([KEY_RESPONSE]):
        raise DecodeError(f"Invalid key query response type: {shown}")
    try:
        answer = decode_serf(payload)
    except DecodeError as error:
        raise DecodeError(f"Failed to decode key query response: {shown}") from error
    assert isinstance(answer, KeyResponse)
    return answer
