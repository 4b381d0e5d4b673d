"""Measurements to a statsd or dogstatsd server, in packets of UDP; one that cannot be sent is lost, nothing waits for it."""

import socket
from collections.abc import Iterable

from muster.agent.telemetry import Labels

LARGEST_PACKET = 1400  # bytes; fits into one Ethernet frame
DEFAULT_PORT = 8125


class Statsd:
    """The lines `name:value|type`. With `tags` not None, dogstatsd's tags are appended."""

    def __init__(self, address: str, tags: Iterable[str] | None = None) -> None:
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
        self._address = (host.strip("[]") or "127.0.0.1", int(port) if port.isdecimal() else DEFAULT_PORT)
        self._tags = None if tags is None else list(tags)
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._lines: list[bytes] = []
        self._size = 0

    def counter(self, name: str, labels: Labels, value: float) -> None:
        self._line(name, labels, f"{value:f}|c")

    def gauge(self, name: str, labels: Labels, value: float) -> None:
        self._line(name, labels, f"{value:f}|g")

    def samples(self, name: str, labels: Labels, values: list[float]) -> None:
        for value in values:
            self._line(name, labels, f"{value:f}|ms")

    def _line(self, name: str, labels: Labels, rest: str) -> None:
        line = self._format(name, labels, rest)
        if self._size + len(line) + 1 > LARGEST_PACKET:
            self.flush()
        self._lines.append(line)
        self._size += len(line) + 1

    def _format(self, name: str, labels: Labels, rest: str) -> bytes:
        if self._tags is None:
            flat = ".".join([name, *(value for _, value in labels)])
            return f"{flat.replace(':', '_').replace(' ', '_')}:{rest}".encode()
        tags = [*self._tags, *(f"{label}:{value}" for label, value in labels)]
        return (f"{name}:{rest}" + ("|#" + ",".join(tags) if tags else "")).encode()

    def flush(self) -> None:
        """Send what is waiting."""
        if not self._lines:
            return
        packet = b"\n".join(self._lines) + b"\n"
        self._lines, self._size = [], 0
        try:
            self._socket.sendto(packet, self._address)
        except OSError:
            pass  # nobody listens, or the buffer is full: measurements are not worth waiting for

    def close(self) -> None:
        self.flush()
        self._socket.close()
