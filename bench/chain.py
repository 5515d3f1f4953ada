"""Requests, gas and fees of `keeper run` on a real chain."""

import asyncio
from collections import Counter
from collections.abc import Awaitable

from bench.devnet import FEEDS, Devnet, Push, devnet
from bench.programs import Program
from bench.tables import median, table
from keeper.domain.units import WEI_PER_GWEI

_WEI_PER_COIN = 10**18
_MINUTE_S = 60
_POLLS_PER_MINUTE = 0.2
"""`MONITORING_INTERVAL_MS` is five minutes by default."""
_POLL_S = 4
_POLL = '"chain_read"'
"""What the log says of one."""


async def requests_table(*, pushes: int, idle_s: int) -> str:
    """JSON-RPC requests by method, a batch counted as what is in it; idle for so many seconds."""
    async with devnet() as net:
        async with net.keeper() as program:

            async def push_in_turn() -> None:
                for number in range(pushes):
                    await net.push(number % FEEDS, program)
                    await net.settle(program)

            await net.settle(program)
            while_pushing = await _counted(net, push_in_turn())
            while_idle = await _counted(net, asyncio.sleep(idle_s))
        async with net.keeper(poll_s=_POLL_S) as program:
            await net.settle(program)
            before = _polls(program)
            while_polling = await _counted(net, asyncio.sleep(3 * _POLL_S))
            polls = _polls(program) - before
    methods = sorted(while_pushing | while_idle | while_polling)
    columns = [
        [while_pushing[method] / pushes for method in methods],
        [while_polling[method] / polls for method in methods],
        [
            while_idle[method] * _MINUTE_S / idle_s + while_polling[method] / polls * _POLLS_PER_MINUTE
            for method in methods
        ],
    ]
    names = [*(f"`{method}`" for method in methods), "all"]
    cells = [[f"{number:g}" for number in (*column, sum(column))] for column in columns]
    return table(("Method", "Per push", "Per poll", "Per idle minute"), zip(names, *cells, strict=True))


def _polls(program: Program) -> int:
    return program.log.read_text().count(_POLL)


async def _counted(net: Devnet, doing: Awaitable[None]) -> Counter[str]:
    before = net.proxy.methods.copy()
    await doing
    return net.proxy.methods - before


async def gas_table(*, pushes: int) -> str:
    """Gas and fees of a push for one feed that is due, sliced out of the update and not."""
    rows = []
    async with devnet() as net:
        for name, early in (("only the due feed, sliced out", "cheaper"), ("all feeds, as they came", "always")):
            async with net.keeper(early_update=early) as program:
                rows.append(_gas_row(name, [await net.push(number % FEEDS, program) for number in range(pushes)]))
    return table(("One feed due of 10; sent", "Feeds written", "Gas", "Update fee", "Total at 1 gwei"), rows)


def _gas_row(name: str, pushes: list[Push]) -> tuple[str, ...]:
    gas, feeds = median([push.gas for push in pushes]), median([push.feeds for push in pushes])
    fee = median([push.fee for push in pushes]) / _WEI_PER_COIN
    total = fee + gas * WEI_PER_GWEI / _WEI_PER_COIN
    return name, f"{feeds:g}", f"{gas:,.0f}", f"{fee:g} coins", f"{total:.5f} coins"
