"""A real agent for the tests of programs that use one, and what Muster's own tests stand on.

    from muster.testing import Server

    with Server() as server:
        server.client.kv.put("web/port", b"80")

Names are loaded when first used: the pytest plugin lives beside them and must cost nothing where nobody asks for a server.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muster.testing.server import Server as Server

__all__ = ["Server"]


def __getattr__(name: str) -> object:
    if name == "Server":
        from muster.testing.server import Server

        return Server
    raise AttributeError(f"module 'muster.testing' has no attribute {name!r}")
