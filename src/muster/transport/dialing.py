"""Connections to servers: their addresses as texts, and why one could not be made, as the peers say it."""

import os

from muster.model.errors import Rejected

DIAL_TIMEOUT = 10.0  # seconds


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "ip:port" or "[ip]:port"; Rejected if it is neither."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise Rejected(f"address {address!r} is not of the form ip:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def dial_fault(source: str, address: str, error: OSError) -> str:
    """Why nobody could be reached. `source` is the address that the connection was to come from, empty for any."""
    shown = f"[{source}]" if ":" in source else source
    return f"dial tcp {f'{shown}:0' if source else '<nil>'}->{address}: {_reason(error)}"


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError) and not error.errno:
        return "i/o timeout"
    return f"connect: {os.strerror(error.errno).lower()}" if error.errno and error.errno > 0 else f"connect: {error}"
