"""The clock of the real world."""

import time


class SystemClock:
    """Monotonic seconds for waiting, seconds since 1970 for showing."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
