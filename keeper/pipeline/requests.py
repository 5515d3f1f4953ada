"""Heeds what an operator asks for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Never

from keeper.domain.errors import JournalError
from keeper.pipeline.network import Network
from keeper.ports import Clock, Requests

_LOOK_EVERY_S = 1.0


async def heed_requests(requests: Requests, networks: Sequence[Network], clock: Clock) -> Never:
    """Look every second; where that fails, the next second will do."""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        for network in networks:
            if network.account is not None:
                with suppress(JournalError):
                    feeds = await requests.take(network.account, clock.now())
                    if feeds:
                        network.force("control", feeds)
