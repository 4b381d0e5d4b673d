"""Status: what every server tells of its part in Raft, with a leader and without."""

from typing import Any

import pytest
from pool_parts import address
from server_parts import Parts, run

from muster.raft.membership import Configuration
from muster.wire.requests import DatacenterRequest


def status(name: str, prepare: Any) -> Any:
    found: list[Any] = []

    async def body(parts: Parts) -> None:
        prepare(parts)
        found.append((await parts.call(f"Status.{name}", DatacenterRequest())).value)

    run(body)
    return found[0]


def follows(parts: Parts, heard: float | None = 0.0123, leader: int = 2) -> None:
    parts.consensus.leads = False
    parts.server.leadership(False)
    parts.consensus.contact = heard
    parts.consensus.leader_elsewhere = address(leader) if leader else ""


def test_a_follower_names_the_leader_it_knows_and_nobody_else() -> None:
    assert status("Leader", follows) == address(2)
    assert status("Leader", lambda parts: follows(parts, leader=0)) == ""


def test_there_are_no_peers_before_there_is_a_configuration() -> None:
    assert status("Peers", lambda parts: setattr(parts.consensus, "configuration", Configuration())) == []


def test_peers_that_do_not_vote_are_peers() -> None:
    def prepare(parts: Parts) -> None:
        parts.consensus.configuration = parts.consensus.configuration.with_nonvoter("x", address(2))

    assert status("Peers", prepare) == [address(1), address(2)]


@pytest.mark.parametrize(
    ("prepare", "contact"),
    [
        pytest.param(lambda _: None, "0", id="the leader"),
        pytest.param(follows, "12.3ms", id="a follower"),
        pytest.param(lambda parts: follows(parts, heard=0.0), "0s", id="a follower that hears it now"),
        pytest.param(lambda parts: follows(parts, heard=None), "never", id="a server that never heard one"),
    ],
)
def test_the_last_contact_is_told_as_the_peers_do(prepare: Any, contact: str) -> None:
    found = status("RaftStats", prepare)
    assert found.last_contact == contact
    assert found.last_index > 0
    assert found.last_term == 1


@pytest.mark.parametrize(
    ("prepare", "contact", "state"),
    [
        pytest.param(lambda _: None, "0", "Leader", id="the leader"),
        pytest.param(follows, "12.3ms", "Follower", id="a follower"),
    ],
)
def test_the_agent_shows_the_same(prepare: Any, contact: str, state: str) -> None:
    async def body(parts: Parts) -> None:
        prepare(parts)
        shown = parts.server.statistics()["raft"]
        assert (shown["last_contact"], shown["state"]) == (contact, state)

    run(body)
