"""One request and its answer over a stream: reliable, unless the way is cut, the other host is dead or slow, or time runs out."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from muster.testing.simulation.process import Address

if TYPE_CHECKING:
    from muster.testing.simulation.host import Host

GREETING_RETRY = 1.0  # seconds until a lost first segment is sent again, as Linux has it
RETRY = 0.2  # the same of later ones

Answered = Callable[[float, bytes], None]
"""Called with the asking host's monotonic time and the answer."""
Failed = Callable[[float], None]
"""Called with the asking host's monotonic time."""


class Stream:
    """Opened, asked, answered, closed. Exactly one of `answered` and `failed` is called, unless the asking process ends before."""

    def __init__(self, source: "Host", target: "Host", request: bytes, answered: Answered, failed: Failed) -> None:
        self.sender: Address = source.address
        self.request = request
        self._source = source
        self._target = target
        self._life = source.life
        self._answered = answered
        self._failed = failed
        self._over = False

    def open(self, timeout: float) -> None:
        """Begin the three-way greeting; fail in `timeout` seconds if there is no answer."""
        self._source.simulation.schedule.after(timeout, self.fail)
        if self._source.clogged:
            self._source.send_later(self._greet)
        else:
            self._greet()

    def _greet(self) -> None:
        network = self._source.simulation.network
        network.leg(self._source, self._target, GREETING_RETRY, network.leg, self._target, self._source, GREETING_RETRY, self._greeted)

    def _greeted(self) -> None:
        """The other host's system took the connection, or said that nobody listens."""
        if self._target.process is None:
            if self._target.refuses:
                self.fail()
            return
        self._source.simulation.network.leg(self._source, self._target, RETRY, self._target.asked, self)

    def answer(self, answer: bytes | None) -> None:
        """The other side's word; None: it closed without one."""
        network = self._source.simulation.network
        if answer is None:
            network.leg(self._target, self._source, RETRY, self.fail)
        else:
            network.leg(self._target, self._source, RETRY, self._finish, answer)

    def _finish(self, answer: bytes) -> None:
        if not self._over:
            self._over = True
            self._source.told(self._life, self._answered, answer)

    def fail(self) -> None:
        """Nothing more will come."""
        if not self._over:
            self._over = True
            self._source.told(self._life, self._failed)
