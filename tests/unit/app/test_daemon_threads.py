"""An executor that keeps no loop from ending."""

import asyncio
import threading
import time
from contextlib import suppress

import pytest

from keeper.app.daemon_threads import DaemonThreads


async def in_daemon_thread(call: object) -> object:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(DaemonThreads())
    return await loop.run_in_executor(None, call)  # type: ignore[arg-type]  # any callable


def test_a_loop_ends_while_a_call_still_hangs() -> None:
    released = threading.Event()

    async def give_up_soon() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await in_daemon_thread(lambda: released.wait(60))

    started = time.monotonic()
    asyncio.run(give_up_soon())
    assert time.monotonic() - started < 30
    released.set()


def test_it_hands_on_what_a_call_returns() -> None:
    assert asyncio.run(in_daemon_thread(lambda: 42)) == 42


def test_it_hands_on_what_a_call_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_daemon_thread(lambda: 1 // 0))
