"""Small pools with one thing wrong at a time, and the figures of docs/gossip.md in small."""

import pytest

from muster.gossip.effects import EventReceived, MemberStatus, QueryAnswered, QueryReceived
from muster.testing.simulation import faults, settled
from muster.testing.simulation import gossip_measures as measures
from muster.testing.simulation.engine import Simulation
from muster.testing.simulation.gossip_pool import SimulatedPool
from muster.testing.simulation.network import Link

WELL_KNOWN = 15.0  # seconds until a pool of a dozen has heard of anything


def pool_of(size: int, seed: int = 1, link: Link | None = None) -> SimulatedPool:
    pool = SimulatedPool(Simulation(seed, link))
    pool.form(size)
    return pool


def statuses(pool: SimulatedPool, name: str) -> set[MemberStatus | None]:
    """How the others see a member."""
    return {pool.status(member.name, name) for member in pool.running() if member.name != name}


def test_members_that_join_one_another_know_all():
    pool = SimulatedPool(Simulation(1))
    for name in ("a", "b", "c", "d"):
        pool.add(name)
    pool.join("b", "a")
    pool.join("c", "b")
    pool.simulation.at(1.0, pool.join, "d", "c")
    pool.simulation.run_until(WELL_KNOWN)
    assert settled.complaints(pool) == []
    assert all(len(member.serf.members()) == 4 for member in pool.running())


def test_a_member_that_cannot_join_tries_again():
    pool = SimulatedPool(Simulation(1))
    for name in ("a", "b"):
        pool.add(name)
    pool.simulation.network.partition(["a"], ["b"], until=30.0)
    pool.join("b", "a")
    pool.simulation.run_until(60.0)
    assert settled.complaints(pool) == []


def test_a_crash_is_noticed_by_all():
    pool = pool_of(12)
    pool.simulation.at(1.0, pool.crash, "n3")
    pool.simulation.run_until(40.0)
    assert statuses(pool, "n3") == {MemberStatus.FAILED}


def test_a_leave_is_seen_as_one():
    pool = pool_of(12)
    pool.simulation.at(1.0, pool.leave, "n3")
    pool.simulation.run_until(WELL_KNOWN)
    assert statuses(pool, "n3") == {MemberStatus.LEFT}


def test_who_restarts_with_nothing_is_back_above_its_old_incarnation():
    pool = pool_of(12)
    pool.simulation.at(1.0, pool.crash, "n3")
    pool.simulation.at(40.0, pool.restart, "n3", "n0")
    pool.simulation.run_until(60.0)
    assert statuses(pool, "n3") == {MemberStatus.ALIVE}
    assert pool.member("n3").serf.swim.own.incarnation > 1


def test_two_halves_find_each_other_again():
    pool = pool_of(12)
    half = [f"n{number}" for number in range(5)]
    pool.simulation.network.partition(half, [f"n{number}" for number in range(5, 12)], until=120.0)
    pool.simulation.run_until(110.0)
    assert statuses(pool, "n0") == {MemberStatus.ALIVE, MemberStatus.FAILED}
    pool.simulation.run_until(240.0)
    assert settled.complaints(pool) == []


def test_an_event_reaches_all_even_when_every_third_packet_is_lost():
    """Whom gossip leaves out hears of it in an exchange of tables."""
    pool = pool_of(12, link=Link(loss=0.3))
    heard: list[str] = []
    pool.listeners.append(lambda member, effect: heard.append(member.name) if isinstance(effect, EventReceived) else None)
    member = pool.member("n0")
    pool.simulation.at(1.0, lambda: member.command(lambda now: member.serf.user_event(now, "deploy", b"42")))
    pool.simulation.run_until(120.0)
    assert sorted(heard) == sorted(f"n{number}" for number in range(12))


def test_a_query_is_answered_by_all():
    pool = pool_of(12)
    answers: list[str] = []

    def told(member, effect):
        if isinstance(effect, QueryReceived):
            member.command(lambda now: member.serf.respond(now, effect.identity, effect.time, b"here"))
        elif isinstance(effect, QueryAnswered):
            answers.append(effect.node)

    pool.listeners.append(told)
    member = pool.member("n0")
    pool.simulation.at(1.0, lambda: member.command(lambda now: member.serf.query(now, "who", b"")[1]))
    pool.simulation.run_until(WELL_KNOWN)
    assert sorted(answers) == sorted(f"n{number}" for number in range(12))


def test_wall_clocks_may_say_what_they_like():
    prints = set()
    for jump in (0.0, 3600.0, -3600.0):
        pool = pool_of(8)
        faults.plan(pool.simulation, [faults.WallJump(2.0, 20.0, f"n{number}", jump * number) for number in range(8)])
        pool.simulation.run_until(30.0)
        prints.add(pool.simulation.trace.fingerprint())
    assert len(prints) == 1


@pytest.mark.slow  # 60 virtual seconds
def test_a_half_deaf_and_a_slow_member_harm_nobody_else():
    found = measures.sick_members(64, 60.0, seed=1)
    assert found.about_the_well == 0


@pytest.mark.slow  # ten virtual minutes, twice
@pytest.mark.parametrize("machine", [pytest.param(False, id="process"), pytest.param(True, id="machine")])
def test_a_host_that_stops_for_ten_minutes_blames_nobody_when_it_wakes(machine):
    found = measures.suspended(12, 600.0, seed=1, machine=machine)
    assert found.wrongly_failed == 0
    assert found.noticed < 30.0 and found.back < 60.0


@pytest.mark.slow  # a minute with 64 members, twice
def test_lifeguard_spares_the_living():
    with_it = measures.false_failures(64, 8, 0.05, 60.0, seed=1)
    without = measures.false_failures(64, 8, 0.05, 60.0, seed=1, settings=measures.WITHOUT_LIFEGUARD)
    assert without.about_the_well > 10 * with_it.about_the_well


@pytest.mark.slow  # five crashes, one after another
def test_a_crash_is_noticed_as_soon_as_the_formula_says():
    found = measures.detections(32, 5, seed=1)
    least = 4 * 1.505  # seconds: suspicion multiplier 4, log10 of 32
    assert all(least < one.first < least + 6.0 and one.everywhere < one.first + 2.0 for one in found)


@pytest.mark.slow  # every member of 40 restarts
def test_a_mass_restart_ends_soon_and_nobody_stays_failed():
    found = measures.mass_restart(40, 10.0, 60.0, seed=1)
    assert found.drained < 30.0 and found.complete < 30.0 and found.still_failed == 0


def test_an_idle_member_sends_a_probe_and_an_ack_each_second():
    found = measures.traffic(16, 30.0, seed=1)
    assert found.packets_a_second == pytest.approx(2.0, abs=0.1)


@pytest.mark.slow  # a thousand members
def test_a_thousand_members_fit_and_accuse_nobody():
    pool = pool_of(1000)
    failures = measures.Failures(pool)
    pool.simulation.run_until(5.0)
    assert failures.declared == []
    assert pool.simulation.network.packets > 5000
