"""How DNS asks the servers: through the cache if it may, and of the leader where the others have not heard of it for too long."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from muster.agent.cache import AgentCache, Cached
from muster.dns.settings import DnsSettings
from muster.wire.replies import Reply

Call = Callable[[str, Any], "Reply | asyncio.Future[Reply]"]


async def settled(outcome: "Reply | asyncio.Future[Reply]") -> Reply:
    """The reply, now or when it has come."""
    return outcome if isinstance(outcome, Reply) else await outcome


async def ask(call: Call, cache: AgentCache | None, settings: DnsSettings, method: str, request: Any) -> Reply:
    """The reply to a question. `call` is the agent's way to its servers; without a `cache` it is not read."""
    if request.use_cache and cache is not None:
        found = cache.get(method, request)
        return (found if isinstance(found, Cached) else await found).reply
    reply = await settled(call(method, request))
    if request.allow_stale and reply.last_contact > settings.max_stale:
        return await settled(call(method, replace(request, allow_stale=False)))
    return reply
