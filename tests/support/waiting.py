"""Waiting for what other tasks, threads and processes do."""

import asyncio
from collections.abc import Callable

POLL_S = 0.01


async def wait_until(condition: Callable[[], object], *, timeout_s: float = 5.0) -> None:
    """Return as soon as the condition holds; fail the test when it does not in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110  what is waited for has no event
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s: {getattr(condition, '__name__', condition)}") from None
