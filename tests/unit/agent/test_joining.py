"""How an agent comes into a pool: once, again and again, or not at all."""

from collections.abc import Sequence

import pytest
from agent_fakes import in_loop

from muster.agent.config.sections import Join
from muster.agent.joining import join, retry_join, start_join
from muster.model.durations import SECOND
from muster.model.errors import Rejected

REFUSED = "Failed to join 10.0.0.1: dial tcp 10.0.0.1:8301: connect: connection refused"


class Pool:
    """Answers one try after the other with what it was given; the last one for ever."""

    def __init__(self, *answers: tuple[int, list[str]]) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[str]] = []
        self.waited: list[float] = []

    async def join(self, addresses: Sequence[str]) -> tuple[int, list[str]]:
        self.asked.append(addresses)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


@in_loop
async def test_one_that_answers_is_enough() -> None:
    assert await join(Pool((1, [REFUSED])), ["a", "b"]) == 1


@in_loop
async def test_if_nobody_answers_every_reason_is_told() -> None:
    with pytest.raises(Rejected) as refused:
        await join(Pool((0, [REFUSED, "Failed to resolve x: lookup x: no such host"])), ["10.0.0.1", "x"])
    assert str(refused.value) == f"2 errors occurred:\n\t* {REFUSED}\n\t* Failed to resolve x: lookup x: no such host\n\n"


@in_loop
async def test_a_start_joins_once_and_fails_if_nobody_answers() -> None:
    pool = Pool((0, [REFUSED]))
    with pytest.raises(Rejected, match="connection refused"):
        await start_join(pool, Join(start=("10.0.0.1",)), "LAN")
    await start_join(pool, Join(), "LAN")
    assert pool.asked == [("10.0.0.1",)]


@in_loop
async def test_it_is_tried_again_until_somebody_answers() -> None:
    pool = Pool((0, [REFUSED]), (0, [REFUSED]), (2, []))
    await retry_join(pool, Join(retry=("10.0.0.1", "b"), retry_interval=30 * SECOND), "LAN", pool.wait)
    assert pool.asked == [("10.0.0.1", "b")] * 3
    assert pool.waited == [30.0, 30.0]


@in_loop
async def test_after_the_last_try_the_process_is_to_end() -> None:
    pool = Pool((0, [REFUSED]))
    with pytest.raises(Rejected, match="agent: max join retry exhausted, exiting"):
        await retry_join(pool, Join(retry=("10.0.0.1",), retry_interval=SECOND, retry_max=2), "LAN", pool.wait)
    assert (len(pool.asked), pool.waited) == (3, [1.0, 1.0])


@in_loop
async def test_nothing_is_tried_without_addresses() -> None:
    pool = Pool((0, [REFUSED]))
    await retry_join(pool, Join(), "WAN", pool.wait)
    assert pool.asked == []
