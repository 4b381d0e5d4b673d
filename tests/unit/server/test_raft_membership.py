"""Servers of the pool become servers of Raft: added without a vote, moved, replaced and removed by the leader."""

import asyncio
from typing import Any

import pytest
from pool_parts import address, identity, peer, server
from server_parts import DC, NODE_ID, Parts, run
from test_member_reconcile import Pool, led, settled

from muster.gossip.effects import MemberJoined, MemberLeft, MemberReaped, MemberStatus, MemberUpdated
from muster.model.errors import Rejected
from muster.raft.membership import NONVOTER, VOTER, Configuration, Member
from muster.wire.requests import DatacenterRequest, RaftRemovePeerRequest

FAILED, LEFT = MemberStatus.FAILED, MemberStatus.LEFT


def members(parts: Parts) -> dict[str, tuple[str, int]]:
    """Address and suffrage by id."""
    return {one.identity: (one.address, one.suffrage) for one in parts.consensus.configuration.members}


OWN = {NODE_ID: (address(1), VOTER)}


def test_a_server_that_joins_is_added_without_a_vote() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberJoined, server(2))
        await settled()
        assert members(parts) == {**OWN, identity(2): (address(2), NONVOTER)}

    led(body)


def test_servers_that_are_there_at_the_start_of_leadership_are_added_one_after_another() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        assert members(parts) == {**OWN, **{identity(n): (address(n), NONVOTER) for n in (2, 3, 4)}}

    led(body, server(2), server(3), server(4))


def test_a_known_server_changes_nothing() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        before = parts.consensus.configuration
        pool.becomes(MemberUpdated, server(2))
        await asyncio.sleep(130)
        assert parts.consensus.configuration is before

    led(body, server(2))


def test_a_host_that_was_set_up_anew_takes_the_place_of_what_was_at_its_address() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        voting(parts, 2)
        pool.becomes(MemberUpdated, server(2, id=identity(9)))
        await settled()
        assert members(parts) == {**OWN, identity(9): (address(2), NONVOTER)}
        removed = parts.consensus.configurations[-2]
        assert removed.member(identity(2)) is None, "the old one goes first"

    led(body, server(2))


def test_a_voter_that_moved_keeps_its_vote_at_its_new_address() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        voting(parts, 2)
        changes = len(parts.consensus.configurations)
        pool.becomes(MemberUpdated, server(2, at="127.0.0.9"))
        await settled()
        assert members(parts)[identity(2)] == ("127.0.0.9:8300", VOTER)
        assert len(parts.consensus.configurations) == changes + 1, "in one step"

    led(body, server(2))


def test_servers_that_exchanged_their_addresses_are_put_right() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberUpdated, server(2, at="127.0.0.3"))
        pool.becomes(MemberUpdated, server(3, at="127.0.0.2"))
        await settled()
        assert members(parts) == {**OWN, identity(2): (address(3), NONVOTER), identity(3): (address(2), NONVOTER)}

    led(body, server(2), server(3))


@pytest.mark.parametrize(
    ("event", "member"),
    [pytest.param(MemberLeft, server(2, LEFT), id="left"), pytest.param(MemberReaped, server(2, FAILED), id="forgotten")],
)
def test_a_server_that_is_gone_is_removed(event: type, member: Any) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(event, member)
        await settled()
        assert members(parts) == OWN
        assert parts.state.store.catalog.find_node("n2") is None

    led(body, server(2))


def test_a_server_that_left_under_an_old_id_does_not_take_its_successor_with_it() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.becomes(MemberUpdated, server(2, id=identity(9)))
        await settled()
        pool.becomes(MemberReaped, server(7, FAILED, at="127.0.0.2", id=""))
        await settled()
        assert identity(9) in members(parts)

    led(body, server(2))


def test_a_server_without_an_id_is_removed_by_its_address() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        pool.members.pop("n2")
        pool.becomes(MemberReaped, server(2, FAILED, id=""))
        await settled()
        assert members(parts) == OWN

    led(body, server(2))


def test_of_two_servers_in_bootstrap_mode_none_is_added(caplog: pytest.LogCaptureFixture) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        assert members(parts) == {**OWN, identity(3): (address(3), NONVOTER)}
        assert "Two nodes are in bootstrap mode" in caplog.text

    led(body, server(2, bootstrap="1"), server(3), server(4, bootstrap="1"))


def test_changes_asked_for_at_once_are_made_one_after_another() -> None:
    async def body(parts: Parts) -> None:
        membership = parts.server.context.membership
        await asyncio.gather(*(membership.join(peer(n)) for n in (2, 3, 4)), membership.remove("absent"))
        assert set(members(parts)) == {NODE_ID, identity(2), identity(3), identity(4)}

    run(body)


# ---- by the operator


def test_the_operator_sees_who_takes_part_and_under_which_name() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        voting(parts, 5)
        reply = (await parts.call("Operator.RaftGetConfiguration", DatacenterRequest(**DC))).value
        rows = [(one.node, one.address, one.leader, one.voter, one.protocol_version) for one in reply.servers]
        assert rows == [
            ("n1", address(1), True, True, "3"),
            ("n2", address(2), False, False, "3"),
            ("(unknown)", address(5), False, True, "unknown"),
        ]
        assert reply.index == parts.consensus.configuration_index

    led(body, server(2))


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        pytest.param("Operator.RaftRemovePeerByAddress", RaftRemovePeerRequest(address=address(2), **DC), id="by its address"),
        pytest.param("Operator.RaftRemovePeerByID", RaftRemovePeerRequest(id=identity(2), **DC), id="by its id"),
    ],
)
def test_the_operator_removes_a_server(method: str, request_: RaftRemovePeerRequest) -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        assert (await parts.call(method, request_)).value is None
        assert members(parts) == OWN

    led(body, server(2))


def test_a_refusal_of_consensus_reaches_the_operator() -> None:
    async def body(parts: Parts, pool: Pool) -> None:
        def refuses(_: str) -> asyncio.Future[None]:
            future: asyncio.Future[None] = parts.loop.create_future()
            future.set_exception(Rejected("a configuration change is already in progress"))
            return future

        parts.consensus.remove_server = refuses  # type: ignore[method-assign]
        with pytest.raises(Rejected, match="already in progress"):
            await parts.call("Operator.RaftRemovePeerByID", RaftRemovePeerRequest(id=identity(2), **DC))

    led(body, server(2))


def voting(parts: Parts, number: int) -> None:
    """Server `number` votes."""
    consensus = parts.consensus
    consensus.configuration = consensus.configuration.with_voter(identity(number), address(number))


def test_the_configuration_of_the_tests_is_one_that_raft_would_take() -> None:
    assert Configuration((Member(NODE_ID, address(1)),)).checked().with_nonvoter(identity(2), address(2)).voters() == [NODE_ID]
