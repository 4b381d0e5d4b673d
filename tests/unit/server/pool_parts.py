"""Other servers and agents as this server sees them: members of the pool, and what they answer when they are asked."""

import asyncio
from collections.abc import Callable
from typing import Any

from server_parts import NODE_ID

from muster.gossip.effects import Member, MemberStatus
from muster.model.errors import MusterError
from muster.server.server_members import Peer, peer_of
from muster.transport.endpoints import endpoint
from muster.wire.replies import Reply

VERSIONS = bytes((1, 5, 2, 2, 5, 4))
Answer = Reply | MusterError | None  # None: it does not answer


def identity(number: int) -> str:
    """The node id of server or agent `number`; that of number 1 is this server's."""
    return NODE_ID if number == 1 else f"{number:08x}-aaaa-bbbb-cccc-{number:012x}"


def address(number: int) -> str:
    """Where server `number` is reached."""
    return f"127.0.0.{number}:8300"


def server(number: int, status: MemberStatus = MemberStatus.ALIVE, *, at: str = "", **tags: str) -> Member:
    """Server n`number` at 127.0.0.`number`, or at another address; a tag that is empty is left out."""
    shown = {
        "role": "consul",
        "dc": "dc1",
        "id": identity(number),
        "port": "8300",
        "vsn": "2",
        "raft_vsn": "3",
        "build": "1.8.7:",
        "segment": "",
        **tags,
    }
    return Member(
        name=f"n{number}",
        endpoint=endpoint(at or f"127.0.0.{number}", 8301),
        tags={name: value for name, value in shown.items() if value or name == "segment"},
        status=status,
        versions=VERSIONS,
    )


def client(name: str, status: MemberStatus = MemberStatus.ALIVE, at: str = "10.0.0.1", **tags: str) -> Member:
    """A client agent."""
    shown = {"role": "node", "dc": "dc1", "id": "", "segment": "", **tags}
    return Member(name=name, endpoint=endpoint(at, 8301), tags=shown, status=status, versions=VERSIONS)


def peer(number: int, status: MemberStatus = MemberStatus.ALIVE, **tags: str) -> Peer:
    """The same as `peer_of` sees it."""
    found = peer_of(server(number, status, **tags))
    assert found is not None
    return found


class Network:
    """The other servers: `answers` by (address, method), or a function of (address, method, request). All calls are kept."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.ask: Callable[[str, str, Any], Answer] = lambda address, method, _: self.answers.get((address, method))
        self.calls: list[tuple[str, str, Any]] = []
        self.pending: list[asyncio.Future[Reply]] = []

    def call(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
        self.calls.append((address, method, request))
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        answer = self.ask(address, method, request)
        if answer is None:
            self.pending.append(future)
        elif isinstance(answer, MusterError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future

    def asked(self, method: str) -> list[str]:
        """Who was asked for a method, in order."""
        return [address for address, called, _ in self.calls if called == method]

    def forget(self) -> None:
        """What was asked so far is of no interest."""
        self.calls.clear()
        self.pending.clear()
