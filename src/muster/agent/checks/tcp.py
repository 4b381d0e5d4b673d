"""TCP checks: a connection can be made."""

from dataclasses import dataclass

from muster.agent.checks.network import DialFailed, connect
from muster.agent.checks.result import Result, critical, passing

DEFAULT_TIMEOUT = 10.0  # seconds


@dataclass(slots=True, frozen=True)
class TcpCheck:
    address: str
    timeout: float = DEFAULT_TIMEOUT

    async def run(self) -> Result:
        try:
            _, writer = await connect(self.address, self.timeout)
        except DialFailed as error:
            return critical(str(error))
        writer.transport.abort()  # nothing was said, so nothing is to be flushed
        return passing(f"TCP connect {self.address}: Success")
