"""Looking whether an agent answers at an address, which is what joining comes down to before there is gossip."""

import asyncio
import socket

from muster.agent.checks.network import DialFailed, connect
from muster.agent.definitions import all_errors
from muster.model.errors import Rejected

DIAL_TIMEOUT = 10.0  # seconds, as memberlist's


async def look_for(address: str, default_port: int) -> int:
    """How many of the host's addresses answer; `Rejected` in the form of the peers' error lists if none does."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = address, str(default_port)
    host = host.strip("[]")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM) if host else []
    except OSError as error:
        raise Rejected(all_errors([f"Failed to resolve {host}: lookup {host}: no such host"])) from error
    if not found:
        raise Rejected(all_errors([f"Failed to resolve {host}: lookup {host}: no such host"]))
    return await _dial([str(one[4][0]) for one in found], port)


async def _dial(addresses: list[str], port: str) -> int:
    faults = []
    for address in addresses:
        try:
            _, writer = await connect(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", DIAL_TIMEOUT)
        except DialFailed as error:
            faults.append(f"Failed to join {address}: {error}")
        else:
            writer.transport.abort()
    if len(faults) == len(addresses):
        raise Rejected(all_errors(faults))
    return len(addresses) - len(faults)
