"""An ordinary hour of log fits on a screen, and an outage floods nothing: the whole keeper, in virtual time."""

import asyncio
import io
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from keeper.app.log_events import LogEvents
from keeper.app.logs import logging_as
from keeper.app.runtime import Keeper
from keeper.coordination.solo import Solo
from keeper.domain.errors import Transient
from keeper.domain.transaction import Receipt, SignedTransaction
from keeper.hermes.config import HermesConfig, HermesMode
from keeper.hermes.failure import SourceFailure
from keeper.hermes.several import HermesSources
from keeper.pipeline.network import Network
from keeper.ports import ChainState, Look, Outside
from keeper.signing.raw_key import RawKeySigner
from tests.support.chain import FakeChain
from tests.support.clock import LoopClock
from tests.support.fake_hermes import SLOT_S, FakeHermes
from tests.support.journal import FakeJournal
from tests.support.market import FEEDS
from tests.support.orders import FakeOrders
from tests.support.settings import settings
from tests.unit.pipeline.conftest import CONFIG

pytestmark = pytest.mark.looptime

SCREEN_LINES = 60
OUTAGE_S = 600
OUTAGE_BYTES = 100_000
ALIASES = {FEEDS[0]: "BTC/USD", FEEDS[1]: "ETH/USD"}


@dataclass
class FragileChain(FakeChain):
    """All its endpoints may be gone for a while."""

    gone: bool = False

    def _reach(self) -> None:
        if self.gone:
            raise Transient("no endpoint answers: rpc.example.org: cannot connect: connection refused")

    async def connect(self) -> int:
        self._reach()
        return await super().connect()

    async def read(self, feeds: Sequence[Any]) -> ChainState:
        self._reach()
        return await super().read(feeds)

    async def broadcast(self, signed: SignedTransaction, *, everywhere: bool = False) -> str:
        self._reach()
        return await super().broadcast(signed, everywhere=everywhere)

    async def look(self, tx_hashes: Sequence[bytes], *, with_block: bool) -> Look:
        self._reach()
        return await super().look(tx_hashes, with_block=with_block)

    async def search(self, tx_hashes: Sequence[bytes]) -> Mapping[bytes, Receipt]:
        self._reach()
        return await super().search(tx_hashes)

    async def mined_nonce(self) -> int:
        self._reach()
        return await super().mined_nonce()

    async def recovered(self) -> None:
        await asyncio.Event().wait()


@dataclass
class World:
    """A keeper at work, and its log."""

    chain: FragileChain
    hermes: FakeHermes
    stream: io.StringIO

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@asynccontextmanager
async def at_work(*, level: str = "info") -> AsyncIterator[World]:
    """Two feeds that move by a tenth of a percent with every slot: about a push a second."""
    world = World(FragileChain(), FakeHermes(), io.StringIO())

    @asynccontextmanager
    async def connect(_: HermesConfig) -> AsyncIterator[FakeHermes]:
        yield world.hermes

    logs = LogEvents(ALIASES)
    config = HermesConfig(name="hermes.test", url="http://hermes.test", feeds=FEEDS[:2])
    dice = random.Random(1)  # noqa: S311  jitter
    sources = HermesSources([config], mode=HermesMode.ALL, clock=LoopClock(), emit=logs, connect=connect, dice=dice)
    journal = FakeJournal()
    await journal.open()
    network = Network(
        config=replace(CONFIG, poll_interval_s=5.0, force_interval_s=300.0),
        outside=Outside(
            chain=world.chain,
            signer=RawKeySigner(bytes(31) + b"\x01"),
            journal=journal,
            clock=LoopClock(),
            emit=logs,
            heard_at=LoopClock().now,
            orders=FakeOrders(),
            mandate=Solo(),
        ),
    )
    keeper = Keeper(source=sources, networks=[network], clock=LoopClock())
    loaded = settings({"LOG_LEVEL": level, "LOG_FORMAT": "json"})
    with logging_as(loaded, world.stream, monotonic=LoopClock().monotonic):
        tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(slots(world.hermes))]
        try:
            await asyncio.sleep(60)
            yield world
        finally:
            keeper.stop()
            await tasks[0]
            tasks[1].cancel()


async def slots(hermes: FakeHermes) -> None:
    while True:
        await asyncio.sleep(SLOT_S)
        hermes.publish()


def told(world: World) -> Counter[str]:
    return Counter(line["message"] for line in world.lines())


async def test_an_ordinary_hour_fits_on_a_screen() -> None:
    async with at_work() as world:
        pushed = world.chain.nonce
        await asyncio.sleep(3600)
        assert world.chain.nonce - pushed > 1000, "an ordinary hour has many pushes"
    lines = world.lines()
    assert len(lines) <= SCREEN_LINES, told(world)
    counted = sum(line.get("left_out", 0) + 1 for line in lines if line["message"] == "push_confirmed")
    assert counted > 0.8 * world.chain.nonce, "what is not written is counted"


def lose_chain(world: World) -> None:
    world.chain.gone = True


def lose_hermes(world: World) -> None:
    failure = SourceFailure("the connection failed: Connection refused")
    world.hermes.stream_failure = world.hermes.poll_failure = failure
    world.hermes.drop(failure)


@pytest.mark.parametrize("lose", [lose_chain, lose_hermes])
async def test_ten_minutes_of_outage_flood_nothing_and_are_told(lose: Callable[[World], None]) -> None:
    async with at_work() as world:
        lose(world)
        await asyncio.sleep(OUTAGE_S)
    assert {line["level"] for line in world.lines()} >= {"warning", "error"}
    assert len(world.stream.getvalue().encode()) < OUTAGE_BYTES, told(world)


async def test_one_search_leads_from_the_streams_event_to_the_end_of_the_push() -> None:
    async with at_work(level="debug") as world:
        await asyncio.sleep(10)
    planned = next(line for line in world.lines() if line["message"] == "push_planned" and line["push"] > 2)
    found = [json.loads(line) for line in world.stream.getvalue().splitlines() if f'{planned["trace"]}"' in line]
    steps = [line["message"] for line in found]
    assert steps[0] == "prices_arrived"
    assert [step for step in steps if step.startswith("push_")] == [
        *("push_planned", "push_sent", "push_confirmed", "push_final"),
    ]
    assert {line["push"] for line in found if "push" in line} == {planned["push"]}
