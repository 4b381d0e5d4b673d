"""The sockets of the HTTP edge: HTTP, HTTPS and Unix sockets of one agent.

Connections are accepted here rather than by the loop's server, for three reasons: a client with too many connections is turned
away before anything is made for it; out of descriptors, accepting rests for a second instead of ending; and each address logs
such trouble once a second at most.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from muster.http import addresses
from muster.http.answering import Answering
from muster.http.known_heads import KnownHeads
from muster.http.protocol import Connection
from muster.http.recent import RecentEntries
from muster.http.routing import Context, Router
from muster.http.settings import Settings

if TYPE_CHECKING:
    import ssl

logger = logging.getLogger("muster.http")

ACCEPTED_AT_ONCE = 128
SWEEP = 1.0  # seconds between two looks at overdue requests
DRAIN = 5.0  # seconds for answers under way when the agent goes down
_OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


@dataclass(slots=True, eq=False)
class Door:
    """One listening socket."""

    socket: socket.socket
    tls: "ssl.SSLContext | None"
    path: str = ""
    resting: bool = False


class Listener:
    """All HTTP sockets of an agent, their connections, and what these share."""

    def __init__(self, context: Context) -> None:
        self.router = context.router
        self.context = context
        self.settings: Settings = context.settings
        self.metrics = context.metrics
        self.heads = KnownHeads()
        self.common_headers = self.settings.common_headers()
        self.now: Callable[[], float] = context.clock.monotonic
        self.date = b""
        self.draining = False
        self.is_usual = True
        """Answers may take the short way; not while draining, when each is the last of its connection."""
        self.expected: dict[Answering, float] = {}
        """Connections in the middle of a request, and when it must have gone on."""
        self._connections: set[Answering] = set()
        self._clients: dict[str, int] = {}
        self._doors: list[Door] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None
        self._last_complaint = float("-inf")
        self._empty: asyncio.Future[None] | None = None
        self.sweep()

    @property
    def ports(self) -> list[int]:
        """The ports of the TCP sockets, in the order of opening."""
        return [door.socket.getsockname()[1] for door in self._doors if not door.path]

    @property
    def connections(self) -> int:
        return len(self._connections)

    def listen(self, listening: socket.socket, tls: "ssl.SSLContext | None" = None, path: str = "") -> None:
        """Accepts on a bound socket from now on."""
        listening.setblocking(False)
        listening.listen(4096)
        door = Door(listening, tls, path)
        self._doors.append(door)
        self._loop.add_reader(listening.fileno(), self._accept, door)

    def configure(self, settings: Settings) -> None:
        """Takes new settings, after a reload."""
        self.settings = self.context.settings = settings
        self.common_headers = settings.common_headers()
        self.heads.forget()
        self._stamp()

    async def close(self, drain: float = DRAIN) -> None:
        """Stops accepting, ends what is parked, lets answers under way finish for `drain` seconds."""
        self.draining, self.is_usual = True, False
        for door in self._doors:
            self._loop.remove_reader(door.socket.fileno())
            door.socket.close()
            if door.path:
                addresses.remove_socket_file(door.path)
        self._doors.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._connections):
            connection.close_when_done()
        if self._connections:
            self._empty = self._loop.create_future()
            await asyncio.wait([self._empty], timeout=drain)
        for connection in list(self._connections):
            connection.abort()

    # what connections tell

    def opened(self, connection: Answering) -> None:
        self._connections.add(connection)

    def closed(self, connection: Answering) -> None:
        self._connections.discard(connection)
        self.expected.pop(connection, None)
        self._forget(connection.remote)
        if self._empty is not None and not self._connections and not self._empty.done():
            self._empty.set_result(None)

    def expect(self, connection: Answering, seconds: float, renew: bool) -> None:
        """More of a request must come within so long; without `renew` an earlier deadline stays."""
        if renew or connection not in self.expected:
            self.expected[connection] = self.now() + seconds

    def arrived(self, connection: Answering) -> None:
        self.expected.pop(connection, None)

    def sweep(self) -> None:
        """Once a second: the date of answers (the last line of a head), overdue requests, doors that rested."""
        self._stamp()
        if self.expected:
            now = self.now()
            for connection in [one for one, deadline in self.expected.items() if deadline <= now]:
                del self.expected[connection]
                connection.timed_out()
        for door in self._doors:
            if door.resting:
                door.resting = False
                self._loop.add_reader(door.socket.fileno(), self._accept, door)
        self._sweeper = self._loop.call_later(SWEEP, self.sweep)

    def _stamp(self) -> None:
        """A new date, and never the same object: answers that were made with the one before are not sent again."""
        self.date = f"Date: {formatdate(self.context.clock.wall(), usegmt=True)}\r\n\r\n".encode()

    # accepting

    def _accept(self, door: Door) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = door.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._cannot_accept(door, error)
                return
            remote = address[0] if isinstance(address, tuple) else ""
            if not self._admit(remote):
                accepted.close()
                continue
            accepted.setblocking(False)
            if remote:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._connect(accepted, remote, door.tls))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, accepted: socket.socket, remote: str, tls: "ssl.SSLContext | None") -> None:
        made: list[Connection] = []

        def connection() -> Connection:
            made.append(Connection(self, remote))
            return made[0]

        try:
            await self._loop.connect_accepted_socket(connection, accepted, ssl=tls)
        except OSError as error:  # gone already, or a failed handshake (an ssl.SSLError is an OSError)
            logger.debug("connection from %s: %s", remote, error)
            accepted.close()
            if not made or made[0] not in self._connections:
                self._forget(remote)

    def _admit(self, remote: str) -> bool:
        if not remote:
            return True
        count = self._clients.get(remote, 0)
        limit = self.settings.connections_per_client
        if 0 < limit <= count:
            self._complain("too many connections from %s (limit %d, limits.http_max_conns_per_client)", remote, limit)
            return False
        self._clients[remote] = count + 1
        return True

    def _forget(self, remote: str) -> None:
        if remote:
            count = self._clients.get(remote, 0) - 1
            if count > 0:
                self._clients[remote] = count
            else:
                self._clients.pop(remote, None)

    def _cannot_accept(self, door: Door, error: OSError) -> None:
        self._complain("cannot accept connections: %s", error)
        if error.errno in _OUT_OF_RESOURCES and not door.resting:
            door.resting = True
            self._loop.remove_reader(door.socket.fileno())

    def _complain(self, message: str, *arguments: object) -> None:
        """One log line a second at most: trouble of this kind comes in thousands."""
        if self.now() - self._last_complaint >= 1.0:
            self._last_complaint = self.now()
            logger.error(message, *arguments)


async def start(agent: Any, config: Any, metrics: Any = None, clock: Any = None) -> Listener:
    """Opens every HTTP socket that the configuration names; `ConfigurationError` or `OSError` if one cannot be opened."""
    from muster.http.routes import ROUTES

    settings = addresses.settings_of(config)
    context = Context(
        agent=agent,
        settings=settings,
        metrics=metrics if metrics is not None else getattr(agent, "metrics", None),
        clock=clock if clock is not None else agent.clock,
        router=Router(ROUTES),
        recent=RecentEntries(),
        page=_page(agent, config),
    )
    listener = Listener(context)
    try:
        for listening, path in addresses.bind(config, config.addresses.http, config.ports.http):
            listener.listen(listening, path=path)
        if config.ports.https > 0 or any(one.startswith("unix://") for one in config.addresses.https):
            tls = addresses.tls_context(config.tls)
            for listening, path in addresses.bind(config, config.addresses.https, config.ports.https):
                listener.listen(listening, tls=tls, path=path)
    except BaseException:
        await listener.close(drain=0.0)
        raise
    return listener


def _page(agent: Any, config: Any) -> Any:
    """The web page where the configuration switches it on; nothing of it is loaded where it does not."""
    if not config.ui:
        return None
    from muster.http.ui import Page

    return Page(config, agent)
