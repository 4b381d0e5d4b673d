"""Runs an agent on a loop of its own in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable

from muster.agent.config.config import Config
from muster.agent.settings import own_address
from muster.testing.agent_on_free_ports import AgentOnFreePorts


class AgentThread:
    """`start` and `stop` once each, from another thread. The ports and the URL are known after `start`."""

    def __init__(self, config: Config) -> None:
        self.http_port = -1
        self.dns_port = -1
        self.url = ""
        self._config = config
        self._thread = threading.Thread(target=self._run, name="muster-agent", daemon=True)
        self._settled = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._error: BaseException | None = None

    def start(self) -> None:
        """Returns when the agent is ready; raises what stopped its start."""
        self._thread.start()
        self._settled.wait()
        if self._error is not None:
            self._join()

    def stop(self) -> None:
        """Ends the agent, its loop and the thread; raises what went wrong meanwhile."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._join()

    def _join(self) -> None:
        self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._life())
        except BaseException as error:  # noqa: BLE001  # `start` or `stop` raises it in the thread of the caller
            self._error = error
        finally:
            self._settled.set()

    async def _life(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        agent = AgentOnFreePorts(self._config)
        try:
            await agent.start()
            await agent.register()
        except BaseException:
            await agent.stop()
            raise
        self.http_port, self.dns_port, self.url = agent.config.ports.http, agent.config.ports.dns, own_address(agent.config)
        self._settled.set()
        await self._end.wait()
        await agent.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's where it is installed, as in the program itself."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
