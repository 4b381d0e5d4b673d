"""The disk of a simulated machine: it takes its time, hangs, fails, fills up, and forgets what was not synced when the power is cut."""

import random
from collections import deque

from muster.storage.disk_thread import Done, Job
from muster.testing.disk import FaultyDisk, PowerCut
from muster.testing.simulation.event_loop import HostLoop

CUT_WITHIN = 6  # operations of the job under way that may still happen before the power is gone


class MachineDisk:
    """What outlives the process. Times in seconds; a job takes `latency` and an exponential `jitter` on top."""

    def __init__(self, chance: random.Random, latency: float = 0.0005, jitter: float = 0.0005) -> None:
        self.files = FaultyDisk()
        self.latency, self.jitter = latency, jitter
        self.slowness = 1.0
        self.hangs = False
        self._chance = chance
        self._worker: DiskWorker | None = None

    def attach(self, worker: "DiskWorker") -> None:
        """A process uses it."""
        self._worker = worker

    def duration(self) -> float:
        """How long the next job takes."""
        return self.slowness * (self.latency + self.jitter * self._chance.expovariate(1.0))

    def hang(self) -> None:
        """No job ends until `recover`."""
        self.hangs = True

    def recover(self) -> None:
        """Nothing is wrong with it any more; what hung goes on."""
        self.hangs, self.slowness = False, 1.0
        self.files.fail_sync, self.files.full_after = False, None
        if self._worker is not None:
            self._worker.go_on()

    def stop_process(self) -> None:
        """The process is killed: what it wrote stays in the system's cache; the job under way may be half done."""
        if self._worker is not None:
            self._worker.cut(self._chance)
            self._worker = None
        self.files.cut_at = None

    def cut_power(self) -> None:
        """The machine stops: what was not synced is lost, or torn."""
        self.stop_process()
        self.files = self.files.crash(self._chance)


class DiskWorker:
    """See `muster.storage.disk_thread.Worker`: one job after another, each done at the end of its time."""

    def __init__(self, loop: HostLoop, disk: MachineDisk) -> None:
        self._loop, self._disk = loop, disk
        self._jobs: deque[tuple[Job, Done]] = deque()
        self._working = self._held = self._gone = False
        disk.attach(self)

    def submit(self, job: Job, done: Done) -> None:
        """See Worker."""
        if self._gone:
            self._loop.call_soon(done, None, OSError("the machine is gone"))
            return
        self._jobs.append((job, done))
        if not self._working:
            self._begin()

    async def close(self) -> None:
        """See Worker."""

    def go_on(self) -> None:
        """The disk no longer hangs."""
        if self._held:
            self._held = False
            self._loop.run(self._work)

    def cut(self, chance: random.Random) -> None:
        """Nothing more is done; of the job under way some operations, perhaps."""
        self._gone = True
        if self._working and self._jobs:
            files = self._disk.files
            files.cut_at = files.operations + chance.randint(0, CUT_WITHIN)
            try:
                self._jobs[0][0]()
            except (PowerCut, OSError):
                pass  # nobody is left to be told
        self._jobs.clear()

    def _begin(self) -> None:
        self._working = True
        self._loop.call_later(self._disk.duration(), self._work)

    def _work(self) -> None:
        if self._gone:
            return
        if self._disk.hangs:
            self._held = True
            return
        job, done = self._jobs.popleft()
        try:
            result, error = job(), None
        except AssertionError:
            raise  # a violation that a look at the disk has found
        except Exception as failure:  # noqa: BLE001 - as in DiskThread: whoever submitted the job is told
            result, error = None, failure
        self._working = bool(self._jobs)
        if self._jobs:
            self._begin()
        self._loop.call_soon(done, result, error)
