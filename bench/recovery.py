"""How soon the right price is on chain once a fault is over, on a real Anvil, beside the figures of price_pusher.

The faults are those of the integration tests, and every keeper's books are checked against the chain in the end.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from bench.tables import median, table
from keeper.lab.anvil import DEV_ADDRESS, Anvil
from keeper.lab.anvil_install import ensure_anvil
from tests.support.crash_world import crash_world, kill
from tests.support.fault_world import PATIENCE_S, FaultWorld, fault_world
from tests.support.faults import GWEI, blocks_coming, fall_in_earnest, mine_for_every_transaction, over, relays, rival
from tests.support.gate import Hold
from tests.support.node import Node
from tests.support.proxy import FaultyProxy
from tests.support.relay import Ill
from tests.support.waiting import wait_until

_FAULT_S = 2.0
_BLOCK_S = 1.0
_A_COIN = 10**18
_USUAL = {"RETRY_DELAY_MS": "5000", "RESEND_AFTER_MS": "15000"}
"""The defaults: the tests are less patient."""

Fault: TypeAlias = Callable[[FaultWorld], Awaitable[float]]
"""Befalls a keeper; the seconds that it takes to recover."""


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, over the transports that it makes sense for."""

    name: str
    peer: str
    http: Fault | None
    ws: Fault | None = None
    times: int | None = None
    """How often it is measured, where that differs."""


async def recovery_table(*, times: int, outage_s: float) -> str:
    """Medians of so many keepers each; `outage_s` is how long all five endpoints are down."""
    binary = await ensure_anvil(announce=lambda text: print(text, file=sys.stderr))
    lines = []
    for row in _rows(outage_s):
        cells = [await _median(binary, fault, row.times or times) for fault in (row.http, row.ws)]
        lines.append((row.name, *cells, row.peer))
        print(*lines[-1], sep="; ", file=sys.stderr, flush=True)
    killed = [await _killed(binary) for _ in range(times)]
    lines.append(("`kill -9` before a node heard of the transaction, from the restart", _cell(killed), "-", "-"))
    return table(("Fault; measured from its end", "Keeper, HTTP", "Keeper, WebSocket", "price_pusher"), lines)


def _rows(outage_s: float) -> list[Row]:
    return [
        Row("RPC refuses connections for 20 s", "0.20 s", partial(_alone, Ill.REFUSES, 20.0), times=1),
        Row("mining stalls for 3 s", "no replacement", partial(_stalled, "http"), partial(_stalled, "ws")),
        Row("base fee x50 over what waits, until the replacement is sent", "1-2 s", *_both(_spike)),
        Row("reorganisation of 1 block", "57 s", *_both(_reorganised, 1)),
        Row("reorganisation of 5 blocks", "-", *_both(_reorganised, 5)),
        *(
            Row(name, "-", partial(_alone, ill, _FAULT_S))
            for name, ill in (
                ("RPC answers HTTP 500", Ill.BREAKS),
                ("RPC answers HTTP 429", Ill.THROTTLES),
                ("RPC serves another chain", Ill.WRONG_CHAIN),
                ("RPC swallows transactions", Ill.SWALLOWS),
                ("RPC hangs", Ill.HANGS),
            )
        ),
        Row("one of five endpoints lost, from the price on", "-", _one_of_five),
        Row(f"all five endpoints down for {outage_s:g} s", "-", partial(_all_down, outage_s), times=1),
        Row("WebSocket half-open, from the price on", "-", None, _half_open),
        Row("dropped from the pool, until it is there again", "-", *_both(_dropped)),
        Row("a rival's transaction mined at the nonce, from the price on", "-", *_both(_rival)),
        Row("out of funds, until filled", "-", _dry),
    ]


def _both(fault: Callable[..., Awaitable[float]], *given: int) -> tuple[Fault, Fault]:
    return partial(fault, "http", *given), partial(fault, "ws", *given)


async def _median(binary: Path, fault: Fault | None, times: int) -> str:
    return "-" if fault is None else _cell([await _befallen(binary, fault) for _ in range(times)])


def _cell(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s"


async def _befallen(binary: Path, fault: Fault) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Anvil(binary) as anvil,
            Node(anvil.url) as node,
            fault_world(anvil, node, Path(folder), lambda *_: None) as world,
        ):
            return await fault(world)


async def _alone(ill: Ill, seconds: float, world: FaultWorld) -> float:
    async with relays(world, 1) as (relay,), world.keeper(**_USUAL):
        await fall_in_earnest(relay, ill)
        await world.jump()
        await asyncio.sleep(seconds)
        await relay.heal()
        return await world.price_lands()


async def _one_of_five(world: FaultWorld) -> float:
    async with relays(world, 5) as (first, *_), world.keeper(**_USUAL):
        await first.fall(Ill.REFUSES)
        await world.jump()
        return await world.price_lands()


