"""Several Hermes endpoints as one source of prices: all at once, or the later ones in reserve for the earlier."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Never

from keeper.domain.events import SourceStoodDown
from keeper.domain.status import SourceStatus
from keeper.domain.units import FeedId
from keeper.hermes.config import HermesConfig, HermesMode
from keeper.hermes.shared import SharedDecoder
from keeper.hermes.source import Connect, HermesSource
from keeper.hermes.transport import http_transport
from keeper.ports import Clock, Deliver, Emit

_LOOK_S = 0.1
"""How often an endpoint in reserve looks how the others do."""
_OPENING_S = 1.0
"""What an endpoint gets to open its streams before the next one in reserve is called."""


class HermesSources:
    """Each endpoint delivers its own news, under its own name; whoever takes them keeps the newest of each feed.

    One that is lost takes nothing from the others. Satisfies `keeper.ports.PriceSource`.
    """

    def __init__(
        self,
        configs: Sequence[HermesConfig],
        *,
        mode: HermesMode,
        clock: Clock,
        emit: Emit,
        connect: Connect = http_transport,
        dice: random.Random | None = None,
    ) -> None:
        """`configs` in the order in which endpoints are preferred, at least one."""
        self._mode = mode
        self._emit = emit
        self._clock = clock
        self._stand_down_s = configs[0].timing.stand_down_s
        decode = SharedDecoder() if len(configs) > 1 else configs[0].decode
        self._sources = [
            HermesSource(
                replace(config, decode=decode),
                clock=clock,
                emit=emit,
                connect=connect,
                dice=dice,
                elsewhere=lambda config=config: self._streamed_by_others(config.name),  # type: ignore[misc]
            )
            for config in configs
        ]

    async def run(self, deliver: Deliver) -> Never:
        """Deliver every price event, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for rank, source in enumerate(self._sources):
                in_reserve = rank > 0 and self._mode is HermesMode.STANDBY
                work = self._stand_by(rank, deliver) if in_reserve else source.run(deliver)
                tasks.create_task(work, name=f"source {source.name}")
        raise AssertionError("tasks that never end have ended")

    def subscribe(self, feeds: Sequence[FeedId]) -> None:
        """See PriceSource."""
        for source in self._sources:
            source.subscribe(feeds)

    def status(self) -> Sequence[SourceStatus]:
        """One row an endpoint, in their order."""
        return [row for source in self._sources for row in source.status()]

    def _streamed_by_others(self, name: str) -> frozenset[FeedId]:
        return frozenset().union(*(source.streamed() for source in self._sources if source.name != name))

    async def _stand_by(self, rank: int, deliver: Deliver) -> Never:
        """Run whenever no endpoint before this one is well; each further one gives those before it time to open."""
        source, before = self._sources[rank], self._sources[:rank]
        source.stand_by()
        await asyncio.sleep(_OPENING_S)
        while True:
            await self._last(before, well=False, for_s=(rank - 1) * _OPENING_S)
            running = asyncio.create_task(source.run(deliver), name=f"run {source.name}")
            try:
                await self._last(before, well=True, for_s=self._stand_down_s)
            finally:
                running.cancel()
                await asyncio.wait([running])
            if not running.cancelled():
                running.result()
            source.stand_by()
            self._emit(SourceStoodDown(source.name))

    async def _last(self, sources: Sequence[HermesSource], *, well: bool, for_s: float) -> None:
        """Return once any of them has been well, or none of them, for so long without a break."""
        since: float | None = None
        while True:
            now = self._clock.monotonic()
            if any(source.is_well for source in sources) is not well:
                since = None
            elif since is None:
                since = now
            if since is not None and now - since >= for_s:
                return
            await asyncio.sleep(_LOOK_S)
