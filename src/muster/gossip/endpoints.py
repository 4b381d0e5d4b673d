"""Endpoints as members compare them: packed address and port, IPv4 always as 4 bytes."""

from muster.wire.gossip import Endpoint

_MAPPED_PREFIX = bytes(10) + b"\xff\xff"  # RFC 4291, section 2.5.5.2


def endpoint_of(address: bytes, port: int) -> Endpoint | None:
    """The endpoint that a message names, or None if nobody can listen there: no address of 4 or 16 bytes, no port."""
    if not 0 < port < 65536:
        return None
    if len(address) == 4:
        return address, port
    if len(address) != 16:
        return None
    return (address[12:] if address.startswith(_MAPPED_PREFIX) else address), port
