"""What runs on a simulated host."""

from collections.abc import Hashable
from typing import Protocol

Address = Hashable
"""Where a host is reached."""

Packet = tuple[bytes, ...]
"""A datagram, in as many parts as its sender likes; parts are told apart so that equal ones need to be decoded only once."""


class Process(Protocol):
    """A program, reduced to its core: it is told what happened and what its host's clock says, and acts through its `Host`."""

    def receive(self, now: float, sender: Address, packet: Packet) -> None:
        """A packet arrived."""
        ...

    def answer(self, now: float, sender: Address, request: bytes) -> bytes | None:
        """A stream brought a request; None closes it without a word."""
        ...

    def tick(self, now: float) -> None:
        """Do what is due by `now`."""
        ...

    def next_deadline(self) -> float:
        """When `tick` wants to be called next, by the host's monotonic clock; `math.inf` if nothing waits."""
        ...
