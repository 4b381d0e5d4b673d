"""How an agent comes into a pool: at once (`start_join`), again and again until it works (`retry_join`), or when an operator says so.

Names are looked up anew at each try. The words are Consul's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from muster.agent.config.sections import Join
from muster.agent.definitions import all_errors
from muster.model.durations import SECOND, format_duration
from muster.model.errors import Rejected

logger = logging.getLogger("muster.agent")

Wait = Callable[[float], Awaitable[None]]


class Pool(Protocol):
    """What of a pool joins it."""

    async def join(self, addresses: Sequence[str]) -> tuple[int, list[str]]:
        """How many answered, and why others did not."""
        ...


async def join(pool: Pool, addresses: Sequence[str]) -> int:
    """How many answered; `Rejected` with all the reasons if nobody did."""
    count, faults = await pool.join(addresses)
    if faults and not count:
        raise Rejected(all_errors(faults))
    return count


async def start_join(pool: Pool, settings: Join, cluster: str) -> None:
    """Join the addresses of `start_join`, once; `Rejected` stops the start. `cluster` is LAN or WAN."""
    if not settings.start:
        return
    logger.info("Joining cluster...: cluster=%s", cluster)
    count = await join(pool, settings.start)
    logger.info("Join completed. Initial agents synced with: cluster=%s agent_count=%d", cluster, count)


async def retry_join(pool: Pool, settings: Join, cluster: str, wait: Wait = asyncio.sleep) -> None:
    """Join the addresses of `retry_join` until somebody answers; `Rejected` after `retry_max` more tries than one ends the process."""
    if not settings.retry:
        return
    attempt = 0
    while True:
        logger.info("Joining cluster...: cluster=%s", cluster)
        try:
            count = await join(pool, settings.retry)
        except Rejected as error:
            fault = str(error)
        else:
            logger.info("Join cluster completed. Synced with initial agents: cluster=%s num_agents=%d", cluster, count)
            return
        attempt += 1
        if 0 < settings.retry_max < attempt:
            raise Rejected("agent: max join retry exhausted, exiting")
        interval = format_duration(settings.retry_interval)
        logger.warning("Join cluster failed, will retry: cluster=%s retry_interval=%s error=%s", cluster, interval, fault)
        await wait(settings.retry_interval / SECOND)
