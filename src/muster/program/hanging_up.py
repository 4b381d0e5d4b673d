"""Ends the calls that are under way at a server which gossip calls failed.

A host that loses its power or its network says nothing: TCP would notice after half a minute at best. Reads then go to another server,
and of writes it is told that nobody knows whether they were done.
"""

from collections.abc import Callable

from muster.agent.server_list import known_server
from muster.gossip.effects import Effect, MemberFailed
from muster.transport.rpc_pool import RpcPool


def hanging_up(pool: RpcPool) -> Callable[[Effect], None]:
    """A listener of a gossip pool that closes the connections of `pool` to servers that fail."""

    def heard(effect: Effect) -> None:
        if isinstance(effect, MemberFailed) and (server := known_server(effect.member)) is not None:
            pool.close(server.address)

    return heard
