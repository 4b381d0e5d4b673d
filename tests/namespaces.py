"""Networks of the tests' own: kernel namespaces joined by a bridge, with packet loss and one-way cuts.

A namespace here has no name and no file: it lives as long as this process holds its descriptor or a program runs inside, and devices, addresses
and rules go with it. So nothing is left behind, also by a test that was killed, and two test processes never meet. The bridge stands in a
namespace as well; the machine's own network is not touched.
"""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator

import pytest
from conftest import needs_program

CLONE_NEWNET = 0x40000000
NETWORK = "10.77.0"
NETWORK6 = "fd77"
OWN_NAMESPACE = "/proc/thread-self/ns/net"
DEVICE = "uplink"
EMPTY_RULES = """
add table inet faults
delete table inet faults
add table inet faults
add chain inet faults arrivals { type filter hook input priority 0; policy accept; }
"""

_libc = ctypes.CDLL(None, use_errno=True)


def needs_namespaces() -> None:
    """Skips by name if this process may make no namespaces, or lacks the programs that furnish them."""
    for program in ("ip", "nft", "setpriv"):
        needs_program(program)
    try:
        Namespace().close()
    except OSError as error:
        pytest.skip(f"no network namespaces here (root is needed): {error}")


class Namespace:
    """One network stack, with a loopback device that is up."""

    def __init__(self) -> None:
        home = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.unshare(CLONE_NEWNET))
            self.descriptor = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
            _checked(_libc.setns(home, CLONE_NEWNET))
        finally:
            os.close(home)
        self.run("ip", "link", "set", "lo", "up")

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread's new sockets and processes are in the namespace; those that it has stay where they are."""
        home = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(self.descriptor, CLONE_NEWNET))
            try:
                yield
            finally:
                _checked(_libc.setns(home, CLONE_NEWNET))
        finally:
            os.close(home)

    @property
    def path(self) -> str:
        """Where `ip` finds the namespace."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def run(self, *words: str, text: str = "") -> str:
        """What a program says that runs inside; it must succeed."""
        with self.inside():
            done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        """Lets go of it: it ends with the last program inside."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Host(Namespace):
    """A namespace with an address of its own on a `Network`."""

    def __init__(self, bridge: Namespace, number: int) -> None:
        super().__init__()
        self.address = f"{NETWORK}.{number}"
        port = f"port{number}"
        bridge.run("ip", "link", "add", port, "type", "veth", "peer", "name", DEVICE, "netns", self.path)
        bridge.run("ip", "link", "set", port, "master", "bridge", "up")
        self.address6 = f"{NETWORK6}::{number:x}"
        self.run("ip", "address", "add", f"{self.address}/24", "dev", DEVICE)
        self.run("ip", "address", "add", f"{self.address6}/64", "dev", DEVICE, "nodad")
        self.run("ip", "link", "set", DEVICE, "up")
        self._losses: list[str] = []

    def lose(self, percent: int) -> None:
        """Of all that the others send to this host, so many in a hundred packets are lost."""
        self._losses.append(f"numgen random mod 100 < {percent} counter drop")
        self._apply()

    def deafen(self, other: "Host") -> None:
        """A one-way cut: nothing that `other` sends arrives here; what this host sends arrives there."""
        self._losses.append(f"ip saddr {other.address} counter drop")
        self._apply()

    def mend(self) -> None:
        """Everything arrives again."""
        self._losses.clear()
        self._apply()

    def lost(self) -> int:
        """How many packets the present rules have dropped."""
        words = self.run("nft", "list", "ruleset").split()
        return sum(int(words[at + 1]) for at, word in enumerate(words) if word == "packets")

    def _apply(self) -> None:
        rules = "\n".join(f'add rule inet faults arrivals iifname "{DEVICE}" {loss}' for loss in self._losses)
        self.run("nft", "-f", "-", text=f"{EMPTY_RULES}\n{rules}\n")


class Network:
    """Hosts on one bridge, numbered from 1. A context manager."""

    def __init__(self) -> None:
        self._bridge = Namespace()
        self._bridge.run("ip", "link", "add", "bridge", "type", "bridge")
        self._bridge.run("ip", "link", "set", "bridge", "up")
        self.hosts: list[Host] = []

    def host(self) -> Host:
        """One more."""
        self.hosts.append(Host(self._bridge, len(self.hosts) + 1))
        return self.hosts[-1]

    def close(self) -> None:
        for namespace in (*self.hosts, self._bridge):
            namespace.close()

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
