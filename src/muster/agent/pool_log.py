"""What an operator reads in the log about a pool: who came and went, who was refused, and how to mend what conflicts."""

import logging

from muster.agent import merge_checks
from muster.gossip.effects import (
    Effect,
    Member,
    MemberConflict,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberUpdated,
)
from muster.transport.endpoints import host, text

KEPT_REFUSALS = 64
"""How many different refusals are remembered, so that each is said once and a hostile pool costs no memory."""

RENAME_OR_WAIT = (
    "To mend it: give one of the two hosts another node_name; "
    "if it is one host with a new address, wait: it is taken over once its old address was failed for 30 s"
)
_WORDS: dict[type, str] = {
    MemberJoined: "EventMemberJoin",
    MemberLeft: "EventMemberLeave",
    MemberFailed: "EventMemberFailed",
    MemberUpdated: "EventMemberUpdate",
    MemberReaped: "EventMemberReap",
}


class PoolLog:
    """A listener of one pool."""

    def __init__(self, own_name: str, pool: str) -> None:
        self._own_name = own_name
        self._logger = logging.getLogger(f"agent.serf.{pool}")
        self._refusals: set[str] = set()

    def __call__(self, effect: Effect) -> None:
        word = _WORDS.get(type(effect))
        if word is not None:
            member: Member = effect.member  # type: ignore[union-attr]  # all of them carry one
            self._logger.info("serf: %s: %s %s", word, member.name, host(member.endpoint))
        elif isinstance(effect, MemberConflict):
            self._conflict(effect)

    def refused(self, admit: merge_checks.Admit) -> merge_checks.Admit:
        """The same check, which says once in the log how to mend what it refuses."""

        def admit_and_tell(members: list[Member]) -> str:
            refusal = admit(members)
            if refusal and refusal not in self._refusals and len(self._refusals) < KEPT_REFUSALS:
                self._refusals.add(refusal)
                self._logger.warning("Refused to merge: %s. To mend it: %s", refusal, merge_checks.remedy(refusal) or "join another pool")
            return refusal

        return admit_and_tell

    def _conflict(self, conflict: MemberConflict) -> None:
        member, claimant = conflict.member, text(conflict.claimed_from)
        if member.name == self._own_name:
            words = "Name conflict: this node's name '%s' is also used by the host at %s. %s"
            self._logger.error(words, member.name, claimant, RENAME_OR_WAIT)
        else:
            here = text(member.endpoint)
            self._logger.warning("Name conflict for '%s': both %s and %s are claiming it. %s", member.name, here, claimant, RENAME_OR_WAIT)
