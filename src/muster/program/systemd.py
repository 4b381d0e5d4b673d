"""Tells a service manager how the start goes (sd_notify), where one listens.

Source: sd_notify(3): one datagram to the socket named by NOTIFY_SOCKET; a leading `@` is an abstract address.
"""

import os
import socket


def notify(state: str) -> bool:
    """Sends a state such as `READY=1`; whether anyone listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.sendall(state.encode())
    return True
