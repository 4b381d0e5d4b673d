"""Real agents for the tests of programs that use them, and what Muster's own tests stand on.

    from muster.testing import Cluster, Server

    with Server() as server:
        server.client.kv.put("web/port", b"80")

    with Cluster(servers=3) as cluster:
        cluster.leader.kill()
        cluster.client.kv.put("web/port", b"80")

Names are loaded when first used: the pytest plugin lives beside them and must cost nothing where nobody asks for a server.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muster.testing.cluster import Cluster as Cluster
    from muster.testing.server import Server as Server

__all__ = ["Cluster", "Server"]


def __getattr__(name: str) -> object:
    if name == "Cluster":
        from muster.testing.cluster import Cluster

        return Cluster
    if name == "Server":
        from muster.testing.server import Server

        return Server
    raise AttributeError(f"module 'muster.testing' has no attribute {name!r}")
