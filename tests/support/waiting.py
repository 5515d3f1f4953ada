"""Waiting for what other tasks, threads and processes do."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

POLL_S = 0.01
PATIENCE_S = 30.0
"""For what should come at once: it comes late on a busy machine."""


async def wait_until(condition: Callable[[], object | Awaitable[object]], *, timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as the condition, plain or async, holds; fail the test when it does not in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await _value(condition()):  # noqa: ASYNC110  what is waited for has no event
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s: {getattr(condition, '__name__', condition)}") from None


async def _value(found: object | Awaitable[object]) -> object:
    return await found if isawaitable(found) else found
