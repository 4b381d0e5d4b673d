"""Why an agent cannot be joined: before there is gossip it never can, but whether anybody answers at its address is worth knowing."""

import asyncio
import socket

from muster.agent.checks.network import DialFailed, connect
from muster.agent.definitions import all_errors
from muster.model.errors import Rejected

DIAL_TIMEOUT = 10.0  # seconds, as memberlist's


async def refusal(address: str, default_port: int) -> Rejected:
    """In the form of the peers' error lists: nobody is there, or somebody is whose pool cannot be joined yet."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = address, str(default_port)
    host = host.strip("[]")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM) if host else []
    except OSError:
        return Rejected(all_errors([f"Failed to resolve {host}: lookup {host}: no such host"]))
    if not found:
        return Rejected(all_errors([f"Failed to resolve {host}: lookup {host}: no such host"]))
    return Rejected(all_errors([await _fault(str(one[4][0]), port) for one in found]))


async def _fault(address: str, port: str) -> str:
    try:
        _, writer = await connect(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", DIAL_TIMEOUT)
    except DialFailed as error:
        return f"Failed to join {address}: {error}"
    writer.transport.abort()
    return f"Failed to join {address}: the gossip pool is not built yet"
