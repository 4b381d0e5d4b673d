"""What the transport's tests share: a coroutine is run on a loop of its own."""

import asyncio
import inspect
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Coroutine tests run to their end within 20 seconds."""
    test = pyfuncitem.obj
    if inspect.iscoroutinefunction(test):

        def run(**fixtures: object) -> None:
            async def limited() -> None:
                async with asyncio.timeout(20):
                    await test(**fixtures)

            asyncio.run(limited())

        pyfuncitem.obj = run
    try:
        return (yield)
    finally:
        pyfuncitem.obj = test
