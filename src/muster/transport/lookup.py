"""The endpoints behind what people write: addresses, host names, service names of the DNS.

A host name stands for all addresses that the system's resolver finds. A name `_service._proto.domain` is asked for its SRV records, from
the name servers of `/etc/resolv.conf`; each record gives a host and a port. Refusals are in the words of Go's resolver and of memberlist.
"""

import asyncio
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from muster.model.errors import DecodeError, MusterError
from muster.transport import endpoints
from muster.wire.dns import FLAG_RECURSION_DESIRED, TYPE_A, TYPE_AAAA, TYPE_SRV, Message, Question, Record, ServiceData, decode, encode
from muster.wire.gossip import Endpoint

RESOLVER_CONFIGURATION = "/etc/resolv.conf"
NAME_SERVER_PORT = 53
NAME_SERVER_TIMEOUT = 5.0  # seconds, as the resolver's own default
MOST_ENDPOINTS = 256
"""Endpoints that are taken of one name."""
_SERVICE_NAME = re.compile(r"_[^.]+\._(tcp|udp)\..+", re.IGNORECASE)


class LookupFailed(MusterError):
    """Nobody is behind a name; the text says why."""


class Target(Struct, frozen=True):
    """An address as somebody wrote it, taken apart. `node` is the member's name, if it was given."""

    host: str
    port: int
    node: str = ""


def parse(address: str, default_port: int) -> Target:
    """`host`, `host:port`, `[v6]`, `[v6]:port`, each with `name/` before it; `LookupFailed` for anything else."""
    node, slash, rest = address.partition("/")
    if not slash:
        node, rest = "", address
    elif not node:
        raise LookupFailed("empty node name provided")
    if not _has_port(rest):
        return Target(rest.strip("[]"), default_port, node)
    host, port = _split(rest)
    if not re.fullmatch(r"[0-9]+", port):
        raise LookupFailed(f'strconv.ParseUint: parsing "{port}": invalid syntax')
    if int(port) > 65535:
        raise LookupFailed(f'strconv.ParseUint: parsing "{port}": value out of range')
    return Target(host, int(port), node)


def _has_port(text: str) -> bool:
    if text.startswith("["):
        return text.rfind(":") > text.rfind("]")
    return text.count(":") == 1


def _split(text: str) -> tuple[str, str]:
    """Host and port of a text that has a port."""
    host, _, port = text.rpartition(":")
    if not text.startswith("["):
        return host, port
    if not host.endswith("]"):
        raise LookupFailed(f"address {text}: missing ']' in address")
    return host[1:-1], port


class Resolver:
    """Finds endpoints, anew at each call."""

    def __init__(self, configuration: str = RESOLVER_CONFIGURATION, port: int = NAME_SERVER_PORT) -> None:
        self._configuration, self._port = configuration, port

    async def endpoints(self, address: str, default_port: int) -> list[Endpoint]:
        """Where an address leads, each endpoint once; `LookupFailed` if nowhere."""
        target = parse(address, default_port)
        try:
            return [(endpoints.packed(target.host), target.port)]
        except ValueError:
            pass
        if _SERVICE_NAME.fullmatch(target.host):
            found = await self._service(target.host)
        else:
            found = await self._hosts(target.host, target.port)
        return list(dict.fromkeys(found))[:MOST_ENDPOINTS]

    async def _hosts(self, name: str, port: int) -> list[Endpoint]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM) if name else []
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise LookupFailed(f"lookup {name}{self._server_text(name)}: no such host")
        return [endpoints.from_socket(one[4]) for one in found]

    def _server_text(self, name: str) -> str:
        servers = self._name_servers()
        return f" on {endpoints.text((endpoints.packed(servers[0]), self._port))}" if servers and name and ":" not in name else ""

    async def _service(self, name: str) -> list[Endpoint]:
        answer = await self._ask(name.rstrip(".") + ".")
        records = [record.data for record in answer.answers if isinstance(record.data, ServiceData)]
        known = _known_addresses(answer.additional)
        found: list[Endpoint] = []
        for data in sorted(records, key=lambda data: data.priority)[:MOST_ENDPOINTS]:
            given = known.get(data.target.lower())
            found += [(one, data.port) for one in given] if given else await self._target(data)
        if not found:
            raise LookupFailed(f"lookup {name}{self._server_text(name)}: no such host")
        return found

    async def _target(self, data: ServiceData) -> list[Endpoint]:
        try:
            return await self._hosts(data.target.rstrip("."), data.port)
        except LookupFailed:
            return []  # the service's other hosts may still be found

    async def _ask(self, name: str) -> Message:
        """The first name server's answer."""
        fault = "no name server is configured"
        try:
            question = encode(Message(id=0, flags=FLAG_RECURSION_DESIRED, questions=[Question(name, TYPE_SRV)]))
        except ValueError as error:
            raise LookupFailed(f"lookup {name}: no such host") from error
        for server in self._name_servers():
            try:
                async with asyncio.timeout(NAME_SERVER_TIMEOUT):
                    return decode(await _exchange(server, self._port, question))
            except (OSError, TimeoutError, DecodeError, asyncio.IncompleteReadError) as error:
                fault = f"{server} did not answer: {error or 'i/o timeout'}"
        raise LookupFailed(f"lookup {name}: {fault}")

    def _name_servers(self) -> list[str]:
        try:
            text = Path(self._configuration).read_text(errors="replace")
        except OSError:
            return []
        words = [line.split() for line in text.splitlines()]
        return [word[1] for word in words if len(word) > 1 and word[0] == "nameserver" and _is_address(word[1])]


def _is_address(text: str) -> bool:
    try:
        endpoints.packed(text)
    except ValueError:
        return False
    return True


def _known_addresses(records: Sequence[Record]) -> dict[str, list[bytes]]:
    """The addresses by lower-case name that came along with an answer."""
    known: dict[str, list[bytes]] = {}
    for record in records:
        if record.type in (TYPE_A, TYPE_AAAA) and isinstance(record.data, str):
            known.setdefault(record.name.lower(), []).append(endpoints.packed(record.data))
    return known


async def _exchange(server: str, port: int, question: bytes) -> bytes:
    """By TCP, where nobody can slip in an answer and none is cut short."""
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
