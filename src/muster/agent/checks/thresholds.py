"""How many equal results in a row it takes before a check changes its status."""

from muster.model.catalog import CRITICAL


class Thresholds:
    """Counts successes (passing and warning) and failures in a row. 0 and 1 both mean: at once."""

    __slots__ = ("_failures", "_successes", "failures_before_critical", "success_before_passing")

    def __init__(self, success_before_passing: int = 0, failures_before_critical: int = 0) -> None:
        self.success_before_passing = success_before_passing
        self.failures_before_critical = failures_before_critical
        self._successes = 0
        self._failures = 0

    def counts(self, status: str) -> bool:
        """Whether a result of this status is to be reported."""
        if status == CRITICAL:
            self._failures += 1
            self._successes = 0
            return self._failures >= self.failures_before_critical
        self._successes += 1
        self._failures = 0
        return self._successes >= self.success_before_passing
