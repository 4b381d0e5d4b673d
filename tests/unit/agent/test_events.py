"""User events: who they are for, and what an answer's index is."""

import pytest

from muster.agent.events import KEPT, UserEvent, UserEvents, concerns, event_index, matcher, uuid_index, validate
from muster.model.catalog import NodeService
from muster.model.errors import Rejected

SERVICES = [NodeService(id="w", service="web", tags=["blue", "v1"]), NodeService(id="d", service="db")]


@pytest.mark.parametrize(
    ("filters", "is_for_us"),
    [
        pytest.param({}, True, id="for all"),
        pytest.param({"node_filter": "^n1$"}, True, id="this node"),
        pytest.param({"node_filter": "n2"}, False, id="another node"),
        pytest.param({"service_filter": "we"}, True, id="a service by a part of its name"),
        pytest.param({"service_filter": "cache"}, False, id="no such service"),
        pytest.param({"service_filter": "web", "tag_filter": "blu."}, True, id="a tag"),
        pytest.param({"service_filter": "db", "tag_filter": "blue"}, False, id="the tag of another service"),
        pytest.param({"node_filter": "n2", "service_filter": "web"}, False, id="all filters must match"),
        pytest.param({"version": 2}, False, id="from the future"),
        pytest.param({"node_filter": "(" }, False, id="makes no sense"),
    ],
)  # fmt: skip
def test_an_event_is_for_those_that_its_filters_match(filters: dict[str, object], is_for_us: bool) -> None:
    assert concerns(UserEvent(name="deploy", **filters), "n1", SERVICES) is is_for_us


@pytest.mark.parametrize(
    ("event", "text"),
    [
        pytest.param(UserEvent(), "User event missing name", id="no name"),
        pytest.param(UserEvent(name="x", tag_filter="t"), "Cannot provide tag filter without service filter", id="a lonely tag"),
        pytest.param(
            UserEvent(name="x", node_filter="**"),
            "Invalid node filter: error parsing regexp: missing argument to repetition operator: `*`",
            id="no expression",
        ),
        pytest.param(UserEvent(name="x", service_filter="("), "Invalid service filter: error parsing regexp: missing closing ): `(`", id="open group"),
        pytest.param(UserEvent(name="x", service_filter="a(?=b)"), "Invalid service filter: error parsing regexp: invalid or unsupported Perl syntax: `(?=`", id="look-ahead"),
    ],
)  # fmt: skip
def test_an_event_that_makes_no_sense_is_refused_in_the_peers_words(event: UserEvent, text: str) -> None:
    with pytest.raises(Rejected) as refused:
        validate(event)
    assert str(refused.value) == text


def test_no_expression_of_a_user_stalls_the_agent() -> None:
    assert not matcher("(a+)+$")("a" * 1000 + "b")


def test_the_index_is_a_hash_of_the_newest_events_id() -> None:
    assert uuid_index("722a7513-cb5c-c08f-7e0b-3d3a90299291") == 874059145151861278
    assert event_index([]) == 1


def test_the_newest_256_are_kept() -> None:
    events = UserEvents()
    for number in range(300):
        events.add(UserEvent(name=str(number)))
    assert len(events.events) == KEPT
    assert events.named()[0].name == "44"
    assert [event.name for event in events.named("299")] == ["299"]
