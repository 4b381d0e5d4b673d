"""The HTTP API as typed calls, with blocking queries, locks and watches; under the command line, the tests and users' programs.

    from muster.client import Client

    client = Client("127.0.0.1:8500")
    client.kv.put("web/port", b"80")
    answer = client.kv.get("web/port")          # answer.value.value == b"80", answer.index to block on

Names are loaded when first used, because a command line that starts in milliseconds stands on this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muster.client.client import Client as Client
    from muster.client.errors import AgentUnreachable as AgentUnreachable
    from muster.client.errors import ClientError as ClientError
    from muster.client.errors import InvalidSetting as InvalidSetting
    from muster.client.errors import RequestFailed as RequestFailed
    from muster.client.locks import Lock as Lock
    from muster.client.queries import Answer as Answer
    from muster.client.queries import Query as Query
    from muster.client.semaphores import Semaphore as Semaphore
    from muster.client.settings import Settings as Settings
    from muster.client.watches import WatchPlan as WatchPlan

_HOMES = {
    "Answer": "queries",
    "AgentUnreachable": "errors",
    "Client": "client",
    "ClientError": "errors",
    "InvalidSetting": "errors",
    "Lock": "locks",
    "Query": "queries",
    "RequestFailed": "errors",
    "Semaphore": "semaphores",
    "Settings": "settings",
    "WatchPlan": "watches",
}

__all__ = [
    "AgentUnreachable",
    "Answer",
    "Client",
    "ClientError",
    "InvalidSetting",
    "Lock",
    "Query",
    "RequestFailed",
    "Semaphore",
    "Settings",
    "WatchPlan",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'muster.client' has no attribute {name!r}")
    return getattr(import_module(f"muster.client.{home}"), name)
