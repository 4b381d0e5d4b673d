"""A server over a consensus that applies at once, on a loop whose clock jumps to the next timer when nothing else is due."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, BinaryIO

from muster.model.errors import MusterError
from muster.model.kv import KVEntry
from muster.raft.membership import Configuration, Member
from muster.server.replicated_state import ReplicatedState
from muster.server.server import Server
from muster.server.settings import ServerSettings
from muster.state.store import Store
from muster.wire.commands import KVSRequest, RegisterRequest
from muster.wire.replies import Reply

NODE_ID = "40e4a748-2192-161a-0510-9bf59fe950b5"
DC = {"datacenter": "dc1"}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time passes only by jumping to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        due = [timer.when() for timer in self._scheduled if not timer.cancelled()] if not self._ready else []
        if due:
            self.now = max(self.now, min(due))
        super()._run_once()


class LoopClock:
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.now

    def wall(self) -> float:
        return 1_600_000_000 + self._loop.now


class InstantConsensus:
    """A sole voter whose log is memory: a command is applied in the next turn of the loop."""

    def __init__(self, state: ReplicatedState, loop: VirtualLoop) -> None:
        self.state, self.loop = state, loop
        self.leads = True
        self.last_index = 0
        self.term = 1
        self.configuration = Configuration((Member(NODE_ID, "127.0.0.1:8300"),))
        self.configuration_index = 1
        self.committed: list[object] = []
        self.error: MusterError | None = None
        self.installed: list[bytes] = []
        self.configurations: list[Configuration] = []
        self.changing = False
        self.contact: float | None = 0.02
        self.leader_elsewhere = ""
        self.disk_fault = ""

    @property
    def applied_index(self) -> int:
        return self.last_index

    @property
    def commit_index(self) -> int:
        return self.last_index

    def is_empty(self) -> bool:
        return False

    def know_pre_votes(self, identities: Iterable[str]) -> None:
        self.pre_voters = list(identities)

    def last_contact(self) -> float | None:
        return 0.0 if self.leads else self.contact

    def bootstrap(self, configuration: Configuration) -> asyncio.Future[None]:
        raise NotImplementedError

    def add_voter(self, identity: str, address: str) -> asyncio.Future[None]:
        return self._configure(self.configuration.with_voter(identity, address))

    def add_nonvoter(self, identity: str, address: str) -> asyncio.Future[None]:
        return self._configure(self.configuration.with_nonvoter(identity, address))

    def remove_server(self, identity: str) -> asyncio.Future[None]:
        return self._configure(self.configuration.without(identity))

    def transfer_leadership(self, target: str) -> asyncio.Future[None]:
        raise NotImplementedError

    def _configure(self, configuration: Configuration) -> asyncio.Future[None]:
        assert self.leads
        assert not self.changing, "one change at a time"
        self.changing = True
        future: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_soon(self._configured, configuration, future)
        return future

    def _configured(self, configuration: Configuration, future: asyncio.Future[None]) -> None:
        self.changing = False
        self.last_index += 1
        self.configuration, self.configuration_index = configuration, self.last_index
        self.configurations.append(configuration)
        if not future.done():
            future.set_result(None)

    def is_leader(self) -> bool:
        return self.leads

    def leader_address(self) -> str:
        return "127.0.0.1:8300" if self.leads else self.leader_elsewhere

    def commit(self, message_type: int, data: bytes, command: object) -> asyncio.Future[object]:
        assert data[0] == message_type
        future: asyncio.Future[object] = self.loop.create_future()
        self.loop.call_soon(self._apply, data, command, future)
        return future

    def _apply(self, data: bytes, command: object, future: asyncio.Future[object]) -> None:
        if self.error is not None:
            future.set_exception(self.error)
            return
        self.last_index += 1
        self.committed.append(command)
        result = self.state.apply(self.last_index, data, command)
        if future.done():
            return
        if isinstance(result, MusterError):
            future.set_exception(result)
        else:
            future.set_result(result)

    def barrier(self) -> asyncio.Future[object]:
        return self._done(None)

    def verify_leader(self) -> asyncio.Future[None]:
        return self._done(None)

    def _done(self, value: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self.loop.create_future()
        future.set_result(value)
        return future

    def snapshot_now(self) -> asyncio.Future[Any]:
        raise NotImplementedError

    def open_snapshot(self, meta: Any) -> BinaryIO:
        raise NotImplementedError

    def install(self, content: Iterable[bytes], index: int) -> asyncio.Future[int]:
        self.installed = list(content)
        return self._done(index + 1)


class Parts:
    """A server and what is under it."""

    def __init__(self, loop: VirtualLoop, **settings: Any) -> None:
        self.loop = loop
        others = {name: settings.pop(name) for name in ("members", "forwarding", "force_leave") if name in settings}
        self.settings = ServerSettings(datacenter="dc1", node_name="n1", node_id=NODE_ID, address="127.0.0.1", **settings)
        self.state = ReplicatedState(Store())
        self.consensus = InstantConsensus(self.state, loop)
        self.clock = LoopClock(loop)
        self.server = Server(self.settings, self.state, self.consensus, self.clock, random.Random(7), loop, **others)

    async def led(self) -> "Parts":
        """After the leader's first duties."""
        self.server.leadership(True)
        await turns(20)
        assert self.server.is_ready()
        assert "consul" in self.services()
        return self

    def services(self) -> dict[str, list[str]]:
        return self.state.store.catalog.services()[1]

    async def call(self, method: str, request: Any) -> Reply:
        outcome = self.server.call(method, request)
        return outcome if isinstance(outcome, Reply) else await outcome

    async def put(self, key: str, value: bytes = b"x", op: str = "set", **entry: Any) -> Reply:
        return await self.call("KVS.Apply", KVSRequest(op=op, entry=KVEntry(key=key, value=value, **entry), **DC))

    async def register(self, node: str, **more: Any) -> Reply:
        return await self.call("Catalog.Register", RegisterRequest(node=node, address="10.0.0.1", **more, **DC))

    @property
    def index(self) -> int:
        return self.consensus.last_index


def run(test: Callable[[Parts], Coroutine[Any, Any, None]], **settings: Any) -> None:
    """Runs `test` with a leading server."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        parts = Parts(loop, **settings)

        async def body() -> None:
            await parts.led()
            await test(parts)

        loop.run_until_complete(asyncio.wait_for(body(), 1_000_000))
        parts.server.stop()
        loop.run_until_complete(turns())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def turns(count: int = 5) -> None:
    """Lets so many turns of the loop pass."""
    for _ in range(count):
        await asyncio.sleep(0)


def waiting(outcome: Any) -> asyncio.Future[Reply]:
    """The outcome, which must be a future that is not done."""
    assert isinstance(outcome, asyncio.Future)
    assert not outcome.done()
    return outcome