async def _all_down(seconds: float, world: FaultWorld) -> float:
    async with relays(world, 5) as all_of_them, world.keeper(**_USUAL):
        await asyncio.gather(*(relay.fall(Ill.REFUSES) for relay in all_of_them))
        await world.jump()
        await asyncio.sleep(seconds)
        await asyncio.gather(*(relay.heal() for relay in all_of_them))
        return await world.price_lands()


async def _half_open(world: FaultWorld) -> float:
    async with FaultyProxy(world.anvil.port) as proxy:
        world.environ["RPC_URL"] = f"{proxy.ws_url},{world.anvil.url}"
        async with world.keeper(**_USUAL):
            proxy.fall_silent()
            await world.jump()
            return await world.price_lands()


async def _stalled(transport: str, world: FaultWorld) -> float:
    over(world, transport)
    async with world.keeper(**_USUAL) as keeper:
        await _wait_in_the_pool(world)
        await asyncio.sleep(3.0)
        await world.jump()
        if any(line["replaces"] for line in keeper.told("push_sent")):
            raise RuntimeError("a transaction was replaced while no block came")
        await mine_for_every_transaction(world)
        return await world.price_lands()


async def _spike(transport: str, world: FaultWorld) -> float:
    over(world, transport)
    async with world.keeper(**_USUAL) as keeper:
        async with blocks_coming(world, every_s=_BLOCK_S):
            await asyncio.sleep(3 * _BLOCK_S)  # it learns how far blocks are apart
        await _wait_in_the_pool(world)
        await world.jump()
        async with blocks_coming(world, base_fee=50 * GWEI, every_s=_BLOCK_S):
            started = time.monotonic()
            await wait_until(lambda: any(line["replaces"] for line in keeper.told("push_sent")), timeout_s=PATIENCE_S)
            seconds = time.monotonic() - started
            await world.price_lands()
        await mine_for_every_transaction(world)
        return seconds


async def _reorganised(transport: str, depth: int, world: FaultWorld) -> float:
    over(world, transport)
    async with world.keeper(**_USUAL, CONFIRMATIONS="12") as keeper:
        async with blocks_coming(world, every_s=_BLOCK_S):
            await world.jump()
            await world.price_lands()
            mined_in = await world.blocks()
            await wait_until(lambda: len(keeper.told("push_confirmed")) >= 2, timeout_s=PATIENCE_S)
            await wait_until(partial(_is_deep, world, mined_in + depth - 1), timeout_s=PATIENCE_S)
        await world.node.request("anvil_reorg", depth + 1, [])
        async with blocks_coming(world, every_s=_BLOCK_S):
            seconds = await world.price_lands()
        await mine_for_every_transaction(world)
        return seconds


async def _is_deep(world: FaultWorld, block: int) -> bool:
    return await world.blocks() >= block


async def _dropped(transport: str, world: FaultWorld) -> float:
    over(world, transport)
    async with world.keeper(**_USUAL):
        await _wait_in_the_pool(world)
        (dropped,) = await world.waiting()
        await world.node.request("anvil_dropTransaction", dropped)
        started = time.monotonic()
        await wait_until(world.waiting, timeout_s=PATIENCE_S)
        seconds = time.monotonic() - started
        await mine_for_every_transaction(world)
        await world.price_lands()
        return seconds


async def _rival(transport: str, world: FaultWorld) -> float:
    over(world, transport)
    async with world.keeper(**_USUAL):
        await rival(world, await world.mined())
        await world.jump()
        return await world.price_lands()


async def _dry(world: FaultWorld) -> float:
    async with world.keeper(**_USUAL, MONITORING_INTERVAL_MS="1000") as keeper:
        await world.node.request("anvil_setBalance", DEV_ADDRESS, "0x0")
        await world.jump()
        await wait_until(
            lambda: keeper.told("push_dropped") or keeper.told("push_held_by_budget"), timeout_s=PATIENCE_S
        )
        await asyncio.sleep(_FAULT_S)
        await world.node.request("anvil_setBalance", DEV_ADDRESS, hex(_A_COIN))
        return await world.price_lands()


async def _wait_in_the_pool(world: FaultWorld) -> None:
    """Blocks come no more, and a push waits for one."""
    await world.node.request("evm_setAutomine", False)
    await world.jump()
    await wait_until(world.waiting)


async def _killed(binary: Path) -> float:
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = f"sqlite:///{folder / 'journal.db'}"

        def record(figure: str, value: object) -> None:
            told[figure] = float(str(value))

        async with (
            Anvil(binary) as anvil,
            Node(anvil.url) as node,
            crash_world(anvil, node, journal_url=journal, folder=folder, record=record) as world,
        ):
            async with world.settled_keeper(**_USUAL, REPLACE_AFTER_BLOCKS="2") as keeper:
                world.gate.hold = Hold.REQUEST
                await world.jump()
                await wait_until(lambda: world.gate.held, timeout_s=PATIENCE_S)
                await kill(keeper)
            world.gate.hold = Hold.NOTHING
            started = time.monotonic()
            async with world.keeper(**_USUAL, REPLACE_AFTER_BLOCKS="2") as keeper:
                await world.converges(keeper, since=started)
            await world.assert_books_match()
    return told["recovery_s"]
