"""Feeds and thresholds that are changed in the file of a keeper that runs, by signal and by themselves."""

import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.units import FeedId
from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.sourcing import Door, behind
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@dataclass
class Reloading:
    """A keeper and the file it was started with."""

    keeper: RunningKeeper
    simulator: HermesSimulator
    config: Path
    door: Door
    """Through which streams of prices have to go."""

    def write(self, feeds: Sequence[FeedId], **settings: Any) -> None:
        rows = [{"id": feed, "alias": f"F{self.simulator.feed_ids.index(feed)}"} for feed in feeds]
        written = self.config.with_suffix(".part")
        written.write_text(json.dumps({"feeds": rows, **settings}))
        written.replace(self.config)

    async def shown(self) -> list[str]:
        return [feed["alias"] for feed in (await self.keeper.network())["feeds"]]

    async def shows(self, *aliases: str) -> None:
        async def all_of_them() -> bool:
            return await self.shown() == list(aliases)

        await wait_until(all_of_them)


@pytest.fixture
async def world(anvil: Anvil, tmp_path: Path) -> AsyncIterator[Reloading]:
    door = Door()
    async with (
        simulator_running(feeds=3) as simulator,
        behind(door, simulator.url) as url,
        devnet_contract(anvil, simulator) as contract,
    ):
        environ = environment(anvil.url, simulator, contract, tmp_path) | {"HERMES_URL": url}
        del environ["PRICE_FEED_IDS"]
        config = tmp_path / "keeper.yaml"
        first = {"id": simulator.feed_ids[0], "alias": "F0"}
        config.write_text(json.dumps({"feeds": [first], "min_price_change_percent": "50"}))
        async with keeper_running(environ, tmp_path, "--config", str(config)) as keeper:
            await wait_until(lambda: keeper.told("push_confirmed"))
            yield Reloading(keeper, simulator, config, door)


async def test_feeds_and_thresholds_change_without_a_restart(world: Reloading) -> None:
    first, second, _ = world.simulator.feed_ids
    world.write([first, second], min_price_change_percent="50")
    await world.shows("F0", "F1")
    await wait_until(lambda: len(world.keeper.told("push_confirmed")) == 2)
    (told,) = world.keeper.told("feeds_reloaded")
    assert (told["network"], told["added"], told["removed"], told["changed"]) == ("evm", ["F1"], [], {})

    world.write([second], min_price_change_percent="0.5")
    world.keeper.signal(signal.SIGHUP)
    await world.shows("F1")
    await wait_until(lambda: len(world.keeper.told("feeds_reloaded")) == 2)
    told = world.keeper.told("feeds_reloaded")[1]
    assert (told["removed"], told["changed"]) == (["F0"], {"F1": "deviation 50% -> 0.5%"})
    world.simulator.publisher.jump(second, percent=Decimal(1))
    await wait_until(lambda: len(world.keeper.told("push_confirmed")) == 3)


async def test_prices_go_on_while_the_streams_of_other_feeds_are_opened(world: Reloading) -> None:
    async def events() -> int:
        _, status = await world.keeper.get("/status")
        return int(status["sources"][0]["events"])

    world.door.close()
    world.write(world.simulator.feed_ids, min_price_change_percent="50")
    world.keeper.signal(signal.SIGHUP)
    await wait_until(lambda: world.door.waiting)
    before = await events()
    await wait_until(lambda: _exceeds(events, before + 10))
    assert world.door.waiting
    world.door.open()
    await wait_until(lambda: len(world.keeper.told("push_confirmed")) > 1)


async def _exceeds(count: Callable[[], Awaitable[int]], most: int) -> bool:
    return await count() > most


async def test_a_bad_file_changes_nothing_and_is_told_until_it_is_mended(world: Reloading) -> None:
    first, second, _ = world.simulator.feed_ids
    world.write([first, second], early_update="soon")
    await wait_until(lambda: world.keeper.told("config_refused"))
    _, health = await world.keeper.get("/health")
    assert health["status"] == "degraded"
    assert "early_update in " in health["components"]["config"]["why"]
    _, metrics = await world.keeper.get("/metrics")
    assert "keeper_config_valid{} 0" in metrics
    assert await world.shown() == ["F0"]

    world.write([first], min_price_change_percent="50")
    await wait_until(lambda: world.keeper.told("config_unchanged"))
    _, health = await world.keeper.get("/health")
    assert "config" not in health["components"]


async def test_what_only_holds_after_a_restart_is_named_and_the_rest_is_reloaded(world: Reloading) -> None:
    first, second, _ = world.simulator.feed_ids
    world.write([first, second], min_price_change_percent="50", debounce_ms="7", log_level="debug")
    await world.shows("F0", "F1")
    await wait_until(lambda: world.keeper.told("config_needs_restart"))
    (told,) = world.keeper.told("config_needs_restart")
    assert told["settings"] == ["log_level", "debounce_ms of evm"]
    _, status = await world.keeper.get("/status")
    assert status["config"] == {"trouble": "", "needs_restart": ["log_level", "debounce_ms of evm"]}
