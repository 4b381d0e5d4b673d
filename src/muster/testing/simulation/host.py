"""A simulated host: its process, its clock, its inbox, and what is wrong with it."""

import math
import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from muster.testing.simulation.clock import HostClock
from muster.testing.simulation.process import Address, Packet, Process
from muster.testing.simulation.streams import Answered, Failed, Stream

if TYPE_CHECKING:
    from muster.testing.simulation.engine import Simulation

MakeProcess = Callable[["Host"], Process]
Job = Callable[[], None]

STANDSTILL = 1000  # ticks at one moment before a process counts as hung


class Host:
    """One machine with one process, which it starts, feeds, holds up and kills.

    Faults: `service_time` seconds for each packet, stream and tick, one after another (a slow processor); `deaf` receives nothing,
    `mute` sends nothing; `clogged`: what is sent and received waits, timers go on; `inbox_limit` packets wait at most, the rest is lost;
    `refuses` connections when its process is dead (else they hang).
    """

    def __init__(self, simulation: "Simulation", index: int, name: str, address: Address, make: MakeProcess) -> None:
        self.simulation = simulation
        self.index = index
        self.name = name
        self.address = address
        self.make = make
        self.chance = random.Random(simulation.chance.getrandbits(64))
        self.clock = HostClock(lambda: simulation.schedule.now, start=simulation.chance.uniform(1.0, 1e6))
        self.process: Process | None = None
        self.life = 0  # counts starts, so that what was meant for a former process is dropped
        self.service_time = 0.0
        self.inbox_limit = 4096
        self.deaf = False
        self.mute = False
        self.refuses = False
        self.paused = False
        self.clogged = False
        self.hindered_at = -math.inf  # when it was last paused, or late because it is slow
        self.packets_sent = 0
        self.bytes_sent = 0
        self._inbox: deque[Job] = deque()
        self._outbox: list[Job] = []
        self._working = False
        self._wake_at = math.inf
        self._stuck = (0.0, 0)

    def start(self) -> None:
        """Start a new process, which knows nothing of a former one."""
        self.life += 1
        self._forget_work()
        self.paused = self.clogged = False
        self.clock.wake()
        self.process = self.make(self)
        self.reschedule()

    def crash(self) -> None:
        """The process is gone at once, with all it had in memory; what waits to be read is lost."""
        self.process = None
        self.life += 1
        self._forget_work()

    def _forget_work(self) -> None:
        self._inbox.clear()
        self._outbox.clear()
        self._working = False
        self._wake_at = math.inf

    def pause(self, clock_stops: bool = False) -> None:
        """Nothing runs until `resume`; packets wait in the inbox. With `clock_stops` the machine is suspended, not only the process."""
        self.paused = True
        if clock_stops:
            self.clock.suspend()

    def resume(self) -> None:
        """Go on: with what has become due first, or with what has arrived, as chance has it."""
        if not self.paused:
            return
        self.paused = False
        self.hindered_at = self.simulation.now
        self.clock.wake()
        self._wake_at = math.inf
        if self.chance.random() < 0.5:
            self._work_soon()
            self.reschedule()
        else:
            self.reschedule()
            self._work_soon()

    def clog(self) -> None:
        """What is sent and received waits until `unclog`."""
        self.clogged = True

    def unclog(self) -> None:
        """All that waits goes on its way."""
        if self.clogged:
            self.clogged = False
            self.hindered_at = self.simulation.now
            waiting, self._outbox = self._outbox, []
            for send in waiting:
                send()
            self._work_soon()

    def send(self, to: Address, packet: Packet, size: int) -> None:
        """Send a packet that takes `size` bytes on the wire."""
        if self.mute:
            return
        self.packets_sent += 1
        self.bytes_sent += size
        if self.clogged:
            self.send_later(lambda: self.simulation.network.send(self, to, packet))
        else:
            self.simulation.network.send(self, to, packet)

    def send_later(self, send: Job) -> None:
        """Send something once the host is no longer clogged."""
        self._outbox.append(send)

    def ask(self, to: Address, request: bytes, timeout: float, answered: Answered, failed: Failed) -> None:
        """Open a stream, send a request and wait `timeout` seconds for its answer."""
        self.bytes_sent += len(request)
        target = self.simulation.network.hosts.get(to)
        if target is None or self.mute:
            self.simulation.schedule.after(timeout, self.told, self.life, failed)
        else:
            Stream(self, target, request, answered, failed).open(timeout)

    def arrived(self, sender: Address, packet: Packet) -> None:
        """A packet reached the machine."""
        if self.process is None or self.deaf:
            return
        if self.paused or self.service_time or self.clogged or self._inbox:
            if len(self._inbox) < self.inbox_limit:
                self._queue(lambda: self._receive(sender, packet))
        else:
            self._receive(sender, packet)
            self.reschedule()

    def asked(self, stream: Stream) -> None:
        """A stream's request reached the machine."""
        if not self.deaf:
            self._do_in_turn(lambda: self._answer(stream))

    def told(self, life: int, what: Callable[..., None], *arguments: object) -> None:
        """Tell the process what came of something it had asked for, if it still lives."""
        if life == self.life and self.process is not None:
            self._do_in_turn(lambda: what(self.clock.monotonic(), *arguments))

    def _do_in_turn(self, job: Job) -> None:
        if self.process is None:
            return
        if self.paused or self.service_time or self.clogged or self._inbox:
            self._queue(job)
        else:
            job()
            self.reschedule()

    def _queue(self, job: Job) -> None:
        self._inbox.append(job)
        self._work_soon()

    def _work_soon(self) -> None:
        if self._inbox and not self._working and not self.paused and not self.clogged:
            self._working = True
            self.simulation.schedule.after(self.service_time, self._work, self.life)

    def _work(self, life: int) -> None:
        """Do the oldest job; the others follow, each after its service time."""
        if life != self.life or self.process is None:
            return
        self._working = False
        if self.paused or self.clogged or not self._inbox:
            return
        if self.service_time:
            self.hindered_at = self.simulation.now
        job = self._inbox.popleft()
        self._work_soon()
        job()
        self.reschedule()

    def _receive(self, sender: Address, packet: Packet) -> None:
        process, simulation = self.process, self.simulation
        if process is not None:
            now = simulation.schedule.now
            simulation.trace.note(b"p", now, self.index, packet)
            process.receive(self.clock.local(now), sender, packet)

    def _answer(self, stream: Stream) -> None:
        process, simulation = self.process, self.simulation
        if process is not None:
            now = simulation.schedule.now
            simulation.trace.note(b"s", now, self.index, (stream.request,))
            answer = process.answer(self.clock.local(now), stream.sender, stream.request)
            self.bytes_sent += len(answer or b"")
            stream.answer(answer)

    def wait_anew(self) -> None:
        """The clock changed its rate: what was known of the next deadline counts no more."""
        self._wake_at = math.inf
        self.reschedule()

    def reschedule(self) -> None:
        """Look when the process wants to be woken. To be called after anything was asked of it from outside, too."""
        if self.process is None or self.paused:
            return
        at = self.clock.world(self.process.next_deadline())
        if at < self._wake_at:
            self._wake_at = max(at, self.simulation.schedule.now)
            self.simulation.schedule.at(self._wake_at, self._wake, self.life, self._wake_at)

    def _wake(self, life: int, at: float) -> None:
        """A deadline was set for now; it may have moved since, and the process is asked again."""
        if life != self.life or at != self._wake_at or self.paused:
            return
        self._wake_at = math.inf
        if self.service_time and not self.clogged:
            self._inbox.appendleft(self._tick)
            self._work_soon()
        else:
            self._tick()
            self.reschedule()

    def _tick(self) -> None:
        process, simulation = self.process, self.simulation
        if process is None:
            return
        now, deadline = simulation.schedule.now, process.next_deadline()
        local = self.clock.local(now)
        if deadline > local and self.clock.world(deadline) > now:
            return
        self._notice_standstill(now)
        simulation.trace.note(b"t", now, self.index)
        # Turning times of the world into the host's and back may round down: the process must see its deadline passed.
        process.tick(max(local, deadline))

    def _notice_standstill(self, now: float) -> None:
        since, count = self._stuck
        self._stuck = (now, count + 1 if since == now else 0)
        if count > STANDSTILL:
            self.simulation.violated(f"{self.name} stands still: its deadline does not move")
