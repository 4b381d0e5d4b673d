"""The simulation of Raft clusters itself: it can be had again, it finds planted bugs, and its loop and disk do what they say."""

import os
import random
import subprocess
import sys
from pathlib import Path

import planted_raft_bugs
import pytest

from muster.testing.disk import PowerCut
from muster.testing.simulation import raft_scenarios
from muster.testing.simulation.engine import Violation
from muster.testing.simulation.event_loop import HostLoop, HungLoop
from muster.testing.simulation.raft_cluster import RaftCluster
from muster.testing.simulation.slow_disk import DiskWorker, MachineDisk


@pytest.mark.slow  # runs one or two clusters
@pytest.mark.parametrize("plant", planted_raft_bugs.PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found_by_the_seed_that_is_known_to_find_it(plant, monkeypatch):
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        raft_scenarios.run(planted_raft_bugs.PLANTED[plant])


@pytest.mark.slow  # runs a cluster for each seed that finds something
@pytest.mark.parametrize("seed", sorted(set(planted_raft_bugs.PLANTED.values())))
def test_without_the_bugs_those_seeds_find_nothing(seed):
    raft_scenarios.run(seed)


@pytest.mark.slow  # starts two interpreters
def test_a_life_depends_on_nothing_but_its_seed():
    script = Path(__file__).parents[2] / "scripts" / "simulate"
    prints = set()
    for hashes in ("1", "2"):
        environment = dict(os.environ, PYTHONHASHSEED=hashes)
        command = [sys.executable, script, "--raft", "--seed", "1"]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True).stdout
        prints.add(said.rsplit(",", 1)[0])
    assert len(prints) == 1


def test_a_violation_names_its_seed_and_the_command_that_replays_it(monkeypatch):
    monkeypatch.setattr(RaftCluster, "boot", lambda cluster, name: cluster.simulation.violated("nobody starts"))
    with pytest.raises(Violation, match=r"seed 7, at 0\.000 s: nobody starts\n  replay: scripts/simulate --raft --seed 7"):
        raft_scenarios.run(7)


class Machine:
    """A loop and a disk on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.loop = HostLoop(lambda: self.now)
        self.disk = MachineDisk(random.Random(1), latency=1.0, jitter=0.0)
        self.worker = DiskWorker(self.loop, self.disk)
        self.done: list[object] = []

    def submit(self, job) -> None:
        self.loop.run(self.worker.submit, job, lambda result, error: self.done.append(error or result))

    def advance(self, seconds: float) -> None:
        """Time passes; everything that becomes due is done at its moment."""
        end = self.now + seconds
        while self.loop.next_deadline() <= end:
            self.now = self.loop.next_deadline()
            self.loop.run_due()
        self.now = end


def test_a_disk_does_one_job_after_another_each_in_its_time():
    machine = Machine()
    machine.submit(lambda: "first")
    machine.submit(lambda: "second")
    machine.advance(0.9)
    assert machine.done == []
    machine.advance(0.2)
    assert machine.done == ["first"]
    machine.advance(1.0)
    assert machine.done == ["first", "second"]


def test_a_disk_that_hangs_goes_on_when_it_recovers():
    machine = Machine()
    machine.submit(lambda: "first")
    machine.disk.hang()
    machine.advance(50.0)
    assert machine.done == []
    machine.disk.recover()
    assert machine.done == ["first"]


def test_of_the_job_under_way_some_operations_may_happen_when_the_process_is_killed():
    happened = set()
    for seed in range(50):
        machine = Machine()
        machine.disk = MachineDisk(random.Random(seed), latency=1.0, jitter=0.0)
        machine.worker = DiskWorker(machine.loop, machine.disk)
        files = machine.disk.files

        def write(files=files) -> None:
            file = files.open("/log", create=True)
            for offset in range(4):
                file.write(b"x", offset)

        machine.submit(write)
        machine.disk.stop_process()
        happened.add(files.open("/log").size() if "log" in files.list("/") else None)
        machine.advance(5.0)
        assert machine.done == []
    assert happened == {None, 0, 1, 2, 3, 4}


def test_what_a_machine_still_asks_of_its_disk_when_it_is_gone_fails():
    machine = Machine()
    machine.disk.stop_process()
    machine.submit(lambda: "never")
    assert isinstance(machine.done[0], OSError)


def test_a_program_that_keeps_itself_busy_without_time_passing_is_found():
    loop = HostLoop(lambda: 0.0)

    def again() -> None:
        loop.call_soon(again)

    with pytest.raises(HungLoop):
        loop.run(again)


def test_power_cut_is_no_error_that_a_program_could_catch():
    assert not issubclass(PowerCut, Exception)


def test_tasks_of_a_machine_that_is_gone_end_and_reach_nobody():
    loop, said = HostLoop(lambda: 0.0), []

    async def work() -> None:
        try:
            await loop.create_future()
        finally:
            said.append("ended")

    loop.run(lambda: loop.create_task(work()))
    loop.end()
    assert said == ["ended"]
    assert loop.next_deadline() == float("inf")
