"""How many calls a second a client agent may send to the servers: a bucket of tokens that fills with time."""

import math

from muster.model.clock import Clock
from muster.model.errors import MusterError


class RateExceeded(MusterError):
    """This agent asks its servers more than `limits.rpc_rate` allows; nothing was sent. Ask again a little later."""

    def __init__(self) -> None:
        super().__init__("RPC rate limit exceeded")


class RateLimit:
    """`rate` calls a second, infinite for no limit, with at most `burst` saved up."""

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self._clock = clock
        self.configure(rate, burst)

    def configure(self, rate: float, burst: int) -> None:
        """Other limits from now on; the bucket begins full."""
        self._rate, self._burst = rate, float(burst)
        self._tokens, self._filled_at = float(burst), self._clock.monotonic()

    def take(self) -> None:
        """Count one call; `RateExceeded` if it is one too many."""
        if math.isinf(self._rate):
            return
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1.0:
            raise RateExceeded
        self._tokens -= 1.0
