"""What a message about a node does to what is known of it: one table, from which the documents draw their diagram.

Source: SWIM (DSN 2002), section 4.2, with what the peers add: a state for those that left, and names that may be taken over.
"""

import enum

from msgspec import Struct


class State(enum.StrEnum):
    """How the node that a message is about stands here before the message."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    LEFT = "left"
    OURSELVES = "ourselves"
    OURSELVES_LEFT = "ourselves, left"


class News(enum.StrEnum):
    """What is said of it."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    LEFT = "dead, by itself"


class Condition(enum.StrEnum):
    """What decides beside state and news. Of each group exactly one holds."""

    ALWAYS = "always"

    NEWER = "newer incarnation"
    NOT_NEWER = "incarnation not newer"
    ELSEWHERE = "from another address"
    TAKEOVER = "from another address, the name is free"

    CURRENT = "incarnation not older"
    OLDER = "older incarnation"

    CONFIRMING = "not older, by an accuser that counts"
    REPEATED = "not older, by an accuser that does not count"

    DIFFERENT = "not older, not what we say of ourselves"
    SAME = "what we say of ourselves"


class Action(enum.StrEnum):
    """What follows. All but `IGNORE` and `CONFLICT` tell others."""

    IGNORE = "ignore"
    JOIN = "take in, tell others"
    UPDATE = "take over, end the suspicion, tell others"
    CONFLICT = "refuse, tell the host once"
    SUSPECT = "start a suspicion, tell others"
    CONFIRM = "shorten the suspicion, tell others"
    BURY = "end the suspicion, tell others"
    REFUTE = "live with a higher incarnation, tell others"


class Transition(Struct, frozen=True):
    """One row: in this state, with this news and condition, do this; the node's state is then `becomes`."""

    state: State
    news: News
    condition: Condition
    action: Action
    becomes: State


def _rows(state: State, *outcomes: tuple[News, Condition, Action, State]) -> list[Transition]:
    return [Transition(state, news, condition, action, becomes) for news, condition, action, becomes in outcomes]


TRANSITIONS: tuple[Transition, ...] = (
    *_rows(
        State.UNKNOWN,
        (News.ALIVE, Condition.ALWAYS, Action.JOIN, State.ALIVE),
        (News.SUSPECT, Condition.ALWAYS, Action.IGNORE, State.UNKNOWN),
        (News.DEAD, Condition.ALWAYS, Action.IGNORE, State.UNKNOWN),
        (News.LEFT, Condition.ALWAYS, Action.IGNORE, State.UNKNOWN),
    ),
    *_rows(
        State.ALIVE,
        (News.ALIVE, Condition.NEWER, Action.UPDATE, State.ALIVE),
        (News.ALIVE, Condition.NOT_NEWER, Action.IGNORE, State.ALIVE),
        (News.ALIVE, Condition.ELSEWHERE, Action.CONFLICT, State.ALIVE),
        (News.SUSPECT, Condition.CURRENT, Action.SUSPECT, State.SUSPECT),
        (News.SUSPECT, Condition.OLDER, Action.IGNORE, State.ALIVE),
        (News.DEAD, Condition.CURRENT, Action.BURY, State.DEAD),
        (News.DEAD, Condition.OLDER, Action.IGNORE, State.ALIVE),
        (News.LEFT, Condition.CURRENT, Action.BURY, State.LEFT),
        (News.LEFT, Condition.OLDER, Action.IGNORE, State.ALIVE),
    ),
    *_rows(
        State.SUSPECT,
        (News.ALIVE, Condition.NEWER, Action.UPDATE, State.ALIVE),
        (News.ALIVE, Condition.NOT_NEWER, Action.IGNORE, State.SUSPECT),
        (News.ALIVE, Condition.ELSEWHERE, Action.CONFLICT, State.SUSPECT),
        (News.SUSPECT, Condition.CONFIRMING, Action.CONFIRM, State.SUSPECT),
        (News.SUSPECT, Condition.REPEATED, Action.IGNORE, State.SUSPECT),
        (News.SUSPECT, Condition.OLDER, Action.IGNORE, State.SUSPECT),
        (News.DEAD, Condition.CURRENT, Action.BURY, State.DEAD),
        (News.DEAD, Condition.OLDER, Action.IGNORE, State.SUSPECT),
        (News.LEFT, Condition.CURRENT, Action.BURY, State.LEFT),
        (News.LEFT, Condition.OLDER, Action.IGNORE, State.SUSPECT),
    ),
    *_rows(
        State.DEAD,
        (News.ALIVE, Condition.NEWER, Action.JOIN, State.ALIVE),
        (News.ALIVE, Condition.NOT_NEWER, Action.IGNORE, State.DEAD),
        (News.ALIVE, Condition.ELSEWHERE, Action.CONFLICT, State.DEAD),
        (News.ALIVE, Condition.TAKEOVER, Action.JOIN, State.ALIVE),
        (News.SUSPECT, Condition.ALWAYS, Action.IGNORE, State.DEAD),
        (News.DEAD, Condition.ALWAYS, Action.IGNORE, State.DEAD),
        (News.LEFT, Condition.ALWAYS, Action.IGNORE, State.DEAD),
    ),
    *_rows(
        State.LEFT,
        (News.ALIVE, Condition.NEWER, Action.JOIN, State.ALIVE),
        (News.ALIVE, Condition.NOT_NEWER, Action.IGNORE, State.LEFT),
        (News.ALIVE, Condition.TAKEOVER, Action.JOIN, State.ALIVE),
        (News.SUSPECT, Condition.ALWAYS, Action.IGNORE, State.LEFT),
        (News.DEAD, Condition.ALWAYS, Action.IGNORE, State.LEFT),
        (News.LEFT, Condition.ALWAYS, Action.IGNORE, State.LEFT),
    ),
    *_rows(
        State.OURSELVES,
        (News.ALIVE, Condition.SAME, Action.IGNORE, State.OURSELVES),
        (News.ALIVE, Condition.OLDER, Action.IGNORE, State.OURSELVES),
        (News.ALIVE, Condition.DIFFERENT, Action.REFUTE, State.OURSELVES),
        (News.ALIVE, Condition.ELSEWHERE, Action.CONFLICT, State.OURSELVES),
        (News.SUSPECT, Condition.CURRENT, Action.REFUTE, State.OURSELVES),
        (News.SUSPECT, Condition.OLDER, Action.IGNORE, State.OURSELVES),
        (News.DEAD, Condition.CURRENT, Action.REFUTE, State.OURSELVES),
        (News.DEAD, Condition.OLDER, Action.IGNORE, State.OURSELVES),
        (News.LEFT, Condition.CURRENT, Action.REFUTE, State.OURSELVES),
        (News.LEFT, Condition.OLDER, Action.IGNORE, State.OURSELVES),
    ),
    *_rows(
        State.OURSELVES_LEFT,
        (News.ALIVE, Condition.ALWAYS, Action.IGNORE, State.OURSELVES_LEFT),
        (News.SUSPECT, Condition.ALWAYS, Action.IGNORE, State.OURSELVES_LEFT),
        (News.DEAD, Condition.ALWAYS, Action.IGNORE, State.OURSELVES_LEFT),
        (News.LEFT, Condition.ALWAYS, Action.IGNORE, State.OURSELVES_LEFT),
    ),
)
"""All that can happen to a node, but for two things that no message brings: we leave, and we forget it."""

BY_CAUSE = {(row.state, row.news, row.condition): row for row in TRANSITIONS}
