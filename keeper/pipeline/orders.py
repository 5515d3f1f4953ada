"""Heeds what operators ask for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Never

from keeper.domain.errors import KeeperError
from keeper.pipeline.network import Network
from keeper.ports import Clock, Orders

_LOOK_EVERY_S = 1.0


class Heeding:
    """One look for all networks every second, or at once where it is called for."""

    def __init__(self, orders: Orders, networks: Sequence[Network], clock: Clock) -> None:
        self._orders = orders
        self._networks = networks
        self._clock = clock
        self._call = asyncio.Event()

    def look_now(self) -> None:
        """Something was asked for."""
        self._call.set()

    async def run(self) -> Never:
        """Where a look fails, the next one will do: a server that is starting may refuse everybody."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._call.wait()
            self._call.clear()
            with suppress(KeeperError):
                await self._look()

    async def _look(self) -> None:
        standing = await self._orders.look([network.addressee for network in self._networks])
        for network in self._networks:
            mine = standing[network.addressee]
            network.heed(mine.pause)
            if mine.waiting and network.takes_requests:
                request = await self._orders.take(network.addressee, self._clock.now())
                if request is not None:
                    network.force("control", request.feeds, by=request.by)
