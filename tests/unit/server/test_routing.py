"""Which server answers a call: every case of the one decision."""

from typing import Any

import pytest
from pool_parts import server

from muster.gossip.effects import MemberStatus
from muster.server.routing import Routing, Way
from muster.server.server_members import ServerMembers

OWN = "127.0.0.1:8300"
OTHER = "127.0.0.2:8300"


class Standing:
    """What consensus says of itself."""

    def __init__(self, leads: bool = False, leader: str = "", heard: float | None = None) -> None:
        self._leads, self._leader, self._heard = leads, leader, heard

    def is_leader(self) -> bool:
        return self._leads

    def leader_address(self) -> str:
        return self._leader

    def last_contact(self) -> float | None:
        return self._heard


FOLLOWS = {"leader": OTHER, "heard": 0.1}
ALONE = {"heard": 9.0}
NEW: dict[str, Any] = {}

CASES = [
    pytest.param({"leads": True, "heard": 0.0}, "dc1", False, True, Way.HERE, "", id="a ready leader answers"),
    pytest.param(
        {"leads": True, "leader": OWN, "heard": 0.0}, "dc1", False, False, Way.HOLD, "", id="a leader that is not ready yet lets it wait"
    ),
    pytest.param({"leads": True, "heard": 0.0}, "dc1", True, False, Way.STALE, "", id="but not a stale read"),
    pytest.param(FOLLOWS, "dc1", False, False, Way.LEADER, OTHER, id="a follower passes it on"),
    pytest.param(FOLLOWS, "dc1", True, False, Way.STALE, "", id="a follower answers a stale read"),
    pytest.param(ALONE, "dc1", False, False, Way.HOLD, "", id="without a leader it waits"),
    pytest.param(ALONE, "dc1", True, False, Way.STALE, "", id="a stale read does not, once a leader was heard"),
    pytest.param(NEW, "dc1", True, False, Way.HOLD, "", id="a stale read waits where none ever was"),
    pytest.param({"leader": "127.0.0.3:8300", "heard": 0.1}, "dc1", False, False, Way.HOLD, "", id="a leader that the pool has lost"),
    pytest.param({"leader": "127.0.0.9:8300", "heard": 0.1}, "dc1", False, False, Way.HOLD, "", id="a leader that the pool never knew"),
    pytest.param({"leader": "localhost:8300", "heard": 0.1}, "dc1", False, False, Way.HOLD, "", id="a leader of another spelling"),
    pytest.param(FOLLOWS, "dc2", True, False, Way.AWAY, "", id="another datacenter"),
    pytest.param(FOLLOWS, "", False, True, Way.AWAY, "", id="no datacenter is not the own one"),
]


@pytest.mark.parametrize(("standing", "datacenter", "stale", "ready", "way", "address"), CASES)
def test_a_call_goes_where_it_can_be_answered(
    standing: dict[str, Any], datacenter: str, stale: bool, ready: bool, way: Way, address: str
) -> None:
    route = routing(standing).decide(datacenter, stale, ready)
    assert (route.way, route.address) == (way, address)


def routing(standing: dict[str, Any]) -> Routing:
    members = [server(1), server(2), server(3, MemberStatus.FAILED)]
    return Routing("dc1", Standing(**standing), ServerMembers(lambda: members, "dc1"))  # type: ignore[arg-type]  # it asks no more


@pytest.mark.parametrize("standing", [pytest.param(FOLLOWS, id="a follower"), pytest.param(ALONE, id="without a leader")])
def test_a_server_that_leaves_refuses_all_but_stale_reads(standing: dict[str, Any]) -> None:
    leaving = routing(standing)
    leaving.leaving = True
    assert leaving.decide("dc1", False, False).way is Way.REFUSE
    assert leaving.decide("dc1", True, False).way is Way.STALE
