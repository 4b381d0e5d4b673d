"""The engine alone, with toy processes: time, order, faults, streams, and that a seed is all one needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_processes import Beacon

from muster.testing.simulation.engine import Simulation, Violation
from muster.testing.simulation.faults import DRAWS, end_all, plan, random_faults
from muster.testing.simulation.host import Host
from muster.testing.simulation.network import Link
from muster.testing.simulation.schedule import Schedule

EXACT = Link(delay=0.01, jitter=0.0)


def pair(seed: int = 1, link: Link = EXACT) -> tuple[Simulation, Beacon, Beacon]:
    """A host that sends a packet each second, and one that listens."""
    simulation = Simulation(seed, link)
    listener = simulation.add_host("listener", "b", lambda host: Beacon(host, []))
    sender = simulation.add_host("sender", "a", lambda host: Beacon(host, ["b"]))
    return simulation, process_of(sender), process_of(listener)


def process_of(host: Host) -> Beacon:
    assert isinstance(host.process, Beacon)
    return host.process


def numbers(beacon: Beacon) -> list[int]:
    return [int(data) for _, data in beacon.received]


def test_actions_happen_by_time_and_then_in_the_order_they_were_asked_for():
    schedule, done = Schedule(), []
    for time, name in ((2.0, "c"), (1.0, "a"), (1.0, "b")):
        schedule.at(time, done.append, name)
    schedule.at(1.0, schedule.at, 0.5, done.append, "late")
    schedule.run_until(5.0)
    assert (done, schedule.now) == (["a", "b", "late", "c"], 5.0)


def test_packets_arrive_after_the_links_delay():
    simulation, _, listener = pair()
    simulation.run_until(3.5)
    assert listener.received == [(pytest.approx(1.01), b"1"), (pytest.approx(2.01), b"2"), (pytest.approx(3.01), b"3")]


def test_hosts_have_clocks_of_their_own():
    simulation, sender, _ = pair()
    simulation.run_until(10.0)
    local = sender.host.clock.monotonic()
    assert local == pytest.approx(sender.ticks[-1])
    assert abs(local - simulation.now) > 1.0


def test_a_clock_that_runs_fast_makes_its_host_tick_more_often():
    simulation, sender, _ = pair()
    sender.host.clock.drift(1.1)
    sender.host.wait_anew()
    simulation.run_until(100.5)
    assert sender.sent == 110


def test_a_lossy_link_loses_about_its_share():
    simulation, sender, listener = pair(link=Link(loss=0.2))
    simulation.run_until(2000.0)
    assert 0.77 < len(listener.received) / sender.sent < 0.83


def test_a_repeating_link_delivers_some_packets_twice():
    simulation, sender, listener = pair(link=Link(duplication=0.25))
    simulation.run_until(2000.0)
    assert 1.2 < len(listener.received) / sender.sent < 1.3


def test_a_reordering_link_lets_packets_overtake_each_other():
    simulation, _, listener = pair(link=Link(reordering=0.3, reordered_by=5.0))
    simulation.run_until(200.0)
    assert numbers(listener) != sorted(numbers(listener))
    assert len(set(numbers(listener))) == len(listener.received)


def test_a_one_way_cut_stops_one_way_until_its_end():
    simulation, sender, listener = pair()
    simulation.network.cut(["sender"], ["listener"], until=3.5)
    simulation.run_until(5.5)
    assert numbers(listener) == [4, 5]
    listener.host.send("a", (b"0",), 1)
    simulation.network.cut(["sender"], ["listener"])
    simulation.run_until(6.5)
    assert sender.received


def test_a_partition_stops_both_ways_and_heals():
    simulation, sender, listener = pair()
    simulation.network.partition(["sender"], ["listener"], until=2.5)
    simulation.at(2.0, lambda: listener.host.send("a", (b"0",), 1))
    simulation.run_until(3.5)
    assert numbers(listener) == [3]
    assert not sender.received


def test_a_link_can_be_bad_for_one_pair_only():
    simulation, _, listener = pair()
    simulation.network.links["sender", "listener"] = Link(delay=0.5, jitter=0.0)
    simulation.run_until(1.6)
    assert listener.received == [(pytest.approx(1.5), b"1")]


def test_a_crashed_host_hears_nothing_and_starts_anew_with_nothing():
    simulation, sender, listener = pair()
    simulation.at(1.5, sender.host.crash)
    simulation.at(4.2, sender.host.start)
    simulation.run_until(6.5)
    assert numbers(listener) == [1, 1, 2]
    assert process_of(sender.host) is not sender


def test_a_paused_host_reads_its_inbox_when_it_goes_on():
    simulation, _, listener = pair()
    listener.host.inbox_limit = 3
    simulation.at(0.5, listener.host.pause)
    simulation.at(9.5, listener.host.resume)
    simulation.run_until(9.8)
    assert numbers(listener) == [1, 2, 3]
    assert {time for time, _ in listener.received} == {9.5}


def test_a_suspended_machine_does_not_notice_how_long_it_slept():
    simulation, sender, _ = pair()
    simulation.at(2.5, sender.host.pause, True)
    simulation.at(602.5, sender.host.resume)
    simulation.run_until(603.2)
    assert sender.ticks == pytest.approx([sender.ticks[0] + step for step in range(3)])


def test_a_suspended_machine_that_starts_anew_has_its_clock_again():
    simulation, sender, listener = pair()
    sender.host.pause(clock_stops=True)
    sender.host.start()
    simulation.run_until(2.5)
    assert numbers(listener) == [1, 2]


def test_a_stopped_process_sees_that_its_deadline_is_long_past():
    simulation, sender, _ = pair()
    simulation.at(2.5, sender.host.pause)
    simulation.at(12.6, sender.host.resume)
    simulation.run_until(12.7)
    assert sender.sent == 12


def test_a_slow_host_handles_one_thing_after_another():
    simulation, _, listener = pair()
    listener.host.service_time = 0.4
    for _ in range(3):
        simulation.at(0.1, lambda: simulation.hosts["sender"].send("b", (b"7",), 1))
    simulation.run_until(0.9)
    assert [time for time, _ in listener.received] == pytest.approx([0.51])
    simulation.run_until(1.4)
    assert [time for time, _ in listener.received] == pytest.approx([0.51, 0.91, 1.31])


def test_a_slow_host_is_late_with_its_timers_too():
    simulation, sender, listener = pair()
    sender.host.service_time = 0.3
    simulation.run_until(1.2)
    assert not listener.received
    simulation.run_until(1.4)
    assert numbers(listener) == [1]


def test_a_deaf_host_sends_and_a_mute_one_receives():
    simulation, sender, listener = pair()
    sender.host.deaf = True
    simulation.run_until(1.5)
    listener.host.send("a", (b"0",), 1)
    simulation.run_until(1.9)
    sender.host.mute = True
    simulation.run_until(2.5)
    assert numbers(listener) == [1]
    assert not sender.received


def test_a_clogged_host_keeps_time_but_its_packets_wait():
    simulation, sender, listener = pair()
    simulation.at(0.5, sender.host.clog)
    simulation.at(0.6, lambda: listener.host.send("a", (b"0",), 1))
    simulation.at(0.7, sender.ask, "b", b"hello")
    simulation.run_until(2.5)
    assert len(sender.ticks) == 2
    assert not listener.received and not sender.received and not sender.told
    sender.host.unclog()
    simulation.run_until(2.6)
    assert [data for _, data in listener.received] == [b"1", b"2", b"hello"]
    assert numbers(sender) == [0] and sender.told == ["re:hello"]


def test_a_host_that_moved_is_reached_at_its_new_address_only():
    simulation, _, listener = pair()
    simulation.move(listener.host, "c")
    simulation.run_until(1.5)
    assert not listener.received
    simulation.hosts["sender"].send("c", (b"9",), 1)
    simulation.run_until(1.6)
    assert numbers(listener) == [9]


def test_a_stream_brings_a_request_and_its_answer_even_over_a_lossy_link():
    simulation, sender, _ = pair(link=Link(loss=0.3))
    sender.ask("b", b"hello", timeout=60.0)
    simulation.run_until(59.0)
    assert sender.told == ["re:hello"]


def test_a_stream_that_is_closed_without_an_answer_fails():
    simulation, sender, _ = pair()
    sender.ask("b", b"close")
    simulation.run_until(1.0)
    assert sender.told == ["failed"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda simulation: simulation.network.cut(["sender"], ["listener"]), id="cut on the way there"),
        pytest.param(lambda simulation: simulation.network.cut(["listener"], ["sender"]), id="cut on the way back"),
        pytest.param(lambda simulation: simulation.hosts["listener"].crash(), id="dead"),
        pytest.param(lambda simulation: simulation.hosts["listener"].pause(), id="paused"),
        pytest.param(lambda simulation: setattr(simulation.hosts["listener"], "deaf", True), id="deaf"),
        pytest.param(lambda simulation: setattr(simulation.hosts["sender"], "mute", True), id="mute"),
        pytest.param(lambda simulation: simulation.move(simulation.hosts["listener"], "c"), id="gone"),
        pytest.param(lambda simulation: setattr(simulation.hosts["listener"], "service_time", 11.0), id="too slow"),
    ],
)
def test_a_stream_fails_when_its_time_is_over(wrong):
    simulation, sender, _ = pair()
    wrong(simulation)
    sender.ask("b", b"hello", timeout=10.0)
    simulation.run_until(9.9)
    assert sender.told == []
    simulation.run_until(30.0)
    assert sender.told == ["failed"]


def test_a_dead_process_on_a_living_machine_refuses_at_once():
    simulation, sender, listener = pair()
    listener.host.refuses = True
    listener.host.crash()
    sender.ask("b", b"hello")
    simulation.run_until(0.1)
    assert sender.told == ["failed"]


def test_a_stream_tells_nothing_to_a_later_life_of_the_process():
    simulation, sender, _ = pair()
    sender.ask("b", b"hello")
    sender.host.crash()
    sender.host.start()
    simulation.run_until(20.0)
    assert sender.told == [] and process_of(sender.host).told == []


def test_a_process_whose_deadline_does_not_move_is_a_violation():
    simulation = Simulation(3)

    class Hung(Beacon):
        def tick(self, now: float) -> None:
            pass

    simulation.add_host("hung", "a", lambda host: Hung(host, ["a"]))
    with pytest.raises(Violation, match=r"seed 3, at 1\.000 s: hung stands still"):
        simulation.run_until(5.0)


def test_an_exception_carries_the_command_that_replays_it():
    simulation = Simulation(3, replay="scripts/simulate --seed 3")
    simulation.at(1.5, lambda: [][0])
    with pytest.raises(IndexError) as caught:
        simulation.run_until(5.0)
    assert caught.value.__notes__ == ["seed 3, at 1.500 s\n  replay: scripts/simulate --seed 3"]


def test_running_while_a_condition_holds_stops_at_the_moment_it_does_not():
    simulation, _, listener = pair()
    assert simulation.run_while(lambda: len(listener.received) < 2, end=10.0)
    assert simulation.now == pytest.approx(2.01)
    assert not simulation.run_while(lambda: len(listener.received) < 99, end=10.0)
    assert simulation.now == 10.0


def faulty_run(seed: int) -> Simulation:
    """Ten beacons under every kind of fault."""
    simulation = Simulation(seed)
    names = [f"n{number}" for number in range(10)]
    for name in names:
        simulation.add_host(name, name, lambda host: Beacon(host, [other for other in names if other != host.name], 0.3))
    plan(simulation, random_faults(simulation.chance, names, 0.0, 20.0, 40))
    for number in range(20):
        simulation.at(number, lambda: process_of(running(simulation)).ask(simulation.chance.choice(names), b"hello"))
    simulation.at(20.0, end_all, simulation)
    simulation.run_until(30.0)
    return simulation


def running(simulation: Simulation) -> Host:
    return next(host for host in simulation.hosts.values() if host.process is not None)


def test_every_kind_of_fault_can_be_drawn_and_ends():
    simulation = Simulation(5)
    names = [f"n{number}" for number in range(6)]
    for name in names:
        simulation.add_host(name, name, lambda host: Beacon(host, [other for other in names if other != host.name], 0.3))
    for kind in DRAWS:
        plan(simulation, random_faults(simulation.chance, names, 0.0, 10.0, 3, [kind]))
    simulation.run_until(11.0)
    end_all(simulation)
    before = {name: len(process_of(host).received) for name, host in simulation.hosts.items()}
    simulation.run_until(21.0)
    for name, host in simulation.hosts.items():
        assert len(process_of(host).received) - before[name] in range(5 * 32, 5 * 36)


def test_a_seed_gives_the_same_run_each_time_and_another_seed_another():
    first, second, other = faulty_run(11), faulty_run(11), faulty_run(12)
    assert first.trace.fingerprint() == second.trace.fingerprint() != other.trace.fingerprint()
    assert first.schedule.done == second.schedule.done


@pytest.mark.slow  # starts two interpreters
def test_a_run_does_not_depend_on_the_order_of_hashes():
    program = "from test_engine import faulty_run; print(faulty_run(11).trace.fingerprint())"
    prints = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent,
            env=dict(os.environ, PYTHONHASHSEED=seed),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1
