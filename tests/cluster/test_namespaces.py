"""The networks that other tests cut and spoil do what those tests rely on."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from namespaces import Host, Namespace, Network, needs_namespaces

PORT = 7000


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    needs_namespaces()
    with Network() as network:
        first, second = network.host(), network.host()
        deadline = time.monotonic() + 10
        while not (arrived(first, second, 1) and arrived(second, first, 1)):  # the kernel brings the devices up in its own time
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield first, second


def arrived(sender: Host, receiver: Host, count: int) -> int:
    """How many of so many datagrams arrive; the last word comes by another way, so that nobody waits for what is lost."""
    with receiver.inside():
        hearing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender.inside():
        saying = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with hearing, saying:
        hearing.bind(("0.0.0.0", PORT))
        hearing.setblocking(False)
        found = 0
        for _ in range(count):
            saying.sendto(b"datagram", (receiver.address, PORT))
            try:
                hearing.recv(100)  # the bridge hands a packet over before `sendto` returns
                found += 1
            except BlockingIOError:
                pass
        return found


def test_what_is_sent_arrives(hosts):
    first, second = hosts
    assert arrived(first, second, 100) == arrived(second, first, 100) == 100


def test_so_many_packets_are_lost_as_were_asked_for(hosts):
    first, second = hosts
    second.lose(20)
    found = arrived(first, second, 2_000)
    assert 1_500 < found < 1_700
    assert second.lost() == 2_000 - found
    assert arrived(second, first, 100) == 100
    second.mend()
    assert arrived(first, second, 100) == 100


def test_a_cut_is_one_way(hosts):
    first, second = hosts
    second.deafen(first)
    assert arrived(first, second, 50) == 0
    assert arrived(second, first, 50) == 50
    second.mend()
    assert arrived(first, second, 50) == 50


def test_nothing_is_left_of_a_network_and_its_programs_outlive_it_until_they_end():
    needs_namespaces()
    devices = socket.if_nameindex()
    with Network() as network:
        host = network.host()
        with host.inside():
            program = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        assert socket.if_nameindex() == devices, "the machine's own network is not touched"
    program.communicate()
    assert program.returncode == 0


def test_an_error_inside_leaves_the_thread_where_it_was():
    needs_namespaces()
    namespace = Namespace()
    before = socket.if_nameindex()
    with pytest.raises(RuntimeError), namespace.inside():
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
        raise RuntimeError
    assert socket.if_nameindex() == before
    namespace.close()
