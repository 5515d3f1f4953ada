"""What goes wrong: each fault comes, stays for a while, and is taken back."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import TypeAlias

from bench.soak.world import BLOCK_TIME_S, CONFIRMATIONS, World
from keeper.lab.anvil import DEV_ADDRESS
from tests.support.relay import Ill

Work: TypeAlias = Callable[[World, Random], Awaitable[None]]
"""Do it, stay for a while, and take it back."""

_GAP_S = (0.3, 2.0)
"""From one fault to the next."""
_STAY_S = (0.5, 5.0)
_DOWN_S = (0.0, 2.0)
_POOL_PATIENCE_S = 3.0
_POLL_S = 0.02
_SPIKE = 50
_USUAL_BASE_FEE = 10**9


class Place(Enum):
    """Where a fault sits; each holds one at a time."""

    KEEPER = auto()
    STREAM = auto()
    HTTP = auto()
    WEBSOCKET = auto()
    CHAIN = auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind."""

    name: str
    place: Place
    work: Work


async def rage(world: World, chance: Random, seconds: float) -> Counter[str]:
    """Random faults, several at a time, for so long and until the last is over; counts them by kind."""
    busy: dict[Place, asyncio.Task[None]] = {}
    met = Counter[str]()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for fault in _drawn(chance):
                if fault.place in busy:
                    await asyncio.wait([busy[fault.place]])
                met[fault.name] += 1
                busy[fault.place] = asyncio.create_task(_do(fault, world, chance), name=fault.name)
                await asyncio.sleep(chance.uniform(*_GAP_S))
    await asyncio.gather(*busy.values())
    return met


def _drawn(chance: Random) -> Iterator[Fault]:
    """Every kind once, in random order, and so on without end."""
    while True:
        yield from chance.sample(FAULTS, len(FAULTS))


async def _do(fault: Fault, world: World, chance: Random) -> None:
    await fault.work(world, chance)


async def _stay(chance: Random) -> None:
    await asyncio.sleep(chance.uniform(*_STAY_S))


# The keeper


async def _kill(world: World, chance: Random) -> None:
    await world.kill_keeper()
    await asyncio.sleep(chance.uniform(*_DOWN_S))
    await world.start_keeper()


# Its prices


def _strikes(action: str) -> Work:
    """An action on the simulator that is over at once."""

    async def work(world: World, _: Random) -> None:
        await world.simulator.control({"action": action})

    return work


def _switches(action: str, field: str, on: object, off: object) -> Work:
    """An action on the simulator that lasts until it is switched off."""

    async def work(world: World, chance: Random) -> None:
        await world.simulator.control({"action": action, field: on})
        await _stay(chance)
        await world.simulator.control({"action": action, field: off})

    return work


# Its endpoints


def _falls(ill: Ill) -> Work:
    async def work(world: World, chance: Random) -> None:
        await world.http.fall(ill)
        await _stay(chance)
        await world.http.heal()

    return work


async def _refuse_sockets(world: World, chance: Random) -> None:
    await world.websocket.stop()
    await _stay(chance)
    await world.websocket.start()


async def _silence_sockets(world: World, chance: Random) -> None:
    world.websocket.fall_silent()
    await _stay(chance)
    world.websocket.speak_again()


async def _lose_an_answer(world: World, _: Random) -> None:
    """The next thing that the node tells is swallowed, and the connection cut: with luck it is about a transaction."""
    await _something_waits(world)
    world.websocket.cuts_left = 1


# Its chain


async def _spike(world: World, chance: Random) -> None:
    newest = await world.node.request("eth_getBlockByNumber", "latest", False)
    spike = max(int(newest["baseFeePerGas"], 16), _USUAL_BASE_FEE) * _SPIKE
    await world.node.request("anvil_setNextBlockBaseFeePerGas", hex(spike))
    await _stay(chance)
    await world.node.request("anvil_setNextBlockBaseFeePerGas", hex(_USUAL_BASE_FEE))


async def _drop(world: World, _: Random) -> None:
    await _something_waits(world)
    await world.node.request("anvil_dropAllTransactions")


async def _something_waits(world: World) -> None:
    """Until a transaction is in the pool, or it takes too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_POOL_PATIENCE_S):
            while not await world.waiting():  # noqa: ASYNC110  a node has no event for it
                await asyncio.sleep(_POLL_S)


async def _stall(world: World, chance: Random) -> None:
    await world.node.request("evm_setIntervalMining", 0)
    await _stay(chance)
    await world.node.request("evm_setIntervalMining", BLOCK_TIME_S)


async def _reorganise(world: World, chance: Random) -> None:
    await world.node.request("anvil_reorg", chance.randint(1, CONFIRMATIONS), [])


async def _impoverish(world: World, chance: Random) -> None:
    """No coins for a while. Blocks follow until no reorganisation brings back what the account held before."""
    taken = await _set_funds(world, lambda _: 0)
    await _stay(chance)
    await _set_funds(world, lambda held: held - taken)
    until = await world.head() + CONFIRMATIONS + 1
    while await world.head() < until:  # noqa: ASYNC110  nor for this
        await asyncio.sleep(BLOCK_TIME_S / 4)


async def _set_funds(world: World, change: Callable[[int], int]) -> int:
    """Between two blocks; what the account has more, or less than nothing, is noted and returned."""
    await world.node.request("evm_setIntervalMining", 0)
    held = await world.funds()
    given = change(held) - held
    await world.node.request("anvil_setBalance", DEV_ADDRESS, hex(held + given))
    await world.node.request("evm_setIntervalMining", BLOCK_TIME_S)
    world.balance += given
    return given


FAULTS = (
    Fault("keeper killed", Place.KEEPER, _kill),
    Fault("stream cut", Place.STREAM, _strikes("drop")),
    Fault("stream ended", Place.STREAM, _strikes("end")),
    Fault("stream silent", Place.STREAM, _switches("silence", "on", True, False)),
    Fault("stream refused", Place.STREAM, _switches("refuse", "how", "reset", None)),
    Fault("prices cut short", Place.STREAM, _switches("garbage", "kind", "json", None)),
    Fault("updates cut short", Place.STREAM, _switches("garbage", "kind", "update", None)),
    Fault("updates forged", Place.STREAM, _switches("forge", "on", True, False)),
    Fault("HTTP refused", Place.HTTP, _falls(Ill.REFUSES)),
    Fault("HTTP sent, then hanging", Place.HTTP, _falls(Ill.HANGS)),
    Fault("HTTP 500", Place.HTTP, _falls(Ill.BREAKS)),
    Fault("HTTP 429", Place.HTTP, _falls(Ill.THROTTLES)),
    Fault("HTTP lagging", Place.HTTP, _falls(Ill.LAGS)),
    Fault("HTTP swallowing", Place.HTTP, _falls(Ill.SWALLOWS)),
    Fault("HTTP lying", Place.HTTP, _falls(Ill.LIES)),
    Fault("WebSocket refused", Place.WEBSOCKET, _refuse_sockets),
    Fault("WebSocket half-open", Place.WEBSOCKET, _silence_sockets),
    Fault("WebSocket answer lost", Place.WEBSOCKET, _lose_an_answer),
    Fault("base fee x50", Place.CHAIN, _spike),
    Fault("transactions dropped", Place.CHAIN, _drop),
    Fault("mining stalled", Place.CHAIN, _stall),
    Fault("reorganisation", Place.CHAIN, _reorganise),
    Fault("no coins", Place.CHAIN, _impoverish),
)
