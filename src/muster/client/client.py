"""The client: one object with the groups of calls, each loaded when it is first used."""

from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from muster.client.settings import DEFAULT_ADDRESS, Settings, from_environment
from muster.client.transport import Transport

if TYPE_CHECKING:
    from muster.client.agent import Agent
    from muster.client.catalog import Catalog
    from muster.client.event import Events
    from muster.client.health import Health
    from muster.client.kv import KV
    from muster.client.locks import Lock
    from muster.client.operator import Operator
    from muster.client.prepared_query import PreparedQueries
    from muster.client.semaphores import Semaphore
    from muster.client.session import Sessions
    from muster.client.snapshot import Snapshots
    from muster.client.status import Coordinates, Status
    from muster.client.txn import Transactions


class Client:
    """Speaks to one agent; threads may share it.

    `address` is `host:port`, a URL with `http` or `https`, or `unix:///path`. `datacenter` and `stale` hold for every call that
    does not say otherwise. Nothing is read from the environment: `Client.from_environment` does that.
    Raises `InvalidSetting` at once for an unknown scheme or an unreadable file.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        token: str = "",
        *,
        scheme: str = "",
        datacenter: str = "",
        stale: bool = False,
        verify: bool = True,
        ca_file: str = "",
        ca_path: str = "",
        client_cert: str = "",
        client_key: str = "",
        server_name: str = "",
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings(
            address=address,
            token=token,
            datacenter=datacenter,
            stale=stale,
            tls=scheme == "https",
            verify=verify,
            ca_file=ca_file,
            ca_path=ca_path,
            client_cert=client_cert,
            client_key=client_key,
            server_name=server_name,
        )
        self.transport = Transport(self.settings)

    @classmethod
    def from_environment(cls) -> "Client":
        """A client as the `CONSUL_*` variables of this process say."""
        return cls(settings=from_environment())

    def close(self) -> None:
        """Closes the idle connections; the client can still be used."""
        self.transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @cached_property
    def kv(self) -> "KV":
        from muster.client.kv import KV

        return KV(self.transport)

    @cached_property
    def catalog(self) -> "Catalog":
        from muster.client.catalog import Catalog

        return Catalog(self.transport)

    @cached_property
    def health(self) -> "Health":
        from muster.client.health import Health

        return Health(self.transport)

    @cached_property
    def agent(self) -> "Agent":
        from muster.client.agent import Agent

        return Agent(self.transport)

    @cached_property
    def session(self) -> "Sessions":
        from muster.client.session import Sessions

        return Sessions(self.transport)

    @cached_property
    def query(self) -> "PreparedQueries":
        from muster.client.prepared_query import PreparedQueries

        return PreparedQueries(self.transport)

    @cached_property
    def event(self) -> "Events":
        from muster.client.event import Events

        return Events(self.transport)

    @cached_property
    def status(self) -> "Status":
        from muster.client.status import Status

        return Status(self.transport)

    @cached_property
    def coordinate(self) -> "Coordinates":
        from muster.client.status import Coordinates

        return Coordinates(self.transport)

    @cached_property
    def operator(self) -> "Operator":
        from muster.client.operator import Operator

        return Operator(self.transport)

    @cached_property
    def snapshot(self) -> "Snapshots":
        from muster.client.snapshot import Snapshots

        return Snapshots(self.transport)

    @cached_property
    def txn(self) -> "Transactions":
        from muster.client.txn import Transactions

        return Transactions(self.transport)

    def lock(self, key: str, **options: Any) -> "Lock":
        """A lock on a key; the options are those of `Lock`."""
        from muster.client.locks import Lock

        return Lock(self, key, **options)

    def semaphore(self, prefix: str, limit: int, **options: Any) -> "Semaphore":
        """A semaphore under a prefix; the options are those of `Semaphore`."""
        from muster.client.semaphores import Semaphore

        return Semaphore(self, prefix, limit, **options)
