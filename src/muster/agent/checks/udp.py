"""UDP checks: nobody says that the port is closed. Silence counts as success, as UDP services may not answer."""

import asyncio
from dataclasses import dataclass

from muster.agent.checks.network import DialFailed, dial_error, split_address
from muster.agent.checks.result import Result, critical, passing

DEFAULT_TIMEOUT = 10.0  # seconds


class _Listener(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answered.done():
            self.answered.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc)


@dataclass(slots=True, frozen=True)
class UdpCheck:
    address: str
    timeout: float = DEFAULT_TIMEOUT

    async def run(self) -> Result:
        loop = asyncio.get_running_loop()
        try:
            transport, listener = await loop.create_datagram_endpoint(_Listener, remote_addr=split_address(self.address))
        except (OSError, DialFailed) as error:
            return critical(dial_error("udp", self.address, error))
        try:
            transport.sendto(b"\n")
            async with asyncio.timeout(self.timeout):
                await listener.answered
        except TimeoutError:
            pass  # a closed port would have been refused by now
        except OSError as error:
            return critical(dial_error("udp", self.address, error))
        finally:
            transport.abort()
        return passing(f"UDP connect {self.address}: Success")
