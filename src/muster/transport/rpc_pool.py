"""Calls to servers: one connection to each, made when it is needed and closed when nobody uses it.

A call fails in one of three ways: no connection can be made (nothing was sent), the connection ended (a write may have been done), or the
server refuses. Whom to ask instead, and whether to ask again, is for the caller to decide.

Source: reference of the RPC wire, sections 2 and 6.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, BinaryIO

from muster.model.errors import Rejected
from muster.transport import snapshot_client
from muster.transport.dialing import DIAL_TIMEOUT, dial_fault, split_address
from muster.transport.rpc_client import Call, ClientConnection
from muster.transport.rpc_errors import CannotConnect
from muster.transport.rpc_session import WRITE_TIMEOUT
from muster.wire.replies import Reply
from muster.wire.rpc import refusal
from muster.wire.rpc_methods import METHODS, encode_argument

IDLE_TIME = 127.0  # seconds, of a client agent; a server keeps its own 120
IDLE_STREAMS = 32  # of a connection, of a client agent; a server keeps 64


class RpcPool:
    """Made on the running loop. Addresses are "ip:port" of the servers' RPC."""

    def __init__(
        self,
        *,
        source: str = "",
        dial_timeout: float = DIAL_TIMEOUT,
        idle_time: float = IDLE_TIME,
        idle_streams: int = IDLE_STREAMS,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        """`source`: the address that connections come from, empty for any. Times in seconds."""
        self._source, self._dial_timeout = source, dial_timeout
        self._loop = asyncio.get_running_loop()
        self._make = partial(ClientConnection, idle_streams=idle_streams, idle_time=idle_time, write_timeout=write_timeout)
        self._connections: dict[str, ClientConnection] = {}
        self._retiring: set[ClientConnection] = set()
        self._dials: dict[ClientConnection, asyncio.Task[None]] = {}
        self._closed = False

    def call(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
        """Asks a server; cancelling the future withdraws the call. Snapshot.Save and Snapshot.Restore go their own way: see below.

        The future carries CannotConnect, ConnectionLost or RemoteError. Raises Rejected for a method that does not exist or a closed pool.
        """
        if self._closed:
            raise Rejected("the pool of RPC connections is closed")
        if method not in METHODS:
            return self._call_apart(address, method, request)
        call = Call(method, self._loop)
        body = encode_argument(method, request)
        connection = self._connections.get(address)
        if connection is None:
            connection = self._dial(address)
        connection.start(call, body)
        return call

    async def snapshot_save(self, address: str, datacenter: str, token: str = "", *, allow_stale: bool = False) -> Reply:
        """An archive of a server's state: the reply's value is an asynchronous iterator over its bytes. Errors as of `call`.

        Meant for whoever reads it to the end or closes it; each has a connection of its own.
        """
        return await snapshot_client.save(
            address, datacenter, token, allow_stale=allow_stale, source=self._source, dial_timeout=self._dial_timeout
        )

    async def snapshot_restore(
        self, address: str, datacenter: str, archive: bytes | BinaryIO | Iterable[bytes] | AsyncIterator[bytes], token: str = ""
    ) -> Reply:
        """Has a server replace its datacenter's state by an archive. Errors as of `call`."""
        return await snapshot_client.restore(address, datacenter, archive, token, source=self._source, dial_timeout=self._dial_timeout)

    def _call_apart(self, address: str, method: str, request: Any) -> asyncio.Future[Reply]:
        """What endpoints know as methods and the wire does not."""
        if method == "Snapshot.Save":
            return self._loop.create_task(self.snapshot_save(address, request.datacenter, request.token, allow_stale=request.allow_stale))
        if method == "Snapshot.Restore":
            return self._loop.create_task(self.snapshot_restore(address, request.datacenter, request.archive, request.token))
        raise Rejected(refusal(method, METHODS) or method)

    @property
    def addresses(self) -> list[str]:
        """The servers to which there is a connection, or is going to be."""
        return list(self._connections)

    def close(self, address: str | None = None) -> None:
        """Ends the connection to one server, or all for good; calls under way fail with ConnectionLost."""
        if address is None:
            self._closed = True
            ending = [*self._connections.values(), *self._retiring]
        else:
            ending = [one for one in (self._connections.get(address),) if one is not None]
        for connection in ending:
            dial = self._dials.get(connection)
            if dial is not None:
                dial.cancel()
            connection.abort("closed")

    def _dial(self, address: str) -> ClientConnection:
        connection = self._connections[address] = self._make(on_end=partial(self._ended, address))
        task = self._loop.create_task(self._connect(address, connection))
        self._dials[connection] = task
        task.add_done_callback(lambda _: self._dials.pop(connection, None))
        return connection

    async def _connect(self, address: str, connection: ClientConnection) -> None:
        try:
            host, port = split_address(address)
            async with asyncio.timeout(self._dial_timeout):
                await self._loop.create_connection(lambda: connection, host, port, local_addr=(self._source, 0) if self._source else None)
        except OSError as error:
            connection.failed(CannotConnect(dial_fault(self._source, address, error)))
        except Rejected as error:
            connection.failed(CannotConnect(str(error)))

    def _ended(self, address: str, connection: ClientConnection) -> None:
        """No new call goes to it; those that are on it may still be answered."""
        if self._connections.get(address) is connection:
            del self._connections[address]
        if not connection.ended:
            self._retiring.add(connection)
        else:
            self._retiring.discard(connection)
