"""Which server of another datacenter is asked next."""

import math
import random

from muster.agent.remote_datacenter import FAILING_SECONDS, RemoteDatacenter
from muster.gossip.effects import Member, MemberStatus

TAGS = {"role": "consul", "dc": "west", "port": "8300", "vsn": "2", "build": "1.8.7:"}
NEAR, AS_NEAR, FAR = 0.010, 0.0105, 0.050  # seconds


def member(last: int, status: MemberStatus = MemberStatus.ALIVE) -> Member:
    return Member(f"s{last}.west", (bytes((10, 0, 0, last)), 8302), TAGS, status, b"\x01\x05\x02\x02\x05\x04")


def address(last: int) -> str:
    return f"10.0.0.{last}:8300"


def west(*distances: float, seed: int = 1) -> RemoteDatacenter:
    """Servers 1, 2, … at these distances."""
    known = {f"s{last}.west": distance for last, distance in enumerate(distances, 1)}
    made = RemoteDatacenter(random.Random(seed), lambda name: known[name])
    for last in range(1, len(distances) + 1):
        made.heard(member(last))
    return made


def first(servers: RemoteDatacenter, now: float = 0.0) -> str:
    found = servers.first(now)
    assert found is not None
    return found.address


def test_the_nearest_is_asked() -> None:
    assert {first(west(FAR, NEAR, FAR, seed=seed)) for seed in range(20)} == {address(2)}


def test_those_about_as_near_share_by_chance() -> None:
    assert {first(west(AS_NEAR, NEAR, FAR, seed=seed)) for seed in range(20)} == {address(1), address(2)}


def test_all_share_where_no_distance_is_known() -> None:
    assert {first(west(math.inf, math.inf, seed=seed)) for seed in range(20)} == {address(1), address(2)}


def test_one_that_failed_comes_after_the_others_for_a_while() -> None:
    servers = west(NEAR, FAR)
    servers.failed(address(1), now=100.0)
    assert first(servers, 100.0) == address(2)
    assert first(servers, 100.0 + FAILING_SECONDS) == address(1)
    servers.failed(address(1), now=200.0)
    servers.answered(address(1))
    assert first(servers, 200.0) == address(1)


def test_where_all_failed_the_one_that_failed_first_is_asked_again() -> None:
    servers = west(NEAR, FAR)
    servers.failed(address(2), now=100.0)
    servers.failed(address(1), now=101.0)
    assert first(servers, 102.0) == address(2)


def test_one_that_the_pool_holds_for_failed_is_asked_only_where_there_is_no_better() -> None:
    servers = west(NEAR, FAR)
    servers.heard(member(1, MemberStatus.FAILED))
    assert first(servers) == address(2)
    assert servers.seems_up
    servers.heard(member(2, MemberStatus.FAILED))
    assert first(servers) in (address(1), address(2))
    assert not servers.seems_up


def test_one_that_left_or_was_forgotten_is_not_asked() -> None:
    servers = west(NEAR, FAR)
    servers.heard(member(1, MemberStatus.LEFT))
    assert first(servers) == address(2)
    servers.heard(member(2, MemberStatus.FAILED), forgotten=True)
    assert servers.first(0.0) is None
    assert len(servers) == 0


def test_a_server_that_comes_back_ends_being_offline() -> None:
    servers = west(NEAR)
    servers.offline = True
    servers.heard(member(1, MemberStatus.FAILED))
    assert servers.offline
    servers.heard(member(1))
    assert not servers.offline
