"""A clock that follows the event loop, so that virtual time moves it."""

import asyncio

EPOCH = 1_700_000_000.0
"""Unix seconds when the loop's time is 0."""


class LoopClock:
    """The loop's time as wall clock and as monotonic seconds."""

    def now(self) -> float:
        return EPOCH + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
