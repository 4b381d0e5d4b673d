"""TTL checks: their owner reports in time, or they turn critical. Pure; the runner keeps the deadlines."""

from dataclasses import dataclass

from muster.agent.checks.result import DEFAULT_OUTPUT_LIMIT, Result, head
from muster.model.catalog import CRITICAL

EXPIRED = "TTL expired"


@dataclass(slots=True)
class TtlCheck:
    """`ttl` is in seconds, `output_limit` in bytes."""

    ttl: float
    output_limit: int = DEFAULT_OUTPUT_LIMIT
    last_output: str = ""

    def reported(self, status: str, output: str) -> Result:
        """What the owner says, with its output cut to the limit."""
        self.last_output = head(output, self.output_limit)
        return Result(status, self.last_output)

    def expired(self) -> Result:
        """The owner did not report in time."""
        explained = f"{EXPIRED} (last output before timeout follows): {self.last_output}"
        fits = self.last_output and len(explained.encode("utf-8", "surrogateescape")) <= self.output_limit
        return Result(CRITICAL, explained if fits else EXPIRED)
