"""How long an answer over HTTP keeps the event loop from anything else: prices arrive on the same one."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec

from bench.tables import median, table
from keeper.domain.status import KeeperStatus
from keeper.domain.units import FeedId
from keeper.server.event_metrics import EventMetrics
from keeper.server.metrics import metrics_text
from keeper.server.status import status_view
from tests.support.status import BTC, KEEPER, NETWORK

FEED_COUNTS = (100, 500, 2_000)
_MS = 1000


async def scrape_table(*, times: int) -> str:
    """The table; each answer is made so many times."""
    rows = []
    for feeds in FEED_COUNTS:
        status, counted = _status(feeds), EventMetrics()
        gc.collect()
        gc.freeze()
        rows.append(await _row("/metrics", feeds, lambda: metrics_text(status, counted), times))  # noqa: B023  used now
        rows.append(await _row("/status", feeds, lambda: _status_text(status), times))  # noqa: B023
    return table(("Answer", "Feeds", "Size", "Processor time", "Longest turn, median", "Longest turn, worst"), rows)


async def _status_text(status: KeeperStatus) -> bytes:
    return msgspec.json.encode(await status_view(status))


async def _row(name: str, feeds: int, answer: Callable[[], Awaitable[bytes]], times: int) -> list[str]:
    """Turns are measured by the processor time of the thread: what else the machine does is not the keeper's doing."""
    turns: list[float] = []
    ticking = asyncio.create_task(_tick(turns))
    longest, took, size = [], [], 0
    for _ in range(times):
        await asyncio.sleep(0)
        turns.clear()
        began = time.thread_time()
        size = len(await answer())
        took.append((time.thread_time() - began) * _MS)
        await asyncio.sleep(0)
        longest.append(max(turns) * _MS)
    ticking.cancel()
    return [
        name,
        f"{feeds:,}",
        f"{size / 1000:,.0f} kB",
        f"{median(took):.1f} ms",
        f"{median(longest):.1f} ms",
        f"{max(longest):.1f} ms",
    ]


async def _tick(turns: list[float]) -> None:
    last = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        turns.append(now - last)
        last = now


def _status(feeds: int) -> KeeperStatus:
    rows = tuple(replace(BTC, feed_id=FeedId(f"{number:064x}"), alias=f"FEED{number}/USD") for number in range(feeds))
    return replace(KEEPER, networks=(replace(NETWORK, feeds=rows),))
