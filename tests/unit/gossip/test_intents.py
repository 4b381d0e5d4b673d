import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.gossip.effects import MemberLeft, MemberStatus
from muster.gossip.intents import NOTHING, PASS_ON, RECENT_LIMIT, REFUTE, Intents, RecentIntents
from muster.gossip.lamport import LATEST_TIME, LamportClock
from muster.gossip.member_table import STATUS_TRANSITIONS, Cause, MemberTable, next_status
from muster.gossip.node_table import NodeRecord, NodeStatus, NodeTable
from muster.wire.serf import JoinIntent, LeaveIntent

VERSIONS = b"\x01\x05\x02\x02\x05\x04"
ALIVE, LEAVING, LEFT, FAILED = MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.LEFT, MemberStatus.FAILED


class Scene:
    """Our member `me` and another one `n`, in any status."""

    def __init__(self, status: MemberStatus | None = ALIVE, status_time: int = 0) -> None:
        self.nodes = NodeTable()
        self.table = MemberTable(self.nodes)
        self.intents = Intents("me", self.table, LamportClock(1))
        self.comes("me")
        if status is not None:
            self.comes("n")
        if status in (LEAVING, LEFT):
            self.table.leave_intended(0.0, "n")
        if status in (LEFT, FAILED):
            self.goes("n")
        self.table.set_status_time("n", status_time)
        assert self.table.status("n") is status

    def comes(self, name: str) -> None:
        self.nodes.put(NodeRecord(name, (b"\x0a\0\0\1", 1), b"", VERSIONS, 1))
        self.table.lives(name)

    def goes(self, name: str) -> None:
        record = self.nodes.get(name)
        self.nodes.put(record.turned(0.0, NodeStatus.DEAD, 1))
        self.table.dies(5.0, name)

    def leave(self, time: int, node: str = "n", prune: bool = False):
        return self.intents.leave(7.0, LeaveIntent(time=time, node=node, prune=prune))

    def join(self, time: int, node: str = "n"):
        return self.intents.join(7.0, JoinIntent(time=time, node=node))


@pytest.mark.parametrize(
    ("before", "cause", "after"),
    [
        pytest.param(None, Cause.LIVES, ALIVE, id="a new member"),
        pytest.param(None, Cause.DIES, None, id="the death of nobody"),
        pytest.param(None, Cause.LEAVE_INTENT, None, id="a stranger means to leave"),
        pytest.param(ALIVE, Cause.LEAVE_INTENT, LEAVING, id="it means to leave"),
        pytest.param(ALIVE, Cause.JOIN_INTENT, ALIVE, id="it is still here"),
        pytest.param(ALIVE, Cause.DIES, FAILED, id="it dies unannounced"),
        pytest.param(ALIVE, Cause.FORGOTTEN, ALIVE, id="the living are not forgotten"),
        pytest.param(LEAVING, Cause.JOIN_INTENT, ALIVE, id="it changed its mind"),
        pytest.param(LEAVING, Cause.LEAVE_INTENT, LEAVING, id="it says it again"),
        pytest.param(LEAVING, Cause.DIES, LEFT, id="it dies after it said so"),
        pytest.param(FAILED, Cause.LEAVE_INTENT, LEFT, id="an operator says it left"),
        pytest.param(FAILED, Cause.JOIN_INTENT, FAILED, id="words of the dead"),
        pytest.param(FAILED, Cause.LIVES, ALIVE, id="it is back after a failure"),
        pytest.param(LEFT, Cause.LIVES, ALIVE, id="it is back after a leave"),
        pytest.param(LEFT, Cause.DIES, LEFT, id="it dies once"),
        pytest.param(FAILED, Cause.FORGOTTEN, None, id="failed for long"),
        pytest.param(LEFT, Cause.FORGOTTEN, None, id="left for long"),
    ],
)
def test_the_table_of_transitions(before, cause, after):
    assert next_status(before, cause) is after


def test_every_status_is_reached_and_left_again():
    reached = set(STATUS_TRANSITIONS.values())
    assert reached == {None, *MemberStatus} == {status for status, _ in STATUS_TRANSITIONS}


@pytest.mark.parametrize(
    ("before", "after"),
    [pytest.param(ALIVE, LEAVING, id="alive"), pytest.param(LEAVING, LEAVING, id="leaving"), pytest.param(LEFT, LEFT, id="left")],
)
def test_a_leave_intent_is_passed_on_without_word_to_the_host(before, after):
    scene = Scene(before, status_time=3)
    assert scene.leave(4) == PASS_ON
    assert scene.table.status("n") is after
    assert scene.table.status_time("n") == 4


def test_a_leave_intent_about_a_failed_member_tells_the_host_that_it_left():
    scene = Scene(FAILED)
    outcome = scene.leave(4)
    assert outcome.rebroadcast
    assert outcome.effects == (MemberLeft(scene.table.member("n")),)
    assert scene.table.status("n") is LEFT
    assert "n" not in scene.table.failed
    assert scene.table.departed["n"].since == 5.0, "its time runs on from its failure"


