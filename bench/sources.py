"""How long no price comes when a Hermes endpoint fails: the longest pause between two deliveries, fault by fault."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from time import perf_counter
from typing import Any

from bench.tables import median, table
from keeper.app.clock import SystemClock
from keeper.hermes import HermesConfig, HermesMode, HermesSources
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from keeper.ports import PriceEvent

_PEER_S = 5.0
"""price_pusher waits so long after any loss."""
_WATCHED_S = 6.0
_SETTLED_S = 2.0
_KEY = "bench-key"
_FAULTS: dict[str, list[dict[str, Any]]] = {
    "stream reset": [{"action": "drop"}],
    "stream ended": [{"action": "end", "error": "timeout"}],
    "stream lost, new ones refused": [{"action": "refuse", "how": "503"}, {"action": "drop"}],
    "silence, polls answered": [{"action": "silence"}],
    "garbage, polls too": [{"action": "garbage", "kind": "update"}],
    "401": [{"action": "api_key", "key": "another"}, {"action": "drop"}],
    "429": [{"action": "throttle", "mode": "always"}, {"action": "drop"}],
}
_SETUPS: dict[str, tuple[int, HermesMode]] = {
    "one": (1, HermesMode.ALL),
    "two, `all`": (2, HermesMode.ALL),
    "two, `standby`": (2, HermesMode.STANDBY),
}


async def sources_table(*, repeats: int) -> str:
    """A row a fault: the median of the longest pauses, in ms, beside price_pusher's."""
    rows = [
        [name, *[await _cell(actions, setup, repeats) for setup in _SETUPS.values()]]
        for name, actions in _FAULTS.items()
    ]
    head = ["fault of the first endpoint", *_SETUPS, "price_pusher"]
    return table(head, [[*row, f"{_PEER_S * 1000:,.0f}"] for row in rows])


async def _cell(actions: Sequence[dict[str, Any]], setup: tuple[int, HermesMode], repeats: int) -> str:
    pauses = [await _longest_pause_s(actions, *setup) for _ in range(repeats)]
    pause_s = median(pauses)
    return f"{pause_s * 1000:,.0f}" if pause_s < _WATCHED_S else "until it ends"


async def _longest_pause_s(actions: Sequence[dict[str, Any]], endpoints: int, mode: HermesMode) -> float:
    """With the keeper's default timing, slots every 400 ms; a pause is no shorter than that by itself."""
    times: list[float] = []

    def deliver(_: PriceEvent) -> None:
        times.append(perf_counter())

    async with AsyncExitStack() as stack:
        simulators = [await _started(stack) for _ in range(endpoints)]
        configs = [
            HermesConfig(name=f"hermes-{number}", url=each.url, feeds=tuple(each.feed_ids), api_key=lambda: _KEY)
            for number, each in enumerate(simulators)
        ]
        source = HermesSources(configs, mode=mode, clock=SystemClock(), emit=lambda _: None)
        running = asyncio.create_task(source.run(deliver))
        stack.callback(running.cancel)
        await asyncio.sleep(_SETTLED_S)
        before = times[-1]
        for action in actions:
            await simulators[0].control(action)
        await asyncio.sleep(_WATCHED_S)
        ends = [before, *(at for at in times if at > before), perf_counter()]
        return max(later - earlier for earlier, later in pairwise(ends))


async def _started(stack: AsyncExitStack) -> HermesSimulator:
    simulator = HermesSimulator(SimulatorConfig(feeds=10, api_key=_KEY))
    await simulator.start()
    stack.push_async_callback(simulator.stop)
    return simulator
