"""An HTTP edge without sockets: a connection over a transport in memory, a clock that the test moves, an agent that answers from a table."""

import asyncio
from collections.abc import Callable
from typing import Any

from muster.http.listener import Listener
from muster.http.protocol import Connection
from muster.http.recent import RecentEntries
from muster.http.routes import ROUTES
from muster.http.routing import Context, Router
from muster.http.settings import Settings
from muster.wire.replies import Reply


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_600_000_000.0


class Transport:
    """Takes what is written; `closed` and `aborted` tell how it ended."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.writes = 0
        self.closed = self.aborted = self.paused = False

    def write(self, data: bytes) -> None:
        self.written += data
        self.writes += 1

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)
        self.writes += 1

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class FakeAgent:
    """`answers[method]` is a reply, a function of the request, or an error; `asked` are the calls."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []

    def call(self, method: str, request: Any) -> Any:
        self.asked.append((method, request))
        answer = self.answers.get(method, Reply(value=True))
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


class Edge:
    """One client's connection. `ask` sends bytes and returns what came back for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: Settings) -> None:
        self.loop = loop
        self.clock = Clock()
        self.agent = FakeAgent()
        self.metrics: dict[str, int] = {}
        self.context = Context(
            agent=self.agent, settings=settings, metrics=self, clock=self.clock, router=Router(ROUTES), recent=RecentEntries()
        )
        self.listener = self.run(lambda: Listener(self.context))
        self.transport = Transport()
        self.connection = Connection(self.listener, "10.1.2.3")
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def sample(self, name: str, milliseconds: float) -> None:
        self.metrics[name] = self.metrics.get(name, 0) + 1

    def run(self, action: Callable[[], Any], turns: int = 0) -> Any:
        """Calls something while the loop runs, and lets the loop turn."""

        async def inside() -> Any:
            result = action()
            for _ in range(turns):
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(inside())

    def ask(self, data: bytes, turns: int = 8) -> bytes:
        self.transport.written.clear()
        self.run(lambda: self.connection.data_received(data), turns)
        return bytes(self.transport.written)

    def get(self, url: str, *headers: str) -> bytes:
        lines = "".join(f"{header}\r\n" for header in headers)
        return self.ask(f"GET {url} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())

    def send(self, method: str, url: str, body: bytes = b"", *headers: str) -> bytes:
        lines = "".join(f"{header}\r\n" for header in headers)
        return self.ask(f"{method} {url} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body)

    def later(self) -> "asyncio.Future[Any]":
        """A future of the loop, for an answer that the test gives."""
        return self.loop.create_future()


async def until(happened: Callable[[], bool]) -> None:
    """Lets the loop turn until something has happened."""
    while not happened():  # noqa: ASYNC110 - the thing has no event of its own
        await asyncio.sleep(0)