@pytest.mark.parametrize("time", [0, 3, 4])
@pytest.mark.parametrize("before", [ALIVE, LEAVING, LEFT, FAILED])
def test_an_intent_that_is_not_newer_changes_nothing(before, time):
    scene = Scene(before, status_time=4)
    assert scene.leave(time) == NOTHING
    assert scene.join(time) == NOTHING
    assert (scene.table.status("n"), scene.table.status_time("n")) == (before, 4)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(ALIVE, ALIVE, id="alive"),
        pytest.param(LEAVING, ALIVE, id="leaving"),
        pytest.param(LEFT, LEFT, id="left"),
        pytest.param(FAILED, FAILED, id="failed"),
    ],
)
def test_a_join_intent_takes_back_a_leave_intent_and_nothing_else(before, after):
    scene = Scene(before)
    assert scene.join(4) == PASS_ON
    assert scene.table.status("n") is after


def test_the_order_of_arrival_does_not_matter():
    said = [LeaveIntent(time=3, node="n"), JoinIntent(time=4, node="n"), LeaveIntent(time=5, node="n"), JoinIntent(time=2, node="n")]
    for order in itertools.permutations(said):
        scene = Scene()
        for intent in order:
            (scene.intents.leave if isinstance(intent, LeaveIntent) else scene.intents.join)(0.0, intent)
        assert scene.table.status("n") is LEAVING


def test_nobody_else_makes_us_leave():
    scene = Scene()
    assert scene.leave(9, node="me") == REFUTE
    assert scene.table.status("me") is ALIVE
    assert scene.intents.clock.time == 10, "what we answer is newer"
    scene.intents.staying = False
    assert scene.leave(10, node="me") == PASS_ON
    assert scene.table.status("me") is LEAVING


def test_an_intent_about_a_stranger_counts_when_it_comes():
    scene = Scene(None)
    assert scene.leave(6) == PASS_ON
    assert scene.leave(6) == NOTHING
    assert scene.join(5) == NOTHING
    scene.comes("n")
    scene.intents.recall(8.0, "n")
    assert (scene.table.status("n"), scene.table.status_time("n")) == (LEAVING, 6)
    assert len(scene.intents.recent) == 0


def test_the_newest_intent_about_a_stranger_counts():
    scene = Scene(None)
    scene.leave(6)
    assert scene.join(7) == PASS_ON
    scene.comes("n")
    scene.intents.recall(8.0, "n")
    assert (scene.table.status("n"), scene.table.status_time("n")) == (ALIVE, 7)


def test_intents_about_strangers_expire_and_have_a_bound():
    recent = RecentIntents()
    for number in range(RECENT_LIMIT + 10):
        recent.keep(float(number), f"n{number}", 1, leave=True)
    assert len(recent) == RECENT_LIMIT
    assert recent.take("n9") is None
    recent.expire(RECENT_LIMIT + 5.0)
    assert len(recent) == 5


@pytest.mark.parametrize("time", [LATEST_TIME + 1, (1 << 64) - 1])
@pytest.mark.parametrize("status", [ALIVE, FAILED, None])
def test_a_time_that_cannot_be_moves_no_clock_and_no_member(status, time):
    scene = Scene(status)
    assert scene.leave(time) == NOTHING
    assert scene.join(time) == NOTHING
    assert (scene.table.status("n"), scene.intents.clock.time) == (status, 1)


def test_only_a_prune_that_counts_prunes():
    assert Scene(FAILED).leave(4, prune=True).prune
    assert not Scene(FAILED, status_time=4).leave(4, prune=True).prune
    assert not Scene(None).leave(4, prune=True).prune


@given(st.lists(st.tuples(st.sampled_from(["leave", "join", "lives", "dies", "forget"]), st.sampled_from(["n", "o"]), st.integers(0, 6))))
def test_members_change_only_as_the_table_of_transitions_allows(steps):
    causes = {"leave": Cause.LEAVE_INTENT, "join": Cause.JOIN_INTENT, "lives": Cause.LIVES, "dies": Cause.DIES, "forget": Cause.FORGOTTEN}
    scene = Scene(None)
    for step, name, time in steps:
        before = scene.table.status(name)
        match step:
            case "leave":
                scene.leave(time, node=name)
            case "join":
                scene.join(time, node=name)
            case "lives":
                scene.comes(name)
            case "dies" if scene.nodes.get(name) is not None:
                scene.goes(name)
            case "forget" if scene.table.forget(name) is not None:
                scene.nodes.forget(name)
        after = scene.table.status(name)
        assert after in (before, next_status(before, causes[step]))
        departed = scene.table.departed
        assert set(scene.table.failed) == {gone for gone, record in departed.items() if record.member.status is FAILED}
        assert {member.name for member in scene.table.members()} == {n for n in ("me", "n", "o") if scene.table.status(n) is not None}
        assert len(scene.table) == len(scene.table.members())
