"""Bugs for the simulation to find: each replaces one small method of the gossip by one that is wrong."""

from collections.abc import Callable
from typing import Any

import pytest

from muster.gossip import membership, suspicion
from muster.gossip.awareness import Awareness
from muster.gossip.broadcasts import BroadcastQueue
from muster.gossip.events import UserEvents
from muster.gossip.intents import Intents
from muster.gossip.membership import Membership
from muster.gossip.push_pull import news_of
from muster.gossip.swim import Swim
from muster.gossip.transitions import Action, Condition
from muster.wire.gossip import Dead

Plant = Callable[[pytest.MonkeyPatch], None]


def no_refutation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Membership, "_refute", lambda self, accused: None)


def suspicion_counted_from_the_last_confirmation(patch: pytest.MonkeyPatch) -> None:
    act = Membership._act

    def wrong(self: Membership, now: float, news: Any, transition: Any, effects: Any) -> None:
        act(self, now, news, transition, effects)
        running = self.suspicions.of(news.node)
        if transition.action is Action.CONFIRM and running is not None:
            running.postpone(now - running._start)
            self.suspicions._reorder()

    patch.setattr(Membership, "_act", wrong)


def incarnation_not_raised(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Membership, "refuting_incarnation", lambda self, accused: self.own.incarnation)


def dead_taken_at_once_from_a_table(patch: pytest.MonkeyPatch) -> None:
    def wrong(line: Any, reader: str) -> Any:
        return Dead(incarnation=line.incarnation, node=line.name, accuser=reader) if line.state == 2 else news_of(line, reader)

    patch.setattr(membership, "news_of", wrong)


def retransmission_without_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BroadcastQueue, "is_spent", staticmethod(lambda transmissions, limit: False))


def ack_for_another_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Swim, "_is_asked", lambda self, ping: True)


def intent_without_lamport_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Intents, "_is_newer", lambda self, name, time: time != self._members.status_time(name))


def awareness_never_lowered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Awareness, "improve", lambda self: None)


def events_told_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(UserEvents, "_is_new", lambda self, event: True)


def old_accusations_count(patch: pytest.MonkeyPatch) -> None:
    condition = membership._accused_condition

    def wrong(state: Any, record: Any, news: Any) -> Condition:
        right = condition(state, record, news)
        return Condition.CURRENT if right is Condition.OLDER else right

    patch.setattr(membership, "_accused_condition", wrong)


def suspicion_without_time_for_others(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(suspicion, "suspicion_time", lambda confirmations, expected, minimum, maximum: minimum)


def suspicion_never_shortened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(suspicion, "suspicion_time", lambda confirmations, expected, minimum, maximum: maximum if expected else minimum)


PLANTED: dict[Plant, int] = {
    no_refutation: 1,
    suspicion_counted_from_the_last_confirmation: 0,
    incarnation_not_raised: 1,
    dead_taken_at_once_from_a_table: 1,
    retransmission_without_limit: 0,
    ack_for_another_name: 1,
    intent_without_lamport_order: 1,
    awareness_never_lowered: 0,
    events_told_twice: 0,
    old_accusations_count: 0,
    suspicion_without_time_for_others: 0,
    suspicion_never_shortened: 0,
}
"""Each bug, and the seed at which the search for it begins: one that is known to find it."""
