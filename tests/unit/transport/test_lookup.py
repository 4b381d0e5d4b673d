"""What people write becomes endpoints, or is refused in the peers' words."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from muster.transport.lookup import LookupFailed, Resolver, Target, parse
from muster.wire import dns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("10.0.0.1", Target("10.0.0.1", 8301), id="address"),
        pytest.param("10.0.0.1:99", Target("10.0.0.1", 99), id="address and port"),
        pytest.param("fd00::1", Target("fd00::1", 8301), id="v6"),
        pytest.param("[fd00::1]", Target("fd00::1", 8301), id="v6 in brackets"),
        pytest.param("[fd00::1]:99", Target("fd00::1", 99), id="v6 and port"),
        pytest.param("web.example", Target("web.example", 8301), id="name"),
        pytest.param("web.example:99", Target("web.example", 99), id="name and port"),
        pytest.param("n1/10.0.0.1:99", Target("10.0.0.1", 99, "n1"), id="member's name"),
        pytest.param("x:y:z", Target("x:y:z", 8301), id="colons"),
        pytest.param("[127.0.0.1]:99", Target("127.0.0.1", 99), id="v4 in brackets"),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: Target) -> None:
    assert parse(text, 8301) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("10.0.0.1:", 'strconv.ParseUint: parsing "": invalid syntax', id="no port"),
        pytest.param("10.0.0.1:abc", 'strconv.ParseUint: parsing "abc": invalid syntax', id="port in letters"),
        pytest.param("10.0.0.1:99999", 'strconv.ParseUint: parsing "99999": value out of range', id="port too big"),
        pytest.param("[::1", "address [::1: missing ']' in address", id="open bracket"),
        pytest.param("/10.0.0.1", "empty node name provided", id="no name before the slash"),
    ],
)
def test_a_bad_address_is_refused_as_the_peers_do(text: str, reason: str) -> None:
    with pytest.raises(LookupFailed) as refused:
        parse(text, 8301)
    assert str(refused.value) == reason


def resolv(tmp_path: Path, *servers: str) -> str:
    path = tmp_path / "resolv.conf"
    path.write_text("# made for a test\nsearch example\n" + "".join(f"nameserver {server}\n" for server in servers))
    return str(path)


def fake_hosts(monkeypatch: pytest.MonkeyPatch, hosts: dict[str, list[str]]) -> None:
    async def getaddrinfo(_loop: object, name: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        if name not in hosts:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in hosts[name]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


async def test_a_name_stands_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hosts(monkeypatch, {"web.example": ["10.0.0.1", "fd00::1", "10.0.0.1"]})
    assert await Resolver().endpoints("web.example:99", 8301) == [(b"\x0a\0\0\x01", 99), (b"\xfd" + bytes(14) + b"\x01", 99)]


async def test_an_unknown_name_is_refused_with_the_server_that_does_not_know_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_hosts(monkeypatch, {})
    resolver = Resolver(resolv(tmp_path, "10.255.255.53"))
    for text, reason in {
        "nosuch.invalid": "lookup nosuch.invalid on 10.255.255.53:53: no such host",
        "": "lookup : no such host",
        "x:y:z": "lookup x:y:z: no such host",
    }.items():
        with pytest.raises(LookupFailed) as refused:
            await resolver.endpoints(text, 8301)
        assert str(refused.value) == reason


@asynccontextmanager
async def name_server(answer: dns.Message) -> AsyncIterator[int]:
    """Answers every question by TCP with the same records."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = dns.decode(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        answer.id, answer.questions = question.id, question.questions
        data = dns.encode(answer)
        writer.write(len(data).to_bytes(2, "big") + data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


NAME = "_muster._tcp.example."
SERVICE = [
    dns.Record(NAME, dns.TYPE_SRV, 0, dns.ServiceData(2, 1, 8302, "b.example.")),
    dns.Record(NAME, dns.TYPE_SRV, 0, dns.ServiceData(1, 1, 8301, "A.example.")),
    dns.Record(NAME, dns.TYPE_SRV, 0, dns.ServiceData(3, 1, 8303, "gone.example.")),
]


async def test_a_service_name_gives_hosts_and_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_hosts(monkeypatch, {"b.example": ["10.0.0.2"]})
    known = [dns.Record("a.example.", dns.TYPE_A, 0, "10.0.0.1")]
    async with name_server(dns.Message(id=0, flags=dns.FLAG_RESPONSE, questions=[], answers=SERVICE, additional=known)) as port:
        resolver = Resolver(resolv(tmp_path, "127.0.0.1"), port)
        assert await resolver.endpoints("_muster._tcp.example", 1) == [(b"\x0a\0\0\x01", 8301), (b"\x0a\0\0\x02", 8302)]


async def test_a_service_that_nobody_offers_is_refused(tmp_path: Path) -> None:
    async with name_server(dns.Message(id=0, flags=dns.FLAG_RESPONSE | dns.NAME_ERROR, questions=[])) as port:
        resolver = Resolver(resolv(tmp_path, "127.0.0.1"), port)
        with pytest.raises(LookupFailed, match="no such host"):
            await resolver.endpoints("_muster._tcp.example", 1)


async def test_name_servers_that_do_not_answer_are_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LookupFailed, match=r"lookup _muster\._tcp\.example\.: 127\.0\.0\.1 did not answer"):
        await Resolver(resolv(tmp_path, "127.0.0.1"), port).endpoints("_muster._tcp.example", 1)
    with pytest.raises(LookupFailed, match="no name server is configured"):
        await Resolver(resolv(tmp_path), port).endpoints("_muster._tcp.example", 1)
